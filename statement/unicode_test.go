package statement

import (
	"errors"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Where the toolchain has the frozen version, the tables are the toolchain's.
func TestFrozenTables(t *testing.T) {
	if unicode.Version != "15.0.0" || norm.Version != "15.0.0" {
		t.Logf("this toolchain has Unicode %s and %s: only the golden values below are compared", unicode.Version, norm.Version)
		return
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= 0xd800 && r < 0xe000 {
			continue
		}
		if mapped(frozen().upper, r) != unicode.ToUpper(r) || mapped(frozen().lower, r) != unicode.ToLower(r) {
			t.Fatalf("U+%04X: another case", r)
		}
		if within(frozen().alnum, r) != (unicode.IsLetter(r) || unicode.IsDigit(r)) || within(frozen().space, r) != unicode.IsSpace(r) {
			t.Fatalf("U+%04X: another class", r)
		}
	}
}

// Golden forms that no later Unicode may change, and code points that 15.0.0 does
// not have: a later one has given U+A7CB and U+0264 a case.
func TestCanonicalIsFrozen(t *testing.T) {
	d := TextDomain{Name: "parcel-id", Normalise: []string{Trim, Upper, Alnum}}
	for in, want := range map[string]string{
		" lc-00042\t": "LC00042",
		"e\u0301 ß ﬁ": "É" + "ßﬁ",
		"地块-7号":       "地块7号",
		"\u0264":      "\u0264",
	} {
		if got, err := d.Canonical(in); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"\ua7cb", "\u0378", "a\U0001fae9"} {
		if _, err := d.Canonical(in); !errors.Is(err, ErrBadValue) {
			t.Errorf("%q: %v, want ErrBadValue", in, err)
		}
	}
}
