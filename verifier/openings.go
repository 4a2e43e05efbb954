package verifier

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/statement"
)

// OpeningsFormat is the format member of every openings file.
const OpeningsFormat = "attestry/openings/v1"

const maxOpeningsBytes = 1 << 20

// Openings lets the asker, and only the asker, see what the commitments of a
// bundle are to: the values that the request named. Whoever is shown them is shown
// the proof of them, too.
// No verb prints them; [Openings.Marshal] writes the document.
type Openings struct {
	Kind string `json:"format"` // [OpeningsFormat]; the name Format is the method's
	// Request is the request as the prover completed it, where a plain one lacked
	// the nonce or the seed.
	Request json.RawMessage `json:"request,omitempty"`
	// Facts gives the openings by the facts' names.
	Facts map[string][]Opening `json:"facts"`
	// ReleaseSecrets gives, by fact, the secrets that release its pledges, where the
	// prover drew them because the request named no release key. They are not for
	// verifying: see [Openings.Public].
	ReleaseSecrets map[string]statement.ReleaseSecret `json:"release_secrets,omitempty"`
}

const redactedOpenings = "verifier.Openings(private)"

// Format implements fmt.Formatter: no verb shows the openings.
func (o Openings) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedOpenings) }

// LogValue implements slog.LogValuer.
func (o Openings) LogValue() slog.Value { return slog.StringValue(redactedOpenings) }

// Public gives the openings without what releases pledges: all that a verification
// service may see.
func (o *Openings) Public() *Openings {
	public := *o
	public.ReleaseSecrets = nil
	return &public
}

// Opening opens one output of one proof.
type Opening struct {
	Proof  int              `json:"proof"`  // position among the fact's proofs, from 0
	Output int              `json:"output"` // position among the proof's outputs, from 0
	Of     statement.Output `json:"of"`     // what the output is: as in the question
	// Value is the subject or the key as text, or an attribute's canonical text.
	Value      string            `json:"value"`
	Randomness statement.Element `json:"randomness"`
}

const redactedOpening = "verifier.Opening(private)"

// Format implements fmt.Formatter: no verb shows the opening.
func (o Opening) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedOpening) }

// LogValue implements slog.LogValuer.
func (o Opening) LogValue() slog.Value { return slog.StringValue(redactedOpening) }

// ParseOpenings reads an openings file, strictly. It fails with [ErrMalformed].
func ParseOpenings(data []byte) (*Openings, error) {
	if len(data) > maxOpeningsBytes {
		return nil, fmt.Errorf("%w: openings of %d bytes, over the limit of %d", ErrMalformed, len(data), maxOpeningsBytes)
	}
	o := &Openings{}
	if err := canon.Unmarshal(data, o); err != nil {
		return nil, fmt.Errorf("%w: the openings: %w", ErrMalformed, err)
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	return o, nil
}

// Marshal gives the openings' canonical JSON, after the checks of [ParseOpenings].
func (o *Openings) Marshal() ([]byte, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	full := *o
	if full.Facts == nil {
		full.Facts = map[string][]Opening{}
	}
	return canon.Marshal(full)
}

func (o *Openings) validate() error {
	if o.Kind != OpeningsFormat {
		return fmt.Errorf("%w: the openings' format is not %q", ErrMalformed, OpeningsFormat)
	}
	for name, openings := range o.Facts {
		for i, opening := range openings {
			if err := opening.validate(); err != nil {
				return fmt.Errorf("%w: opening %d of fact %q: %w", ErrMalformed, i, name, err)
			}
		}
	}
	return nil
}

func (o Opening) validate() error {
	if o.Proof < 0 || o.Proof >= MaxProofs || o.Output < 0 || o.Output >= statement.NumOutputs {
		return fmt.Errorf("output %d of proof %d is none", o.Output, o.Proof)
	}
	if _, ok := o.Of.Attribute(); !ok && o.Of != statement.OutputKey && o.Of != statement.OutputSubject {
		return fmt.Errorf("an output of %q is never opened", o.Of)
	}
	return nil
}

// request gives the completed request that the openings hold, if any.
func (o *Openings) request() (*statement.Request, error) {
	if o == nil || len(o.Request) == 0 {
		return nil, nil
	}
	r, err := statement.ParseRequest(o.Request)
	if err != nil {
		return nil, fmt.Errorf("%w: the openings' request: %w", ErrMalformed, err)
	}
	return r, nil
}

// element gives the field element that an output of this kind and value commits to.
func (o Opening) element(s *statement.Schema) (fr.Element, error) {
	switch o.Of {
	case statement.OutputKey:
		return s.HashKey(o.Value)
	case statement.OutputSubject:
		return subjectElement(s, o.Value)
	}
	name, _ := o.Of.Attribute()
	i := s.Index(name)
	if i < 0 {
		return fr.Element{}, fmt.Errorf("registry %s has no attribute %q", s.Registry, name)
	}
	a := s.Attributes[i]
	v, err := s.ParseLiteral(a, o.Value) // never absent: an output of null is refused
	if err != nil {
		return fr.Element{}, err
	}
	if s.FormatValue(a, v) != o.Value {
		return fr.Element{}, fmt.Errorf("the value of %s is not in its canonical form", name)
	}
	return s.Encode(a, v)
}

// subjectElement refuses what stands for no subject.
func subjectElement(s *statement.Schema, subject string) (fr.Element, error) {
	if s.Subject == "" || subject == "" {
		return fr.Element{}, fmt.Errorf("registry %s has no such subject", s.Registry)
	}
	return s.HashSubject(subject)
}
