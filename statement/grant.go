package statement

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// GrantFormat is the format member of a grant, and the tag of its digest.
const GrantFormat = "attestry/grant-document/v1"

// Limits of a grant.
const (
	// MaxGrantBytes bounds a grant in its canonical form: a bundle holds one for each fact.
	MaxGrantBytes = 32 << 10
	// MaxPurposes is how many purposes a grant names at most.
	MaxPurposes = 16
	// MaxGrantRegistries is how many registries a grant is about at most.
	MaxGrantRegistries = 16
)

// Grant is an issuer's permission to ask: who may ask which registries what, for which
// purposes and until when. The ledger holds its digest, which tells nothing: the
// document has a fresh blind of 256 bits. Whoever is shown the document sees that the
// digest is of it. Lists are in ascending byte order without repeats.
type Grant struct {
	Format   string `json:"format"`
	Audience string `json:"audience"` // who may ask: the audience of the requests
	// Purposes are what a request's purpose may be, word for word.
	Purposes []string `json:"purposes"`
	// ValidFrom (if any) and ValidUntil bound when it counts, as [ParseTime] reads them;
	// the second is the first instant at which it no longer does.
	ValidFrom  string `json:"valid_from,omitempty"`
	ValidUntil string `json:"valid_until"`
	// Registries says by name what may be asked of which registry.
	Registries map[string]Permission `json:"registries"`
	// Blind is drawn when the grant is issued.
	Blind *GrantBlind `json:"blind,omitempty"`
}

// Permission says what may be asked of one registry.
type Permission struct {
	// Attributes may stand in conditions, on either side.
	Attributes []string `json:"attributes,omitempty"`
	// Reveal may be opened to the asker, and stand in conditions, too.
	Reveal []string `json:"reveal,omitempty"`
	// Scopes are what a record may be pledged in.
	Scopes []string `json:"scopes,omitempty"`
	// Exists allows to ask whether there is a record with a key or of a subject, which
	// whoever may ask about attributes or pledge may ask anyway.
	Exists bool `json:"exists,omitempty"`
	// Absent allows to ask whether there is no record with a key.
	Absent bool `json:"absent,omitempty"`
	// AnyRecord allows questions that name neither key nor subject.
	AnyRecord bool `json:"any_record,omitempty"`
}

// GrantBlind is what makes a grant's digest hiding: 256 random bits.
type GrantBlind [32]byte

// NewGrantBlind draws a blind from crypto/rand.
func NewGrantBlind() *GrantBlind {
	var b GrantBlind
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return &b
}

// Format implements fmt.Formatter: no verb shows the blind.
func (b GrantBlind) Format(f fmt.State, _ rune) { fmt.Fprint(f, "statement.GrantBlind(private)") }

