package statement

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseValue(t *testing.T) {
	s := parcelSchema(t)
	for _, c := range []struct{ attribute, text, canonical string }{
		{"assessed_value", "-0", "0"}, {"assessed_value", "007", "7"}, {"assessed_value", "-9223372036854775808", "-9223372036854775808"},
		{"area", "12", "12.00"}, {"area", "-0.5", "-0.50"}, {"area", "-0.00", "0.00"}, {"width", "12", "12"},
		{"fine", "-9223372036.854775808", "-9223372036.854775808"},
		{"sale_date", "0000-02-29", "0000-02-29"}, {"vacant", "TRUE", "true"}, {"vacant", "0", "false"},
		{"garage", "e\u0301", "é"}, {"code", " ab ", "AB"}, {"wall", "", ""},
	} {
		a := s.Attributes[s.Index(c.attribute)]
		v, err := s.ParseValue(a, c.text)
		if got := s.FormatValue(a, v); err != nil || got != c.canonical {
			t.Errorf("%s %q: %q, %v; want %q", a.Name, c.text, got, err, c.canonical)
		}
	}
	for _, c := range [][2]string{
		{"assessed_value", ""}, {"assessed_value", "+1"}, {"assessed_value", "1.0"}, {"assessed_value", "1e3"}, {"assessed_value", " 1"},
		{"assessed_value", "--1"}, {"assessed_value", "9223372036854775808"}, {"assessed_value", "１"},
		{"area", "1."}, {"area", ".5"}, {"area", "1.234"}, {"area", "1,5"}, {"area", "-"}, {"area", "92233720368547758.08"},
		{"sale_date", "2026-02-30"}, {"sale_date", "1900-02-29"}, {"sale_date", "2026-2-3"}, {"sale_date", "10000-01-01"}, {"sale_date", "2026-01-31T00:00:00Z"},
		{"vacant", "yes"}, {"garage", "\xff"}, {"garage", strings.Repeat("x", MaxTextBytes+1)},
	} {
		if _, err := s.ParseValue(s.Attributes[s.Index(c[0])], c[1]); !errors.Is(err, ErrBadValue) {
			t.Errorf("%s %q: %v", c[0], c[1], err)
		}
	}
}

// TestValuesRoundTrip: the canonical text reads back, and distinct values have
// distinct elements.
func TestValuesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		for _, a := range s.Attributes {
			v, w := drawValue(t, s, a), drawValue(t, s, a)
			if !v.Absent {
				back, err := s.ParseLiteral(a, s.FormatValue(a, v))
				if err != nil || back != v {
					t.Fatalf("%v of %v reads back as %v, %v", v, a, back, err)
				}
			}
			x, errX := s.Encode(a, v)
			y, errY := s.Encode(a, w)
			if errX != nil || errY != nil || x.Equal(&y) != (v == w) {
				t.Fatalf("%v and %v of %v: %v, %v, %v, %v", v, w, a, x, y, errX, errY)
			}
		}
	})
}

func TestHashKeyAndSubject(t *testing.T) {
	s := titles(t)
	a, errA := s.HashKey(" lc-1 ")
	b, errB := s.HashKey("LC-1")
	c, errC := s.HashKey("LC-2")
	if err := errors.Join(errA, errB, errC); err != nil || !a.Equal(&b) || a.Equal(&c) {
		t.Errorf("%v %v %v, %v", a, b, c, err)
	}
	null := Null()
	for _, subject := range []string{"", "OH-1"} {
		e, err := s.HashSubject(subject)
		if err != nil || e.Equal(&null) != (subject == "") {
			t.Errorf("subject %q: %v, %v", subject, e, err)
		}
	}
	s.Subject = ""
	if e, err := s.HashSubject("OH-1"); err != nil || !e.Equal(&null) {
		t.Errorf("a registry without subjects: %v, %v", e, err)
	}
}

func TestElementIsCanonical(t *testing.T) {
	const r = "MGROcuExoCm4UEW2gYFYXSgz6Eh5uXCRQ+H1k/AAAAE=" // the order of the field
	var e Element
	for _, text := range []string{r, "", "AAAA", "//////////////////////////////////////////8=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB="} {
		if err := e.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%s was read as %v", text, e)
		}
	}
	last := strings.Replace(r, "AAAAE=", "AAAAA=", 1)
	if err := e.UnmarshalText([]byte(last)); err != nil || e.String() != last || e.IsZero() {
		t.Errorf("r - 1: %v, %v", e, err)
	}
}
