// Package atrest encrypts values where they are stored, so that whoever takes a disk or
// a backup takes nothing that they can read.
//
// A [Key] seals and opens values. A value is bound to its place, which both say, so that
// it cannot be moved to another one. The nil Key leaves values in the clear.
//
//	sealed := key.Seal([]byte("service.db/requests/17"), document)
//	document, err := key.Open([]byte("service.db/requests/17"), sealed)
//
// What is looked up by a value that must not stand in the clear is looked up by its token
// under an [Index], a keyed hash.
//
// The random data keys of one workspace are a [Ring], which is kept in a file that age
// encrypts to the recipients who may open it: the service's own identity, and perhaps an
// escrow. A rotation puts a new data key at the head of the ring; the earlier ones stay
// until nothing is sealed under them any more.
//
// docs/spec/atrest.md specifies the formats.
package atrest

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// Errors of sealed values.
var (
	// ErrNotSealed says that a value is in the clear where a sealed one has to be, or is
	// damaged beyond recognition.
	ErrNotSealed = errors.New("the value is not sealed")
	// ErrOtherKey says that a value is sealed under a data key that is not at hand.
	ErrOtherKey = errors.New("the value is sealed under another data key")
	// ErrTampered says that a value was changed, or comes from another place.
	ErrTampered = errors.New("the sealed value was changed or moved")
)

// ID names a data key: the beginning of a hash of it, which says nothing of the key.
type ID [4]byte

// String gives the id in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

const (
	// secretBytes is the size of a data key.
	secretBytes = 32
	// valueVersion begins every sealed value: this version of the format. It begins no
	// JSON and no text, so that what is in the clear is not taken for sealed.
	valueVersion = 1
	// Overhead is by how many bytes a sealed value is longer than the value.
	Overhead = 1 + len(ID{}) + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
)

// Key seals values under a data key, and opens those that are sealed under it or under an
// earlier one. Its methods may be called from several goroutines. The nil Key leaves
// values in the clear.
type Key struct {
	keys []*dataKey // the present one first
	// mixed says that values may be in the clear still: encryption is being enabled.
	mixed bool
}

// dataKey is one data key, and what is derived from it.
type dataKey struct {
	id    ID
	aead  cipher.AEAD
	index []byte // the secret of the tokens
}

func newDataKey(secret []byte) (*dataKey, error) {
	if len(secret) != secretBytes {
		return nil, fmt.Errorf("a data key of %d bytes", len(secret))
	}
	id, err := derive(secret, "id", len(ID{}))
	if err != nil {
		return nil, err
	}
	seal, err := derive(secret, "seal", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(seal)
	if err != nil {
		return nil, err
	}
	index, err := derive(secret, "index", sha256.Size)
	return &dataKey{id: ID(id), aead: aead, index: index}, err
}

// derive gives a value of its own for each purpose that a data key has (RFC 5869).
func derive(secret []byte, purpose string, length int) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, nil, "attestry/at-rest/v1 "+purpose, length)
}

// ID names the data key that values are sealed under; of the nil Key it is zero.
func (k *Key) ID() (id ID) {
	if k == nil {
		return id
	}
	return k.keys[0].id
}

// Only gives the key that seals and opens under one of the data keys alone. It fails with
// [ErrOtherKey]. The id of the nil Key gives the nil Key, where values may be in the clear.
func (k *Key) Only(id ID) (*Key, error) {
	if id == (ID{}) {
		if k == nil || k.mixed {
			return nil, nil
		}
		return nil, ErrNotSealed
	}
	if k != nil {
		if d := k.find(id); d != nil {
			return &Key{keys: []*dataKey{d}}, nil
		}
	}
	return nil, ErrOtherKey
}

func (k *Key) find(id ID) *dataKey {
	for _, d := range k.keys {
		if d.id == id {
			return d
		}
	}
	return nil
}

// Changing tells whether values may be in the clear or under an earlier data key, because
// encryption is being enabled or a data key replaced.
func (k *Key) Changing() bool { return k != nil && (k.mixed || len(k.keys) > 1) }

// Seal encrypts a value for its place. The place itself is not secret, and not stored.
func (k *Key) Seal(place, plain []byte) []byte {
	if k == nil {
		return plain
	}
	d := k.keys[0]
	sealed := make([]byte, 1+len(d.id)+chacha20poly1305.NonceSizeX, Overhead+len(plain))
	sealed[0] = valueVersion
	copy(sealed[1:], d.id[:])
	nonce := sealed[1+len(d.id):]
	_, _ = rand.Read(nonce) // never fails: it ends the program instead
	return d.aead.Seal(sealed, nonce, plain, place)
}

// Open decrypts a value that was sealed for a place. It fails with [ErrNotSealed],
// [ErrOtherKey] or [ErrTampered]. While encryption is being enabled a value that is in the
// clear is given as it is.
func (k *Key) Open(place, sealed []byte) ([]byte, error) {
	if k == nil {
		return sealed, nil
	}
	id, ok := sealedUnder(sealed)
	switch {
	case !ok && k.mixed:
		return sealed, nil
	case !ok:
		return nil, ErrNotSealed
	}
	d := k.find(id)
	if d == nil {
		return nil, fmt.Errorf("%w: %s", ErrOtherKey, id)
	}
	rest := sealed[1+len(id):]
	plain, err := d.aead.Open(nil, rest[:chacha20poly1305.NonceSizeX], rest[chacha20poly1305.NonceSizeX:], place)
	if err != nil {
		return nil, ErrTampered // which bytes differ, nobody can tell
	}
	return plain, nil
}

// sealedUnder reads the data key's id from a value that has the form of a sealed one.
func sealedUnder(value []byte) (id ID, ok bool) {
	if len(value) < Overhead || value[0] != valueVersion {
		return id, false
	}
	copy(id[:], value[1:])
	return id, true
}

// Reseal gives a value as it is sealed under the present data key; changed is false where
// it is that already. It is what a rotation does to every value.
func (k *Key) Reseal(place, value []byte) (sealed []byte, changed bool, err error) {
	if k == nil {
		return value, false, nil
	}
	plain, err := k.Open(place, value)
	if err != nil {
		return nil, false, err
	}
	if id, ok := sealedUnder(value); ok && id == k.ID() {
		return value, false, nil
	}
	return k.Seal(place, plain), true, nil
}

// SealedEarlier tells whether a value is sealed under one of the earlier data keys.
func (k *Key) SealedEarlier(value []byte) bool {
	id, ok := sealedUnder(value)
	return k != nil && ok && id != k.ID() && k.find(id) != nil
}

// Format implements fmt.Formatter: no verb shows a key.
func (k *Key) Format(f fmt.State, _ rune) {
	if k == nil {
		_, _ = io.WriteString(f, "atrest.Key(none)")
		return
	}
	_, _ = io.WriteString(f, "atrest.Key("+k.ID().String()+")")
}

// Index gives tokens: keyed hashes by which values are found that must not stand in the
// clear. One is for one goroutine.
type Index struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

// Index makes the index of one purpose under the present data key. The tokens of the nil
// Key are hashes that anybody can compute.
func (k *Key) Index(purpose string) *Index {
	secret := make([]byte, sha256.Size)
	if k != nil {
		secret = k.keys[0].index
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(purpose))
	return &Index{mac: hmac.New(sha256.New, mac.Sum(nil))}
}

// Token gives HMAC-SHA-256 of a value. The array is the index's own until the next call.
func (x *Index) Token(value []byte) *[sha256.Size]byte {
	x.mac.Reset()
	x.mac.Write(value)
	x.mac.Sum(x.sum[:0])
	return &x.sum
}