// MarshalText implements encoding.TextMarshaler: base64.
func (b GrantBlind) MarshalText() ([]byte, error) { return encodeBase64(b[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *GrantBlind) UnmarshalText(text []byte) error { return decodeBase64(b[:], text) }

// Digest gives what the ledger's entry holds: SHA-256 over the format, a newline and
// the canonical JSON of the grant. It fails with [ErrBadGrant] where the grant is not
// valid or has no blind, without which the digest would tell what it says.
func (g *Grant) Digest() (Digest, error) {
	if err := g.Validate(); err != nil {
		return Digest{}, err
	}
	if g.Blind == nil {
		return Digest{}, fmt.Errorf("%w: it has no blind: it was not issued", ErrBadGrant)
	}
	return HashJSON(GrantFormat, g)
}

// JSON gives the grant as an indented file. [ParseGrant] reads it back to an equal one.
func (g *Grant) JSON() ([]byte, error) {
	plain, err := plainJSON(g)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, plain, "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), err
}

// RegistryNames gives the names of the registries in byte order.
func (g *Grant) RegistryNames() []string { return slices.Sorted(maps.Keys(g.Registries)) }

// Asked is what a grant decides on: one fact, as a request asks for it or as a bundle
// shows it.
type Asked struct {
	Audience, Purpose string
	Registry          string
	Predicates        []Predicate
	Outputs           []Output
	Absent            bool
	Scope             string // of a pledge
	// Named says that a key or subject is named, or tied to one of a fact that names one:
	// the question is not about any record that satisfies it.
	Named bool
}

// Asked gives what a fact of the request asks for.
func (r *Request) Asked(c *CompiledFact) Asked {
	return Asked{
		Audience: r.Audience, Purpose: r.Purpose, Registry: c.Request.Registry, Predicates: c.Predicates,
		Outputs: c.Outputs, Absent: c.Request.Absent, Scope: c.Request.Once, Named: r.IsAnchored(c.Name),
	}
}

// Covers fails with [ErrNotGranted], saying why, where the grant does not allow what is
// asked. Whether it counts at the time is for [Grant.CountsAt].
func (g *Grant) Covers(a Asked) error {
	permission, ok := g.Registries[a.Registry]
	switch {
	case a.Audience != g.Audience:
		return fmt.Errorf("%w: the grant is for %q, and %q asks", ErrNotGranted, g.Audience, a.Audience)
	case !slices.Contains(g.Purposes, a.Purpose):
		return fmt.Errorf("%w: the purpose %q is not among those of the grant", ErrNotGranted, a.Purpose)
	case !ok:
		return fmt.Errorf("%w: the grant says nothing of registry %s", ErrNotGranted, a.Registry)
	}
	if err := permission.covers(a); err != nil {
		return fmt.Errorf("%w: registry %s: %w", ErrNotGranted, a.Registry, err)
	}
	return nil
}

func (p Permission) covers(a Asked) error {
	switch {
	case !a.Named && !p.AnyRecord:
		return fmt.Errorf("the question names neither a key nor a subject")
	case a.Absent && !p.Absent:
		return fmt.Errorf("the question is of absence")
	case !a.Absent && !p.allowsPresence():
		return fmt.Errorf("the question is of a record that is there")
	case a.Scope != "" && !slices.Contains(p.Scopes, a.Scope):
		return fmt.Errorf("a pledge for %s", a.Scope)
	}
	for _, predicate := range a.Predicates {
		for _, name := range predicate.attributes() {
			if !slices.Contains(p.Attributes, name) && !slices.Contains(p.Reveal, name) {
				return fmt.Errorf("a condition on %s", name)
			}
		}
	}
	for _, o := range a.Outputs {
		if name, ok := o.Attribute(); ok && !slices.Contains(p.Reveal, name) {
			return fmt.Errorf("%s is to be revealed", name)
		}
	}
	return nil
}

// allowsPresence: whoever may ask for a value, or pledge, sees that a record is there.
func (p Permission) allowsPresence() bool {
	return p.Exists || len(p.Attributes)+len(p.Reveal)+len(p.Scopes) > 0
}

// attributes names what a predicate is about.
func (p Predicate) attributes() []string {
	if p.Other != "" {
		return []string{p.Attribute, p.Other}
	}
	return []string{p.Attribute}
}

// CountsAt fails with [ErrNotGranted] where the grant is not in force at an instant.
func (g *Grant) CountsAt(at time.Time) error {
	instant := FormatTime(at) // in this format the order of texts is that of instants
	switch {
	case instant < g.ValidFrom:
		return fmt.Errorf("%w: the grant counts from %s", ErrNotGranted, g.ValidFrom)
	case instant >= g.ValidUntil:
		return fmt.Errorf("%w: the grant expired at %s", ErrNotGranted, g.ValidUntil)
	}
	return nil
}

// CheckSchema fails with [ErrBadGrant] where the grant names what the registry of a
// schema does not have.
func (g *Grant) CheckSchema(s *Schema) error {
	p := g.Registries[s.Registry]
	for _, name := range slices.Concat(p.Attributes, p.Reveal) {
		if s.Index(name) < 0 {
			return fmt.Errorf("%w: %w: registry %s has no attribute %q", ErrBadGrant, ErrUnknownAttribute, s.Registry, name)
		}
	}
	for _, name := range p.Scopes {
		if _, ok := s.Scope(name); !ok {
			return fmt.Errorf("%w: registry %s declares no scope %q", ErrBadGrant, s.Registry, name)
		}
	}
	return nil
}
