package statement

import (
	"fmt"
	"reflect"
	"slices"
)

// MaxDerived is how many registries may derive from one.
const MaxDerived = 16

// Derived defines a registry that derives from another one: its records are the
// groups of the other's, and its attributes are computed from a group's records,
// and from the records of one more registry where it joins one. It is committed in
// the same epochs as the registry that it derives from, as a tree of its own, and
// takes no pledges. The definition is public: the schema entry holds it.
type Derived struct {
	Registry string `json:"registry"`
	// GroupBy is "key", "subject" or a text attribute: a record of the derived
	// registry has for its key one value of it. Records without a value are in no group.
	GroupBy    string             `json:"group_by"`
	Join       *Join              `json:"join,omitempty"`
	Attributes []DerivedAttribute `json:"attributes"`
}

// Join names a second registry, of the same log, whose records belong to the group
// of their key or subject.
type Join struct {
	Registry string `json:"registry"`
	By       string `json:"by"` // "key" or "subject"
}

// Compute says how an attribute of a derived registry is computed.
type Compute string

// The computations. Absent values count for none of them.
const (
	Count Compute = "count" // of the group's records
	Sum   Compute = "sum"   // of an int or decimal
	Min   Compute = "min"   // of an int, decimal or date
	Max   Compute = "max"   // of an int, decimal or date
	Copy  Compute = "copy"  // the value itself, where a group has at most one record
)

// DerivedAttribute is an attribute that is computed.
type DerivedAttribute struct {
	Name     string  `json:"name"`
	Type     Type    `json:"type"`
	Scale    int     `json:"scale,omitempty"`
	Unit     string  `json:"unit,omitempty"`
	Optional bool    `json:"optional,omitempty"`
	Compute  Compute `json:"compute"`
	Of       string  `json:"of,omitempty"`   // the attribute it is computed from; a count has none
	From     string  `json:"from,omitempty"` // the joined registry, where it is of that one's records
	// Default is the value, spelled as in a file, where there is nothing to compute it
	// from: a parcel without a lien has 0 of them.
	Default *string `json:"default,omitempty"`
}

// Attribute gives the attribute as the derived registry's schema has it.
func (a DerivedAttribute) Attribute() Attribute {
	return Attribute{Name: a.Name, Type: a.Type, Scale: a.Scale, Unit: a.Unit, Optional: a.Optional}
}

// Of gives the schema of the facts about a registry that this schema describes:
// its own, or one that derives from it.
func (s *Schema) Of(registry string) (*Schema, bool) {
	if registry == s.Registry {
		return s, true
	}
	d, ok := s.Definition(registry)
	if !ok {
		return nil, false
	}
	return s.derive(d), true
}

// Definition gives the definition of a derived registry by its name.
func (s *Schema) Definition(registry string) (Derived, bool) {
	i := slices.IndexFunc(s.Derived, func(d Derived) bool { return d.Registry == registry })
	if i < 0 {
		return Derived{}, false
	}
	return s.Derived[i], true
}

// DerivedNames lists the registries that derive from this one.
func (s *Schema) DerivedNames() []string {
	var names []string
	for _, d := range s.Derived {
		names = append(names, d.Registry)
	}
	return names
}

