package service

import (
	"bytes"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/prover/queue"
)

// sealedBuckets are those whose values are all sealed, each for its bucket and key.
func sealedBuckets() []string {
	return []string{
		"service.requests", "service.proofs", "service.deliveries", "service.audit",
		"service.documents", "service.bundles", "service.openings", "service.webhooks", "service.idempotency", "service.notes",
	}
}

// Reseal has what a service keeps in its database sealed under a key's present data key,
// whatever it was under before, or in the clear. It is a workspace.Reseal.
func Reseal(db *bbolt.DB, key *atrest.Key) error {
	return db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaBucket))
		if meta == nil {
			return nil // no service was ever opened here
		}
		for _, name := range sealedBuckets() {
			if err := resealBucket(tx.Bucket([]byte(name)), name, key); err != nil {
				return err
			}
		}
		sealed, _, err := key.Reseal(place(metaBucket, []byte(metaSecret)), bytes.Clone(meta.Get([]byte(metaSecret))))
		if err != nil {
			return err
		}
		if err := meta.Put([]byte(metaSecret), sealed); err != nil {
			return err
		}
		return queue.ReplaceSaved(tx, func(id string, saved []byte) ([]byte, error) {
			sealed, _, err := key.Reseal(placeSaved(id), saved)
			return sealed, err
		})
	})
}

func resealBucket(b *bbolt.Bucket, name string, key *atrest.Key) error {
	if b == nil {
		return nil
	}
	// Not while the bucket is walked through, which it must not change under.
	anew := map[string][]byte{}
	err := b.ForEach(func(k, v []byte) error {
		sealed, changed, err := key.Reseal(place(name, k), bytes.Clone(v))
		if changed {
			anew[string(k)] = sealed
		}
		return err
	})
	if err != nil {
		return err
	}
	for k, sealed := range anew {
		if err := b.Put([]byte(k), sealed); err != nil {
			return err
		}
	}
	return nil
}
