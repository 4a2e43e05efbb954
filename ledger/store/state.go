package store

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// txState is a transaction as the rules' state.
type txState struct{ tx *bolt.Tx }

// Get implements ledger.State.
func (s txState) Get(table ledger.Table, key []byte) ([]byte, error) {
	return s.tx.Bucket([]byte(table)).Get(key), nil
}

// Put implements ledger.State.
func (s txState) Put(table ledger.Table, key, value []byte) error {
	return s.tx.Bucket([]byte(table)).Put(key, value)
}

// Delete implements ledger.State.
func (s txState) Delete(table ledger.Table, key []byte) error {
	return s.tx.Bucket([]byte(table)).Delete(key)
}

// txHashes reads the tree's stored hashes in a transaction.
type txHashes struct{ tx *bolt.Tx }

// ReadHashes implements tlog.HashReader.
func (r txHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	bucket := r.tx.Bucket(bucketHashes)
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		value := bucket.Get(key64(uint64(index)))
		if len(value) != tlog.HashSize {
			return nil, fmt.Errorf("%w: stored hash %d is missing", ErrDamaged, index)
		}
		hashes[i] = tlog.Hash(value)
	}
	return hashes, nil
}
