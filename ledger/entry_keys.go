package ledger

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/statement"
)

// Role says what a key is for.
type Role string

// The roles of keys that can be rotated and revoked.
const (
	RoleLog    Role = "log"    // signs checkpoints
	RoleIssuer Role = "issuer" // signs a registry's schemas and epochs
)

func validateRole(origin string, role Role, registry string) error {
	if err := checkName("the origin", origin); err != nil {
		return err
	}
	switch {
	case role == RoleLog && registry == "":
		return nil
	case role == RoleIssuer:
		return checkName("the registry's name", registry)
	case role == RoleLog:
		return errors.New("a log key of a registry: leave the registry out")
	}
	return fmt.Errorf("role %q is neither log nor issuer", shorten(string(role)))
}

// KeyRotationEntry hands a role from one key to the next. Both sign it.
type KeyRotationEntry struct {
	Kind         typeOf[*KeyRotationEntry] `json:"type"`
	Origin       string                    `json:"origin"`
	Role         Role                      `json:"role"`
	Registry     string                    `json:"registry,omitempty"` // of an issuer
	Old          PublicKey                 `json:"old"`
	New          PublicKey                 `json:"new"`
	SignatureOld []byte                    `json:"signature_old,omitempty"`
	SignatureNew []byte                    `json:"signature_new,omitempty"`
}

// Type implements Entry.
func (*KeyRotationEntry) Type() EntryType { return TypeKeyRotation }

func (e *KeyRotationEntry) validate() error {
	if err := validateRole(e.Origin, e.Role, e.Registry); err != nil {
		return err
	}
	if e.Old == e.New {
		return errors.New("the old key is the new key")
	}
	if err := checkSignature("the old key's signature", e.SignatureOld); err != nil {
		return err
	}
	return checkSignature("the new key's signature", e.SignatureNew)
}

func (e KeyRotationEntry) unsigned() KeyRotationEntry {
	e.SignatureOld, e.SignatureNew = nil, nil
	return e
}

// Sign sets Old and New to the public halves of two keys and signs with both.
func (e *KeyRotationEntry) Sign(oldKey, newKey ed25519.PrivateKey) (err error) {
	if e.Old, err = PublicKeyOf(oldKey); err != nil {
		return err
	}
	if e.New, err = PublicKeyOf(newKey); err != nil {
		return err
	}
	if e.SignatureOld, err = sign(oldKey, string(TypeKeyRotation), e.unsigned()); err != nil {
		return err
	}
	e.SignatureNew, err = sign(newKey, string(TypeKeyRotation), e.unsigned())
	return err
}

// VerifySignatures tells whether both keys signed the entry.
func (e *KeyRotationEntry) VerifySignatures() error {
	if err := verify(e.Old, string(TypeKeyRotation), e.unsigned(), e.SignatureOld); err != nil {
		return err
	}
	return verify(e.New, string(TypeKeyRotation), e.unsigned(), e.SignatureNew)
}

// RevocationEntry says that nothing which a key signed for entries at or after an
// index counts. The log's key signs it.
type RevocationEntry struct {
	Kind      typeOf[*RevocationEntry] `json:"type"`
	Origin    string                   `json:"origin"`
	Role      Role                     `json:"role"`
	Registry  string                   `json:"registry,omitempty"`
	Key       PublicKey                `json:"key"`
	From      canon.Uint64             `json:"from"`
	Signature []byte                   `json:"signature,omitempty"`
}

// Type implements Entry.
func (*RevocationEntry) Type() EntryType { return TypeRevocation }

func (e *RevocationEntry) validate() error {
	if err := validateRole(e.Origin, e.Role, e.Registry); err != nil {
		return err
	}
	return checkSignature("the signature", e.Signature)
}

func (e RevocationEntry) unsigned() RevocationEntry {
	e.Signature = nil
	return e
}

// Sign signs the entry with the log's key.
func (e *RevocationEntry) Sign(key ed25519.PrivateKey) (err error) {
	e.Signature, err = sign(key, string(TypeRevocation), e.unsigned())
	return err
}

// VerifySignature tells whether the entry is signed by a key.
func (e *RevocationEntry) VerifySignature(key PublicKey) error {
	return verify(key, string(TypeRevocation), e.unsigned(), e.Signature)
}

// SunsetEntry ends the use of a circuit under one verifying key: proofs before it
// stay valid, none come after it. The log's key signs it.
type SunsetEntry struct {
	Kind      typeOf[*SunsetEntry] `json:"type"`
	Origin    string               `json:"origin"`
	Circuit   statement.Digest     `json:"circuit"`
	VK        statement.Digest     `json:"vk"` // SHA-256 of the verifying key
	Signature []byte               `json:"signature,omitempty"`
}

// Type implements Entry.
func (*SunsetEntry) Type() EntryType { return TypeSunset }

func (e *SunsetEntry) validate() error {
	if err := checkName("the origin", e.Origin); err != nil {
		return err
	}
	return checkSignature("the signature", e.Signature)
}

func (e SunsetEntry) unsigned() SunsetEntry {
	e.Signature = nil
	return e
}

// Sign signs the entry with the log's key.
func (e *SunsetEntry) Sign(key ed25519.PrivateKey) (err error) {
	e.Signature, err = sign(key, string(TypeSunset), e.unsigned())
	return err
}

// VerifySignature tells whether the entry is signed by a key.
func (e *SunsetEntry) VerifySignature(key PublicKey) error {
	return verify(key, string(TypeSunset), e.unsigned(), e.Signature)
}
