package store

import (
	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// LogKeys gives the keys that the log has had, in their order, as far as its entries
// tell: none before the first entry that the log's key signed.
func (s *Store) LogKeys() (keys []ledger.KeySpan, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		keys, err = ledger.View{State: s.state(tx)}.LogKeys()
		return err
	})
	return keys, err
}

// IssuerKeys gives the keys that a registry's issuer has had, in their order.
func (s *Store) IssuerKeys(registry string) (keys []ledger.KeySpan, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		keys, err = ledger.View{State: s.state(tx)}.IssuerKeys(registry)
		return err
	})
	return keys, err
}

// Sunset gives the index of the entry that ended a circuit's use, or nil.
func (s *Store) Sunset(circuit, vk statement.Digest) (at *uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		at, err = ledger.View{State: s.state(tx)}.Sunset(circuit, vk)
		return err
	})
	return at, err
}

// EpochCounts fails with [ledger.ErrRevoked] where an epoch, its schema, or what a
// registry that it derives joins, no longer counts.
func (s *Store) EpochCounts(identity statement.Digest, registry string) error {
	return s.view(func(tx *bolt.Tx) error {
		return ledger.View{State: s.state(tx)}.EpochCounts(identity, registry)
	})
}
