package statement

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOutputClass(t *testing.T) {
	r := mustParse(t, `facts:
  b: {registry: r}
  c: {registry: r, key: {from: b.key}, subject: S1}
  a: {registry: r, subject: {from: c.key}}
  d: {registry: r, key: {from: c.subject}}
  e: {registry: r, key: K1}
`)
	for _, c := range []struct {
		fact, field, class, text string
		named                    bool
	}{
		// a.subject, b.key and c.key are one value, which nobody named.
		{"a", "subject", "a.subject", "", false},
		{"b", "key", "a.subject", "", false},
		{"c", "key", "a.subject", "", false},
		{"c", "subject", "c.subject", "S1", true},
		{"d", "key", "c.subject", "S1", true},
		{"e", "key", "e.key", "K1", true},
		{"e", "subject", "e.subject", "", false},
	} {
		if got := r.OutputClass(c.fact, c.field); got != c.class {
			t.Errorf("%s.%s is in class %s, want %s", c.fact, c.field, got, c.class)
		}
		if text, named := r.OutputText(c.fact, c.field); text != c.text || named != c.named {
			t.Errorf("%s.%s has the text %q, %v", c.fact, c.field, text, named)
		}
	}
	flat := mustParse(t, "registry: r\nkey: K\n")
	if got := flat.OutputClass("fact", "key"); got != "fact.key" {
		t.Errorf("flat form: %s", got)
	}
	if text, named := flat.OutputText("fact", "key"); text != "K" || !named {
		t.Errorf("flat form: %q, %v", text, named)
	}
	if _, named := flat.OutputText("fact", "subject"); named {
		t.Error("flat form: a subject that nobody named")
	}
}

func TestCompileFact(t *testing.T) {
	s := titles(t)
	r := mustParse(t, `registry: lucas-titles
key: lc-1
subject: OH-1
where: [area > 5 && assessed_value < 10, garage == "attached"]
reveal: [sale_date, garage]
once: mortgage
`)
	c, err := r.CompileFact("fact", s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Predicate{
		literal("area", OpAtLeast, "5.01"), literal("assessed_value", OpAtMost, "9"), literal("garage", OpEqual, "attached"),
	}, c.Predicates); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Output{OutputSubject, OutputKey, "attribute:sale_date", "attribute:garage"}, c.Outputs); diff != "" {
		t.Error(diff)
	}
	if c.Holder || c.Scope == nil || c.Scope.Name != "mortgage" {
		t.Errorf("%+v", c)
	}
	qs, err := c.Questions()
	if diff := cmp.Diff([]string{"3 leaf subject", "0 leaf key", "0 leaf attribute:sale_date", "0 leaf attribute:garage"}, counts(qs)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestCompileFactOutputsOfTies(t *testing.T) {
	r := mustParse(t, joinYAML)
	c, err := r.CompileFact("title", titles(t))
	if err != nil {
		t.Fatal(err)
	}
	// The key is not named, but no_lien takes its own from it.
	if diff := cmp.Diff([]Output{OutputSubject, OutputKey}, c.Outputs); diff != "" {
		t.Error(diff)
	}
	liens := &Schema{Registry: "lucas-liens", Key: "parcel", Attributes: []Attribute{{Name: "amount", Type: Int}}}
	if c, err = r.CompileFact("no_lien", liens); err != nil || !cmp.Equal(c.Outputs, []Output{OutputKey}) {
		t.Errorf("%v, %v", c, err)
	}
}

func TestCompileFactHolder(t *testing.T) {
	s := titles(t)
	s.Scopes = append(s.Scopes, Scope{Name: "sale", Consent: ConsentHolder})
	for text, want := range map[string]bool{
		"registry: lucas-titles\n":                 false,
		"registry: lucas-titles\nholder: true\n":   true,
		"registry: lucas-titles\nonce: mortgage\n": false,
		"registry: lucas-titles\nonce: sale\n":     true,
	} {
		c, err := mustParse(t, text).CompileFact("fact", s)
		if err != nil || c.Holder != want {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
}

func TestCompileFactRefuses(t *testing.T) {
	s := titles(t)
	bare := titles(t)
	bare.Subject, bare.Holder = "", ""
	for _, c := range []struct {
		text string
		s    *Schema
		want string
		kind error
	}{
		{"registry: other\n", s, "about registry other", ErrBadRequest},
		{"registry: lucas-titles\nwhere: [x > 5]\n", s, "where[0], column 1", ErrUnknownAttribute},
		{"registry: lucas-titles\nreveal: [x]\n", s, "reveal[0]", ErrUnknownAttribute},
		{"registry: lucas-titles\nonce: sale\n", s, `no scope "sale"`, ErrBadRequest},
		{"registry: lucas-titles\nsubject: x\n", bare, "no subject", ErrBadRequest},
		{"registry: lucas-titles\nholder: true\n", bare, "no holders", ErrBadRequest},
		{"registry: lucas-titles\nkey: '  '\n", s, "nothing is left of it", ErrBadRequest},
	} {
		_, err := mustParse(t, c.text).CompileFact("fact", c.s)
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v; want %q", c.text, err, c.want)
		}
	}
	if _, err := mustParse(t, "registry: lucas-titles\n").CompileFact("title", s); !errors.Is(err, ErrBadRequest) {
		t.Errorf("no such fact: %v", err)
	}
	join := mustParse(t, "facts: {a: {registry: lucas-titles, where: [x > 5]}}\n")
	if _, err := join.CompileFact("a", s); err == nil || !strings.HasPrefix(err.Error(), `fact "a": where[0], column 1`) {
		t.Errorf("join form: %v", err)
	}
}

func TestCheckTies(t *testing.T) {
	r := mustParse(t, joinYAML)
	plain := func(registry string) *Schema {
		return &Schema{Registry: registry, Key: "id", Subject: "owner", Attributes: []Attribute{{Name: "a", Type: Int}}}
	}
	schemas := map[string]*Schema{"title": plain("lucas-titles"), "no_lien": plain("lucas-liens"), "licence": plain("broker-licences")}
	if err := r.CheckTies(schemas); err != nil {
		t.Error(err)
	}
	schemas["title"].Domains = map[string]TextDomain{"key": {Name: "text", Normalise: []string{Upper}}}
	if err := r.CheckTies(schemas); !errors.Is(err, ErrBadRequest) || !strings.Contains(err.Error(), "no_lien.key cannot equal title.key") {
		t.Errorf("other normalisation: %v", err)
	}
	delete(schemas, "title")
	if err := r.CheckTies(schemas); err != nil {
		t.Errorf("a fact that another agency proves: %v", err)
	}
}
