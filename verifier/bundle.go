package verifier

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/statement"
)

// BundleFormat is the format member of every bundle.
const BundleFormat = "attestry/bundle/v1"

// Limits of a bundle. They bound what a verifier spends on a file that it does not
// trust.
const (
	MaxBundleBytes = 1 << 20
	MaxFacts       = 16
	MaxProofs      = 64 // of one fact: what the largest request can be split into
)

// Bundle is the one file that a verifier needs, beside its trust file: for each
// fact of a request the question, the proofs, and the ledger's entries that they
// are anchored in. Of the record it holds commitments only.
type Bundle struct {
	Format string `json:"format"`
	// Facts are in byte order of their names.
	Facts []Fact `json:"facts"`
}

// Fact answers one fact of a request.
type Fact struct {
	// Name repeats the context's, which the proofs bind.
	Name    string            `json:"name"`
	Context statement.Context `json:"context"`
	Circuit Logged            `json:"circuit"`
	Schema  Logged            `json:"schema"`
	Epoch   Logged            `json:"epoch"`
	// Successor is the epoch after Epoch, where the request named an instant: it
	// shows that Epoch was still the last one then.
	Successor *Logged `json:"successor,omitempty"`
	// Joined is the epoch of the registry that a derived one joins, as the epoch
	// entry names it.
	Joined *Logged `json:"joined,omitempty"`
	// Grant is the grant that the context names.
	Grant *Granted `json:"grant,omitempty"`
	// Proofs are of one and the same record.
	Proofs []Proof `json:"proofs"`
}

// Logged is an entry of a log with the proof that it is in it.
type Logged struct {
	// Entry is the entry's JSON; its canonical form is the log's leaf.
	Entry json.RawMessage `json:"entry"`
	// Inclusion is a C2SP tlog-proof, with the index and a signed checkpoint.
	Inclusion string `json:"inclusion"`
}

// Proof is one proof with what the ledger hides of its statement.
type Proof struct {
	Question statement.Question                      `json:"question"`
	Outputs  [statement.NumOutputs]statement.Element `json:"outputs"`
	Blind    statement.Element                       `json:"blind"`
	// Entry is the proof's ledger entry: the public part of the statement and the proof.
	Entry json.RawMessage `json:"entry"`
	// Inclusion is left out where the proof was not logged.
	Inclusion string `json:"inclusion,omitempty"`
}

// Granted is a grant with its entry, which holds the grant's digest.
type Granted struct {
	Document *statement.Grant `json:"document"`
	Logged
}

// ParseBundle reads a bundle, strictly: unknown, duplicate or missing members,
// other spellings and trailing bytes are refused. It fails with [ErrMalformed].
func ParseBundle(data []byte) (*Bundle, error) {
	if len(data) > MaxBundleBytes {
		return nil, fmt.Errorf("%w: a bundle of %d bytes, over the limit of %d", ErrMalformed, len(data), MaxBundleBytes)
	}
	b := &Bundle{}
	if err := canon.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("%w: the bundle: %w", ErrMalformed, err)
	}
	if err := b.validate(); err != nil {
		return nil, err
	}
	return b, nil
}

// Marshal gives the bundle's canonical JSON, after the checks of [ParseBundle].
func (b *Bundle) Marshal() ([]byte, error) {
	if err := b.validate(); err != nil {
		return nil, err
	}
	return canon.Marshal(b)
}

func (b *Bundle) validate() error {
	switch {
	case b == nil || b.Format != BundleFormat:
		return fmt.Errorf("%w: the bundle's format is not %q", ErrMalformed, BundleFormat)
	case len(b.Facts) < 1 || len(b.Facts) > MaxFacts:
		return fmt.Errorf("%w: %d facts, where a bundle has 1 to %d", ErrMalformed, len(b.Facts), MaxFacts)
	case !slices.IsSortedFunc(b.Facts, func(x, y Fact) int { return strings.Compare(x.Name, y.Name) }):
		return fmt.Errorf("%w: the facts are not in the order of their names", ErrMalformed)
	}
	for i := range b.Facts {
		if i > 0 && b.Facts[i].Name == b.Facts[i-1].Name {
			return fmt.Errorf("%w: fact %q twice", ErrMalformed, b.Facts[i].Name)
		}
		if err := b.Facts[i].validate(); err != nil {
			return fmt.Errorf("%w: fact %q: %w", ErrMalformed, b.Facts[i].Name, err)
		}
	}
	return nil
}

func (f *Fact) validate() error {
	switch {
	case f.Name == "" || f.Name != f.Context.Fact:
		return fmt.Errorf("its name is not the context's")
	case len(f.Proofs) < 1 || len(f.Proofs) > MaxProofs:
		return fmt.Errorf("%d proofs, where a fact has 1 to %d", len(f.Proofs), MaxProofs)
	}
	if f.Context.Expires != "" {
		if _, err := statement.ParseTime(f.Context.Expires); err != nil {
			return fmt.Errorf("expires: %w", err)
		}
	}
	if f.Grant == nil {
		return nil
	}
	if f.Grant.Document == nil || f.Grant.Document.Blind == nil {
		return fmt.Errorf("a grant without its document or blind")
	}
	return f.Grant.Document.Validate()
}
