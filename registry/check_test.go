package registry

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

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
	for name, damage := range map[string]func(tx *bbolt.Tx) error{
		"a link": func(tx *bbolt.Tx) error {
			end := treeKeyOf(other)
			return tx.Bucket(bucketLinks).Put(recordKey(1, 1), end[:])
		},
		"the sentinel's link": func(tx *bbolt.Tx) error {
			k, _ := tx.Bucket(bucketKeys).Cursor().Last()
			return tx.Bucket(bucketLinks).Put(recordKey(0, 1), k)
		},
		"the last link": func(tx *bbolt.Tx) error { return tx.Bucket(bucketLinks).Put(recordKey(3, 1), make([]byte, 32)) },
		"two keys at one position": func(tx *bbolt.Tx) error {
			k, _ := tx.Bucket(bucketKeys).Cursor().Last()
			return tx.Bucket(bucketKeys).Put(k, positionKey(1))
		},
		"a position beyond": func(tx *bbolt.Tx) error {
			k, _ := tx.Bucket(bucketKeys).Cursor().Last()
			return tx.Bucket(bucketKeys).Put(k, positionKey(4))
		},
		"a key less": func(tx *bbolt.Tx) error {
			k, v := tx.Bucket(bucketKeys).Cursor().Last()
			return errors.Join(tx.Bucket(bucketRetired).Put(k, v), tx.Bucket(bucketKeys).Delete(k))
		},
		"a leaf":           func(tx *bbolt.Tx) error { return flip(tx, nodeKey(0, 0, 1), 40) },
		"a node":           func(tx *bbolt.Tx) error { return flip(tx, nodeKey(4, 0, 1), 10) },
		"an empty sibling": func(tx *bbolt.Tx) error { return flip(tx, nodeKey(8, 0, 1), 12*32-1) },
		"the blinding secret": func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketSecrets).Put(secretBlinding, make([]byte, 32))
		},
		"the serial secret": func(tx *bbolt.Tx) error { return tx.Bucket(bucketSecrets).Put(secretSerial, make([]byte, 32)) },
		"the root": func(tx *bbolt.Tx) error {
			e, err := lastEpoch(tx)
			if err != nil {
				return err
			}
			e.Root = statement.Element{}
			return putEpoch(tx, *e)
		},
		"a list that passes a record by, in a tree made for it": bypass,
		"the count": func(tx *bbolt.Tx) error {
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
			s, err := create(path, testSchema(), testSecrets())
			if err != nil {
				t.Fatal(err)
			}
			mustImport(t, s, file)
			mustCommit(t, s)
			if err := errors.Join(s.db.Update(damage), s.Close()); err != nil {
				t.Fatal(err)
			}
			if s, err = Open(path); err != nil {
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
func bypass(tx *bbolt.Tx) error {
	list := tx.Bucket(bucketKeys).Cursor()
	list.First()
	list.Next()
	second, _ := list.Next()
	s := &Store{schema: testSchema(), secrets: testSecrets()}
	return forgeLeaf(tx, s, leafSource{contentEpoch: 1, linkEpoch: 1, next: treeKey(second)})
}

// forgeLeaf puts another leaf into the first epoch, with nodes and a root for it.
func forgeLeaf(tx *bbolt.Tx, s *Store, src leafSource) error {
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
		s, err := create(t.TempDir()+"/registry.db", testSchema(), testSecrets())
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
		if err := s.db.Update(func(tx *bbolt.Tx) error { return flip(tx, key, 33) }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(1, r); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

// flip changes the lowest bit of one byte of a stored node.
func flip(tx *bbolt.Tx, key []byte, at int) error {
	value := append([]byte(nil), tx.Bucket(bucketNodes).Get(key)...)
	value[at] ^= 1
	return tx.Bucket(bucketNodes).Put(key, value)
}
