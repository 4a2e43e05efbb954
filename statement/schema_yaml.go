package statement

import (
	"fmt"
	"strconv"
)

// ParseSchema reads a schema in YAML (a JSON document will do too) and validates
// it. It is strict: unknown and repeated members, values of another type, several
// documents and bytes that are not UTF-8 give an error that wraps [ErrBadSchema]
// and names line and column. A byte-order mark is passed over.
func ParseSchema(data []byte) (*Schema, error) {
	n, err := parseDocument(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSchema, err)
	}
	s := &Schema{Attributes: []Attribute{}}
	if err := n.object(s.fields()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSchema, err)
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Schema) fields() fields {
	return fields{
		"registry":     intoText(&s.Registry),
		"key":          intoText(&s.Key),
		"subject":      intoText(&s.Subject),
		"holder":       intoText(&s.Holder),
		"renamed_from": intoText(&s.RenamedFrom),
		"attributes":   intoList(&s.Attributes, intoAttribute),
		"domains":      intoMap(&s.Domains, intoDomain),
		"scopes":       intoList(&s.Scopes, intoScope),
		"derived":      intoList(&s.Derived, intoDerived),
	}
}

func intoAttribute(a *Attribute) func(*node) error {
	return func(n *node) error {
		err := n.object(fields{
			"name":     intoText(&a.Name),
			"column":   intoText(&a.Column),
			"type":     intoText(&a.Type),
			"scale":    intoScale(&a.Scale),
			"unit":     intoText(&a.Unit),
			"optional": intoBool(&a.Optional),
		})
		if err == nil && n.has("scale") && a.Type != Decimal {
			return n.errorf("attribute %q: only a decimal has a scale", a.Name)
		}
		return err
	}
}

func intoScale(to *int) func(*node) error {
	return func(n *node) error {
		v, err := strconv.Atoi(n.text)
		if n.kind != nodeText || !n.bare || err != nil || strconv.Itoa(v) != n.text || v < 0 || v > MaxScale {
			return n.errorf("a scale is a number from 0 to %d", MaxScale)
		}
		*to = v
		return nil
	}
}

func intoDomain(d *TextDomain) func(*node) error {
	return func(n *node) error {
		return n.object(fields{
			"name":      intoText(&d.Name),
			"normalise": intoList(&d.Normalise, intoText[string]),
		})
	}
}

func intoScope(sc *Scope) func(*node) error {
	return func(n *node) error {
		return n.object(fields{
			"name":     intoText(&sc.Name),
			"consent":  intoText(&sc.Consent),
			"recovery": intoText(&sc.Recovery),
		})
	}
}
