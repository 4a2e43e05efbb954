package statement

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/canon"
)

// Element is one element of BN254's scalar field. In JSON it is the base64 of 32
// big-endian bytes; a value of r or more, or any other length, is refused.
type Element fr.Element

// ElementFromBytes reads 32 canonical big-endian bytes.
func ElementFromBytes(b []byte) (Element, error) {
	var e fr.Element
	if err := e.SetBytesCanonical(b); err != nil {
		return Element{}, fmt.Errorf("%w: not a canonical field element of 32 bytes", canon.ErrMalformed)
	}
	return Element(e), nil
}

// Fr gives the element as gnark-crypto's type.
func (e Element) Fr() fr.Element { return fr.Element(e) }

// Bytes gives 32 big-endian bytes.
func (e Element) Bytes() [32]byte { f := fr.Element(e); return f.Bytes() }

// Big gives the element as an integer in [0, r).
func (e Element) Big() *big.Int { f := fr.Element(e); return f.BigInt(new(big.Int)) }

// IsZero tells whether the element is 0.
func (e Element) IsZero() bool { return e == Element{} }

// String gives the element in base64, as in JSON.
func (e Element) String() string {
	b := e.Bytes()
	return base64.StdEncoding.EncodeToString(b[:])
}

// MarshalText implements encoding.TextMarshaler.
func (e Element) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *Element) UnmarshalText(text []byte) (err error) {
	var b [fr.Bytes]byte
	if err := decodeBase64(b[:], text); err != nil {
		return err
	}
	*e, err = ElementFromBytes(b[:])
	return err
}

// Digest is a SHA-256 digest. In JSON it is the base64 of its 32 bytes; for
// people it is printed in hexadecimal.
type Digest [sha256.Size]byte

// Hex gives the digest in hexadecimal.
func (d Digest) Hex() string { return hex.EncodeToString(d[:]) }

// String gives the digest in base64, as in JSON.
func (d Digest) String() string { return base64.StdEncoding.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return encodeBase64(d[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	return decodeBase64(d[:], text)
}

// truncated gives the first 248 bits of the digest as an element: every such
// value is below r, so nothing is reduced and no two digests' prefixes collide.
func (d Digest) truncated() fr.Element {
	var e fr.Element
	e.SetBytes(d[:31])
	return e
}

func encodeBase64(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }

// decodeBase64 reads exactly the canonical base64 of len(out) bytes.
func decodeBase64(out, text []byte) error { return canon.DecodeBase64(out, text) }
