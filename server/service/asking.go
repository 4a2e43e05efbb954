package service

import (
	"errors"
	"fmt"
	"slices"

	"filippo.io/age"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
)

// AskedFact is what a fact asks, without whom it is about.
type AskedFact struct {
	Name     string   `json:"name"`
	Registry string   `json:"registry"`
	AsOf     string   `json:"as_of,omitempty"`
	MaxAge   string   `json:"max_age,omitempty"`
	Subject  bool     `json:"subject,omitempty"` // the request names it
	Key      bool     `json:"key,omitempty"`     // the request names it
	Where    []string `json:"where,omitempty"`
	Reveal   []string `json:"reveal,omitempty"`
	Absent   bool     `json:"absent,omitempty"`
	Once     string   `json:"once,omitempty"`
	Holder   bool     `json:"holder,omitempty"`
	Grant    *uint64  `json:"grant,omitempty"` // the entry of the grant that it names
	// Source is the registry whose records answer: another one where Registry derives.
	Source string `json:"source"`
	// Attributes are those that the conditions are about.
	Attributes []string `json:"attributes,omitempty"`
}

// asking is a request document that was read and found complete.
type asking struct {
	raw      []byte
	document *statement.Request
	only     []string
	request  *Request
	touched  []prover.Touched // by which names it asks for records, of who has a budget
}

// read reads a request document as an asker's tool completes it, and holds it to the
// registries that it is about.
func (s *Service) read(raw []byte, only []string) (*asking, error) {
	r, err := statement.ParseRequest(raw)
	if err != nil {
		return nil, err
	}
	if err := complete(r); err != nil {
		return nil, err
	}
	a := &asking{raw: raw, document: r, only: only, request: &Request{
		Audience: r.Audience, Purpose: r.Purpose, Grant: r.Grant, Only: only, Nonce: fmt.Sprintf("%x", r.Nonce[:]),
	}}
	if r.Expires != "" {
		if a.request.Expires, err = statement.ParseTime(r.Expires); err != nil {
			return nil, err
		}
		if !s.now().Before(a.request.Expires) {
			return nil, fmt.Errorf("%w: at %s", ErrExpired, r.Expires)
		}
	}
	names := r.FactNames()
	for _, name := range only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w: it has no fact %q", statement.ErrBadRequest, name)
		}
	}
	for _, name := range names {
		f, err := s.askedFact(r, name, len(only) == 0 || slices.Contains(only, name))
		if err != nil {
			return nil, err
		}
		a.request.Facts = append(a.request.Facts, f)
	}
	return a, nil
}

// complete wants what attestry request new puts in.
func complete(r *statement.Request) error {
	if r.Nonce == nil || r.Seed == nil {
		return fmt.Errorf("%w: it has no nonce or no seed (attestry request new puts them in)", ErrIncomplete)
	}
	if _, err := recipient(r); err != nil {
		return err
	}
	for _, name := range r.PledgeFacts() {
		return fmt.Errorf("%w: fact %s pledges a record, and there is no release key for it", ErrIncomplete, name)
	}
	return nil
}

// recipient gives whom the openings are sealed to.
func recipient(r *statement.Request) (*age.X25519Recipient, error) {
	to, err := age.ParseX25519Recipient(r.SealTo)
	if err != nil { // its text quotes the recipient
		return nil, fmt.Errorf("%w: seal_to is not an age recipient, age1… (attestry request new --seal-to or --key puts one in)", ErrIncomplete)
	}
	return to, nil
}

// askedFact describes a fact. One that is to be proved here must be about a registry
// that is here, in words that its schema has: both are public, so that it tells the asker
// nothing of any record.
func (s *Service) askedFact(r *statement.Request, name string, here bool) (AskedFact, error) {
	asked := r.NamedFacts()[name]
	f := AskedFact{
		Name: name, Registry: asked.Registry, Source: asked.Registry, MaxAge: asked.MaxAge,
		Subject: asked.Subject != nil, Key: asked.Key != nil,
		Where: asked.Where, Reveal: asked.Reveal, Absent: asked.Absent, Once: asked.Once, Holder: asked.Holder,
	}
	if named := r.GrantOf(name); named != nil {
		index := uint64(*named)
		f.Grant = &index
	}
	if !asked.AsOf.IsLatest() {
		f.AsOf = asked.AsOf.String()
	}
	if !here {
		return f, nil
	}
	source, err := s.w.Ledger.Source(asked.Registry)
	if errors.Is(err, ledger.ErrUnknown) {
		return f, fmt.Errorf("%w: registry %q is not here (the parameter fact says which facts are to be proved here)", statement.ErrBadRequest, asked.Registry)
	}
	if err != nil {
		return f, err
	}
	f.Source = source
	_, entry, err := s.w.Ledger.Schema(asked.Registry)
	if err != nil {
		return f, err
	}
	schema, ok := entry.Schema.Of(asked.Registry)
	if !ok {
		return f, fmt.Errorf("%w: the schema of %s does not define %s", statement.ErrBadRequest, source, asked.Registry)
	}
	compiled, err := r.CompileFact(name, schema)
	if err != nil {
		return f, err
	}
	for _, p := range compiled.Predicates {
		f.Attributes = append(f.Attributes, p.Attribute)
		if p.Other != "" {
			f.Attributes = append(f.Attributes, p.Other)
		}
	}
	slices.Sort(f.Attributes)
	f.Attributes = slices.Compact(f.Attributes)
	return f, nil
}
