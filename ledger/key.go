package ledger

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"

	"github.com/attestry/attestry/internal/canon"
)

// PublicKey is an Ed25519 public key (RFC 8032). In JSON it is base64.
type PublicKey [ed25519.PublicKeySize]byte

// IssuerKey is the key that signs a registry's schemas and epochs.
type IssuerKey = PublicKey

// PublicKeyOf gives the public half of a private key.
func PublicKeyOf(key ed25519.PrivateKey) (PublicKey, error) {
	if len(key) != ed25519.PrivateKeySize {
		return PublicKey{}, fmt.Errorf("%w: a private key of %d bytes, not %d", ErrBadKey, len(key), ed25519.PrivateKeySize)
	}
	return PublicKey(key[ed25519.PrivateKeySize-ed25519.PublicKeySize:]), nil
}

// ParsePublicKey reads the base64 of 32 bytes.
func ParsePublicKey(s string) (PublicKey, error) {
	var k PublicKey
	err := k.UnmarshalText([]byte(s))
	return k, err
}

// String gives the key in base64, as in JSON.
func (k PublicKey) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// MarshalText implements encoding.TextMarshaler.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *PublicKey) UnmarshalText(text []byte) error {
	if canon.DecodeBase64(k[:], text) != nil {
		return fmt.Errorf("%w: not the base64 of %d bytes", ErrBadKey, len(k))
	}
	return nil
}

// SigningBytes gives what is signed of a document: the tag, a newline and the
// canonical JSON of the document, which the caller gives without its signature
// members. Its SHA-256 is the document's identity.
func SigningBytes(tag string, document any) ([]byte, error) {
	body, err := canon.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return append([]byte(tag+"\n"), body...), nil
}

func sign(key ed25519.PrivateKey, tag string, document any) ([]byte, error) {
	if _, err := PublicKeyOf(key); err != nil {
		return nil, err
	}
	message, err := SigningBytes(tag, document)
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(key, message), nil
}

func verify(key PublicKey, tag string, document any, signature []byte) error {
	message, err := SigningBytes(tag, document)
	if err != nil {
		return err
	}
	if len(signature) != ed25519.SignatureSize || !ed25519.Verify(key[:], message, signature) {
		return fmt.Errorf("%w: of %s by key %s", ErrBadSignature, tag, key)
	}
	return nil
}
