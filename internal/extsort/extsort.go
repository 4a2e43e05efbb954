// Package extsort sorts more byte strings than are to be held in memory: what does not fit
// goes to disk in sorted runs, which are merged when they are read.
//
// The runs are in a file without a name, encrypted under a key that only the process has:
// nothing readable of them outlives it, however it ends.
package extsort

import (
	"bytes"
	"container/heap"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
)

// frameBytes is about how much of a run is read, and decrypted, at once.
const frameBytes = 1 << 17

// Sorter takes items in any order and gives them in the order of their bytes. It is for one
// goroutine, and must be closed.
type Sorter struct {
	dir     string
	memory  int
	full    part // the items that are in memory
	file    *os.File
	aead    cipher.AEAD
	end     int64 // of the file
	runs    []run
	writing chan error // of the run that is being written; nil: none is
	sorted  bool       // full is
}

// part is items in memory.
type part struct {
	bytes []byte
	items []span
}

type span struct{ from, to int }

func (p *part) item(i int) []byte { return p.bytes[p.items[i].from:p.items[i].to] }

func (p *part) sort() {
	slices.SortFunc(p.items, func(a, b span) int { return bytes.Compare(p.bytes[a.from:a.to], p.bytes[b.from:b.to]) })
}

// run is a sorted run in the file.
type run []frame

type frame struct {
	at   int64
	size int
}

// spanBytes is what an item takes in memory beside its bytes.
const spanBytes = 16

// New makes a sorter that holds about so many bytes of items in memory, twice while a run
// is being written, and more than that in a file in a directory.
func New(dir string, memory int) *Sorter { return &Sorter{dir: dir, memory: memory} }

// Add takes an item, which it copies.
func (s *Sorter) Add(item []byte) error {
	if len(s.full.bytes)+len(s.full.items)*spanBytes+len(item)+spanBytes > s.memory && len(s.full.items) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	from := len(s.full.bytes)
	s.full.bytes = append(s.full.bytes, item...)
	s.full.items = append(s.full.items, span{from, len(s.full.bytes)})
	s.sorted = false
	return nil
}

// spill has what is in memory written while more is added.
func (s *Sorter) spill() error {
	if err := errors.Join(s.wait(), s.open()); err != nil {
		return err
	}
	full := s.full
	s.full = part{bytes: make([]byte, 0, len(full.bytes)), items: make([]span, 0, len(full.items))}
	s.writing = make(chan error, 1)
	go func() {
		full.sort()
		s.writing <- s.write(&full)
	}()
	return nil
}

// wait waits for the run that is being written.
func (s *Sorter) wait() error {
	if s.writing == nil {
		return nil
	}
	err := <-s.writing
	s.writing = nil
	return err
}

func (s *Sorter) open() (err error) {
	if s.file != nil {
		return nil
	}
	if s.file, err = os.CreateTemp(s.dir, ".sort-*"); err != nil {
		return err
	}
	if err := os.Remove(s.file.Name()); err != nil {
		return err
	}
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: it ends the program instead
	block, err := aes.NewCipher(key[:])
	if err == nil {
		s.aead, err = cipher.NewGCM(block)
	}
	return err
}

// write writes a run.
func (s *Sorter) write(p *part) error {
	var r run
	plain := make([]byte, 0, frameBytes)
	flush := func() error {
		sealed := s.aead.Seal(nil, s.nonce(s.end), plain, nil)
		if _, err := s.file.WriteAt(sealed, s.end); err != nil {
			return fmt.Errorf("sort: %w", err)
		}
		r = append(r, frame{s.end, len(sealed)})
		s.end += int64(len(sealed))
		plain = plain[:0]
		return nil
	}
	for i := range p.items {
		item := p.item(i)
		if len(plain) > 0 && len(plain)+len(item)+binary.MaxVarintLen64 > frameBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		plain = append(binary.AppendUvarint(plain, uint64(len(item))), item...)
	}
	err := flush()
	s.runs = append(s.runs, r)
	return err
}

// nonce is where a frame stands: no place is written twice under one key.
func (s *Sorter) nonce(at int64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, s.aead.NonceSize()-8, s.aead.NonceSize()), uint64(at))
}

// Each calls fn with every item, in order; the item is valid during the call. It may be
// called again, and gives fn's error.
func (s *Sorter) Each(fn func(item []byte) error) error {
	if err := s.wait(); err != nil {
		return err
	}
	if !s.sorted {
		s.full.sort()
		s.sorted = true
	}
	h := make(merge, 0, len(s.runs)+1)
	sources := []source{&memorySource{part: &s.full}}
	for _, r := range s.runs {
		sources = append(sources, &runSource{s: s, run: r})
	}
	for _, from := range sources {
		item, err := from.next()
		if err != nil {
			return err
		}
		if item != nil {
			h = append(h, head{item, from})
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		if err := fn(h[0].item); err != nil {
			return err
		}
		item, err := h[0].from.next()
		if err != nil {
			return err
		}
		if item == nil {
			heap.Pop(&h)
			continue
		}
		h[0].item = item
		heap.Fix(&h, 0)
	}
	return nil
}

// Close lets go of the file and the memory.
func (s *Sorter) Close() error {
	err := s.wait()
	s.full, s.runs = part{}, nil
	if s.file == nil {
		return err
	}
	return errors.Join(err, s.file.Close())
}

// source gives items in order; nil at the end.
type source interface{ next() ([]byte, error) }

type memorySource struct {
	*part
	at int
}

func (m *memorySource) next() ([]byte, error) {
	if m.at == len(m.items) {
		return nil, nil
	}
	m.at++
	from, to := m.items[m.at-1].from, m.items[m.at-1].to
	return m.bytes[from:to:to], nil
}

type runSource struct {
	s      *Sorter
	run    run
	plain  []byte
	sealed []byte
}

func (r *runSource) next() ([]byte, error) {
	if len(r.plain) == 0 {
		if len(r.run) == 0 {
			return nil, nil
		}
		if err := r.load(); err != nil {
			return nil, fmt.Errorf("sort: %w", err)
		}
	}
	n, used := binary.Uvarint(r.plain)
	item := r.plain[used : used+int(n)] // authenticated: it is as it was written
	r.plain = r.plain[used+int(n):]
	return item, nil
}

func (r *runSource) load() (err error) {
	f := r.run[0]
	r.run = r.run[1:]
	if cap(r.sealed) < f.size {
		r.sealed = make([]byte, f.size)
	}
	sealed := r.sealed[:f.size]
	if _, err = r.s.file.ReadAt(sealed, f.at); err != nil {
		return err
	}
	r.plain, err = r.s.aead.Open(sealed[:0], r.s.nonce(f.at), sealed, nil)
	return err
}

// head is the next item of a source.
type head struct {
	item []byte
	from source
}

// merge is a heap of them.
type merge []head

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return bytes.Compare(m[i].item, m[j].item) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(head)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
