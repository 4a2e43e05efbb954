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
	"github.com/attestry/attestry/internal/readahead"
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

// at gives where the i-th position of an element stands, until the next call, and what hides it.
func (p *postings) at(element *treeKey, i uint32) (token []byte, mask uint32) {
	p.input = binary.BigEndian.AppendUint32(append(p.input[:0], element[:]...), i)
	sum := p.index.Token(p.input)
	return sum[:tokenBytes], binary.BigEndian.Uint32(sum[tokenBytes:])
}

// counts gives the numbers of elements' positions. The more alike they are, the fewer looks
// they take.
func (p *postings) counts(elements []treeKey) []uint32 {
	const sample, together = 128, 1 << 16
	first := p.countTogether(elements[:min(sample, len(elements))], nil)
	likely := make([]uint32, 0, 2*len(first))
	for _, n := range first {
		likely = append(likely, n, n+1)
	}
	slices.Sort(likely)
	counts := first
	for some := range slices.Chunk(elements[len(first):], together) {
		counts = append(counts, p.countTogether(some, likely)...)
	}
	return counts
}

// countTogether looks for all elements at once, so that their pages are read many at a time.
func (p *postings) countTogether(elements []treeKey, likely []uint32) []uint32 {
	all := make([]counting, len(elements))
	open := make([]*counting, len(elements))
	for i := range all {
		all[i] = counting{element: &elements[i], likely: likely}
		open[i] = &all[i]
	}
	for len(open) > 0 {
		for _, c := range open {
			c.tried = c.middle()
			token, _ := p.at(c.element, c.tried-1)
			copy(c.token[:], token)
		}
		slices.SortFunc(open, func(a, b *counting) int { return bytes.Compare(a.token[:], b.token[:]) })
		readahead.Want(p.bucket, func(yield func([]byte) bool) {
			for _, c := range open {
				if !yield(c.token[:]) {
					return
				}
			}
		}, 1)
		open = slices.DeleteFunc(open, func(c *counting) bool { return c.looked(p.bucket.Get(c.token[:]) != nil) })
	}
	counts := make([]uint32, len(all))
	for i := range all {
		counts[i] = all[i].least
	}
	return counts
}

// counting is the search for the number of an element's positions.
type counting struct {
	element      *treeKey
	likely       []uint32 // numbers that are worth a try, in order, as often as they are likely
	least, below uint32   // what the number is at least, and what it is below; 0: not known yet
	tried        uint32   // whether it is at least this
	token        [tokenBytes]byte
}

// middle is what to try next: a likely number while there is one between the bounds, then one
// halfway between them, or ever larger ones.
func (c *counting) middle() uint32 {
	from, _ := slices.BinarySearch(c.likely, c.least+1)
	to, last := len(c.likely), uint32(0)
	if to > 0 {
		last = c.likely[to-1]
	}
	if c.below > 0 {
		to, _ = slices.BinarySearch(c.likely, c.below)
	}
	switch {
	case from < to:
		return c.likely[from+(to-from)/2]
	case c.below > 0:
		return c.least + (c.below-c.least)/2
	}
	return 2*c.least - last + 1
}

// looked takes up whether the number is at least what was tried, and tells whether it is known.
func (c *counting) looked(found bool) bool {
	if found {
		c.least = c.tried
	} else {
		c.below = c.tried
	}
	return c.below == c.least+1
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

// place gives each posting its place in an empty index.
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

// add adds postings. It reorders them.
func (p *postings) add(all []posting) error { return p.put(p.place(all)) }

// place gives postings their places after those that are there, in order. It reorders them.
func (p *postings) place(all []posting) []row {
	slices.SortFunc(all, func(a, b posting) int { return bytes.Compare(a.element[:], b.element[:]) })
	elements := make([]treeKey, 0, len(all))
	for i := range all {
		if i == 0 || all[i].element != all[i-1].element {
			elements = append(elements, all[i].element)
		}
	}
	counts := p.counts(elements)
	rows := make([]row, len(all))
	at := 0 // among the elements
	for i := range all {
		if all[i].element != elements[at] {
			at++
		}
		token, mask := p.at(&all[i].element, counts[at])
		copy(rows[i].token[:], token)
		binary.BigEndian.PutUint32(rows[i].value[:], all[i].position^mask)
		counts[at]++
	}
	slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a.token[:], b.token[:]) })
	return rows
}

// put writes postings to their places.
func (p *postings) put(rows []row) error {
	for i := range rows {
		if err := p.bucket.Put(rows[i].token[:], rows[i].value[:]); err != nil {
			return err
		}
	}
	return nil
}
