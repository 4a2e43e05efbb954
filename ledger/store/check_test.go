package store

import (
	"context"
	"errors"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
)

func TestCheckFindsDamage(t *testing.T) {
	change := func(bucket string, key []byte, f func(value []byte) []byte) func(tx *bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			return b.Put(key, f(append([]byte{}, b.Get(key)...)))
		}
	}
	flipped := func(value []byte) []byte { value[len(value)/2] ^= 1; return value }
	for name, damage := range map[string]func(tx *bolt.Tx) error{
		"a bit of an entry":        change("entries", key64(4), flipped),
		"a bit of an entry's hash": change("hashes", key64(0), flipped),
		"a bit of an inner hash":   change("hashes", key64(6), flipped),
		"an entry missing":         func(tx *bolt.Tx) error { return tx.Bucket(bucketEntries).Delete(key64(4)) },
		"the first entry missing":  func(tx *bolt.Tx) error { return tx.Bucket(bucketEntries).Delete(key64(0)) },
		"the last entry missing":   func(tx *bolt.Tx) error { return tx.Bucket(bucketEntries).Delete(key64(10)) },
		"an entry too many":        change("entries", key64(11), func([]byte) []byte { return []byte("{}") }),
		"a hash missing":           func(tx *bolt.Tx) error { return tx.Bucket(bucketHashes).Delete(key64(3)) },
		"a hash too many":          change("hashes", key64(999), func([]byte) []byte { return make([]byte, 32) }),
		"a live pledge missing":    func(tx *bolt.Tx) error { return clear1(tx.Bucket([]byte("live"))) },
		"a statement missing":      func(tx *bolt.Tx) error { return clear1(tx.Bucket([]byte("digests"))) },
		"a row too many":           change("live", []byte("x"), func([]byte) []byte { return key64(6) }),
		"a row of another value":   change(string(ledger.TableRegistries), []byte(registry), func(v []byte) []byte { return append(v, ' ') }),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			fill(t, s, 11)
			if err := s.Check(t.Context()); err != nil {
				t.Fatalf("before: %v", err)
			}
			tamper(t, s, damage)
			if err := s.Check(t.Context()); !errors.Is(err, ErrDamaged) {
				t.Errorf("%v; want ErrDamaged", err)
			}
		})
	}
}

// clear1 removes a bucket's first row.
func clear1(b *bolt.Bucket) error {
	key, _ := b.Cursor().First()
	return b.Delete(key)
}

func TestCheckIsCancelled(t *testing.T) {
	s := newStore(t)
	fill(t, s, 11)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want Canceled", err)
	}
}

// A log whose proofs were accepted by a lax check does not pass a strict one.
func TestCheckChecksProofs(t *testing.T) {
	s := newStore(t)
	s.rules.Verify = func(*ledger.ProofEntry, *ledger.CircuitEntry) error { return nil }
	bad := *entries(t)[4].(*ledger.ProofEntry)
	bad.Proof = make([]byte, ledger.ProofBytes)
	if _, err := s.Append(t.Context(), append(entries(t)[:4], &bad)...); err != nil {
		t.Fatal(err)
	}
	s.rules.Verify = options().Verify
	if err := s.Check(t.Context()); !errors.Is(err, ledger.ErrProofInvalid) || !errors.Is(err, ErrDamaged) {
		t.Errorf("%v; want ErrProofInvalid", err)
	}
}
