package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// Check rebuilds the log from its entries: it holds the database's pages to
// bbolt's own check, every stored hash to the hash of its entries, every entry to
// the rules, the state that the rules gave to the one that is stored, and the tree to
// the last published checkpoint and the guard. It fails with [ErrDamaged], and
// with the rule that an entry breaks. It takes as long as checking every proof.
func (s *Store) Check(ctx context.Context) error {
	if err := s.checkFiles(); err != nil {
		return err
	}
	return s.view(func(tx *bolt.Tx) error {
		state := ledger.NewMemoryState()
		if err := s.replay(ctx, tx, state); err != nil {
			return err
		}
		if err := checkHashCount(tx); err != nil {
			return err
		}
		for _, table := range ledger.Tables() {
			if err := checkTable(tx, table, state); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkFiles checks what an append or a publication changes under a reader's eyes:
// the database's free pages, and the guard.
func (s *Store) checkFiles() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view(func(tx *bolt.Tx) error {
		if err := checkPages(tx); err != nil {
			return err
		}
		return s.checkGuard(tx)
	})
}

func checkPages(tx *bolt.Tx) error {
	var problems []error
	for err := range tx.Check() { // to its end: the sender waits for its reader
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w: %w", ErrDamaged, errors.Join(problems...))
	}
	return nil
}

// replay decides every entry again and compares the hashes that it completes.
func (s *Store) replay(ctx context.Context, tx *bolt.Tx, state ledger.State) error {
	next := uint64(0)
	return tx.Bucket(bucketEntries).ForEach(func(key, data []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !bytes.Equal(key, key64(next)) {
			return fmt.Errorf("%w: entry %d is missing", ErrDamaged, next)
		}
		if err := s.rules.Apply(state, next, data); err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrDamaged, next, err)
		}
		if err := checkHashes(tx, next, data); err != nil {
			return err
		}
		next++
		return nil
	})
}

// checkHashes compares the stored hashes that an entry completed. Those before
// were compared already, so that building on them is sound.
func checkHashes(tx *bolt.Tx, index uint64, data []byte) error {
	hashes, err := tlog.StoredHashes(int64(index), data, txHashes{tx})
	if err != nil {
		return err
	}
	at := tlog.StoredHashIndex(0, int64(index))
	for i, want := range hashes {
		got := tx.Bucket(bucketHashes).Get(key64(uint64(at) + uint64(i)))
		if !bytes.Equal(got, want[:]) {
			return fmt.Errorf("%w: stored hash %d is not that of the entries up to %d", ErrDamaged, at+int64(i), index)
		}
	}
	return nil
}

// checkHashCount: the hashes of all entries were found, so a greater number of
// them means hashes of no entry.
func checkHashCount(tx *bolt.Tx) error {
	got := tx.Bucket(bucketHashes).Stats().KeyN
	if want := tlog.StoredHashCount(int64(txSize(tx))); int64(got) != want {
		return fmt.Errorf("%w: %d stored hashes, not %d", ErrDamaged, got, want)
	}
	return nil
}

// checkTable compares a stored table with the replayed one, row by row.
func checkTable(tx *bolt.Tx, table ledger.Table, state *ledger.MemoryState) error {
	cursor := tx.Bucket([]byte(table)).Cursor()
	gotKey, gotValue := cursor.First()
	for key, value := range state.Rows(table) {
		if !bytes.Equal(gotKey, key) || !bytes.Equal(gotValue, value) {
			return fmt.Errorf("%w: table %s is not what the entries give", ErrDamaged, table)
		}
		gotKey, gotValue = cursor.Next()
	}
	if gotKey != nil {
		return fmt.Errorf("%w: table %s has rows that the entries do not give", ErrDamaged, table)
	}
	return nil
}
