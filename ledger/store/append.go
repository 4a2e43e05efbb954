package store

import (
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// Append adds entries to the log, all or none, and gives their indexes. When it
// returns without an error they are on disk. It fails with the error of the first
// rule that an entry breaks; with a [*DuplicateError] where the log has the entry's
// statement or identity already; with [ErrGuard] where the log must not grow.
// Later entries may build on earlier ones of the same call.
func (s *Store) Append(ctx context.Context, entries ...ledger.Entry) ([]uint64, error) {
	encoded := make([][]byte, len(entries))
	for i, entry := range entries {
		data, err := ledger.MarshalEntry(entry)
		if err != nil {
			return nil, err
		}
		encoded[i] = data
	}
	return s.AppendEncoded(ctx, encoded...)
}

// AppendEncoded is [Store.Append] for entries in their canonical bytes, such as
// another copy of the log holds.
func (s *Store) AppendEncoded(ctx context.Context, entries ...[]byte) ([]uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, ctx.Err()
	}
	var first uint64
	err := s.db.Update(func(tx *bolt.Tx) error {
		first = txSize(tx)
		for i, data := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.appendOne(tx, first+uint64(i), data); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, closed(err)
	}
	s.size.Store(first + uint64(len(entries)))
	indexes := make([]uint64, len(entries))
	for i := range indexes {
		indexes[i] = first + uint64(i)
	}
	return indexes, nil
}

// writable tells why the log must not grow. The caller holds mu.
func (s *Store) writable() error {
	if s.readOnly {
		return fmt.Errorf("%w: %s", ErrReadOnly, s.path)
	}
	if s.guard == nil {
		s.askFirst()
	}
	return s.guard
}

// appendOne decides on an entry and writes it with the hashes that it completes.
func (s *Store) appendOne(tx *bolt.Tx, index uint64, data []byte) error {
	if index >= ledger.MaxSize {
		return errors.New("the log is full")
	}
	if err := s.rules.Apply(txState{tx}, index, data); err != nil {
		return err
	}
	if err := tx.Bucket(bucketEntries).Put(key64(index), data); err != nil {
		return err
	}
	hashes, err := tlog.StoredHashes(int64(index), data, txHashes{tx})
	if err != nil {
		return err
	}
	at := tlog.StoredHashIndex(0, int64(index))
	for i, hash := range hashes {
		if err := tx.Bucket(bucketHashes).Put(key64(uint64(at)+uint64(i)), hash[:]); err != nil {
			return err
		}
	}
	return nil
}
