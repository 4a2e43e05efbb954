package ledger

import (
	"crypto/ed25519"
	"fmt"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/statement"
)

// MaxReasonBytes bounds the reason of a forced release.
const MaxReasonBytes = 1024

// ReleaseEntry ends a pledge, by the key that the pledge names. Its leaf hash pins
// the very entry that it ends, so that it cannot end another log's.
type ReleaseEntry struct {
	Kind      typeOf[*ReleaseEntry] `json:"type"`
	Origin    string                `json:"origin"` // of the log
	Registry  string                `json:"registry"`
	Nullifier statement.Element     `json:"nullifier"`
	Pledge    canon.Uint64          `json:"pledge"` // index of the pledge's entry
	Leaf      statement.Digest      `json:"leaf"`   // that entry's leaf hash
	Signature []byte                `json:"signature,omitempty"`
}

// Type implements Entry.
func (*ReleaseEntry) Type() EntryType { return TypeRelease }

func (e *ReleaseEntry) validate() error { return validateRelease(e.Origin, e.Registry, e.Signature) }

func validateRelease(origin, registry string, signature []byte) error {
	if err := checkName("the origin", origin); err != nil {
		return err
	}
	if err := checkName("the registry's name", registry); err != nil {
		return err
	}
	return checkSignature("the signature", signature)
}

func (e ReleaseEntry) unsigned() ReleaseEntry {
	e.Signature = nil
	return e
}

// Sign signs the entry with the pledge's release key.
func (e *ReleaseEntry) Sign(key ed25519.PrivateKey) (err error) {
	e.Signature, err = sign(key, string(TypeRelease), e.unsigned())
	return err
}

// VerifySignature tells whether the entry is signed by a key.
func (e *ReleaseEntry) VerifySignature(key PublicKey) error {
	return verify(key, string(TypeRelease), e.unsigned(), e.Signature)
}

// ForcedReleaseEntry ends a pledge without its release key, by the recovery key
// that the schema declares for the scope. It is an entry of its own so that
// everyone sees it happen.
type ForcedReleaseEntry struct {
	Kind      typeOf[*ForcedReleaseEntry] `json:"type"`
	Origin    string                      `json:"origin"`
	Registry  string                      `json:"registry"`
	Nullifier statement.Element           `json:"nullifier"`
	Pledge    canon.Uint64                `json:"pledge"`
	Leaf      statement.Digest            `json:"leaf"`
	// Reason is public: it must say nothing of the record or its owner.
	Reason    string `json:"reason"`
	Signature []byte `json:"signature,omitempty"`
}

// Type implements Entry.
func (*ForcedReleaseEntry) Type() EntryType { return TypeForcedRelease }

func (e *ForcedReleaseEntry) validate() error {
	if n := len(e.Reason); n == 0 || n > MaxReasonBytes {
		return fmt.Errorf("a reason of %d bytes, not 1 to %d", n, MaxReasonBytes)
	}
	return validateRelease(e.Origin, e.Registry, e.Signature)
}

func (e ForcedReleaseEntry) unsigned() ForcedReleaseEntry {
	e.Signature = nil
	return e
}

// Sign signs the entry with the scope's recovery key.
func (e *ForcedReleaseEntry) Sign(key ed25519.PrivateKey) (err error) {
	e.Signature, err = sign(key, string(TypeForcedRelease), e.unsigned())
	return err
}

// VerifySignature tells whether the entry is signed by a key.
func (e *ForcedReleaseEntry) VerifySignature(key PublicKey) error {
	return verify(key, string(TypeForcedRelease), e.unsigned(), e.Signature)
}
