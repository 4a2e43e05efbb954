package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// Check tells whether a file gives the root of the latest epoch: its rows are the
// epoch's records, all of them and no others, and the former keys that they name
// are theirs; the ordered list of keys is whole and in order; the root, rebuilt
// from the records and the secrets without any stored node, is the epoch's; and
// every key that the registry ever had has the serial that its renumberings say
// and that a root has. The registries that derive from this one are computed again
// from the records, and their roots rebuilt alike; join opens what they join, as in
// [CommitOptions]. The error is [ErrMismatch], and says at which line or where else; a
// file that cannot be read gives [ErrBadImport].
func (s *Store) Check(ctx context.Context, r io.Reader, f Format, join func(registry string) (*Store, error)) error {
	if err := s.refuseDerived(); err != nil {
		return err
	}
	file, err := s.parse(ctx, r, &ImportOptions{Format: f})
	if err != nil {
		return err
	}
	if err = file.find(nil); err == nil {
		err = s.check(ctx, file, join)
	}
	return errors.Join(err, file.close())
}

// check is [Store.Check] of a file that was read.
func (s *Store) check(ctx context.Context, file *snapshot, join func(registry string) (*Store, error)) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		e, err := lastEpoch(tx)
		if err != nil {
			return err
		}
		if e == nil {
			return fmt.Errorf("%w: nothing was committed yet", ErrNoEpoch)
		}
		c := &checker{s: s, tx: s.in(tx), epoch: *e}
		if err := c.compareRows(file); err != nil {
			return err
		}
		if err := c.compareRenames(file.renames); err != nil {
			return err
		}
		if err := c.checkTree(ctx); err != nil {
			return err
		}
		return c.checkDerived(ctx, tx, join)
	})
}

// checker compares one transaction's state with a file and with itself.
type checker struct {
	s      *Store
	tx     state
	epoch  Epoch
	leaves []*leafSource // in the order of the list
	fresh  uint32
	taken  []bool // by position, whether a key has it
}

// compareRows finds the first line that is not a record of the epoch, then records
// that no line gives.
func (c *checker) compareRows(file *snapshot) error {
	records, keys := c.tx.versions(bucketRecords), c.tx.everyKey()
	first := 0 // line that is wrong
	var wrong error
	err := file.each(func(row parsed) error {
		if wrong != nil && row.line > first {
			return nil
		}
		if err := c.compareRow(records, keys, row); err != nil {
			first, wrong = row.line, err
		}
		return nil
	})
	if err != nil || wrong != nil {
		return errors.Join(err, wrong)
	}
	if missing := c.epoch.Records - file.count; missing != 0 {
		return mismatch("the file lacks %d of the %d records of epoch %d", missing, c.epoch.Records, c.epoch.Number)
	}
	return nil
}

func (c *checker) compareRow(records *versions, keys everyKey, row parsed) error {
	position, err := keys.position(row.key)
	if err != nil {
		return mismatch("line %d is no record of epoch %d", row.line, c.epoch.Number)
	}
	content, _, err := contentAt(records, position, c.epoch.Number)
	if err != nil {
		return mismatch("line %d is no record of epoch %d", row.line, c.epoch.Number)
	}
	if !bytes.Equal(content, row.content) {
		return mismatch("line %d differs from its record in %s", row.line, c.differences(content, row.content))
	}
	return nil
}

func mismatch(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMismatch, fmt.Sprintf(format, args...))
}

// differences names the source columns in which two contents differ.
func (c *checker) differences(a, b []byte) string {
	x, errX := decodeContent(a, c.s.schema)
	y, errY := decodeContent(b, c.s.schema)
	if errX != nil || errY != nil {
		return "its encoding"
	}
	fs := c.s.fields
	var names []string
	if x.Subject != y.Subject {
		names = append(names, fs.columns[fs.subject])
	}
	if x.Holder != y.Holder {
		names = append(names, fs.columns[fs.holder])
	}
	for i := range x.Values {
		if x.Values[i] != y.Values[i] {
			names = append(names, fs.columns[fs.attributes+i])
		}
	}
	return strings.Join(names, ", ")
}

// checkTree checks the state against the epoch's root, whatever any file says.
func (c *checker) checkTree(ctx context.Context) error {
	if err := c.walkList(); err != nil {
		return err
	}
	if err := c.rebuild(ctx); err != nil {
		return err
	}
	if err := c.checkRetired(ctx); err != nil {
		return err
	}
	return c.checkRenames()
}

// walkList follows the ordered list from the sentinel to the end.
func (c *checker) walkList() (err error) {
	if c.fresh, err = lastPosition(c.tx); err != nil {
		return err
	}
	c.taken = make([]bool, c.fresh)
	err = c.tx.list(bucketKeys).each(func(e keyAt) error {
		n := len(c.leaves)
		if e.position >= c.fresh || c.taken[e.position] || (n == 0) != (e.position == sentinel) {
			return mismatch("entry %d of the list has no position of its own", n)
		}
		c.taken[e.position] = true
		src, err := c.s.source(c.tx, e.position, c.epoch.Number)
		if err != nil || src.key != e.key {
			return mismatch("entry %d of the list has no record with its key", n)
		}
		if n > 0 && c.leaves[n-1].next != src.key {
			return mismatch("entry %d of the list does not name the next key", n-1)
		}
		c.leaves = append(c.leaves, src)
		return nil
	})
	if err != nil {
		return err
	}
	n := len(c.leaves)
	if n == 0 || c.leaves[n-1].next != treeKeyOf(statement.EndKey()) {
		return mismatch("the list does not end in the end key")
	}
	if n-1 != c.epoch.Records {
		return mismatch("the list has %d records, and epoch %d has %d", n-1, c.epoch.Number, c.epoch.Records)
	}
	return nil
}

// rebuild computes the whole tree from the leaves, compares each node with the
// stored one, from which paths are made, and the root with the epoch's.
func (c *checker) rebuild(ctx context.Context) error {
	values := make([]fr.Element, c.fresh)
	err := parallel(ctx, len(c.leaves), nil, func() func(from, to int) error {
		h := c.s.newLeafHasher()
		part := make([]leafChange, 0, chunk)
		return func(from, to int) error {
			part = part[:0]
			for _, src := range c.leaves[from:to] {
				part = append(part, leafChange{leafSource: *src})
			}
			err := h.hash(part)
			for i := range part {
				values[part[i].position] = part[i].value
			}
			return err
		}
	})
	if err != nil {
		return err
	}
	for level := range imt.Levels {
		values = padded(level, values)
		if err := c.compareNodes(level, values); err != nil {
			return err
		}
		if values, err = hashNodes(ctx, level, values, nil); err != nil {
			return err
		}
	}
	if statement.Element(values[0]) != c.epoch.Root {
		return mismatch("the records give another root than epoch %d has", c.epoch.Number)
	}
	return nil
}

// padded fills the last node of a level that is given whole.
func padded(level int, values []fr.Element) []fr.Element {
	for len(values)%imt.Arity(level) != 0 {
		values = append(values, imt.Empty(level-1))
	}
	return values
}

// compareNodes compares all nodes of a level with the stored ones.
func (c *checker) compareNodes(level int, children []fr.Element) error {
	nodes := c.tx.Bucket(bucketNodes).Cursor()
	arity := imt.Arity(level)
	for i := range len(children) / arity {
		stored, err := childrenAt(nodes, level, uint32(i), c.epoch.Number)
		if err != nil {
			return err
		}
		if !slices.Equal(stored, children[i*arity:(i+1)*arity]) {
			return mismatch("node %d of level %d is not what the records give", i, level)
		}
	}
	return nil
}
