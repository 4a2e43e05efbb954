package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/internal/boltcopy"
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
	snapshot, err := s.Snapshot()
	if err != nil {
		return 0, err
	}
	entries, err = snapshot.Write(f)
	if err := errors.Join(err, snapshot.Close()); err != nil {
		return 0, fmt.Errorf("back up to %s: %w", path, err)
	}
	if err := settle(f.Name(), path); err != nil {
		return 0, err
	}
	return entries, nil
}

// Snapshot is a log as it was at one moment, whatever is appended since.
type Snapshot struct{ copied *boltcopy.Snapshot }

// Snapshot takes a snapshot of the log, which is to be closed.
func (s *Store) Snapshot() (*Snapshot, error) {
	snapshot, err := boltcopy.Take(s.db)
	if err != nil {
		return nil, closed(err)
	}
	return &Snapshot{snapshot}, nil
}

// Write copies the log into an empty file, and what it writes to whoever else listens,
// holds the copy to the original, and gives the number of its entries. See [Store.Backup].
func (n *Snapshot) Write(f *os.File, others ...io.Writer) (entries uint64, err error) {
	var want summary
	err = n.copied.View(func(tx *bolt.Tx) (err error) {
		want, err = summarise(tx)
		return err
	})
	if err != nil {
		return 0, err
	}
	if err := n.copied.Write(f, others...); err != nil {
		return 0, err
	}
	return want.size, sameAs(f.Name(), want)
}

// Close ends the snapshot.
func (n *Snapshot) Close() error { return n.copied.Close() }

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
