package registry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// listStore gives a store whose list of retired keys is there to be tried.
func listStore(t testing.TB) *Store {
	t.Helper()
	s, err := create(filepath.Join(t.TempDir(), "r.db"), testSchema(), testKey(), testSecrets())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// listModel is a list done naively.
type listModel map[treeKey]uint32

func (m listModel) sorted() []treeKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b treeKey) int { return bytes.Compare(a[:], b[:]) })
}

// Whatever is put and deleted, the list is a sorted map, also across transactions.
func TestKeyListIsAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := listStore(t)
		model := listModel{}
		// Few beginnings, so that blocks are halved at every depth.
		key := rapid.Custom(func(t *rapid.T) (k treeKey) {
			binary.BigEndian.PutUint64(k[1:], rapid.SampledFrom([]uint64{0, 1, 2, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1}).Draw(t, "beginning")>>rapid.IntRange(0, 3).Draw(t, "shift"))
			binary.BigEndian.PutUint16(k[20:], rapid.Uint16Range(0, 40).Draw(t, "end"))
			return k
		})
		for range rapid.IntRange(1, 3).Draw(rt, "transactions") {
			err := s.update(func(tx state) error {
				list := tx.list(bucketRetired)
				for range rapid.IntRange(0, 300).Draw(rt, "changes") {
					k := key.Draw(rt, "key")
					var err error
					if rapid.IntRange(0, 3).Draw(rt, "kind") == 0 {
						delete(model, k)
						err = list.delete(k)
					} else {
						model[k] = uint32(len(model))
						err = list.put(k, model[k])
					}
					if err != nil {
						return err
					}
				}
				return list.flush()
			})
			if err != nil {
				rt.Fatal(err)
			}
			if err := s.read(func(tx state) error { return compareList(rt, tx.list(bucketRetired), model, key.Draw(rt, "sought")) }); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// compareList holds a list to a model, also what is found from one key on and below it.
func compareList(t require, list *keyList, model listModel, sought treeKey) error {
	want := model.sorted()
	i := 0
	err := list.each(func(e keyAt) error {
		if i >= len(want) || e.key != want[i] || e.position != model[e.key] {
			t.Fatalf("entry %d is another one", i)
		}
		i++
		return nil
	})
	if err != nil || i != len(want) {
		t.Fatalf("%d entries of %d, %v", i, len(want), err)
	}
	position, found, err := list.get(sought)
	if p, is := model[sought]; found != is || position != p || err != nil {
		t.Fatalf("found %v at %d, %v", found, position, err)
	}
	at, _ := slices.BinarySearchFunc(want, sought, func(a, b treeKey) int { return bytes.Compare(a[:], b[:]) })
	c, err := list.cursor()
	if err != nil {
		return err
	}
	for n, ok := at-1, true; ok; n-- {
		var e keyAt
		if n == at-1 {
			e, ok, err = c.below(sought)
		} else {
			e, ok, err = c.previous()
		}
		if err != nil || ok != (n >= 0) || ok && e.key != want[n] {
			t.Fatalf("going down, entry %d: %v, %v", n, ok, err)
		}
	}
	for n, ok := at, true; ok; n++ {
		var e keyAt
		if n == at {
			e, ok, err = c.seek(sought)
		} else {
			e, ok, err = c.next()
		}
		if err != nil || ok != (n < len(want)) || ok && e.key != want[n] {
			t.Fatalf("going up, entry %d: %v, %v", n, ok, err)
		}
	}
	return nil
}

// Hashes fill blocks evenly: they are halved, and none is too large.
func TestKeyListBlocks(t *testing.T) {
	s := listStore(t)
	schema := testSchema()
	const n = 5000
	model := listModel{}
	for i := range uint32(n) {
		e, err := schema.HashKey(string(binary.BigEndian.AppendUint32([]byte("k"), i)))
		if err != nil {
			continue // no text
		}
		model[treeKeyOf(e)] = i
	}
	err := s.update(func(tx state) error {
		list := tx.list(bucketRetired)
		for k, position := range model {
			if err := list.put(k, position); err != nil {
				return err
			}
		}
		return list.flush()
	})
	if err != nil {
		t.Fatal(err)
	}
	blocks, largest := 0, 0
	err = s.read(func(tx state) error {
		list := tx.list(bucketRetired)
		return errors.Join(compareList(t, list, model, treeKey{1: 0x77}), list.bucket.ForEach(func(k, v []byte) error {
			entries, err := list.decodeBlock(k, v)
			blocks, largest = blocks+1, max(largest, len(entries)/entryBytes)
			return err
		}))
	})
	if err != nil || largest > maxBlock || blocks < len(model)/maxBlock || blocks > 4*len(model)/maxBlock {
		t.Errorf("%d keys in %d blocks, the largest of %d, %v", len(model), blocks, largest, err)
	}
}

// More keys with one beginning of 64 bits than a block takes do not come by chance.
func TestKeyListFull(t *testing.T) {
	s := listStore(t)
	err := s.update(func(tx state) error {
		list := tx.list(bucketRetired)
		for i := range maxBlock + 1 {
			k := treeKey{1: 9}
			binary.BigEndian.PutUint16(k[20:], uint16(i))
			if err := list.put(k, 1); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, ErrFull) {
		t.Errorf("%v, want ErrFull", err)
	}
}

// Any position may be had by any element, and each index gives those that were added.
func TestPostingsAreAMultimap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := listStore(t)
		model := map[treeKey]map[uint32]bool{}
		counts := map[treeKey]uint32{}
		for range rapid.IntRange(1, 4).Draw(rt, "rounds") {
			var added []posting
			for range rapid.IntRange(0, 60).Draw(rt, "postings") {
				p := posting{treeKey{31: rapid.ByteRange(0, 4).Draw(rt, "element")}, rapid.Uint32Range(0, 30).Draw(rt, "position")}
				added = append(added, p)
				counts[p.element]++
				if model[p.element] == nil {
					model[p.element] = map[uint32]bool{}
				}
				model[p.element][p.position] = true
			}
			if err := s.update(func(tx state) error { return tx.postings(bucketSubjects).add(added) }); err != nil {
				rt.Fatal(err)
			}
			var elements []treeKey
			var want []uint32
			for element := range byte(6) {
				elements = append(elements, treeKey{31: element})
				want = append(want, counts[elements[element]])
			}
			likely := rapid.SliceOfN(rapid.Uint32Range(0, 80), 0, 9).Draw(rt, "likely")
			slices.Sort(likely)
			err := s.read(func(tx state) error {
				if got := tx.postings(bucketSubjects).countTogether(elements, likely); !slices.Equal(got, want) {
					rt.Fatalf("%v positions, likely %v, want %v", got, likely, want)
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			for element, e := range elements {
				var got []uint32
				err := s.read(func(tx state) (err error) {
					got, err = tx.postings(bucketSubjects).all(e)
					return err
				})
				if want := slices.Sorted(maps.Keys(model[e])); err != nil || !slices.Equal(got, want) {
					rt.Fatalf("element %d: %v, want %v, %v", element, got, want, err)
				}
			}
		}
	})
}

// A changed block or posting is refused, or found by who looks at the records.
func TestListDamage(t *testing.T) {
	s := listStore(t)
	for name, value := range map[string][]byte{"half an entry": make([]byte, entryBytes+1), "a cut position": make([]byte, 3)} {
		err := s.update(func(tx state) error { return tx.put(bucketRetired, boundKey(0), value) })
		if err != nil {
			t.Fatal(err)
		}
		err = s.read(func(tx state) error {
			_, _, err := tx.list(bucketRetired).get(treeKey{})
			return err
		})
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketRetired).Delete(boundKey(0)) }); err != nil {
		t.Fatal(err)
	}
	err := s.read(func(tx state) error {
		_, _, err := tx.list(bucketRetired).get(treeKey{})
		return err
	})
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("a list without a block: %v", err)
	}
}
