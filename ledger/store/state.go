package store

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// txState is a transaction as the rules' state.
type txState struct {
	tx   *bolt.Tx
	memo *ledger.Memo
}

// Get implements ledger.State. A database of an earlier version has no bucket for a
// later table, of which it has no row.
func (s txState) Get(table ledger.Table, key []byte) ([]byte, error) {
	bucket := s.tx.Bucket([]byte(table))
	if bucket == nil {
		return nil, nil
	}
	return bucket.Get(key), nil
}

// Put implements ledger.State.
func (s txState) Put(table ledger.Table, key, value []byte) error {
	bucket, err := s.tx.CreateBucketIfNotExists([]byte(table))
	if err != nil {
		return err
	}
	return bucket.Put(key, value)
}

// Delete implements ledger.State.
func (s txState) Delete(table ledger.Table, key []byte) error {
	bucket := s.tx.Bucket([]byte(table))
	if bucket == nil {
		return nil
	}
	return bucket.Delete(key)
}

// Memo lets the rules remember rows that nearly every entry looks up.
func (s txState) Memo() *ledger.Memo { return s.memo }

// overlay is a state whose changes are kept apart from the one below it until
// [overlay.flush]: a call's entries are decided on it, so that whatever refuses
// one of them leaves nothing behind in a transaction that other calls share.
type overlay struct {
	txState
	rows  map[rowKey][]byte // nil: deleted
	order []rowKey
}

type rowKey struct {
	table ledger.Table
	key   string
}

// Get implements ledger.State.
func (o *overlay) Get(table ledger.Table, key []byte) ([]byte, error) {
	if value, ok := o.rows[rowKey{table, string(key)}]; ok {
		return value, nil
	}
	return o.txState.Get(table, key)
}

// Put implements ledger.State.
func (o *overlay) Put(table ledger.Table, key, value []byte) error {
	o.set(rowKey{table, string(key)}, value)
	return nil
}

// Delete implements ledger.State.
func (o *overlay) Delete(table ledger.Table, key []byte) error {
	o.set(rowKey{table, string(key)}, nil)
	return nil
}

func (o *overlay) set(key rowKey, value []byte) {
	if o.rows == nil {
		o.rows = map[rowKey][]byte{}
	}
	if _, ok := o.rows[key]; !ok {
		o.order = append(o.order, key)
	}
	o.rows[key] = value
}

// flush makes the changes in the state below.
func (o *overlay) flush() error {
	for _, at := range o.order {
		value, key := o.rows[at], []byte(at.key)
		var err error
		if value == nil {
			err = o.txState.Delete(at.table, key)
		} else {
			err = o.txState.Put(at.table, key, value)
		}
		if err != nil {
			return fmt.Errorf("table %s: %w", at.table, err)
		}
	}
	return nil
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
