package statement

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the names in a schema or request, in bytes.
const (
	// MaxName bounds the names of registries, attributes, domains, scopes and facts.
	MaxName = 64
	// MaxColumn bounds the names of source columns and units.
	MaxColumn = 256
	// MaxScopes is how many scopes a schema declares at most.
	MaxScopes = 64
)

// reservedNames are no attributes: they mean something in a request, or would not
// be names in CEL, of which the language of requests is a part.
var reservedNames = [...]string{
	"key", "subject", "null", "true", "false", "in", "date", "absent",
	"as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
	"loop", "namespace", "package", "return", "var", "void", "while",
}

// isDashed tells whether a name is [a-z][a-z0-9-]* of at most [MaxName] bytes: a
// registry, a domain, a scope.
func isDashed(name string) bool { return isNamed(name, '-') }

// isIdentifier tells whether a name is [a-z][a-z0-9_]* of at most [MaxName]
// bytes: an attribute, a fact.
func isIdentifier(name string) bool { return isNamed(name, '_') }

func isNamed(name string, joiner byte) bool {
	if name == "" || len(name) > MaxName || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && !isDigit(c) && c != joiner {
			return false
		}
	}
	return true
}

// Validate checks everything about a schema that its Go types do not. Its error
// wraps [ErrBadSchema].
func (s *Schema) Validate() error {
	checks := []func() error{s.checkNames, s.checkAttributes, s.checkColumns, s.checkDomains, s.checkScopes, s.checkDerived}
	for _, check := range checks {
		if err := check(); err != nil {
			return fmt.Errorf("%w: %w", ErrBadSchema, err)
		}
	}
	return nil
}

func (s *Schema) checkNames() error {
	if !isDashed(s.Registry) {
		return fmt.Errorf("registry %q: a registry's name is [a-z][a-z0-9-]* of at most %d bytes", s.Registry, MaxName)
	}
	if s.Key == "" {
		return fmt.Errorf("registry %s has no key: name the source column that tells records apart", s.Registry)
	}
	return nil
}

func (s *Schema) checkAttributes() error {
	if n := len(s.Attributes); n < 1 || n > MaxAttributes {
		return fmt.Errorf("%d attributes: a registry has 1 to %d provable attributes (other columns may stay in the file)", n, MaxAttributes)
	}
	for i, a := range s.Attributes {
		if err := a.check(); err != nil {
			return fmt.Errorf("attribute %d, %q: %w", i+1, a.Name, err)
		}
		if s.Index(a.Name) != i {
			return fmt.Errorf("attribute %d, %q: the name is taken", i+1, a.Name)
		}
	}
	return nil
}

func (a Attribute) check() error {
	types := []Type{Int, Decimal, Date, Bool, Text}
	switch {
	case !isIdentifier(a.Name):
		return fmt.Errorf("a name is [a-z][a-z0-9_]* of at most %d bytes (say column: for what the file calls it)", MaxName)
	case slices.Contains(reservedNames[:], a.Name):
		return fmt.Errorf("the name is reserved (say column: for what the file calls it)")
	case !slices.Contains(types, a.Type):
		return fmt.Errorf("no type %q: the types are int, decimal, date, bool and text", a.Type)
	case a.Type != Decimal && a.Scale != 0:
		return fmt.Errorf("only a decimal has a scale")
	case a.Scale < 0 || a.Scale > MaxScale:
		return fmt.Errorf("scale %d: a scale is 0 to %d", a.Scale, MaxScale)
	}
	return checkLabel("unit", a.Unit)
}

// checkColumns checks the names of source columns. One column may serve as key
// and subject and attributes at once, but no two attributes may read one column
// alike (a slip of the pen), and a holder tag is nothing else.
func (s *Schema) checkColumns() error {
	type reading struct {
		column string
		Type
		scale  int
		domain string
	}
	seen := map[reading]string{}
	for _, a := range s.Attributes {
		if err := checkLabel("column", a.SourceColumn()); err != nil {
			return fmt.Errorf("attribute %q: %w", a.Name, err)
		}
		if a.SourceColumn() == s.Holder {
			return fmt.Errorf("attribute %q reads the holder's column %q: a holder tag is no attribute", a.Name, s.Holder)
		}
		r := reading{a.SourceColumn(), a.Type, a.Scale, fmt.Sprint(s.Domain(a.Name))}
		if other, ok := seen[r]; ok {
			return fmt.Errorf("attributes %q and %q read the same column %q alike", other, a.Name, r.column)
		}
		seen[r] = a.Name
	}
	return s.checkRowColumns()
}

