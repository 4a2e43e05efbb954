package statement

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/attestry/attestry/internal/canon"
)

const flatYAML = `registry: lucas-titles
as_of: latest                # or an epoch number, or a UTC instant: the last epoch at that time
subject: OH-0001222          # optional; proved to be the record's subject
key: LC-00042                # optional; otherwise any record that satisfies (uniformly at random)
where:                       # a subset of CEL
  - assessed_value >= 200000 && living_area >= 1200
  - garage in ["attached", "detached"] && !(wall in ["stone"])
  - sale_date < date("1998-01-01")
  - sale_price * 100 <= assessed_value * 120     # attribute against attribute, scaled
reveal: [year_built]         # opened to the asker alone
absent: false                # true: no record with this key exists
once: mortgage               # a pledge, in a scope that the schema declares
audience: bank-a
purpose: mortgage underwriting
expires: 2026-12-31T00:00:00Z
`

const joinYAML = `facts:
  title:   {registry: lucas-titles, subject: OH-0001222, where: [assessed_value >= 200000], once: mortgage}
  no_lien: {registry: lucas-liens, key: {from: title.key}, absent: true}
  licence: {registry: broker-licences, subject: {from: title.subject}, where: [valid_until >= date("2026-12-01")]}
audience: bank-a
expires: 2026-12-31T00:00:00Z
`

func mustParse(t testing.TB, text string) *Request {
	t.Helper()
	r, err := ParseRequest([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return r
}

func TestParseRequestFlat(t *testing.T) {
	want := &Request{
		Format: RequestFormat,
		FactRequest: FactRequest{
			Registry: "lucas-titles", AsOf: AsOf{Latest: true},
			Subject: &Ref{Value: "OH-0001222"}, Key: &Ref{Value: "LC-00042"},
			Where: []string{
				"assessed_value >= 200000 && living_area >= 1200",
				`garage in ["attached", "detached"] && !(wall in ["stone"])`,
				`sale_date < date("1998-01-01")`,
				"sale_price * 100 <= assessed_value * 120",
			},
			Reveal: []string{"year_built"}, Once: "mortgage",
		},
		Audience: "bank-a", Purpose: "mortgage underwriting", Expires: "2026-12-31T00:00:00Z",
	}
	got := mustParse(t, flatYAML)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.IsJoin() || !cmp.Equal(got.FactNames(), []string{"fact"}) {
		t.Errorf("facts %v", got.FactNames())
	}
}

func TestParseRequestJoin(t *testing.T) {
	want := &Request{
		Format: RequestFormat,
		Facts: map[string]FactRequest{
			"title":   {Registry: "lucas-titles", AsOf: AsOf{Latest: true}, Subject: &Ref{Value: "OH-0001222"}, Where: []string{"assessed_value >= 200000"}, Once: "mortgage"},
			"no_lien": {Registry: "lucas-liens", AsOf: AsOf{Latest: true}, Key: &Ref{From: "title.key"}, Absent: true},
			"licence": {Registry: "broker-licences", AsOf: AsOf{Latest: true}, Subject: &Ref{From: "title.subject"}, Where: []string{`valid_until >= date("2026-12-01")`}},
		},
		Audience: "bank-a", Expires: "2026-12-31T00:00:00Z",
	}
	got := mustParse(t, joinYAML)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"licence", "no_lien", "title"}, got.FactNames()); diff != "" {
		t.Error(diff)
	}
}

// TestTextsAreTakenAsSpelled: YAML would make numbers, truth values and times of
// these, and lose what was written.
func TestTextsAreTakenAsSpelled(t *testing.T) {
	for _, text := range []string{"12345", "0012", "1.50", "1e3", "0x1F", "0o17", "1_000", "+5", "-0", ".inf", "true", "NO", "2026-01-31", "2026-01-31T00:00:00Z", "12:30:45", "界", "a b"} {
		r := mustParse(t, "registry: r\nkey: "+text+"\nsubject: "+text+"\naudience: "+text+"\n")
		if r.Key.Value != text || r.Subject.Value != text || r.Audience != text {
			t.Errorf("%s was read as %q, %q, %q", text, r.Key.Value, r.Subject.Value, r.Audience)
		}
	}
}

