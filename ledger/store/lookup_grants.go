package store

import (
	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
)

// Grant gives the grant of an entry and where it stands.
func (s *Store) Grant(index uint64) (entry *ledger.GrantEntry, status ledger.GrantStatus, err error) {
	_, entry, err = find[*ledger.GrantEntry](s, func(v ledger.View) (_ uint64, err error) {
		status, err = v.Grant(index)
		return index, err
	})
	return entry, status, err
}

// Grants gives where every grant stands, in the order of the log.
func (s *Store) Grants() (all []ledger.GrantStatus, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte(ledger.TableGrants))
		if bucket == nil {
			return nil
		}
		view := ledger.View{State: s.state(tx)}
		return bucket.ForEach(func(key, _ []byte) error {
			index, _ := number(key)
			status, err := view.Grant(index)
			all = append(all, status)
			return err
		})
	})
	return all, err
}
