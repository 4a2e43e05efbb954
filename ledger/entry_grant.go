package ledger

import (
	"crypto/ed25519"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/statement"
)

// GrantEntry is an issuer's permission to ask, blinded: the digest says nothing
// until the grant itself is shown (see [statement.Grant]).
type GrantEntry struct {
	Kind      typeOf[*GrantEntry] `json:"type"`
	Origin    string              `json:"origin"`
	Registry  string              `json:"registry"` // one of those that the grant is about
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

// Identity gives the SHA-256 over the entry without its signature.
func (e *GrantEntry) Identity() (statement.Digest, error) {
	return statement.HashJSON(string(TypeGrant), e.unsigned())
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

// GrantRevocationEntry ends a grant: what was proved before it stays granted, and
// nothing after it is. Its leaf hash pins the very entry that it ends.
type GrantRevocationEntry struct {
	Kind      typeOf[*GrantRevocationEntry] `json:"type"`
	Origin    string                        `json:"origin"`
	Registry  string                        `json:"registry"`            // as in the grant's entry
	Grant     canon.Uint64                  `json:"grant"`               // index of the grant's entry
	Leaf      statement.Digest              `json:"leaf"`                // that entry's leaf hash
	Signature []byte                        `json:"signature,omitempty"` // by the registry's issuer
}

// Type implements Entry.
func (*GrantRevocationEntry) Type() EntryType { return TypeGrantRevocation }

func (e *GrantRevocationEntry) validate() error {
	return validateRelease(e.Origin, e.Registry, e.Signature)
}

func (e GrantRevocationEntry) unsigned() GrantRevocationEntry {
	e.Signature = nil
	return e
}

// Sign signs the entry with the registry's issuer key.
func (e *GrantRevocationEntry) Sign(key ed25519.PrivateKey) (err error) {
	e.Signature, err = sign(key, string(TypeGrantRevocation), e.unsigned())
	return err
}

// VerifySignature tells whether the entry is signed by a key.
func (e *GrantRevocationEntry) VerifySignature(key PublicKey) error {
	return verify(key, string(TypeGrantRevocation), e.unsigned(), e.Signature)
}