// checkRowColumns checks the columns that say what a row is rather than what it
// holds. A former key may be an attribute too, so that it can be proved.
func (s *Schema) checkRowColumns() error {
	columns := []struct{ name, column string }{
		{"key", s.Key}, {"subject", s.Subject}, {"holder", s.Holder}, {"renamed_from", s.RenamedFrom},
	}
	for _, c := range columns {
		if err := checkLabel(c.name, c.column); err != nil {
			return err
		}
	}
	if s.Holder != "" && (s.Holder == s.Key || s.Holder == s.Subject) {
		return fmt.Errorf("the holder's column %q is also the key's or the subject's: a holder tag is neither", s.Holder)
	}
	if f := s.RenamedFrom; f != "" && (f == s.Key || f == s.Subject || f == s.Holder) {
		return fmt.Errorf("the column %q of renamed_from is also the key's, the subject's or the holder's: a former key is none of them", f)
	}
	return nil
}

// checkLabel checks a text of the schema that may be in any script.
func checkLabel(what, label string) error {
	switch {
	case len(label) > MaxColumn:
		return fmt.Errorf("the %s has over %d bytes", what, MaxColumn)
	case !utf8.ValidString(label) || strings.ContainsFunc(label, func(r rune) bool { return r == utf8.RuneError || r == 0 || r == '\ufeff' }):
		return fmt.Errorf("the %s is not clean UTF-8", what)
	case strings.TrimFunc(label, unicode.IsSpace) != label:
		return fmt.Errorf("the %s %q begins or ends with a space", what, label)
	}
	return nil
}

func (s *Schema) checkDomains() error {
	for _, of := range slices.Sorted(maps.Keys(s.Domains)) {
		if err := s.checkDomainOf(of); err != nil {
			return fmt.Errorf("domain of %q: %w", of, err)
		}
		if err := s.Domains[of].check(); err != nil {
			return fmt.Errorf("domain of %q: %w", of, err)
		}
	}
	return nil
}

func (s *Schema) checkDomainOf(of string) error {
	i := s.Index(of)
	switch {
	case of == "key", of == "subject" && s.Subject != "":
		return nil
	case of == "subject":
		return fmt.Errorf("the registry has no subject")
	case i < 0:
		return fmt.Errorf("no attribute has this name (domains are for key, subject and text attributes)")
	case s.Attributes[i].Type != Text:
		return fmt.Errorf("the attribute is a %s, and domains are for texts", s.Attributes[i].Type)
	}
	return nil
}

func (d TextDomain) check() error {
	if !isDashed(d.Name) {
		return fmt.Errorf("name %q: a domain's name is [a-z][a-z0-9-]* of at most %d bytes", d.Name, MaxName)
	}
	for i, step := range d.Normalise {
		if !slices.Contains(NormaliseSteps, step) {
			return fmt.Errorf("no normalisation %q: there are %s", step, strings.Join(NormaliseSteps, ", "))
		}
		if slices.Index(d.Normalise, step) != i {
			return fmt.Errorf("normalisation %q twice", step)
		}
	}
	// One undoes the other but for a few letters, for which it does not: the form
	// would not be canonical.
	if slices.Contains(d.Normalise, Upper) && slices.Contains(d.Normalise, Lower) {
		return fmt.Errorf("both %q and %q: choose one", Upper, Lower)
	}
	return nil
}

func (s *Schema) checkScopes() error {
	if len(s.Scopes) > MaxScopes {
		return fmt.Errorf("%d scopes: at most %d", len(s.Scopes), MaxScopes)
	}
	for i, sc := range s.Scopes {
		if err := sc.check(); err != nil {
			return fmt.Errorf("scope %q: %w", sc.Name, err)
		}
		if sc.Consent == ConsentHolder && s.Holder == "" {
			return fmt.Errorf("scope %q: consent of the holder needs a holder column", sc.Name)
		}
		if slices.IndexFunc(s.Scopes, func(o Scope) bool { return o.Name == sc.Name }) != i {
			return fmt.Errorf("scope %q: the name is taken", sc.Name)
		}
	}
	return nil
}

func (sc Scope) check() error {
	switch {
	case !isDashed(sc.Name):
		return fmt.Errorf("a scope's name is [a-z][a-z0-9-]* of at most %d bytes", MaxName)
	case sc.Consent != ConsentIssuer && sc.Consent != ConsentHolder:
		return fmt.Errorf("consent %q: it is %s or %s", sc.Consent, ConsentIssuer, ConsentHolder)
	case sc.Recovery != "":
		var key ReleaseKey
		if err := key.UnmarshalText([]byte(sc.Recovery)); err != nil {
			return fmt.Errorf("recovery: not the base64 of an Ed25519 public key of 32 bytes")
		}
	}
	return nil
}
