package ledger

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/statement"
)

// EpochEntry is one committed state of a registry.
type EpochEntry struct {
	Kind     typeOf[*EpochEntry] `json:"type"`
	Registry string              `json:"registry"`
	Schema   statement.Digest    `json:"schema"` // identity of the schema entry
	Number   canon.Uint64        `json:"number"` // from 1
	// Previous is the identity of the epoch entry before this one; epoch 1 has none.
	Previous *statement.Digest `json:"previous,omitempty"`
	Time     string            `json:"time"` // of the commit, as [statement.FormatTime] writes it
	Root     statement.Element `json:"root"`
	// Derived gives the roots of the registries that derive from this one, and Joins
	// the identities of the epochs of the registries that those join.
	Derived map[string]statement.Element `json:"derived,omitempty"`
	Joins   map[string]statement.Digest  `json:"joins,omitempty"`
	// Transition has its place for a proof that the epoch follows from its
	// predecessor; entries of this version leave it out.
	Transition []byte `json:"transition,omitempty"`
	Signature  []byte `json:"signature,omitempty"` // by the registry's issuer
}

// Type implements Entry.
func (*EpochEntry) Type() EntryType { return TypeEpoch }

func (e *EpochEntry) validate() error {
	if err := checkName("the registry's name", e.Registry); err != nil {
		return err
	}
	if e.Number < 1 {
		return errors.New("epoch 0: the first epoch is 1")
	}
	if (e.Previous == nil) != (e.Number == 1) {
		return fmt.Errorf("epoch %d: every epoch but the first names its predecessor", e.Number)
	}
	if _, err := statement.ParseTime(e.Time); err != nil {
		return err
	}
	if len(e.Transition) != 0 {
		return errors.New("a transition, which is reserved")
	}
	if err := e.validateDerived(); err != nil {
		return err
	}
	return checkSignature("the signature", e.Signature)
}

func (e *EpochEntry) validateDerived() error {
	for name := range e.Derived {
		if err := checkName("a derived registry's name", name); err != nil {
			return err
		}
		if name == e.Registry {
			return fmt.Errorf("registry %s derives from itself", name)
		}
	}
	for name := range e.Joins {
		if err := checkName("a joined registry's name", name); err != nil {
			return err
		}
	}
	if len(e.Joins) > 0 && len(e.Derived) == 0 {
		return errors.New("joins without a derived registry")
	}
	return nil
}

func (e EpochEntry) unsigned() EpochEntry {
	e.Signature = nil
	return e
}

// Identity gives the SHA-256 over the entry without its signature: what P and the
// next epoch name it by.
func (e *EpochEntry) Identity() (statement.Digest, error) {
	return statement.HashJSON(string(TypeEpoch), e.unsigned())
}

// Sign signs the entry with the registry's issuer key.
func (e *EpochEntry) Sign(key ed25519.PrivateKey) (err error) {
	e.Signature, err = sign(key, string(TypeEpoch), e.unsigned())
	return err
}

// VerifySignature tells whether the entry is signed by a key.
func (e *EpochEntry) VerifySignature(key PublicKey) error {
	return verify(key, string(TypeEpoch), e.unsigned(), e.Signature)
}

// RootOf gives the epoch's root for the registry itself or for a registry that
// derives from it.
func (e *EpochEntry) RootOf(name string) (statement.Element, bool) {
	if name == e.Registry {
		return e.Root, true
	}
	root, ok := e.Derived[name]
	return root, ok
}
