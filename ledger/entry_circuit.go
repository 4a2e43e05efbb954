package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/attestry/attestry/statement"
)

// Setup says how a circuit's keys were made.
type Setup string

// The kinds of setup. Whoever made development keys can forge proofs under them.
// The member is the log's own word: a verifier goes by its own table of circuits.
const (
	SetupDevelopment Setup = "development"
	SetupCeremony    Setup = "ceremony"
)

// CircuitEntry is one row of the append-only table of circuits.
type CircuitEntry struct {
	Kind    typeOf[*CircuitEntry] `json:"type"`
	Name    string                `json:"name"`
	Version int                   `json:"version"` // from 1
	Circuit statement.Digest      `json:"circuit"` // hash of the constraint system
	VK      []byte                `json:"vk"`      // the verifying key's encoding
	Setup   Setup                 `json:"setup"`
}

// Type implements Entry.
func (*CircuitEntry) Type() EntryType { return TypeCircuit }

func (e *CircuitEntry) validate() error {
	if err := checkName("the circuit's name", e.Name); err != nil {
		return err
	}
	if e.Version < 1 {
		return fmt.Errorf("version %d, below 1", e.Version)
	}
	if len(e.VK) == 0 {
		return errors.New("the verifying key is empty")
	}
	if e.Setup != SetupDevelopment && e.Setup != SetupCeremony {
		return fmt.Errorf("setup %q is neither development nor ceremony", shorten(string(e.Setup)))
	}
	return nil
}

// VKHash gives the SHA-256 of the verifying key: what P names it by.
func (e *CircuitEntry) VKHash() statement.Digest { return sha256.Sum256(e.VK) }

// Identity gives the SHA-256 over the entry.
func (e *CircuitEntry) Identity() (statement.Digest, error) {
	return statement.HashJSON(string(TypeCircuit), e)
}
