package statement

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attestry/attestry/internal/canon"
)

const grantYAML = `audience: bank-a
purposes: [mortgage underwriting, audit]
valid_from: 2026-01-01T01:00:00+01:00
valid_until: 2027-01-01T00:00:00Z
registries:
  lucas-titles:
    attributes: [living_area, assessed_value, garage]
    reveal: [year_built]
    scopes: [mortgage]
  lucas-liens: {absent: true}
`

func parseGrant(t *testing.T, text string) *Grant {
	t.Helper()
	g, err := ParseGrant([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestParseGrant(t *testing.T) {
	g := parseGrant(t, grantYAML)
	want := &Grant{
		Format: GrantFormat, Audience: "bank-a", Purposes: []string{"audit", "mortgage underwriting"},
		ValidFrom: "2026-01-01T00:00:00Z", ValidUntil: "2027-01-01T00:00:00Z",
		Registries: map[string]Permission{
			"lucas-titles": {Attributes: []string{"assessed_value", "garage", "living_area"}, Reveal: []string{"year_built"}, Scopes: []string{"mortgage"}},
			"lucas-liens":  {Absent: true},
		},
	}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Error(diff)
	}
	if _, err := g.Digest(); !errors.Is(err, ErrBadGrant) {
		t.Errorf("the digest of a grant without a blind: %v", err)
	}
	g.Blind = NewGrantBlind()
	text, err := g.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if back := parseGrant(t, string(text)); !cmp.Equal(g, back) {
		t.Errorf("it reads back as another: %s", cmp.Diff(g, back))
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v %s", g, *g, g, g.Blind), fmt.Sprint(g.Blind[0], " ", g.Blind[1])) {
		t.Error("a verb shows the blind")
	}
}

// The digest hides the grant: two grants that say the same have different ones.
func TestGrantDigest(t *testing.T) {
	seen := map[Digest]bool{}
	for range 100 {
		g := parseGrant(t, grantYAML)
		g.Blind = NewGrantBlind()
		d, err := g.Digest()
		if err != nil || seen[d] {
			t.Fatalf("%v, again %v", err, seen[d])
		}
		seen[d] = true
		document, err := canon.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		back := &Grant{}
		if err := canon.Unmarshal(document, back); err != nil {
			t.Fatal(err)
		}
		if again, err := back.Digest(); err != nil || again != d {
			t.Fatalf("its digest as read from a bundle: %v", err)
		}
	}
}

func TestGrantRefusals(t *testing.T) {
	for change, want := range map[[2]string]string{
		{"audience: bank-a", ""}: "audience: say who may ask",
		{"audience: bank-a", "audience: 7\nformat: attestry/grant/v2"}:   "this version reads",
		{"[mortgage underwriting, audit]", "[]"}:                         "0 purposes",
		{"[mortgage underwriting, audit]", "['']"}:                       "purposes[0] is empty",
		{"[mortgage underwriting, audit]", "[audit, audit]"}:             `"audit" twice`,
		{"valid_until: 2027-01-01T00:00:00Z", ""}:                        "valid_until",
		{"valid_until: 2027", "valid_until: 2025"}:                       "is not after valid_from",
		{"valid_until: 2027-01-01T00:00:00Z", "valid_until: tomorrow"}:   "not an instant",
		{"{absent: true}", "{}"}:                                         "nothing is granted",
		{"{absent: true}", "{any_record: true}"}:                         "nothing is granted",
		{"{absent: true}", "{absent: yes}"}:                              "expected true or false",
		{"{absent: true}", "{absent: true, holders: true}"}:              `unknown member "holders"`,
		{"lucas-liens:", "Liens:"}:                                       "name the registry",
		{"[living_area, assessed_value, garage]", "[garage, garage]"}:    `"garage" twice`,
		{"[living_area, assessed_value, garage]", "[key.x]"}:             "is no name",
		{"scopes: [mortgage]", "scopes: [A]"}:                            "is no name",
		{"registries:", "registries: {}\nrest:"}:                         `unknown member "rest"`,
		{"audience: bank-a", "audience: bank-a\nblind: AAAA"}:            "base64 of 32 bytes",
		{"audience: bank-a", "audience: bank-a\naudience: bank-b"}:       "already defined",
		{"mortgage underwriting", strings.Repeat("x", MaxPurpose+1)}:     "longer than",
		{"audience: bank-a", "audience: " + strings.Repeat("x", 600)}:    "longer than",
		{"reveal: [year_built]", "reveal: [" + manyNames(17) + "]"}:      "at most 16",
		{"[mortgage underwriting, audit]", "[" + longPurposes(15) + "]"}: "over the limit",
	} {
		text := strings.Replace(grantYAML, change[0], change[1], 1)
		if text == grantYAML {
			t.Fatalf("%q is not in the grant", change[0])
		}
		g, err := ParseGrant([]byte(text))
		if g != nil || !errors.Is(err, ErrBadGrant) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q for %q: %v; want %q", change[1][:min(40, len(change[1]))], change[0], err, want)
		}
	}
	g := parseGrant(t, grantYAML)
	g.Purposes[0], g.Purposes[1] = g.Purposes[1], g.Purposes[0]
	if err := g.Validate(); !errors.Is(err, ErrBadGrant) || !strings.Contains(err.Error(), "ascending") {
		t.Errorf("a list in another order, which would be another digest: %v", err)
	}
}

func manyNames(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("a", i)
	}
	return strings.Join(names, ", ")
}

