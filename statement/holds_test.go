package statement

import (
	"errors"
	"math"
	"testing"
)

func TestHolds(t *testing.T) {
	s := parcelSchema(t)
	texts := map[string]string{
		"assessed_value": "200000", "sale_price": "", "area": "12.50", "width": "12", "fine": "0.000000001",
		"sale_date": "1998-02-28", "built": "", "vacant": "true", "leased": "", "garage": "attached", "wall": "", "code": " ab ",
	}
	values := make([]Value, len(s.Attributes))
	for i, a := range s.Attributes {
		v, err := s.ParseValue(a, texts[a.Name])
		if err != nil {
			t.Fatalf("%s: %v", a.Name, err)
		}
		values[i] = v
	}
	for src, want := range map[string]bool{
		"assessed_value == 200000": true, "assessed_value != 200000": false,
		"assessed_value >= 200000": true, "assessed_value > 200000": false,
		"assessed_value <= 200000": true, "assessed_value < 200000": false,
		"assessed_value in [1, 200000]": true, "!(assessed_value in [1, 200000])": false,
		"!(assessed_value in [1, 2])": true, "assessed_value != null": true,
		"area == 12.5": true, "area > 12.49": true, "area > 12.5": false,
		"area > width": true, "area * 24 == width * 25": true, "area * 24 < width * 25": false,
		"assessed_value > area * 16000": false, "assessed_value >= area * 16000": true,
		"fine > 0":                          true,
		"sale_date < date('1998-03-01')":    true,
		"vacant":                            true,
		"!vacant":                           false,
		"garage in ['attached','detached']": true,
		"code == 'AB '":                     true,
		"code != 'ab'":                      false,
		// Null satisfies nothing but == null, not even what "not" would give it.
		"sale_price == null": true, "sale_price != null": false,
		"sale_price != 5": false, "sale_price == 5": false, "sale_price <= 5": false, "sale_price >= 5": false,
		"wall != 'a'": false, "!(wall in ['a', 'b'])": false, "wall == garage": false, "wall != garage": false,
		"leased": false, "!leased": false, "leased != vacant": false,
		"sale_price < assessed_value": false, "sale_price >= assessed_value": false, "sale_price != assessed_value": false,
		"built != sale_date": false, "built == sale_date": false,
	} {
		ps, err := CompileWhere(s, []string{src})
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got, err := ps[0].Holds(s, values); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", src, got, err, want)
		}
	}
}

func TestMatchNamesTheFirstFailure(t *testing.T) {
	s := parcelSchema(t)
	m, err := NewMatcher(s, []Predicate{literal("assessed_value", OpAtLeast, "1"), literal("area", OpIsNull), literal("vacant", OpEqual, "true")})
	if err != nil {
		t.Fatal(err)
	}
	row := make([]Value, len(s.Attributes))
	row[0] = Value{Int: 5}
	for want, change := range []func(){
		func() { row[0].Int = 0 }, func() { row[0].Int = 5 }, func() { row[2].Absent = true }, func() { row[7].Int = 1 },
	} {
		change()
		if want == 3 {
			want = -1
		}
		if got, err := m.Match(row); err != nil || got != want {
			t.Errorf("Match = %d, %v; want %d", got, err, want)
		}
	}
	if _, err := m.Match(row[:3]); !errors.Is(err, ErrBadValue) {
		t.Errorf("a short record: %v", err)
	}
}

func TestHoldsIsExact(t *testing.T) {
	s, _ := extremes()
	row := []Value{{Int: math.MinInt64}, {Int: math.MaxInt64}, {Int: math.MaxInt64}}
	for src, want := range map[string]bool{
		"a * 65535 < b * 65535":     true,
		"a * 65535 == b * 65535":    false,
		"b == c":                    false, // c is b divided by 10^4
		"b * 6 == c * 60000":        true,
		"b * 6 == c * 59999":        false,
		"b * 6 < c * 60001":         true,
		"a == -9223372036854775808": true,
	} {
		ps, err := CompileWhere(s, []string{src})
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got, err := ps[0].Holds(s, row); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", src, got, err, want)
		}
	}
}

func TestHoldsRefusesWhatIsNotCanonical(t *testing.T) {
	s := parcelSchema(t)
	row := make([]Value, len(s.Attributes))
	for _, p := range []Predicate{
		literal("nothing", OpEqual, "1"),
		literal("assessed_value", "~", "1"),
		literal("assessed_value", OpEqual),
		literal("assessed_value", OpEqual, "01"),
		literal("area", OpEqual, "1"),
		literal("garage", OpAtLeast, "a"),
		literal("garage", OpIn, "b", "a"),
		literal("garage", OpIn, "a"),
		literal("code", OpEqual, "ab"),
		literal("wall", OpIsNull, "x"),
		pairOf(1, "garage", OpEqual, 1, "code"),
		pairOf(0, "assessed_value", OpEqual, 1, "sale_price"),
		pairOf(1, "sale_price", OpEqual, 1, "assessed_value"),
	} {
		if ok, err := p.Holds(s, row); ok || !errors.Is(err, ErrBadQuestion) && !errors.Is(err, ErrUnknownAttribute) {
			t.Errorf("%s: %v, %v; want an error", p, ok, err)
		}
	}
}