func TestParseRequestForms(t *testing.T) {
	const zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	instant := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		text  string
		holds func(r *Request) bool
	}{
		"as_of number":        {"registry: r\nas_of: 7\n", func(r *Request) bool { return r.AsOf == AsOf{Number: 7} }},
		"as_of text":          {"registry: r\nas_of: '7'\n", func(r *Request) bool { return r.AsOf == AsOf{Number: 7} }},
		"as_of JSON number":   {`{"registry": "r", "as_of": 7}`, func(r *Request) bool { return r.AsOf == AsOf{Number: 7} }},
		"as_of instant":       {"registry: r\nas_of: 2026-01-31T00:00:00Z\n", func(r *Request) bool { return r.AsOf.Time.Equal(instant) }},
		"as_of offset":        {"registry: r\nas_of: 2026-01-31T05:30:00+05:30\n", func(r *Request) bool { return r.AsOf == AsOf{Time: instant} }},
		"as_of left out":      {"registry: r\n", func(r *Request) bool { return r.AsOf.Latest }},
		"expires offset":      {"registry: r\nexpires: 2026-12-31T01:00:00+01:00\n", func(r *Request) bool { return r.Expires == "2026-12-31T00:00:00Z" }},
		"expires quoted":      {"registry: r\nexpires: '2026-12-31T00:00:00.000Z'\n", func(r *Request) bool { return r.Expires == "2026-12-31T00:00:00Z" }},
		"max_age":             {"registry: r\nmax_age: 720h\n", func(r *Request) bool { return r.MaxAgeDuration() == 720*time.Hour }},
		"grant number":        {"registry: r\ngrant: 12\n", func(r *Request) bool { return *r.Grant == 12 }},
		"grant JSON":          {`{"registry": "r", "grant": "12"}`, func(r *Request) bool { return *r.Grant == 12 }},
		"holder":              {"registry: r\nholder: true\n", func(r *Request) bool { return r.Holder }},
		"release key":         {"registry: r\nonce: m\nrelease_key: " + zeros + "\n", func(r *Request) bool { return r.PledgeKey("fact") != nil }},
		"release keys":        {"facts: {a: {registry: r, once: m}, b: {registry: r}}\nrelease_keys: {a: " + zeros + "}\n", func(r *Request) bool { return r.PledgeKey("a") != nil && r.PledgeKey("b") == nil }},
		"folded condition":    {"registry: r\nwhere:\n  - >-\n    a > 5 &&\n    b\n", func(r *Request) bool { return r.Where[0] == "a > 5 && b" }},
		"byte-order mark":     {"\ufeffregistry: r\n", func(r *Request) bool { return r.Registry == "r" }},
		"JSON with BOM":       {"\ufeff{\"registry\": \"r\"}", func(r *Request) bool { return r.Registry == "r" }},
		"JSON escapes":        {`{"registry": "r", "key": "\/\ud83d\ude00\u754c"}`, func(r *Request) bool { return r.Key.Value == "/😀界" }},
		"flow YAML":           {"{registry: r, key: 0012}", func(r *Request) bool { return r.Key.Value == "0012" }},
		"quoted null":         {"registry: r\nkey: 'null'\n", func(r *Request) bool { return r.Key.Value == "null" }},
		"CRLF":                {"registry: r\r\nkey: x\r\nwhere:\r\n  - a > 5\r\n", func(r *Request) bool { return r.Key.Value == "x" && r.Where[0] == "a > 5" }},
		"chain of references": {"facts: {a: {registry: r}, b: {registry: r, key: {from: a.key}}, c: {registry: r, subject: {from: b.key}}}\n", func(r *Request) bool { return r.OutputClass("c", "subject") == "a.key" }},
	} {
		r, err := ParseRequest([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !c.holds(r) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "line 1:1: the document is empty"},
		{"a text", "hello\n", "line 1:1: expected an object"},
		{"unknown member", "registry: r\nsubjct: x\n", `line 2:1: unknown member "subjct" (did you mean "subject"?)`},
		{"unknown member of a fact", "facts:\n  a: {registry: r, audience: x}\n", `line 2:20: unknown member "audience"`},
		{"unknown member of a reference", "facts: {a: {registry: r, key: {from: a.key, to: x}}}\n", `unknown member "to"`},
		{"member twice", "registry: r\nregistry: r\n", "line 2:1: "},
		{"JSON member twice", "{\"registry\": \"r\",\n\"key\": \"a\", \"key\": \"b\"}", `line 2:13: member "key" twice`},
		{"fact twice", "facts: {a: {registry: r}, a: {registry: r}}\n", "line 1:27: "},
		{"NUL", "registry: r\nkey: a\x00b\n", "line 2:7: control character U+0000"},
		{"escaped NUL", `{"registry": "r", "key": "a\u0000"}`, "line 1:26: "},
		{"not UTF-8", "registry: r\naudience: caf\xe9\n", "line 2:14: not UTF-8"},
		{"two documents", "registry: r\n---\nregistry: r\n", "line 3:1: more than one document"},
		{"later version", "format: attestry/request/v2\nnovelty: 1\n", `line 1:9: format "attestry/request/v2": this version reads attestry/request/v1`},
		{"JSON number for a key", `{"registry": "r", "key": 12}`, "line 1:26: expected a text: put it in quotes"},
		{"JSON truth value for a key", `{"registry": "r", "key": true}`, "line 1:26: expected a text"},
		{"JSON null for a key", `{"registry": "r", "key": null}`, "line 1:26: expected a text, found nothing"},
		{"null for a key", "registry: r\nkey: null\n", "line 2:6: expected a text, found nothing"},
		{"empty key", "registry: r\nkey: ''\n", "line 2:6: the text is empty"},
		{"list for a key", "registry: r\nkey: [a]\n", "line 2:6: expected a text, found a list"},
		{"empty reference", "facts: {a: {registry: r, key: {}}}\n", "expected a text or {from: fact.key}"},
		{"text for where", "registry: r\nwhere: a > 5\n", "line 2:8: expected a list, found a value"},
		{"object in where", "registry: r\nwhere:\n  - a: 5\n", "line 3:5: expected a text, found an object"},
		{"condition that is a tag", "registry: r\nwhere:\n  - !(a in [1])\n", "line 3:5: a value does not begin with an exclamation mark: put quotes around it"},
		{"text for absent", "registry: r\nabsent: yes\n", "line 2:9: expected true or false"},
		{"number for holder", "registry: r\nholder: 1\n", "line 2:9: expected true or false"},
		{"as_of 0", "registry: r\nas_of: 0\n", "line 2:8: bad request: as_of: epochs are numbered"},
		{"as_of 07", "registry: r\nas_of: 07\n", "epochs are numbered"},
		{"as_of yesterday", "registry: r\nas_of: yesterday\n", "line 2:8: bad request: as_of: latest, an epoch's number or an instant"},
		{"as_of a date", "registry: r\nas_of: 2026-01-31\n", "an instant like"},
		{"as_of half a second", "registry: r\nas_of: 2026-01-31T00:00:00.5Z\n", "an instant like"},
		{"as_of list", "registry: r\nas_of: [7]\n", "line 2:8: expected latest, an epoch's number or an instant, found a list"},
		{"expires a date", "registry: r\nexpires: 2026-12-31\n", "line 2:10: "},
		{"expires half a second", "registry: r\nexpires: 2026-12-31T00:00:00.5Z\n", "whole seconds"},
		{"expires without zone", "registry: r\nexpires: 2026-12-31T00:00:00\n", "line 2:10: "},
		{"expires after the year 9999", "registry: r\nexpires: 9999-12-31T23:59:59-01:00\n", "line 2:10: "},
		{"expires on no day", "registry: r\nexpires: 2026-02-30T00:00:00Z\n", "line 2:10: "},
		{"max_age in days", "registry: r\nmax_age: 30d\n", "a length of time like 720h"},
		{"negative max_age", "registry: r\nmax_age: -1h\n", "a length of time like 720h"},
		{"short nonce", "registry: r\nnonce: AAAA\n", "line 2:8: "},
		{"sloppy nonce", "registry: r\nnonce: AAAAAAAAAAAAAAAAAAAAAB==\n", "line 2:8: "},
		{"grant not a number", "registry: r\ngrant: all\n", "line 2:8: expected a grant's index"},
		{"grant too large", "registry: r\ngrant: 9223372036854775808\n", "line 2:8: expected a grant's index"},
		{"no registry", "key: x\n", `registry ""`},
		{"registry in capitals", "registry: Titles\n", `registry "Titles"`},
		{"both forms", joinYAML + "registry: r\n", "inside them, not beside them"},
		{"both forms, as_of", joinYAML + "as_of: latest\n", "inside them, not beside them"},
		{"no facts", "facts: {}\n", "0 facts"},
		{"fact's name", "facts: {A: {registry: r}}\n", `fact "A": a fact's name`},
		{"fact with a dot", "facts: {a.b: {registry: r}}\n", `fact "a.b": a fact's name`},
		{"fact without a registry", "facts: {a: {key: x}}\n", `fact "a": registry ""`},
		{"reveal twice", "registry: r\nreveal: [a, b, a]\n", `reveal[2]: "a" twice`},
		{"reveal no name", "registry: r\nreveal: ['a b']\n", `reveal[0]: "a b"`},
		{"once no name", "registry: r\nonce: A b\n", `once "A b"`},
		{"absent without a key", "registry: r\nabsent: true\n", "absent needs a key"},
		{"absent with a subject", "registry: r\nabsent: true\nkey: k\nsubject: s\n", "absent goes with a key alone"},
		{"absent with where", "registry: r\nabsent: true\nkey: k\nwhere: [a > 5]\n", "absent goes with a key alone"},
		{"absent with reveal", "registry: r\nabsent: true\nkey: k\nreveal: [a]\n", "absent goes with a key alone"},
		{"absent with once", "registry: r\nabsent: true\nkey: k\nonce: m\n", "absent goes with a key alone"},
		{"absent with holder", "registry: r\nabsent: true\nkey: k\nholder: true\n", "absent goes with a key alone"},
		{"reference in the flat form", "registry: r\nkey: {from: title.key}\n", "from needs several facts"},
		{"reference to no fact", "facts: {a: {registry: r, key: {from: b.key}}}\n", `a.key: from "b.key": there is no fact "b"`},
		{"reference to no field", "facts: {a: {registry: r, key: {from: b.name}}, b: {registry: r}}\n", "ends in .key or .subject"},
		{"reference without a field", "facts: {a: {registry: r, key: {from: b}}, b: {registry: r}}\n", "ends in .key or .subject"},
		{"reference to itself", "facts: {a: {registry: r, key: {from: a.key}}}\n", "go round in a circle"},
		{"references in a circle", "facts: {a: {registry: r, key: {from: b.subject}}, b: {registry: r, subject: {from: a.key}}}\n", "go round in a circle"},
		{"subject of the absent", "facts: {a: {registry: r, key: x, absent: true}, b: {registry: r, subject: {from: a.subject}}}\n", "an absent record has no subject"},
		{"release key without a pledge", "registry: r\nrelease_key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "nothing is pledged"},
		{"release keys in the flat form", "registry: r\nonce: m\nrelease_keys: {fact: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}\n", "a request of one fact has release_key"},
		{"release key in the join form", "facts: {a: {registry: r, once: m}}\nrelease_key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "has release_keys, by fact"},
		{"release key of no fact", "facts: {a: {registry: r, once: m}}\nrelease_keys: {b: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}\n", `no fact "b" pledges`},
		{"long audience", "registry: r\naudience: " + strings.Repeat("x", 513) + "\n", "audience is longer than 512"},
		{"long key", "registry: r\nkey: " + strings.Repeat("x", 4097) + "\n", "key is longer than 4096"},
		{"long condition", "registry: r\nwhere: [" + strings.Repeat("x", 4097) + "]\n", "where[0] is longer than 4096"},
		{"many conditions", "registry: r\nwhere: [" + strings.Repeat("x, ", 64) + "x]\n", "where has 65 expressions"},
	} {
		r, err := ParseRequest([]byte(c.text))
		if r != nil || !errors.Is(err, ErrBadRequest) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; want %q", c.name, err, c.want)
		}
	}
}

func TestValidateOfWhatNoParserMakes(t *testing.T) {
	good := func() *Request { return &Request{FactRequest: FactRequest{Registry: "r", Key: &Ref{Value: "k"}}} }
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Request){
		"text and from":         func(r *Request) { r.Key.From = "a.key" },
		"neither text nor from": func(r *Request) { r.Key.Value = "" },
		"two as_of":             func(r *Request) { r.AsOf = AsOf{Latest: true, Number: 3} },
		"huge as_of":            func(r *Request) { r.AsOf = AsOf{Number: 1 << 63} },
		"fraction of a second":  func(r *Request) { r.AsOf = AsOf{Time: time.Unix(5, 5)} },
		"expires with offset":   func(r *Request) { r.Expires = "2026-12-31T01:00:00+01:00" },
		"huge grant":            func(r *Request) { r.Grant = new(uint64(1 << 63)) },
		"key not UTF-8":         func(r *Request) { r.Key.Value = "\xff" },
		"purpose with NUL":      func(r *Request) { r.Purpose = "a\x00" },
		"where not UTF-8":       func(r *Request) { r.Where = []string{"\xff"} },
	} {
		r := good()
		spoil(r)
		if err := r.Validate(); !errors.Is(err, ErrBadRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFill(t *testing.T) {
	r := mustParse(t, flatYAML)
	ones := bytes.Repeat([]byte{1}, 64)
	if err := r.Fill(bytes.NewReader(ones)); err != nil {
		t.Fatal(err)
	}
	if r.ID != strings.Repeat("01", 16) || *r.Nonce != Nonce(ones[:16]) || *r.Seed != Seed(ones[:32]) {
		t.Errorf("%s %v %v", r.ID, r.Nonce, r.Seed)
	}
	before := *r
	if err := r.Fill(bytes.NewReader(make([]byte, 64))); err != nil || !cmp.Equal(before, *r) {
		t.Errorf("what was there changed: %v", err)
	}
	if err := mustParse(t, flatYAML).Fill(bytes.NewReader(ones[:40])); err == nil {
		t.Error("a short source of randomness passed")
	}
	c := r.Context(FlatFact)
	want := Context{Fact: FlatFact, Audience: "bank-a", Purpose: "mortgage underwriting", Nonce: *r.Nonce, Expires: "2026-12-31T00:00:00Z"}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	r.Grant = new(uint64(9))
	if c := r.Context(FlatFact); c.Grant == nil || *c.Grant != canon.Uint64(9) {
		t.Errorf("grant %v", c.Grant)
	}
}

func TestRequestJSON(t *testing.T) {
	r := mustParse(t, flatYAML)
	r.Grant = new(uint64(9))
	got, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "format": "attestry/request/v1",
  "registry": "lucas-titles",
  "as_of": "latest",
  "subject": "OH-0001222",
  "key": "LC-00042",
  "where": [
    "assessed_value >= 200000 && living_area >= 1200",
    "garage in [\"attached\", \"detached\"] && !(wall in [\"stone\"])",
    "sale_date < date(\"1998-01-01\")",
    "sale_price * 100 <= assessed_value * 120"
  ],
  "reveal": [
    "year_built"
  ],
  "once": "mortgage",
  "audience": "bank-a",
  "purpose": "mortgage underwriting",
  "expires": "2026-12-31T00:00:00Z",
  "grant": "9"
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	var back Request
	if err := json.Unmarshal(got, &back); err != nil || !cmp.Equal(*r, back) {
		t.Errorf("encoding/json: %v", err)
	}
	if err := json.Unmarshal([]byte(`{"registry": "r", "registry": "r"}`), &back); err == nil {
		t.Error("encoding/json took a member twice")
	}
}

// drawRequest makes a request that validates, in either form.
func drawRequest(t *rapid.T) *Request {
	text := rapid.StringN(1, 20, 60).Filter(isClean)
	r := &Request{
		Format: RequestFormat, ID: rapid.StringMatching(`[0-9a-f]{0,32}`).Draw(t, "id"),
		Audience: text.Draw(t, "audience"), Purpose: text.Draw(t, "purpose"), SealTo: text.Draw(t, "seal_to"),
	}
	if rapid.Bool().Draw(t, "filled") {
		r.Nonce, r.Seed, r.Grant = &Nonce{1}, &Seed{2}, new(rapid.Uint64Range(0, 1<<63-1).Draw(t, "grant"))
		r.Expires = FormatTime(time.Unix(rapid.Int64Range(-62167219200, 253402300799).Draw(t, "expires"), 0))
	}
	n := rapid.IntRange(0, 4).Draw(t, "facts")
	if n == 0 {
		r.FactRequest = drawFact(t, text, 0)
		if r.Once != "" {
			r.ReleaseKey = &ReleaseKey{3}
		}
		return r
	}
	r.Facts = map[string]FactRequest{}
	for i := range n {
		name := fmt.Sprintf("f%d", i)
		r.Facts[name] = drawFact(t, text, i)
		if r.Facts[name].Once != "" {
			r.ReleaseKeys = map[string]ReleaseKey{name: {byte(i)}}
		}
	}
	return r
}

func drawFact(t *rapid.T, text *rapid.Generator[string], i int) FactRequest {
	f := FactRequest{
		Registry: rapid.StringMatching(`[a-z][a-z0-9-]{0,10}`).Draw(t, "registry"),
		AsOf:     rapid.SampledFrom([]AsOf{{Latest: true}, {Number: 7}, {Number: 1<<63 - 1}, {Time: time.Unix(1e9, 0).UTC()}}).Draw(t, "as_of"),
		Key:      &Ref{Value: text.Draw(t, "key")},
	}
	if i > 0 && rapid.Bool().Draw(t, "refers") {
		f.Key = &Ref{From: fmt.Sprintf("f%d.key", rapid.IntRange(0, i-1).Draw(t, "to"))}
	}
	if rapid.Bool().Draw(t, "absent") {
		f.Absent = true
		return f
	}
	f.MaxAge = rapid.SampledFrom([]string{"", "720h", "1h30m"}).Draw(t, "max_age")
	f.Where = rapid.SliceOfN(text, 0, 3).Draw(t, "where")
	f.Reveal = rapid.SampledFrom([][]string{nil, {"a"}, {"b", "a"}}).Draw(t, "reveal")
	f.Once = rapid.SampledFrom([]string{"", "mortgage"}).Draw(t, "once")
	f.Holder = rapid.Bool().Draw(t, "holder")
	if len(f.Where) == 0 {
		f.Where = nil
	}
	return f
}

func TestRequestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t)
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		text, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseRequest(text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if diff := cmp.Diff(r, back); diff != "" {
			t.Fatalf("%s in\n%s", diff, text)
		}
	})
}
