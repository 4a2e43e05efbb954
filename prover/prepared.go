package prover

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// PreparedFormat is the format member of an encoded [Prepared].
const PreparedFormat = "attestry/prepared/v1"

// maxPreparedBytes bounds an encoded Prepared, which is part of a bundle.
const maxPreparedBytes = verifier.MaxBundleBytes

// Prepared is a request's proofs before they are logged. What it encodes is what the
// bundle will show of the proofs, with their entries: no record, no assignment and no
// opening. Like the bundle it is for the asker and whom the agency authorises.
type Prepared struct {
	// Openings are for the asker alone. They are not encoded: whoever keeps a Prepared
	// seals them by themselves. Those of a [ParsePrepared] are nil.
	Openings *verifier.Openings
	Timings  Timings

	request *statement.Request
	facts   []preparedFact
}

// preparedFact is what the proofs of one fact show, without the entries that they are
// anchored in: their statements name those.
type preparedFact struct {
	Name   string           `json:"name"`
	Proofs []verifier.Proof `json:"proofs"` // not logged yet: without inclusion
}

type preparedDocument struct {
	Format string         `json:"format"`
	Facts  []preparedFact `json:"facts"`
}

const redactedPrepared = "prover.Prepared(private)"

// Format implements fmt.Formatter: no verb shows the proofs and the openings.
func (p Prepared) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedPrepared) }

// LogValue implements slog.LogValuer.
func (p Prepared) LogValue() slog.Value { return slog.StringValue(redactedPrepared) }

// MarshalJSON implements json.Marshaler, and refuses: a Prepared is written by
// [Prepared.Marshal].
func (p Prepared) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("%w: written other than by its own Marshal", ErrBadPrepared)
}

// Marshal gives the canonical JSON (RFC 8785) of the document that [ParsePrepared] reads.
func (p *Prepared) Marshal() ([]byte, error) {
	return canon.Marshal(preparedDocument{Format: PreparedFormat, Facts: p.facts})
}

// ParsePrepared reads what [Prepared.Marshal] wrote of the proofs that [Agency.Prepare]
// made with the same arguments, in exactly these bytes. It fails with [ErrBadPrepared].
// Whether the proofs are the request's is seen by [Agency.Log].
func ParsePrepared(data []byte, r *statement.Request, only ...string) (*Prepared, error) {
	names, err := factsToProve(r, only)
	if err != nil {
		return nil, err
	}
	if len(data) > maxPreparedBytes {
		return nil, fmt.Errorf("%w: %d bytes, over the limit of %d", ErrBadPrepared, len(data), maxPreparedBytes)
	}
	var d preparedDocument
	if err := canon.Unmarshal(data, &d); err != nil || d.Format != PreparedFormat {
		return nil, fmt.Errorf("%w: not of the format %s", ErrBadPrepared, PreparedFormat)
	}
	p := &Prepared{request: r, facts: d.Facts}
	again, err := p.Marshal()
	if err != nil || !slices.Equal(again, data) {
		return nil, fmt.Errorf("%w: not in the canonical form of RFC 8785", ErrBadPrepared)
	}
	facts, err := p.read()
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(facts, names, func(f *loggable, name string) bool { return f.shown.Name == name }) {
		return nil, fmt.Errorf("%w: of other facts than %s", ErrBadPrepared, strings.Join(names, ", "))
	}
	return p, nil
}

// loggable is one fact of a Prepared on its way into the ledger.
type loggable struct {
	asked    statement.FactRequest
	compiled *statement.CompiledFact
	anchors  anchors
	entries  []*ledger.ProofEntry
	shown    verifier.Fact
}

// read gives the facts with their entries, which must be of facts of the request.
func (p *Prepared) read() ([]*loggable, error) {
	asked := p.request.NamedFacts()
	var facts []*loggable
	for _, f := range p.facts {
		l := &loggable{shown: verifier.Fact{Name: f.Name, Context: p.request.Context(f.Name), Proofs: slices.Clone(f.Proofs)}}
		var ok bool
		if l.asked, ok = asked[f.Name]; !ok {
			return nil, fmt.Errorf("%w: the request has no fact %q", ErrBadPrepared, f.Name)
		}
		for _, proof := range f.Proofs {
			e, err := entryOf[*ledger.ProofEntry](verifier.Logged{Entry: proof.Entry})
			if err != nil {
				return nil, fmt.Errorf("%w: fact %s: %w", ErrBadPrepared, f.Name, err)
			}
			l.entries = append(l.entries, e)
		}
		if len(l.entries) == 0 || slices.ContainsFunc(f.Proofs, func(p verifier.Proof) bool { return p.Inclusion != "" }) {
			return nil, fmt.Errorf("%w: fact %s has no proof, or one with an inclusion", ErrBadPrepared, f.Name)
		}
		facts = append(facts, l)
	}
	return facts, nil
}
