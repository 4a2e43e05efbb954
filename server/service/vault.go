package service

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"
)

// vault is a bucket of sealed bytes.
type vault struct {
	name string
	seal Sealer
}

func (v vault) put(tx *bbolt.Tx, key string, plain []byte) error {
	return tx.Bucket([]byte(v.name)).Put([]byte(key), v.seal.Seal(place(v.name, []byte(key)), plain))
}

// get fails with [ErrNotFound].
func (v vault) get(tx *bbolt.Tx, key string) ([]byte, error) {
	sealed := tx.Bucket([]byte(v.name)).Get([]byte(key))
	if sealed == nil {
		return nil, ErrNotFound
	}
	// A copy: the bucket's bytes end with the transaction.
	plain, err := v.seal.Open(place(v.name, []byte(key)), bytes.Clone(sealed))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.name, err)
	}
	return plain, nil
}

func (v vault) delete(tx *bbolt.Tx, key string) error {
	return tx.Bucket([]byte(v.name)).Delete([]byte(key))
}
