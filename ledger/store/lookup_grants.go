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

// Grants gives where the grants from an index on stand, in the order of the log, n at most.
func (s *Store) Grants(from uint64, n int) (some []ledger.GrantStatus, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte(ledger.TableGrants))
		if bucket == nil {
			return nil
		}
		view, cursor := ledger.View{State: s.state(tx)}, bucket.Cursor()
		for k, _ := cursor.Seek(key64(from)); k != nil && len(some) < n; k, _ = cursor.Next() {
			index, _ := number(k)
			status, err := view.Grant(index)
			if err != nil {
				return err
			}
			some = append(some, status)
		}
		return nil
	})
	return some, err
}