// Joins lists the registries that the derived ones join, each once, sorted.
func (s *Schema) Joins() []string {
	var names []string
	for _, d := range s.Derived {
		if d.Join != nil {
			names = append(names, d.Join.Registry)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// derivedHolder is no source column: an attribute's name has no space in it.
const derivedHolder = "holder tag"

// derive gives the schema of a derived registry. Grouped by key it keeps the
// subject and the holder of its one record.
func (s *Schema) derive(d Derived) *Schema {
	out := &Schema{Registry: d.Registry, Key: FieldKey, Domains: map[string]TextDomain{FieldKey: s.Domain(d.GroupBy)}}
	if d.GroupBy == FieldKey && s.Subject != "" {
		out.Subject, out.Domains[FieldSubject] = FieldSubject, s.Domain(FieldSubject)
	}
	if d.GroupBy == FieldKey && s.Holder != "" {
		out.Holder = derivedHolder
	}
	for _, a := range d.Attributes {
		out.Attributes = append(out.Attributes, a.Attribute())
		if a.Type == Text && a.From == "" {
			out.Domains[a.Name] = s.Domain(a.Of)
		}
	}
	return out
}

func (s *Schema) checkDerived() error {
	if len(s.Derived) > MaxDerived {
		return fmt.Errorf("%d derived registries: at most %d", len(s.Derived), MaxDerived)
	}
	for i, d := range s.Derived {
		if err := s.checkDefinition(i, d); err != nil {
			return fmt.Errorf("derived registry %q: %w", d.Registry, err)
		}
	}
	return nil
}

func (s *Schema) checkDefinition(i int, d Derived) error {
	same := func(o Derived) bool { return o.Registry == d.Registry }
	if d.Registry == s.Registry || slices.IndexFunc(s.Derived, same) != i {
		return fmt.Errorf("the name is taken")
	}
	if err := s.checkGroup(d); err != nil {
		return err
	}
	if err := s.checkJoin(d); err != nil {
		return err
	}
	for _, a := range d.Attributes {
		if err := s.checkComputed(d, a); err != nil {
			return fmt.Errorf("attribute %q: %w", a.Name, err)
		}
	}
	return s.derive(d).Validate()
}

func (s *Schema) checkGroup(d Derived) error {
	switch i := s.Index(d.GroupBy); {
	case d.GroupBy == FieldKey:
		return nil
	case d.GroupBy == FieldSubject && s.Subject == "":
		return fmt.Errorf("group_by subject: registry %s has no subject", s.Registry)
	case d.GroupBy != FieldSubject && (i < 0 || s.Attributes[i].Type != Text):
		return fmt.Errorf("group_by %q: it is key, subject or a text attribute of registry %s", d.GroupBy, s.Registry)
	case s.Holder != "":
		// A sum over one record is that record's value, proved without its holder.
		return fmt.Errorf("group_by %s: the records of registry %s have holders, and a group of several has none to ask", d.GroupBy, s.Registry)
	}
	return nil
}

func (s *Schema) checkJoin(d Derived) error {
	j := d.Join
	if j == nil {
		return nil
	}
	_, derived := s.Definition(j.Registry)
	switch {
	case !isDashed(j.Registry):
		return fmt.Errorf("join: %q is no registry's name", j.Registry)
	case j.Registry == s.Registry || derived:
		return fmt.Errorf("join: %s is not another registry with records of its own", j.Registry)
	case j.By != FieldKey && j.By != FieldSubject:
		return fmt.Errorf("join by %q: it is by the other registry's key or subject", j.By)
	}
	if !slices.ContainsFunc(d.Attributes, func(a DerivedAttribute) bool { return a.From != "" }) {
		return fmt.Errorf("join: no attribute is from %s", j.Registry)
	}
	return nil
}

func (s *Schema) checkComputed(d Derived, a DerivedAttribute) error {
	joined := a.From != ""
	if joined && (d.Join == nil || d.Join.Registry != a.From) {
		return fmt.Errorf("from %s, which the definition does not join", a.From)
	}
	if err := a.checkCompute(d); err != nil {
		return err
	}
	if err := a.checkDefault(); err != nil {
		return err
	}
	mayLack := joined && a.Compute != Count
	if !joined && a.Of != "" {
		i := s.Index(a.Of)
		if i < 0 {
			return fmt.Errorf("%w: registry %s has no attribute %q", ErrUnknownAttribute, s.Registry, a.Of)
		}
		if err := a.checkSource(s, s.Attributes[i]); err != nil {
			return err
		}
		mayLack = s.Attributes[i].Optional
	}
	if mayLack && a.Default == nil && !a.Optional {
		return fmt.Errorf("there may be nothing to compute it from: give a default, or say optional: true")
	}
	return nil
}

func (a DerivedAttribute) checkCompute(d Derived) error {
	single := d.GroupBy == FieldKey
	if a.From != "" {
		single = d.Join != nil && d.Join.By == FieldKey
	}
	switch {
	case a.Compute != Count && a.Of == "":
		return fmt.Errorf("compute %q of no attribute", a.Compute)
	case a.Compute == Count && (a.Of != "" || a.Type != Int):
		return fmt.Errorf("a count is an int, and of records: leave out of")
	case a.Compute == Copy && !single:
		return fmt.Errorf("a copy needs groups of one record: group, or join, by key")
	case a.Compute == Copy, a.Compute == Count:
		return nil
	case a.Compute == Sum && (a.Type == Int || a.Type == Decimal):
		return nil
	case (a.Compute == Min || a.Compute == Max) && (a.Type == Int || a.Type == Decimal || a.Type == Date):
		return nil
	case a.Compute == Sum, a.Compute == Min, a.Compute == Max:
		return fmt.Errorf("no %s of a %s", a.Compute, a.Type)
	}
	return fmt.Errorf("compute %q: it is %s, %s, %s, %s or %s", a.Compute, Count, Sum, Min, Max, Copy)
}

func (a DerivedAttribute) checkDefault() error {
	switch {
	case a.Default == nil:
		return nil
	case a.Compute == Count:
		return fmt.Errorf("a count of nothing is 0: leave out default")
	case a.Type == Text:
		return fmt.Errorf("a text has no default: say optional: true")
	}
	if _, err := a.Attribute().parseInteger(*a.Default); err != nil {
		return fmt.Errorf("default: %w", err)
	}
	return nil
}

// CheckJoins holds the definitions that join a registry to that one's schema, which is
// not known where the definitions are made. Its error wraps [ErrBadSchema] or
// [ErrUnknownAttribute].
func (s *Schema) CheckJoins(joined *Schema) error {
	for _, d := range s.Derived {
		if d.Join == nil || d.Join.Registry != joined.Registry {
			continue
		}
		if err := s.checkJoined(d, joined); err != nil {
			return fmt.Errorf("derived registry %q: %w", d.Registry, err)
		}
	}
	return nil
}

func (s *Schema) checkJoined(d Derived, joined *Schema) error {
	by := d.Join.By
	switch {
	case joined.Holder != "":
		// As in checkGroup: what is computed from one record is proved without its holder.
		return fmt.Errorf("%w: the records of registry %s have holders, whom nobody would ask", ErrBadSchema, joined.Registry)
	case by == FieldSubject && joined.Subject == "":
		return fmt.Errorf("%w: registry %s has no subject to join by", ErrBadSchema, joined.Registry)
	case !joined.Domain(by).Equal(s.Domain(d.GroupBy)):
		return fmt.Errorf("%w: the %s of registry %s has another domain than the groups, so none would match", ErrBadSchema, by, joined.Registry)
	}
	for _, a := range d.Attributes {
		if a.From == "" || a.Of == "" {
			continue
		}
		i := joined.Index(a.Of)
		if i < 0 {
			return fmt.Errorf("%w: registry %s has no attribute %q", ErrUnknownAttribute, joined.Registry, a.Of)
		}
		if err := a.checkSource(joined, joined.Attributes[i]); err != nil {
			return err
		}
	}
	return nil
}

// checkSource tells whether the attribute can be computed from one of a registry: of
// the same type and scale, and of the same domain where it is a text. A joined
// registry's schema is not known where the definition is made, so that its text is
// taken to be of the default domain.
func (a DerivedAttribute) checkSource(s *Schema, of Attribute) error {
	switch {
	case of.Type != a.Type || of.Scale != a.Scale:
		return fmt.Errorf("%w: %q of registry %s has another type or scale", ErrBadSchema, of.Name, s.Registry)
	case a.From != "" && a.Type == Text && !s.Domain(of.Name).Equal(TextDomain{Name: DefaultDomain}):
		return fmt.Errorf("%w: %q of registry %s has a domain of its own", ErrBadSchema, of.Name, s.Registry)
	}
	return nil
}

func intoDerived(d *Derived) func(*node) error {
	return func(n *node) error {
		return n.object(fields{
			"registry":   intoText(&d.Registry),
			"group_by":   intoText(&d.GroupBy),
			"join":       intoJoin(&d.Join),
			"attributes": intoList(&d.Attributes, intoDerivedAttribute),
		})
	}
}

func intoJoin(to **Join) func(*node) error {
	return func(n *node) error {
		*to = &Join{}
		return n.object(fields{"registry": intoText(&(*to).Registry), "by": intoText(&(*to).By)})
	}
}

func intoDerivedAttribute(a *DerivedAttribute) func(*node) error {
	return func(n *node) error {
		err := n.object(fields{
			"name":     intoText(&a.Name),
			"type":     intoText(&a.Type),
			"scale":    intoScale(&a.Scale),
			"unit":     intoText(&a.Unit),
			"optional": intoBool(&a.Optional),
			"compute":  intoText(&a.Compute),
			"of":       intoText(&a.Of),
			"from":     intoText(&a.From),
			"default":  intoDefault(&a.Default),
		})
		if err == nil && n.has("scale") && a.Type != Decimal {
			return n.errorf("attribute %q: only a decimal has a scale", a.Name)
		}
		return err
	}
}

// intoDefault takes a value as it is spelled: 0 and "0" are the same.
func intoDefault(to **string) func(*node) error {
	return func(n *node) error {
		if err := n.scalar("a value"); err != nil {
			return err
		}
		text := n.text
		*to = &text
		return n.checkText()
	}
}

// KeepsDerived tells whether a schema has every definition of the one that it
// replaces, as it was: what a name means never changes.
func KeepsDerived(old, replacement *Schema) bool {
	return !slices.ContainsFunc(old.Derived, func(d Derived) bool {
		kept, ok := replacement.Definition(d.Registry)
		return !ok || !reflect.DeepEqual(kept, d)
	})
}
