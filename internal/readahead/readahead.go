// Package readahead has the system read pages of a bbolt file that are about to be wanted.
//
// bbolt maps its file and finds one key after the other. Where the system keeps only a part of
// the file in memory, each key waits for the disk, with nothing else asked of it meanwhile.
// Whoever knows its keys beforehand names them here first: their pages are then read many at a
// time. That is a hint. It changes nothing but the time that reading takes, and it is no error
// where it can't be followed. It does nothing but on Linux.
package readahead

import (
	"bytes"
	"encoding/binary"
	"iter"
	"os"
	"sort"

	"go.etcd.io/bbolt"
)

// The layout of a page in version 2 of bbolt's format: id, flags, count of elements and
// count of further pages, in the machine's byte order; then, in a branch, an element for each
// child: where its first key is, from the element on, the key's length, and the child's id.
const (
	headerBytes  = 16
	elementBytes = 16
	branchFlag   = 1
)

// maxHeight is more levels of branches than a file has.
const maxHeight = 16

// near is how many pages between two that are wanted are read with them: to read on takes less
// than to ask once more.
const near = 2

// Want asks for the leaves of a bucket where keys stand or would stand, each with the pages
// after it, for so many pages together. The keys are in order; they are gone through once for
// each level of the bucket. The leaves are those at the begin of the bucket's transaction,
// which must not end meanwhile.
func Want(b *bbolt.Bucket, keys iter.Seq[[]byte], pages int) {
	root := uint64(b.Root())
	if root == 0 { // a small bucket, which stands in its parent's page
		return
	}
	db := b.Tx().DB()
	file := open(db.Path())
	if file == nil {
		return
	}
	t := &tree{file: file, pageSize: db.Info().PageSize, root: root, ask: ask}
	t.want(keys, pages)
	_ = file.Close() // nothing was written
}

// tree is the pages of a bucket.
type tree struct {
	file     *os.File
	pageSize int
	root     uint64
	ask      func(file *os.File, offset, length int64)
	branches [][]byte // from the root down, of each level the one that was looked at last
}

func (t *tree) want(keys iter.Seq[[]byte], pages int) {
	for id := t.root; len(t.branches) < maxHeight; { // all leaves are at one depth
		p := t.read(id)
		if flags(p) != branchFlag {
			break
		}
		t.branches = append(t.branches, p)
		id = child(p, nil)
	}
	for level := 1; level < len(t.branches); level++ {
		t.wantLevel(level, keys, 1)
	}
	if height := len(t.branches); height > 0 {
		t.wantLevel(height, keys, uint64(pages))
	}
}

// wantLevel asks for the pages at a level, of which the root is 0. Those above it have been
// asked for. What is near in the file is asked for at once.
func (t *tree) wantLevel(level int, keys iter.Seq[[]byte], pages uint64) {
	var from, to uint64 // what is asked for next
	for key := range keys {
		id := t.root
		for above := range level {
			if identity(t.branches[above]) != id {
				t.branches[above] = t.read(id)
			}
			id = child(t.branches[above], key)
		}
		switch {
		case id == 0:
		case from <= id && id <= to+near:
			to = max(to, id+pages)
		default:
			t.askPages(from, to)
			from, to = id, id+pages
		}
	}
	t.askPages(from, to)
}

func (t *tree) askPages(from, to uint64) {
	if from < to {
		t.ask(t.file, int64(from)*int64(t.pageSize), int64(to-from)*int64(t.pageSize))
	}
}

// read reads a page; it is empty where there is none.
func (t *tree) read(id uint64) []byte {
	p := make([]byte, t.pageSize)
	if _, err := t.file.ReadAt(p, int64(id)*int64(t.pageSize)); err != nil || identity(p) != id {
		return nil
	}
	return p
}

func identity(p []byte) uint64 {
	if len(p) < headerBytes {
		return 0
	}
	return binary.NativeEndian.Uint64(p)
}

func flags(p []byte) uint16 {
	if len(p) < headerBytes {
		return 0
	}
	return binary.NativeEndian.Uint16(p[8:])
}

// child gives the page below a branch that a key belongs to; 0 where the page is no branch.
func child(p, key []byte) uint64 {
	if flags(p) != branchFlag {
		return 0
	}
	count := min(int(binary.NativeEndian.Uint16(p[10:])), (len(p)-headerBytes)/elementBytes)
	if count == 0 {
		return 0
	}
	after := sort.Search(count, func(i int) bool { return bytes.Compare(firstKey(p, i), key) > 0 })
	return binary.NativeEndian.Uint64(p[headerBytes+max(after-1, 0)*elementBytes+8:])
}

// firstKey gives the first key of a branch's child; one that the page's end cuts off is empty.
func firstKey(p []byte, i int) []byte {
	element := p[headerBytes+i*elementBytes:]
	from, size := binary.NativeEndian.Uint32(element), binary.NativeEndian.Uint32(element[4:])
	if uint64(from)+uint64(size) > uint64(len(element)) {
		return nil
	}
	return element[from:][:size]
}
