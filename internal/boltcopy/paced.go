package boltcopy

import (
	"os"
	"time"
)

// paceBytes is how much a paced writer writes at a time.
const paceBytes = 128 << 10

// paced writes a large file beside databases that go on being written: it brings every
// piece to the disk before the next, and leaves the disk alone for as long as that took. A
// copy that is written as fast as can be fills the disk's queue, and their transactions,
// each of which waits for the disk, would wait behind all of it. Pieces are durable when the
// file is synced.
type paced struct {
	file    *os.File
	written int64 // bytes that have been brought to the disk
	pending int64
}

// Write implements io.Writer.
func (p *paced) Write(data []byte) (int, error) {
	n, err := p.file.Write(data)
	if p.pending += int64(n); err != nil || p.pending < paceBytes {
		return n, err
	}
	start := time.Now()
	err = bring(p.file, p.written, p.pending)
	p.written, p.pending = p.written+p.pending, 0
	time.Sleep(time.Since(start))
	return n, err
}
