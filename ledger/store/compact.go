package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atomicfile"
)

// compactGrowth is by how much the new file grows at a time, and so how much of it is
// left over.
const compactGrowth = 1 << 20

// compactBytes is how much of the database is copied in one transaction.
const compactBytes = 16 << 20

// Compact writes the database of a closed log anew, without the pages that it has no
// use for, and gives its size in bytes before and after. The new file takes the old
// one's place when it is on disk and has been found to hold the same keys and values;
// until then the old one is untouched. Where nothing is gained the old one stays.
func Compact(path string) (before, after int64, err error) {
	if _, err := os.Stat(path); err != nil {
		return 0, 0, err
	}
	source, err := openDB(path, Options{})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if err := source.View(checkLayout); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	partial := path + ".compact.partial"
	if err := os.Remove(partial); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	if err := compactInto(partial, source); err != nil {
		return 0, 0, errors.Join(fmt.Errorf("compact %s: %w", path, err), removeIfThere(partial))
	}
	if before, after, err = fileSizes(path, partial); err != nil {
		return 0, 0, err
	}
	if after >= before {
		return before, before, os.Remove(partial)
	}
	if err := os.Rename(partial, path); err != nil {
		return 0, 0, err
	}
	return before, after, atomicfile.SyncDir(filepath.Dir(path))
}

func compactInto(path string, source *bolt.DB) error {
	target, err := openDB(path, Options{noSync: true})
	if err != nil {
		return err
	}
	target.AllocSize = compactGrowth
	err = guarded(func() error { return bolt.Compact(target, source, compactBytes) })
	if err == nil {
		err = guarded(func() error { return sameContent(source, target) })
	}
	if err == nil {
		err = target.Sync()
	}
	return errors.Join(err, target.Close())
}

// sameContent compares every bucket, key and value, and the trees' roots.
func sameContent(a, b *bolt.DB) error {
	return a.View(func(atx *bolt.Tx) error {
		return b.View(func(btx *bolt.Tx) error {
			sum, err := summarise(atx)
			if err != nil {
				return err
			}
			if other, err := summarise(btx); err != nil || other != sum {
				return errors.Join(err, fmt.Errorf("%w: the copy's tree is another", ErrDamaged))
			}
			return atx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
				copied := btx.Bucket(name)
				if copied == nil {
					return fmt.Errorf("%w: the copy has no bucket %s", ErrDamaged, name)
				}
				return sameRows(name, bucket.Cursor(), copied.Cursor())
			})
		})
	})
}

func sameRows(name []byte, a, b *bolt.Cursor) error {
	key, value := a.First()
	otherKey, otherValue := b.First()
	for key != nil || otherKey != nil {
		if !bytes.Equal(key, otherKey) || !bytes.Equal(value, otherValue) {
			return fmt.Errorf("%w: bucket %s of the copy differs at key %s", ErrDamaged, name, shortHex(key))
		}
		key, value = a.Next()
		otherKey, otherValue = b.Next()
	}
	return nil
}

func fileSizes(a, b string) (int64, int64, error) {
	one, err := os.Stat(a)
	if err != nil {
		return 0, 0, err
	}
	other, err := os.Stat(b)
	if err != nil {
		return 0, 0, err
	}
	return one.Size(), other.Size(), nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
