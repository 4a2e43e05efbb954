package registry

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atrest"
)

// tokened is a bucket whose keys are tokens of tree keys.
type tokened struct {
	t      state
	name   []byte
	bucket *bbolt.Bucket
	index  *atrest.Index
	empty  bool // when it was opened, as it mostly is
}

func (t state) tokened(name []byte) *tokened {
	b := &tokened{t: t, name: name, bucket: t.Bucket(name), index: t.index(name)}
	first, _ := b.bucket.Cursor().First()
	b.empty = first == nil
	return b
}

func (b *tokened) token(key treeKey) []byte { return b.index.Token(key[:])[:tokenBytes] }

// get gives the value of a tree key, nil where there is none.
func (b *tokened) get(key treeKey) ([]byte, error) {
	if b.empty {
		return nil, nil
	}
	token := b.token(key)
	value := b.bucket.Get(token)
	if value == nil {
		return nil, nil
	}
	return b.t.open(b.name, token, value)
}

func (b *tokened) put(key treeKey, plain []byte) error {
	b.empty = false
	token := append([]byte{}, b.token(key)...)
	return b.bucket.Put(token, b.t.seal(b.name, token, plain))
}

// origins says which tree key a record had first.
type origins struct{ *tokened }

func (t state) origins() origins { return origins{t.tokened(bucketOrigins)} }

// of gives the first key that a key's record had, which is the key itself where it was
// never renumbered.
func (o origins) of(key treeKey) (treeKey, error) {
	b, err := o.get(key)
	if b == nil || err != nil {
		return key, err
	}
	return decodeTreeKey(b)
}

// renamed holds the keys that were renamed away.
type renamed struct{ *tokened }

func (t state) renamed() renamed { return renamed{t.tokened(bucketRenamed)} }

// replacement is what the file holds of a key that was renamed away.
type replacement struct {
	from  treeKey
	epoch uint64 // that renamed it
	to    treeKey
}

func (r replacement) encode() []byte {
	b := binary.BigEndian.AppendUint64(append([]byte{}, r.from[:]...), r.epoch)
	return append(b, r.to[:]...)
}

func decodeReplacement(b []byte) (r replacement, err error) {
	if len(b) != 2*len(treeKey{})+8 {
		return r, fmt.Errorf("%w: a renaming of %d bytes", ErrCorrupt, len(b))
	}
	copy(r.from[:], b)
	r.epoch = binary.BigEndian.Uint64(b[len(r.from):])
	copy(r.to[:], b[len(r.from)+8:])
	return r, nil
}

// of tells whether and by what a key was replaced.
func (n renamed) of(key treeKey) (r replacement, found bool, err error) {
	b, err := n.get(key)
	if b == nil || err != nil {
		return r, false, err
	}
	if r, err = decodeReplacement(b); err == nil && r.from != key {
		err = fmt.Errorf("%w: a renaming of another key", ErrCorrupt)
	}
	return r, err == nil, err
}

// each calls fn with every renaming, in no order that means anything.
func (n renamed) each(fn func(replacement) error) error {
	return n.bucket.ForEach(func(token, value []byte) error {
		plain, err := n.t.open(n.name, token, value)
		if err != nil {
			return err
		}
		r, err := decodeReplacement(plain)
		if err != nil {
			return err
		}
		return fn(r)
	})
}
