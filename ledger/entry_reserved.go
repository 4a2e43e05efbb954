package ledger

import (
	"crypto/ed25519"

	"github.com/attestry/attestry/statement"
)

// The entry of this file has its format now, so that every reader agrees on it;
// [Rules] of this version do not accept it into a log.

// GrantEntry is an issuer's permission to ask, blinded: the digest says nothing
// until the grant itself is shown.
type GrantEntry struct {
	Kind      typeOf[*GrantEntry] `json:"type"`
	Origin    string              `json:"origin"`
	Registry  string              `json:"registry"`
	Grant     statement.Digest    `json:"grant"`
	Signature []byte              `json:"signature,omitempty"` // by the registry's issuer
}

// Type implements Entry.
func (*GrantEntry) Type() EntryType { return TypeGrant }

func (e *GrantEntry) validate() error { return validateRelease(e.Origin, e.Registry, e.Signature) }

func (e GrantEntry) unsigned() GrantEntry {
	e.Signature = nil
	return e
}

// Sign signs the entry with the registry's issuer key.
func (e *GrantEntry) Sign(key ed25519.PrivateKey) (err error) {
	e.Signature, err = sign(key, string(TypeGrant), e.unsigned())
	return err
}

// VerifySignature tells whether the entry is signed by a key.
func (e *GrantEntry) VerifySignature(key PublicKey) error {
	return verify(key, string(TypeGrant), e.unsigned(), e.Signature)
}
