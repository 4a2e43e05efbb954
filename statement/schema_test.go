package statement

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attestry/attestry/internal/canon"
)

const titlesYAML = `registry: lucas-titles
key: parcel_id
subject: owner_id            # optional
holder: holder_tag           # optional column
renamed_from: former_id      # optional column
attributes:                  # at most 16
  - {name: assessed_value, type: int, unit: USD}
  - {name: sale_date, type: date}
  - {name: garage, type: text}
  - {name: area, column: 建筑面积, type: decimal, scale: 2, optional: true}
domains: {key: {name: parcel-id, normalise: [trim, upper]}}      # optional
scopes: [{name: mortgage, consent: issuer}]                      # pledges that this registry allows
`

func titles(t testing.TB) *Schema {
	t.Helper()
	s, err := ParseSchema([]byte(titlesYAML))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseSchema(t *testing.T) {
	want := &Schema{
		Registry: "lucas-titles", Key: "parcel_id", Subject: "owner_id", Holder: "holder_tag", RenamedFrom: "former_id",
		Attributes: []Attribute{
			{Name: "assessed_value", Type: Int, Unit: "USD"},
			{Name: "sale_date", Type: Date},
			{Name: "garage", Type: Text},
			{Name: "area", Column: "建筑面积", Type: Decimal, Scale: 2, Optional: true},
		},
		Domains: map[string]TextDomain{"key": {Name: "parcel-id", Normalise: []string{Trim, Upper}}},
		Scopes:  []Scope{{Name: "mortgage", Consent: ConsentIssuer}},
	}
	for name, text := range map[string]string{
		"as shown":        titlesYAML,
		"byte-order mark": "\ufeff" + titlesYAML,
		"CRLF":            strings.ReplaceAll(titlesYAML, "\n", "\r\n"),
		"one document":    "---\n" + titlesYAML + "...\n",
	} {
		got, err := ParseSchema([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	asJSON, err := canon.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseSchema(asJSON)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("as JSON: %v\n%s", err, diff)
	}
}

// minimal is a schema that the refusals below break in one place each.
const minimal = "registry: r\nkey: id\nattributes: [{name: a, type: int}, {name: t, type: text}]\n"

func TestParseSchemaRefuses(t *testing.T) {
	if _, err := ParseSchema([]byte(minimal)); err != nil {
		t.Fatalf("the minimal schema: %v", err)
	}
	swap := func(old, new string) string {
		if !strings.Contains(minimal, old) {
			t.Fatalf("the minimal schema has no %q", old)
		}
		return strings.Replace(minimal, old, new, 1)
	}
	many := "registry: r\nkey: id\nattributes:\n"
	for i := range 17 {
		many += "  - {name: a" + string(rune('a'+i)) + ", type: int}\n"
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "line 1:1: the document is empty"},
		{"comments alone", "# nothing\n", "the document is empty"},
		{"a list", "- a\n", "line 1:1: expected an object, found a list"},
		{"a text", "a\n", "line 1:1: expected an object"},
		{"null", "~\n", "line 1:1: expected an object"},
		{"unknown member", minimal + "colour: red\n", `line 4:1: unknown member "colour"`},
		{"misspelled member", minimal + "scope: []\n", `line 4:1: unknown member "scope" (did you mean "scopes"?)`},
		{"unknown nested member", swap("type: int", "type: int, primary: true"), `line 3:35: unknown member "primary"`},
		{"member twice", minimal + "key: id\n", `line 4:1: mapping key "key" already defined`},
		{"member twice, quoted", minimal + "\"key\": id\n", `line 4:1: `},
		{"nested member twice", swap("type: int", "type: int, type: int"), "line 3:35: "},
		{"JSON member twice", `{"registry":"r",` + "\n" + ` "registry":"r"}`, `line 2:2: member "registry" twice`},
		{"JSON member twice, escaped", `{"registry":"r", "r\u0065gistry":"r"}`, `line 1:18: member "registry" twice`},
		{"two documents", minimal + "---\n" + minimal, "line 5:1: more than one document"},
		{"directive", "%YAML 1.2\n---\n" + minimal, "more than one document, or a directive"},
		{"not UTF-8", "registry: r\nkey: \xff\n", "line 2:6: not UTF-8"},
		{"NUL", "registry: r\nkey: \x00\n", "line 2:6: control character U+0000"},
		{"escaped NUL", swap("key: id", `key: "a\0"`), "line 2:6: "},
		{"replacement character", swap("key: id", "key: \ufffd"), "line 2:6: U+FFFD"},
		{"JSON lone surrogate", `{"registry":"r", "key": "\ud800"}`, "line 1:25: "},
		{"alias", "registry: &r r\nkey: *r\n", "line 1:11: no anchors and aliases"},
		{"tag", swap("key: id", "key: !!str id"), "line 2:6: "},
		{"merge key", swap("key: id", "<<: {key: id}"), "line 2:1: "},
		{"list for a text", swap("key: id", "key: [id]"), "line 2:6: expected a text, found a list"},
		{"null for a text", swap("key: id", "key: ~"), "line 2:6: expected a text, found nothing"},
		{"nothing for a text", swap("key: id", "key:"), "line 2:5: expected a text, found nothing"},
		{"JSON number for a text", `{"registry":"r","key":5}`, "line 1:23: expected a text: put it in quotes"},
		{"text for a list", swap("attributes: [{name: a, type: int}, {name: t, type: text}]", "attributes: a"), "line 3:13: expected a list"},
		{"text for an object", minimal + "domains: key\n", "line 4:10: expected an object"},
		{"text for a truth value", swap("type: int", "type: int, optional: maybe"), "line 3:45: expected true or false"},
		{"quoted truth value", swap("type: int", `type: int, optional: "true"`), "line 3:45: expected true or false"},
		{"scale of an int", swap("type: int", "type: int, scale: 0"), "line 3:14: attribute \"a\": only a decimal has a scale"},
		{"scale too large", swap("type: int", "type: decimal, scale: 10"), "line 3:46: a scale is a number from 0 to 9"},
		{"negative scale", swap("type: int", "type: decimal, scale: -1"), "a scale is a number from 0 to 9"},
		{"quoted scale", swap("type: int", `type: decimal, scale: "2"`), "a scale is a number from 0 to 9"},
		{"flow nesting", strings.Repeat("[", 3000), "nested deeper than 32"},
		{"entry nesting", strings.Repeat("- ", 3000), "nested deeper than 32"},
		{"JSON nesting", `{"registry":` + strings.Repeat("[", 3000) + strings.Repeat("]", 3000) + "}", "nested deeper than 32"},
		{"many members", manyMembers("k%d: 1\n"), "line 2049:6: over 2048 members"},
		{"many members in JSON", "{" + manyMembers("\"k%d\": 1,\n") + "\"k\": 1}", "line 2049:1: over 2048 members"},
		{"too large", minimal + strings.Repeat("#", maxDocument), "the document has over"},

		{"no registry", swap("registry: r\n", ""), "a registry's name"},
		{"registry in capitals", swap("registry: r", "registry: R"), "a registry's name"},
		{"registry with underscore", swap("registry: r", "registry: r_r"), "a registry's name"},
		{"registry too long", swap("registry: r", "registry: "+strings.Repeat("r", 65)), "of at most 64 bytes"},
		{"no key", swap("key: id\n", ""), "has no key"},
		{"no attributes", swap("[{name: a, type: int}, {name: t, type: text}]", "[]"), "0 attributes: a registry has 1 to 16"},
		{"17 attributes", many, "17 attributes: a registry has 1 to 16"},
		{"attribute without a name", swap("name: a, ", ""), "a name is [a-z][a-z0-9_]*"},
		{"attribute in another script", swap("name: a,", "name: 面积,"), "say column: for what the file calls it"},
		{"attribute with a dash", swap("name: a,", "name: a-b,"), "a name is [a-z][a-z0-9_]*"},
		{"attribute twice", swap("name: t", "name: a"), `attribute 2, "a": the name is taken`},
		{"reserved name", swap("name: a,", "name: subject,"), "the name is reserved"},
		{"reserved word of CEL", swap("name: a,", "name: package,"), "the name is reserved"},
		{"no type", swap("type: int", "unit: m"), `no type ""`},
		{"unknown type", swap("type: int", "type: integer"), `no type "integer"`},
		{"column alike twice", swap("name: t, type: text", "name: t, column: a, type: int"), `read the same column "a" alike`},
		{"column with a space", swap("type: int", `type: int, column: " a"`), "begins or ends with a space"},
		{"column too long", swap("type: int", "type: int, column: "+strings.Repeat("c", 257)), "over 256 bytes"},
		{"holder is the key", minimal + "holder: id\n", "a holder tag is neither"},
		{"former key is the key", minimal + "renamed_from: id\n", "a former key is none of them"},
		{"former key is the subject", minimal + "subject: s\nrenamed_from: s\n", "a former key is none of them"},
		{"former key is the holder", minimal + "holder: s\nrenamed_from: s\n", "a former key is none of them"},
		{"former key with a space", minimal + "renamed_from: \"old \"\n", "the renamed_from \"old \" begins or ends with a space"},
		{"former keys as a list", minimal + "renamed_from: [old]\n", "line 4:15: expected a text, found a list"},
		{"holder is an attribute", minimal + "holder: a\n", "a holder tag is no attribute"},
		{"domain of an int", minimal + "domains: {a: {name: d}}\n", "domains are for texts"},
		{"domain of nothing", minimal + "domains: {z: {name: d}}\n", "no attribute has this name"},
		{"domain of no subject", minimal + "domains: {subject: {name: d}}\n", "the registry has no subject"},
		{"domain without a name", minimal + "domains: {t: {normalise: [trim]}}\n", "a domain's name is"},
		{"unknown step", minimal + "domains: {t: {name: d, normalise: [fold]}}\n", `no normalisation "fold"`},
		{"step twice", minimal + "domains: {t: {name: d, normalise: [trim, upper, trim]}}\n", `normalisation "trim" twice`},
		{"scope in capitals", minimal + "scopes: [{name: M, consent: issuer}]\n", "a scope's name is"},
		{"scope without consent", minimal + "scopes: [{name: m}]\n", `consent ""`},
		{"scope of no holder", minimal + "scopes: [{name: m, consent: holder}]\n", "needs a holder column"},
		{"scope twice", minimal + "scopes: [{name: m, consent: issuer}, {name: m, consent: issuer}]\n", "the name is taken"},
		{"short recovery key", minimal + "scopes: [{name: m, consent: issuer, recovery: AAAA}]\n", "recovery: not the base64"},
	} {
		_, err := ParseSchema([]byte(c.text))
		if !errors.Is(err, ErrBadSchema) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; want %q", c.name, err, c.want)
		}
	}
}

func manyMembers(format string) string {
	var text strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&text, format, i)
	}
	return text.String()
}

func TestSchemaOneColumnManyUses(t *testing.T) {
	text := "registry: r\nkey: id\nsubject: id\nattributes: [{name: a, column: id, type: int}, {name: t, column: id, type: text}]\n" +
		"scopes: [{name: m, consent: issuer, recovery: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}]\n"
	if _, err := ParseSchema([]byte(text)); err != nil {
		t.Errorf("a column that is key, subject, an int and a text: %v", err)
	}
}

// A schema without the member is the document that it was before there was one,
// and a former key may be proved as an attribute.
func TestSchemaRenamedFrom(t *testing.T) {
	s, err := ParseSchema([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if document, err := canon.Marshal(s); err != nil || strings.Contains(string(document), "renamed_from") {
		t.Errorf("a schema without former keys is %s, %v", document, err)
	}
	if s, err = ParseSchema([]byte(minimal + "renamed_from: t\n")); err != nil || s.RenamedFrom != "t" {
		t.Errorf("a former key that is an attribute: %v", err)
	}
}
