package registry

import (
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atrest"
)

// box seals and opens the private values of one registry: each is bound to the registry,
// its bucket and its key there. It also makes the tokens by which values are found whose
// keys must not stand in the clear.
type box struct {
	key      *atrest.Key // nil: in the clear
	registry string
}

// place names where a value is.
func (b *box) place(bucket, key []byte) []byte {
	place := make([]byte, 0, 96)
	place = append(append(place, "registry/"...), b.registry...)
	place = append(append(append(place, '/'), bucket...), '/')
	return append(place, key...)
}

func (b *box) seal(bucket, key, plain []byte) []byte {
	if b.key == nil {
		return plain
	}
	return b.key.Seal(b.place(bucket, key), plain)
}

func (b *box) open(bucket, key, value []byte) ([]byte, error) {
	if b.key == nil {
		return value, nil
	}
	plain, err := b.key.Open(b.place(bucket, key), value)
	if err != nil {
		return nil, fmt.Errorf("%w: a value of bucket %s: %w", ErrCorrupt, bucket, err)
	}
	return plain, nil
}

// index makes the tokens of one bucket.
func (b *box) index(bucket []byte) *atrest.Index {
	return b.key.Index("registry/" + b.registry + "/" + string(bucket))
}

// buckets is where a registry's buckets are: a transaction or, of a derived registry, a
// bucket in its source's file.
type buckets interface {
	Bucket(name []byte) *bbolt.Bucket
	CreateBucket(name []byte) (*bbolt.Bucket, error)
	DeleteBucket(name []byte) error
}

// state is a registry in one transaction.
type state struct {
	buckets
	*box
}

// get gives what a bucket holds under a key, nil where there is nothing.
func (t state) get(bucket, key []byte) ([]byte, error) {
	value := t.Bucket(bucket).Get(key)
	if value == nil {
		return nil, nil
	}
	return t.open(bucket, key, value)
}

func (t state) put(bucket, key, plain []byte) error {
	return t.Bucket(bucket).Put(key, t.seal(bucket, key, plain))
}

// versions finds versions of the values of one bucket, whose keys end in an inverted epoch.
type versions struct {
	*box
	bucket []byte
	cursor *bbolt.Cursor
}

func (t state) versions(bucket []byte) *versions {
	return &versions{box: t.box, bucket: bucket, cursor: t.Bucket(bucket).Cursor()}
}

// at finds the newest version that is not after the epoch of the key, which ends in one.
// found is false where there was none by then.
func (v *versions) at(key []byte) (plain []byte, epoch uint64, found bool, err error) {
	sealed, epoch, found := version(v.cursor, key)
	if !found {
		return nil, 0, false, nil
	}
	stored := appendVersion(append(make([]byte, 0, 16), key[:len(key)-8]...), epoch)
	plain, err = v.open(v.bucket, stored, sealed)
	return plain, epoch, err == nil, err
}
