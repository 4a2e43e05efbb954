package readahead

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"go.etcd.io/bbolt"
)

// filled gives a file with a bucket of n keys.
func filled(t *testing.T, n int) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("b"))
		for i := 0; i < n && err == nil; i++ {
			err = b.Put(testKey(i*7919%n), make([]byte, 200)) // not in their order
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func testKey(i int) []byte { return fmt.Appendf(nil, "a key of some length %08d", i) }

// pageOf gives the page that a key stands in, by where the map has it.
func pageOf(db *bbolt.DB, key []byte) uint64 {
	from := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(key))) - db.Info().Data)
	return from / uint64(db.Info().PageSize)
}

// asked gives the offsets and lengths that are asked for, in that order.
func asked(t *testing.T, db *bbolt.DB, b *bbolt.Bucket, keys [][]byte, pages int) (parts [][2]int64, height int) {
	t.Helper()
	file, err := os.Open(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := &tree{file: file, pageSize: db.Info().PageSize, root: uint64(b.Root())}
	w.ask = func(_ *os.File, offset, length int64) { parts = append(parts, [2]int64{offset, length}) }
	w.want(slices.Values(keys), pages)
	return parts, len(w.branches)
}

func TestWantsThePagesOfKeys(t *testing.T) {
	const n, pages = 10_000, 3
	db := filled(t, n)
	pageSize := int64(db.Info().PageSize)
	err := db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("b"))
		var keys [][]byte
		leaves := make(map[uint64]bool)
		for i := 0; i < n; i += 33 {
			k, _ := b.Cursor().Seek(testKey(i))
			if !bytes.Equal(k, testKey(i)) {
				t.Fatalf("found %s, want %s", k, testKey(i))
			}
			keys = append(keys, testKey(i))
			leaves[pageOf(db, k)] = true
		}
		parts, height := asked(t, db, b, keys, pages)
		if height < 2 {
			t.Fatalf("%d levels of branches are too few to see much", height)
		}
		times := make(map[uint64]int) // that each page was asked for
		for _, part := range parts {
			for id := part[0] / pageSize; id < (part[0]+part[1])/pageSize; id++ {
				times[uint64(id)]++
			}
		}
		for id := range leaves {
			for page := id; page < id+pages; page++ {
				if times[page] == 0 {
					t.Errorf("page %d of the leaf %d was not asked for", page, id)
				}
			}
		}
		if few := n / 33 / 2; len(parts) > few {
			t.Errorf("asked %d times for pages, many of which are near each other; want at most %d", len(parts), few)
		}
		needless := 0
		for id := range times {
			of := id // the leaf that it may belong to
			for of > 0 && id-of < pages+near && !leaves[of] {
				of--
			}
			if !leaves[of] {
				needless++
			}
		}
		if needless == 0 || needless > len(leaves)/2 {
			t.Errorf("asked for %d pages that are not of the %d leaves: some should be, their branches", needless, len(leaves))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever the keys and the bucket, Want does no harm.
func TestWantIsAHint(t *testing.T) {
	for _, n := range []int{0, 1, 30, 5000} {
		db := filled(t, n)
		err := db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("b"))
			if err := b.Put(testKey(n), []byte("of this transaction")); err != nil {
				return err
			}
			Want(b, slices.Values([][]byte{nil, testKey(0), testKey(n / 2), testKey(n), {255}}), 1000)
			Want(b, slices.Values([][]byte{}), 1)
			if got := b.Get(testKey(n)); string(got) != "of this transaction" {
				t.Errorf("read %q", got)
			}
			return os.Rename(db.Path(), db.Path()+".moved")
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.View(func(tx *bbolt.Tx) error {
			Want(tx.Bucket([]byte("b")), slices.Values([][]byte{testKey(0)}), 1) // there is no file
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzChild(f *testing.F) {
	page := make([]byte, 64)
	binary.NativeEndian.PutUint16(page[8:], branchFlag)
	binary.NativeEndian.PutUint16(page[10:], 1)
	f.Add(page, []byte("key"))
	f.Add(page[:17], []byte{})
	f.Fuzz(func(_ *testing.T, page, key []byte) {
		if len(page) > 9 {
			binary.NativeEndian.PutUint16(page[8:], branchFlag)
		}
		_ = child(page, key) // it panics or it doesn't
		_ = identity(page)
	})
}
