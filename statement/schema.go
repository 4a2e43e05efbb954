package statement

import (
	"fmt"
	"slices"
)

// Limits of the statement language; those of the circuit are in layout.go.
const (
	// MaxAttributes is how many provable attributes a schema may have: the
	// number that one leaf of the registry's tree holds.
	MaxAttributes = 16
	// MaxScale is the largest number of decimals of a decimal attribute.
	MaxScale = 9
	// MaxTextBytes bounds a text value, a key and a subject.
	MaxTextBytes = 4096
)

// Type is the type of an attribute.
type Type string

// The types of attributes. Int, decimal, date and bool are held as signed 64-bit
// integers (a decimal as its value times 10^scale, a date as days since
// 1970-01-01 UTC, a bool as 0 or 1); a text as the hash of its normalised form.
const (
	Int     Type = "int"
	Decimal Type = "decimal"
	Date    Type = "date"
	Bool    Type = "bool"
	Text    Type = "text"
)

// Attribute is one provable column of a registry.
type Attribute struct {
	Name     string `json:"name"`
	Column   string `json:"column,omitempty"` // the source column, where it is not the name
	Type     Type   `json:"type"`
	Scale    int    `json:"scale,omitempty"` // decimals of a decimal, 0 to MaxScale
	Unit     string `json:"unit,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

// SourceColumn names the column of a file that holds the attribute.
func (a Attribute) SourceColumn() string {
	if a.Column != "" {
		return a.Column
	}
	return a.Name
}

// Consent says whose agreement a pledge in a scope shows.
type Consent string

// The consent rules.
const (
	ConsentIssuer Consent = "issuer" // the entry carries the issuer's signature over D
	ConsentHolder Consent = "holder" // the question requires the holder's secret
)

// Scope is a purpose for which a record can be pledged once at a time.
type Scope struct {
	Name    string  `json:"name"`
	Consent Consent `json:"consent"`
	// Recovery is the base64 of an Ed25519 public key that may force a release.
	Recovery string `json:"recovery,omitempty"`
}

// Schema describes a registry. It is public: the ledger's schema entry holds it.
type Schema struct {
	Registry string `json:"registry"`
	Key      string `json:"key"`               // source column of the record's key
	Subject  string `json:"subject,omitempty"` // source column of the subject
	Holder   string `json:"holder,omitempty"`  // source column of the holder tag
	// RenamedFrom is the source column of a renumbered record's former key, empty
	// where the record was not renumbered. It keeps the record's serial.
	RenamedFrom string      `json:"renamed_from,omitempty"`
	Attributes  []Attribute `json:"attributes"`
	// Domains gives the text domain of "key", "subject" or a text attribute, by name.
	Domains map[string]TextDomain `json:"domains,omitempty"`
	Scopes  []Scope               `json:"scopes,omitempty"`
	Derived []Derived             `json:"derived,omitempty"` // registries computed from this one
}

// Index gives the position of the attribute with this name, or -1.
func (s *Schema) Index(name string) int {
	return slices.IndexFunc(s.Attributes, func(a Attribute) bool { return a.Name == name })
}

// Scope gives the scope of this name.
func (s *Schema) Scope(name string) (Scope, bool) {
	i := slices.IndexFunc(s.Scopes, func(sc Scope) bool { return sc.Name == name })
	if i < 0 {
		return Scope{}, false
	}
	return s.Scopes[i], true
}

// Domain gives the text domain of "key", "subject" or a text attribute.
func (s *Schema) Domain(name string) TextDomain {
	if d, ok := s.Domains[name]; ok {
		return d
	}
	return TextDomain{Name: DefaultDomain}
}

// attribute gives the attribute of this name and its index.
func (s *Schema) attribute(name string) (int, Attribute, error) {
	i := s.Index(name)
	if i < 0 || i >= MaxAttributes { // a selector has 4 bits
		return 0, Attribute{}, fmt.Errorf("%w: registry %s has no attribute %q", ErrUnknownAttribute, s.Registry, name)
	}
	return i, s.Attributes[i], nil
}
