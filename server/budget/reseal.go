package budget

import (
	"slices"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atrest"
)

// Reseal has the key of the hashes sealed under a key's present data key, whatever it was
// under before, or in the clear. It is a workspace.Reseal.
func Reseal(db *bbolt.DB, key *atrest.Key) error {
	return db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaBucket))
		if meta == nil {
			return nil // there never was a budget here
		}
		sealed, changed, err := key.Reseal(placeSecret(), slices.Clone(meta.Get([]byte(metaSecret))))
		if err != nil || !changed {
			return err
		}
		return meta.Put([]byte(metaSecret), sealed)
	})
}
