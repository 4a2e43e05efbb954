package registry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/internal/extsort"
)

// An index of positions by an element (a subject, a group) shows neither the elements nor
// which positions have the same one: the i-th position of an element stands under a keyed
// hash of both, hidden by the same hash. To find all positions of an element is to look up
// the hashes for i = 0, 1, … until there is none. Nothing is ever removed, and a position
// may be there twice: a reader looks at the records.

// tokenBytes is how much of a hash finds a posting: two are never alike.
const tokenBytes = 16

// posting is a position with its element.
type posting struct {
	element  treeKey
	position uint32
}

// postings is one index in one transaction.
type postings struct {
	bucket *bbolt.Bucket
	index  *atrest.Index
	input  []byte
}

func (t state) postings(name []byte) *postings {
	return &postings{bucket: t.Bucket(name), index: t.index(name)}
}

// at gives where the i-th position of an element stands, and what hides it.
func (p *postings) at(element *treeKey, i uint32) (token []byte, mask uint32) {
	p.input = binary.BigEndian.AppendUint32(append(p.input[:0], element[:]...), i)
	sum := p.index.Token(p.input)
	return sum[:tokenBytes], binary.BigEndian.Uint32(sum[tokenBytes:])
}

// has tells whether an element has an i-th position.
func (p *postings) has(element *treeKey, i uint32) bool {
	token, _ := p.at(element, i)
	return p.bucket.Get(token) != nil
}

// count gives the number of an element's positions, in few steps where they are many, and in
// fewer where they are about as many as guessed.
func (p *postings) count(element *treeKey, guess uint32) uint32 {
	low := uint32(0) // is there
	if guess > 1 && p.has(element, guess-1) {
		low = guess - 1
	} else if !p.has(element, 0) {
		return 0
	}
	step := uint32(1)
	for p.has(element, low+step) {
		low, step = low+step, 2*step
	}
	high := low + step // is not
	for high-low > 1 {
		if middle := low + (high-low)/2; p.has(element, middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// all gives the positions of an element, each once, in order.
func (p *postings) all(element treeKey) (positions []uint32, err error) {
	for i := uint32(0); ; i++ {
		token, mask := p.at(&element, i)
		value := p.bucket.Get(token)
		if value == nil {
			break
		}
		hidden, err := decodePosition(value)
		if err != nil {
			return nil, err
		}
		positions = append(positions, hidden^mask)
	}
	slices.Sort(positions)
	return slices.Compact(positions), nil
}

// postingSorter gathers the postings of an empty index, however many.
type postingSorter struct {
	dir    string
	memory int
	all    *extsort.Sorter // of element and position
	item   []byte
}

// newPostingSorter makes one for an index in a file.
func newPostingSorter(path string, memory int) *postingSorter {
	dir := filepath.Dir(path)
	return &postingSorter{dir: dir, memory: memory, all: extsort.New(dir, memory)}
}

func (p *postingSorter) close() error { return p.all.Close() }

func (p *postingSorter) add(one posting) error {
	p.item = binary.BigEndian.AppendUint32(append(p.item[:0], one.element[:]...), one.position)
	return p.all.Add(p.item)
}

// write writes all postings, in the order of their places.
func (p *postingSorter) write(t *parts, to func() state, bucket []byte) (err error) {
	rows := extsort.New(p.dir, p.memory)
	defer func() { err = errors.Join(err, rows.Close()) }()
	if err := p.place(to().postings(bucket), rows); err != nil {
		return err
	}
	index := to().Bucket(bucket)
	return rows.Each(func(row []byte) error {
		index.FillPercent = 0.9 // in order
		if err := index.Put(row[:tokenBytes], slices.Clone(row[tokenBytes:])); err != nil {
			return err
		}
		fresh, err := t.wrote(len(row))
		if fresh && err == nil {
			index = to().Bucket(bucket)
		}
		return err
	})
}

// place gives each posting its place.
func (p *postingSorter) place(index *postings, rows *extsort.Sorter) error {
	var last treeKey
	var next uint32
	return p.all.Each(func(item []byte) error {
		element := treeKey(item)
		if element != last {
			last, next = element, 0
		}
		token, mask := index.at(&element, next)
		position := binary.BigEndian.Uint32(item[len(element):])
		next++
		return rows.Add(binary.BigEndian.AppendUint32(token, position^mask))
	})
}

// row is a posting as it stands in the bucket.
type row struct {
	token [tokenBytes]byte
	value [4]byte
}

// add adds postings, in the order of their places. It reorders them.
func (p *postings) add(all []posting) error {
	slices.SortFunc(all, func(a, b posting) int { return bytes.Compare(a.element[:], b.element[:]) })
	first, _ := p.bucket.Cursor().First()
	rows := make([]row, len(all))
	var next, had uint32
	for i := range all {
		if i == 0 || all[i].element != all[i-1].element {
			if next = 0; first != nil {
				had = p.count(&all[i].element, had) // most have about as many as the one before
				next = had
			}
		}
		token, mask := p.at(&all[i].element, next)
		copy(rows[i].token[:], token)
		binary.BigEndian.PutUint32(rows[i].value[:], all[i].position^mask)
		next++
	}
	slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a.token[:], b.token[:]) })
	for i := range rows {
		if err := p.bucket.Put(rows[i].token[:], rows[i].value[:]); err != nil {
			return err
		}
	}
	return nil
}
