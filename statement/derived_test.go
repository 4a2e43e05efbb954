package statement

import (
	"errors"
	"strings"
	"testing"
)

const derivingSchema = `
registry: titles
key: parcel
subject: owner
attributes:
  - {name: value, type: int}
  - {name: area, type: decimal, scale: 2, optional: true}
  - {name: sold, type: date}
  - {name: wall, type: text}
domains: {subject: {name: person, normalise: [trim, upper]}, wall: {name: walls}}
derived:
  - registry: owners
    group_by: subject
    attributes:
      - {name: parcels, type: int, compute: count}
      - {name: value, type: int, compute: sum, of: value}
      - {name: area, type: decimal, scale: 2, compute: sum, of: area, default: 0.00}
      - {name: first_sold, type: date, compute: min, of: sold}
  - registry: encumbered
    group_by: key
    join: {registry: liens, by: key}
    attributes:
      - {name: value, type: int, compute: copy, of: value}
      - {name: wall, type: text, compute: copy, of: wall}
      - {name: lien_total, type: int, compute: sum, of: total, from: liens, default: 0}
      - {name: kind, type: text, compute: copy, of: kind, from: liens, optional: true}
`

func TestDerivedSchema(t *testing.T) {
	s, err := ParseSchema([]byte(derivingSchema))
	if err != nil {
		t.Fatal(err)
	}
	owners, ok := s.Of("owners")
	if !ok || owners.Validate() != nil || owners.Subject != "" || !owners.Domain("key").Equal(s.Domain("subject")) || len(owners.Attributes) != 4 {
		t.Errorf("owners: %+v", owners)
	}
	encumbered, ok := s.Of("encumbered")
	if !ok || encumbered.Validate() != nil || encumbered.Subject == "" || !encumbered.Domain("subject").Equal(s.Domain("subject")) {
		t.Errorf("encumbered: %+v", encumbered)
	}
	if !encumbered.Domain("wall").Equal(s.Domain("wall")) || !encumbered.Domain("kind").Equal(TextDomain{Name: DefaultDomain}) {
		t.Errorf("domains of texts: %+v", encumbered.Domains)
	}
	if self, ok := s.Of("titles"); !ok || self != s {
		t.Error("the registry's own schema is not its own")
	}
	if _, ok := s.Of("liens"); ok {
		t.Error("a joined registry is described")
	}
	if joins := s.Joins(); len(joins) != 1 || joins[0] != "liens" {
		t.Errorf("joins %v", joins)
	}
}

// A bad definition is refused, with the derived registry's name and what is wrong.
func TestBadDerived(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"registry: owners", "registry: titles", "the name is taken"},
		{"registry: owners", "registry: encumbered", "the name is taken"},
		{"registry: owners", "registry: Own", "a registry's name"},
		{"group_by: subject", "group_by: value", "a text attribute"},
		{"group_by: subject", "group_by: nobody", "a text attribute"},
		{"subject: owner", "", "has no subject"},
		{"subject: owner", "subject: owner\nholder: tag", "have holders"},
		{"compute: count", "compute: count, of: value", "leave out of"},
		{"parcels, type: int", "parcels, type: date", "a count is an int"},
		{"compute: sum, of: value", "compute: sum", "of no attribute"},
		{"compute: sum, of: value", "compute: mean, of: value", "it is count, sum, min, max or copy"},
		{"compute: sum, of: value", "compute: copy, of: value", "groups of one record"},
		{"compute: sum, of: value", "compute: sum, of: nothing", "no attribute"},
		{"compute: sum, of: value", "compute: sum, of: area", "another type or scale"},
		{"compute: min, of: sold", "compute: sum, of: sold", "no sum of a date"},
		{", default: 0.00", "", "nothing to compute it from"},
		{"default: 0.00", "default: x", "default"},
		{"of: kind, from: liens, optional: true", "of: kind, from: liens, default: x", "a text has no default"},
		{"of: total, from: liens", "of: total, from: taxes", "does not join"},
		{"{registry: liens, by: key}", "{registry: titles, by: key}", "not another registry"},
		{"{registry: liens, by: key}", "{registry: owners, by: key}", "not another registry"},
		{"{registry: liens, by: key}", "{registry: liens, by: kind}", "key or subject"},
		{"{registry: liens, by: key}", "{registry: liens, by: subject}", "groups of one record"},
		{"of: total, from: liens, default: 0}", "of: total, from: liens}", "nothing to compute it from"},
		{"{name: parcels", "{name: absent", "reserved"},
		{"{name: parcels", "{name: value", "the name is taken"},
	} {
		text := strings.Replace(derivingSchema, c.old, c.new, 1)
		if text == derivingSchema {
			t.Fatalf("%q is not in the schema", c.old)
		}
		_, err := ParseSchema([]byte(text))
		if !errors.Is(err, ErrBadSchema) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q for %q: %v; want %q", c.new, c.old, err, c.want)
		}
	}
}

// What can only be seen once the joined registry's schema is known.
func TestCheckJoins(t *testing.T) {
	s, err := ParseSchema([]byte(derivingSchema))
	if err != nil {
		t.Fatal(err)
	}
	const liens = "registry: liens\nkey: parcel\nattributes:\n  - {name: total, type: int}\n  - {name: kind, type: text}\n"
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{"registry: liens", "registry: other", ""}, // joined by none
		{"key: parcel\n", "key: parcel\nholder: tag\n", "have holders"},
		{"key: parcel\n", "key: parcel\ndomains: {key: {name: parcel-id}}\n", "another domain"},
		{"key: parcel\n", "key: parcel\ndomains: {kind: {name: kinds}}\n", "a domain of its own"},
		{"name: total", "name: sum", "no attribute"},
		{"name: total, type: int", "name: total, type: decimal, scale: 2", "another type or scale"},
	} {
		joined, err := ParseSchema([]byte(strings.Replace(liens, c.old, c.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		err = s.CheckJoins(joined)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q for %q: %v; want %q", c.new, c.old, err, c.want)
		}
	}
}
