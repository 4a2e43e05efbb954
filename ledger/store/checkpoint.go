package store

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// PublishCheckpoint signs the log's present tree, and returns the checkpoint when
// it is on disk both in the guard file and, after that, in the database. The entries
// below it are on disk already. The signers' names must be the log's origin: there are
// several only where one key of the log has just replaced another.
//
// It refuses with [ErrGuard] to sign a tree that is smaller than one it signed
// before, or that does not contain it.
func (s *Store) PublishCheckpoint(signers ...note.Signer) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return nil, err
	}
	var signed []byte
	unchanged := false
	err := s.view(func(tx *bolt.Tx) (err error) {
		// Again, though it was checked on opening: the file may have changed since.
		if err := s.checkGuard(tx); err != nil {
			return err
		}
		if signed, err = s.signTree(tx, signers); err != nil {
			return err
		}
		// What is published of this tree may have a former key's signature after these.
		last := tx.Bucket(bucketMeta).Get(keyCheckpoint)
		if unchanged = bytes.HasPrefix(last, signed); unchanged {
			signed = bytes.Clone(last)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.writeGuard(signed); err != nil {
		return nil, fmt.Errorf("write the guard: %w", err)
	}
	if unchanged {
		return signed, nil
	}
	err = s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyCheckpoint, signed) })
	if err != nil {
		return nil, s.stop(err)
	}
	return signed, nil
}

func (s *Store) signTree(tx *bolt.Tx, signers []note.Signer) ([]byte, error) {
	size := txSize(tx)
	root, err := tlog.TreeHash(int64(size), txHashes{tx})
	if err != nil {
		return nil, err
	}
	return ledger.SignCheckpoint(ledger.Checkpoint{Origin: s.rules.Origin, Size: size, Root: root}, signers...)
}

// Checkpoint gives the last published checkpoint, with the cosignatures that
// [Store.KeepCosigned] kept, or [ErrNoCheckpoint].
func (s *Store) Checkpoint() (signed []byte, err error) {
	err = s.view(func(tx *bolt.Tx) (err error) {
		signed, _, err = published(tx)
		return err
	})
	return signed, err
}

// published gives a copy of the last published checkpoint.
func published(tx *bolt.Tx) ([]byte, ledger.Checkpoint, error) {
	signed := bytes.Clone(publishedBytes(tx))
	if signed == nil {
		return nil, ledger.Checkpoint{}, ErrNoCheckpoint
	}
	c, err := ledger.ReadCheckpoint(signed)
	if err != nil {
		return nil, ledger.Checkpoint{}, fmt.Errorf("%w: its checkpoint: %w", ErrDamaged, err)
	}
	return signed, c, nil
}

// Root gives the tree's root when the log had so many entries.
func (s *Store) Root(size uint64) (root tlog.Hash, err error) {
	err = s.view(func(tx *bolt.Tx) (err error) {
		if err := within(tx, size); err != nil {
			return err
		}
		root, err = tlog.TreeHash(int64(size), txHashes{tx})
		return err
	})
	return root, err
}

// Prove gives the proof that the log of a checkpoint, which it published itself,
// holds the entry of an index. Without a checkpoint it takes the last one.
func (s *Store) Prove(index uint64, checkpoint []byte) (*ledger.Inclusion, error) {
	var inclusion *ledger.Inclusion
	err := s.view(func(tx *bolt.Tx) (err error) {
		inclusion, err = s.prove(tx, index, checkpoint)
		return err
	})
	return inclusion, err
}

func (s *Store) prove(tx *bolt.Tx, index uint64, signed []byte) (*ledger.Inclusion, error) {
	if signed == nil {
		var err error
		if signed, _, err = published(tx); err != nil {
			return nil, err
		}
	}
	c, err := s.ownCheckpoint(tx, signed)
	if err != nil {
		return nil, err
	}
	if index >= c.Size {
		return nil, fmt.Errorf("%w: entry %d below the checkpoint's %d: publish a checkpoint first", ErrNotFound, index, c.Size)
	}
	hashes, err := tlog.ProveRecord(int64(c.Size), int64(index), txHashes{tx})
	if err != nil {
		return nil, err
	}
	return &ledger.Inclusion{Index: index, Hashes: hashes, Checkpoint: bytes.Clone(signed)}, nil
}

// ownCheckpoint reads a checkpoint and holds it to the log's own tree.
func (s *Store) ownCheckpoint(tx *bolt.Tx, signed []byte) (ledger.Checkpoint, error) {
	c, err := ledger.ReadCheckpoint(signed)
	if err != nil {
		return c, err
	}
	if c.Origin != s.rules.Origin {
		return c, fmt.Errorf("%w: a checkpoint of %s, not %s", ErrOtherLog, c.Origin, s.rules.Origin)
	}
	if err := within(tx, c.Size); err != nil {
		return c, err
	}
	root, err := tlog.TreeHash(int64(c.Size), txHashes{tx})
	if err == nil && root != c.Root {
		err = fmt.Errorf("%w: the checkpoint's root is not this log's", ErrOtherLog)
	}
	return c, err
}

// Consistency gives the proof that the log of one size is the beginning of the log
// of another (RFC 6962, section 2.1.2). The empty log needs no proof.
func (s *Store) Consistency(from, to uint64) (proof tlog.TreeProof, err error) {
	err = s.view(func(tx *bolt.Tx) (err error) {
		if err := within(tx, to); err != nil {
			return err
		}
		if from > to {
			return fmt.Errorf("%w: no growth from %d entries to %d", ErrNotFound, from, to)
		}
		if from == 0 {
			proof = tlog.TreeProof{}
			return nil
		}
		proof, err = tlog.ProveTree(int64(to), int64(from), txHashes{tx})
		return err
	})
	return proof, err
}

// within tells whether the log has had a size.
func within(tx *bolt.Tx, size uint64) error {
	if have := txSize(tx); size > have {
		return fmt.Errorf("%w: a tree of %d entries, the log has %d", ErrNotFound, size, have)
	}
	return nil
}
