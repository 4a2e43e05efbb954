package registry

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/attestry/attestry/statement"
)

func TestCheckFile(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-2"), testRow("LC-3")))
	mustCommit(t, s)
	mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-2")))
	mustCommit(t, s)
	mustImport(t, s, csvFile(testRow("LC-9"))) // staged: no part of the root
	changed := testRow("LC-2")
	changed[1], changed[7] = "CANARY", "CANARY"
	for name, c := range map[string]struct {
		file string
		want error
		says string
	}{
		"the file":       {csvFile(testRow("LC-1"), testRow("LC-2")), nil, ""},
		"another order":  {csvFile(testRow("lc-2"), testRow("LC-1")), nil, ""},
		"one more":       {csvFile(testRow("LC-1"), testRow("CANARY"), testRow("LC-2")), ErrMismatch, "line 3 is no record"},
		"a deleted one":  {csvFile(testRow("LC-1"), testRow("LC-2"), testRow("LC-3")), ErrMismatch, "line 4 is no record"},
		"one less":       {csvFile(testRow("LC-1")), ErrMismatch, "lacks 1 of the 2 records"},
		"other values":   {csvFile(testRow("LC-1"), changed), ErrMismatch, "line 3 differs from its record in 业主, wall"},
		"one key twice":  {csvFile(testRow("LC-1"), testRow("LC-1")), ErrBadImport, "line 3"},
		"an empty file":  {"", ErrBadImport, "empty"},
		"no rows at all": {csvFile(), ErrMismatch, "lacks 2"},
	} {
		err := s.Check(t.Context(), strings.NewReader(c.file), CSV, nil)
		if !errors.Is(err, c.want) || err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "CANARY")) {
			t.Errorf("%s: %v, want %v that says %q", name, err, c.want, c.says)
		}
	}
}

// Every part of the file that the root or a path rests on is checked: a change of
// any is found.
func TestCheckFindsDamage(t *testing.T) {
	file := csvFile(testRow("LC-1"), testRow("LC-2"), testRow("LC-3"))
	other := statement.EndKey()
	for name, damage := range map[string]func(tx state) error{
		"a link": func(tx state) error {
			end := treeKeyOf(other)
			return tx.put(bucketLinks, recordKey(1, 1), end[:])
		},
		"the sentinel's link": func(tx state) error {
			e := lastKey(tx)
			return tx.put(bucketLinks, recordKey(0, 1), e.key[:])
		},
		"the last link":            func(tx state) error { return tx.put(bucketLinks, recordKey(3, 1), make([]byte, 32)) },
		"two keys at one position": func(tx state) error { return moveKey(tx, lastKey(tx).key, 1) },
		"a position beyond":        func(tx state) error { return moveKey(tx, lastKey(tx).key, 4) },
		"a key less": func(tx state) error {
			e, live, retired := lastKey(tx), tx.list(bucketKeys), tx.list(bucketRetired)
			return errors.Join(retired.put(e.key, e.position), retired.flush(), live.delete(e.key), live.flush())
		},
		"a leaf":           func(tx state) error { return flip(tx, nodeKey(0, 0, 1), 40) },
		"a node":           func(tx state) error { return flip(tx, nodeKey(4, 0, 1), 10) },
		"an empty sibling": func(tx state) error { return flip(tx, nodeKey(8, 0, 1), 12*32-1) },
		"the blinding secret": func(tx state) error {
			return tx.put(bucketSecrets, secretBlinding, make([]byte, 32))
		},
		"the serial secret": func(tx state) error { return tx.put(bucketSecrets, secretSerial, make([]byte, 32)) },
		"the root": func(tx state) error {
			e, err := lastEpoch(tx)
			if err != nil {
				return err
			}
			e.Root = statement.Element{}
			return putEpoch(tx, *e)
		},
		"a list that passes a record by, in a tree made for it": bypass,
		"the count": func(tx state) error {
			e, err := lastEpoch(tx)
			if err != nil {
				return err
			}
			e.Records++
			return putEpoch(tx, *e)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/registry.db"
			s, err := create(path, testSchema(), testKey(), testSecrets())
			if err != nil {
				t.Fatal(err)
			}
			mustImport(t, s, file)
			mustCommit(t, s)
			if err := errors.Join(s.update(damage), s.Close()); err != nil {
				t.Fatal(err)
			}
			if s, err = OpenSealed(path, testKey()); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Check(t.Context(), strings.NewReader(file), CSV, nil); !errors.Is(err, ErrMismatch) {
				t.Errorf("error %v, want ErrMismatch", err)
			}
		})
	}
}

// bypass links the sentinel to the second key, as an agency would that wants to
// prove the first one absent, and makes nodes and root fit.
func bypass(tx state) error {
	list, err := tx.list(bucketKeys).cursor()
	if err != nil {
		return err
	}
	_, _, err1 := list.first()
	_, _, err2 := list.next()
	second, _, err3 := list.next()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s := &Store{schema: testSchema(), secrets: testSecrets()}
	return forgeLeaf(tx, s, leafSource{contentEpoch: 1, linkEpoch: 1, next: second.key})
}

// lastKey gives the last entry of the list.
func lastKey(tx state) (last keyAt) {
	_ = tx.list(bucketKeys).each(func(e keyAt) error {
		last = e
		return nil
	})
	return last
}

// moveKey gives a key another position.
func moveKey(tx state, key treeKey, position uint32) error {
	list := tx.list(bucketKeys)
	return errors.Join(list.put(key, position), list.flush())
}

// forgeLeaf puts another leaf into the first epoch, with nodes and a root for it.
func forgeLeaf(tx state, s *Store, src leafSource) error {
	e, err := lastEpoch(tx)
	if err != nil {
		return err
	}
	c := newCommitter(s, tx, nil)
	c.leaves = []leafChange{{relinked: true, leafSource: src}}
	root, err := c.hash(context.Background())
	if err != nil {
		return err
	}
	e.Root = statement.Element(root)
	return putEpoch(tx, *e)
}

// A path through a damaged node is not given out.
func TestOpenFindsDamage(t *testing.T) {
	for name, key := range map[string][]byte{
		"a leaf": nodeKey(0, 0, 1), "a node": nodeKey(5, 0, 1), "the root's other child": nodeKey(8, 0, 1),
	} {
		s, err := create(t.TempDir()+"/registry.db", testSchema(), testKey(), testSecrets())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		mustImport(t, s, csvFile(testRow("LC-1")))
		mustCommit(t, s)
		r, err := s.Get(1, "LC-1")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.update(func(tx state) error { return flip(tx, key, 33) }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(1, r); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

// flip changes the lowest bit of one byte of a stored node.
func flip(tx state, key []byte, at int) error {
	value := append([]byte(nil), tx.Bucket(bucketNodes).Get(key)...)
	value[at] ^= 1
	return tx.Bucket(bucketNodes).Put(key, value)
}