func longPurposes(n int) string {
	purposes := make([]string, n)
	for i := range purposes {
		purposes[i] = fmt.Sprintf("%02d%s", i, strings.Repeat("x", MaxPurpose-2))
	}
	return strings.Join(purposes, ", ")
}

// titlesOf is the schema that the grants of the tests are about.
func titlesOf(t *testing.T) *Schema {
	t.Helper()
	s, err := ParseSchema([]byte("registry: lucas-titles\nkey: parcel\nsubject: owner\nattributes:\n" +
		"  - {name: assessed_value, type: int}\n  - {name: living_area, type: int}\n  - {name: sale_price, type: int}\n" +
		"  - {name: year_built, type: int}\n  - {name: garage, type: text}\nscopes: [{name: mortgage, consent: issuer}, {name: lease, consent: issuer}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCovers asks more than is granted in every way that a request knows.
func TestCovers(t *testing.T) {
	g, s := parseGrant(t, grantYAML), titlesOf(t)
	const head = "audience: bank-a\npurpose: mortgage underwriting\nregistry: lucas-titles\n"
	for text, want := range map[string]string{
		head + "subject: anna\nwhere: [assessed_value >= 200000, 'garage in [\"a\", \"b\"]']\n": "",
		head + "key: P1\nwhere: [year_built >= 1990]\nreveal: [year_built]\n":                   "", // what may be revealed may be asked
		head + "key: P1\nwhere: [assessed_value * 2 <= living_area * 3]\n":                      "",
		head + "subject: anna\n":                                                 "", // existence goes with attributes
		head + "subject: anna\nonce: mortgage\n":                                 "",
		"audience: bank-a\npurpose: audit\nregistry: lucas-titles\nkey: P1\n":    "",
		"audience: bank-b\npurpose: audit\nregistry: lucas-titles\nkey: P1\n":    `for "bank-a", and "bank-b" asks`,
		"purpose: audit\nregistry: lucas-titles\nkey: P1\n":                      `for "bank-a", and "" asks`,
		"audience: bank-a\npurpose: 'audit '\nregistry: lucas-titles\nkey: P1\n": `the purpose "audit "`,
		"audience: bank-a\npurpose: Audit\nregistry: lucas-titles\nkey: P1\n":    `the purpose "Audit"`,
		"audience: bank-a\nregistry: lucas-titles\nkey: P1\n":                    `the purpose ""`,
		head + "key: P1\nwhere: [sale_price >= 1]\n":                             "a condition on sale_price",
		head + "key: P1\nwhere: [assessed_value >= 1, sale_price != 7]\n":        "a condition on sale_price",
		head + "key: P1\nwhere: ['assessed_value >= 1 && sale_price >= 1']\n":    "a condition on sale_price",
		head + "key: P1\nwhere: [assessed_value <= sale_price]\n":                "a condition on sale_price",
		head + "key: P1\nwhere: [sale_price <= assessed_value]\n":                "a condition on sale_price",
		head + "key: P1\nwhere: ['!(sale_price in [1, 2])']\n":                   "a condition on sale_price",
		head + "key: P1\nwhere: [sale_price != null]\n":                          "a condition on sale_price",
		head + "key: P1\nreveal: [assessed_value]\n":                             "assessed_value is to be revealed",
		head + "key: P1\nreveal: [year_built, sale_price]\n":                     "sale_price is to be revealed",
		head + "key: P1\nabsent: true\n":                                         "the question is of absence",
		head + "where: [assessed_value >= 200000]\n":                             "neither a key nor a subject",
		head + "key: P1\nonce: lease\n":                                          "a pledge for lease",
	} {
		if got := coversFact(t, g, s, text, FlatFact); (got == nil) != (want == "") || got != nil && (!errors.Is(got, ErrNotGranted) || !strings.Contains(got.Error(), want)) {
			t.Errorf("%q: %v; want %q", text, got, want)
		}
	}
}

func coversFact(t *testing.T, g *Grant, s *Schema, text, fact string) error {
	t.Helper()
	r := mustParse(t, text)
	c, err := r.CompileFact(fact, s)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return g.Covers(r.Asked(c))
}

// TestCoversJoins: a fact is about a named record where it is tied, over whatever
// facts, to one that names a key or subject.
func TestCoversJoins(t *testing.T) {
	g, s := parseGrant(t, grantYAML), titlesOf(t)
	liens, err := ParseSchema([]byte("registry: lucas-liens\nkey: parcel\nattributes: [{name: total, type: int}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	const head = "audience: bank-a\npurpose: audit\nfacts:\n"
	for text, want := range map[string][2]string{
		"  title: {registry: lucas-titles, subject: anna}\n  lien: {registry: lucas-liens, key: {from: title.key}, absent: true}\n":                                                              {"", ""},
		"  title: {registry: lucas-titles, key: {from: lien.key}}\n  lien: {registry: lucas-liens, key: P1, absent: true}\n":                                                                     {"", ""},
		"  title: {registry: lucas-titles}\n  lien: {registry: lucas-liens, key: {from: title.key}, absent: true}\n":                                                                             {"neither", "neither"},
		"  title: {registry: lucas-titles}\n  lien: {registry: lucas-liens, key: P1, absent: true}\n":                                                                                            {"neither", ""},
		"  title: {registry: lucas-titles, subject: anna}\n  lien: {registry: lucas-liens, key: {from: title.key}, where: [total >= 7]}\n":                                                       {"", "of a record that is there"},
		"  title: {registry: lucas-titles, subject: anna}\n  lien: {registry: lucas-liens, key: {from: title.key}}\n":                                                                            {"", "of a record that is there"},
		"  title: {registry: lucas-titles, subject: {from: other.subject}}\n  other: {registry: lucas-titles, key: P1}\n  lien: {registry: lucas-liens, key: {from: title.key}, absent: true}\n": {"", ""},
	} {
		for i, fact := range []string{"title", "lien"} {
			got := coversFact(t, g, []*Schema{s, liens}[i], head+text, fact)
			if (got == nil) != (want[i] == "") || got != nil && !strings.Contains(got.Error(), want[i]) {
				t.Errorf("%s of %q: %v; want %q", fact, text, got, want[i])
			}
		}
	}
}

func TestGrantCountsAt(t *testing.T) {
	g := parseGrant(t, grantYAML)
	for instant, want := range map[string]bool{
		"2025-12-31T23:59:59Z": false, "2026-01-01T00:00:00Z": true, "2026-12-31T23:59:59Z": true, "2027-01-01T00:00:00Z": false,
	} {
		at, err := time.Parse(time.RFC3339, instant)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.CountsAt(at); (err == nil) != want || err != nil && !errors.Is(err, ErrNotGranted) {
			t.Errorf("at %s: %v", instant, err)
		}
	}
}

func TestGrantCheckSchema(t *testing.T) {
	s := titlesOf(t)
	if err := parseGrant(t, grantYAML).CheckSchema(s); err != nil {
		t.Error(err)
	}
	for _, change := range [][2]string{{"[mortgage]", "[burial]"}, {"[year_built]", "[colour]"}, {"garage]", "wall]"}} {
		if err := parseGrant(t, strings.Replace(grantYAML, change[0], change[1], 1)).CheckSchema(s); !errors.Is(err, ErrBadGrant) {
			t.Errorf("%s: %v", change[1], err)
		}
	}
}

// TestGrantOf: a fact's own grant before the request's.
func TestGrantOf(t *testing.T) {
	r := mustParse(t, "facts:\n  a: {registry: r, key: K}\n  b: {registry: s, key: K}\ngrant: 7\ngrants: {b: 9}\n")
	if a, b := r.GrantOf("a"), r.Context("b").Grant; a == nil || *a != 7 || b == nil || *b != 9 {
		t.Errorf("grants %v and %v", a, b)
	}
	text, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if back := mustParse(t, string(text)); !cmp.Equal(r, back) {
		t.Error(cmp.Diff(r, back))
	}
	for _, text := range []string{
		"registry: r\ngrants: {fact: 7}\n", "facts:\n  a: {registry: r}\ngrants: {b: 7}\n", "facts:\n  a: {registry: r}\ngrants: {a: -1}\n",
		"facts:\n  a: {registry: r}\ngrants: {a: 9223372036854775808}\n", "registry: r\ngrant: 9223372036854775808\n",
	} {
		if _, err := ParseRequest([]byte(text)); !errors.Is(err, ErrBadRequest) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzParseGrant: what is accepted is valid and reads back from its JSON.
func FuzzParseGrant(f *testing.F) {
	blind := "blind: " + strings.Repeat("A", 43) + "=\n"
	for _, seed := range []string{grantYAML, grantYAML + blind, `{"audience":"a"}`, "registries: {a: {exists: true}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := ParseGrant(data)
		if err != nil {
			if g != nil || !errors.Is(err, ErrBadGrant) {
				t.Fatalf("%v, %v", g, err)
			}
			return
		}
		text, err := g.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseGrant(text)
		if err != nil || !cmp.Equal(g, back) {
			t.Fatalf("%v: %s", err, cmp.Diff(g, back))
		}
		if g.Blind == nil {
			return
		}
		if _, err := g.Digest(); err != nil {
			t.Fatal(err)
		}
	})
}
