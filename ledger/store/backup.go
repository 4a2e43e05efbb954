package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/internal/atomicfile"
)

// Backup writes a copy of the ledger, as it is now, into a new file of mode 0600, and
// gives the number of its entries. Appends and reads go on meanwhile. A file that is
// there is refused with [fs.ErrExist]; after an error or a crash there is none under
// this name.
//
// The guard is not part of a copy: it has to stay with the signer, so that an old copy
// is noticed.
func (s *Store) Backup(path string) (entries uint64, err error) {
	if err := vacant(path); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".partial-*") // mode 0600
	if err != nil {
		return 0, err
	}
	defer func() {
		// The copy has its own name by now, or is not wanted.
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	var want summary
	err = s.view(func(tx *bolt.Tx) error {
		if want, err = summarise(tx); err != nil {
			return err
		}
		_, err := tx.WriteTo(&paced{file: f})
		return err
	})
	if err := errors.Join(err, f.Sync()); err != nil {
		return 0, fmt.Errorf("back up to %s: %w", path, err)
	}
	if err := sameAs(f.Name(), want); err != nil {
		return 0, fmt.Errorf("back up to %s: %w", path, err)
	}
	if err := settle(f.Name(), path); err != nil {
		return 0, err
	}
	return want.size, nil
}

// vacant refuses a name that something has.
func vacant(path string) error {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	return err
}

// settle gives a finished file its name, which nothing has.
func settle(partial, path string) error {
	// Unlike a renaming, a link never replaces anything.
	err := os.Link(partial, path)
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if err != nil { // a file system without links
		if err := vacant(path); err != nil {
			return err
		}
		if err := os.Rename(partial, path); err != nil {
			return err
		}
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// summary is what two copies of a log have in common, in short.
type summary struct {
	origin, checkpoint string
	size               uint64
	root               tlog.Hash
}

func summarise(tx *bolt.Tx) (summary, error) {
	meta := tx.Bucket(bucketMeta)
	sum := summary{origin: string(meta.Get(keyOrigin)), checkpoint: string(meta.Get(keyCheckpoint)), size: txSize(tx)}
	var err error
	sum.root, err = tlog.TreeHash(int64(sum.size), txHashes{tx})
	return sum, err
}

// sameAs tells whether a file is a ledger with this summary.
func sameAs(path string, want summary) error {
	db, err := openDB(path, Options{ReadOnly: true})
	if err != nil {
		return err
	}
	err = db.View(func(tx *bolt.Tx) error {
		return guarded(func() error {
			if err := checkLayout(tx); err != nil {
				return err
			}
			got, err := summarise(tx)
			if err == nil && got != want {
				err = fmt.Errorf("%w: the copy is not like the original", ErrDamaged)
			}
			return err
		})
	})
	return errors.Join(err, db.Close())
}
