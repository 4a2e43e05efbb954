package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/ledger"
)

// GuardPath gives the guard file of a log: its last signed checkpoint, outside the
// database, so that a database restored from an old copy is noticed.
func GuardPath(path string) string { return path + ".guard" }

// readGuard reads a log's guard file.
func readGuard(path string) ([]byte, error) { return os.ReadFile(GuardPath(path)) }

// checkGuard tells whether the log still is, or has grown from, what it last
// signed. A log that signed two different trees of one size, or a tree that lacks
// what an earlier one had, has betrayed whoever relied on the earlier one.
func (s *Store) checkGuard(tx *bolt.Tx) error {
	published := tx.Bucket(bucketMeta).Get(keyCheckpoint)
	guarded, err := readGuard(s.guardOf)
	if errors.Is(err, fs.ErrNotExist) {
		if published == nil {
			return nil // nothing was ever signed
		}
		return fmt.Errorf("%w: the file %s is missing, though the log has signed checkpoints: put it back, or start a log under a new origin in a new workspace", ErrGuard, GuardPath(s.guardOf))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGuard, err)
	}
	for _, signed := range [][]byte{guarded, published} {
		if signed == nil {
			continue
		}
		if err := s.checkAgainst(tx, signed); err != nil {
			return err
		}
	}
	return nil
}

// checkAgainst tells whether the log holds the tree of a checkpoint of its own.
func (s *Store) checkAgainst(tx *bolt.Tx, signed []byte) error {
	c, err := ledger.ReadCheckpoint(signed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGuard, err)
	}
	if c.Origin != s.rules.Origin {
		return fmt.Errorf("%w: it is of %s, this log is %s", ErrGuard, c.Origin, s.rules.Origin)
	}
	if size := txSize(tx); size < c.Size {
		return fmt.Errorf("%w: the log has %d entries and has signed for %d: restore a copy and bring it forward from an export (attestry ledger restore FILE --from-tiles DIR), or start a log under a new origin in a new workspace", ErrGuard, size, c.Size)
	}
	root, err := tlog.TreeHash(int64(c.Size), txHashes{tx})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGuard, err)
	}
	if root != c.Root {
		return fmt.Errorf("%w: the log's first %d entries are not those that it signed: restore the right copy (attestry ledger restore FILE), or start a log under a new origin in a new workspace", ErrGuard, c.Size)
	}
	return nil
}

// writeGuard replaces the guard file, and returns when that is on disk.
func (s *Store) writeGuard(signed []byte) error {
	old, err := readGuard(s.guardOf)
	if err == nil && bytes.Equal(old, signed) {
		return nil
	}
	return atomicfile.Write(GuardPath(s.guardOf), signed, 0o600)
}
