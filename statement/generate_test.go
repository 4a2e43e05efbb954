package statement

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// pool of texts that meet each other often, some equal only after normalisation.
var pool = []string{"a", "b", "A", " a", "é", "e\u0301", "", "界", `q"\`, "x\n"}

// drawSchema makes a schema of up to 8 attributes, every type among them likely.
func drawSchema(t *rapid.T) *Schema {
	s := &Schema{Registry: "r", Key: "id", Subject: "owner", Attributes: []Attribute{}, Domains: map[string]TextDomain{}}
	for i := range rapid.IntRange(2, 8).Draw(t, "attributes") {
		a := Attribute{
			Name:     fmt.Sprintf("a%d", i),
			Type:     rapid.SampledFrom([]Type{Int, Int, Decimal, Date, Bool, Text}).Draw(t, "type"),
			Optional: rapid.Bool().Draw(t, "optional"),
		}
		if a.Type == Decimal {
			a.Scale = rapid.IntRange(0, 5).Draw(t, "scale")
		}
		if a.Type == Text && rapid.Bool().Draw(t, "domain") {
			s.Domains[a.Name] = TextDomain{Name: "d", Normalise: []string{Trim, Upper}}
		}
		s.Attributes = append(s.Attributes, a)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	return s
}

// drawValue favours the ends of the type's range and what is near 0.
func drawValue(t *rapid.T, s *Schema, a Attribute) Value {
	if a.Optional && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return Value{Absent: true}
	}
	if a.Type == Text {
		text, err := s.Domain(a.Name).Canonical(rapid.SampledFrom(pool).Draw(t, "text"))
		if err != nil {
			t.Fatal(err)
		}
		return Value{Text: text}
	}
	return Value{Int: drawInt(t, a)}
}

func drawInt(t *rapid.T, a Attribute) int64 {
	lo, hi := a.Bounds()
	return rapid.OneOf(
		rapid.SampledFrom([]int64{lo, min(lo+1, hi), max(hi-1, lo), hi, 0, 1}),
		rapid.Int64Range(max(lo, -3), min(hi, 3)),
		rapid.Int64Range(lo, hi),
	).Draw(t, "int")
}

func drawRow(t *rapid.T, s *Schema) []Value {
	row := make([]Value, len(s.Attributes))
	for i, a := range s.Attributes {
		row[i] = drawValue(t, s, a)
	}
	return row
}

// drawLiteral writes a literal that an attribute can be compared with.
func drawLiteral(t *rapid.T, s *Schema, a Attribute) string {
	if a.Type == Text {
		return strconv.Quote(rapid.SampledFrom(pool).Draw(t, "text"))
	}
	return expressionLiteral(a, s.FormatValue(a, Value{Int: drawInt(t, a)}))
}

// drawCondition writes one condition, mostly well typed.
func drawCondition(t *rapid.T, s *Schema) string {
	a := rapid.SampledFrom(s.Attributes).Draw(t, "attribute")
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0:
		return a.Name + rapid.SampledFrom([]string{" == null", " != null"}).Draw(t, "null op")
	case 1, 2:
		members := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return drawLiteral(t, s, a) }), 1, 17).Draw(t, "members")
		in := a.Name + " in [" + strings.Join(members, ", ") + "]"
		return rapid.SampledFrom([]string{in, "!(" + in + ")"}).Draw(t, "in")
	case 3:
		b := rapid.SampledFrom(s.Attributes).Draw(t, "other")
		return drawSide(t, a) + drawOp(t, a) + drawSide(t, b)
	}
	sides := []string{a.Name, drawLiteral(t, s, a)}
	i := rapid.IntRange(0, 1).Draw(t, "left")
	return sides[i] + drawOp(t, a) + sides[1-i]
}

func drawOp(t *rapid.T, a Attribute) string {
	ops := comparisons[:]
	if a.Type == Text || a.Type == Bool {
		ops = ops[:2]
	}
	return " " + rapid.SampledFrom(ops).Draw(t, "op") + " "
}

func drawSide(t *rapid.T, a Attribute) string {
	if a.Type != Int && a.Type != Decimal || rapid.Bool().Draw(t, "bare") {
		return a.Name
	}
	factor := rapid.OneOf(rapid.SampledFrom([]int{1, 2, 3, MaxFactor}), rapid.IntRange(1, MaxFactor)).Draw(t, "factor")
	if rapid.Bool().Draw(t, "factor first") {
		return fmt.Sprintf("%d * %s", factor, a.Name)
	}
	return fmt.Sprintf("%s * %d", a.Name, factor)
}

// drawPredicates compiles conditions until there are enough: the ones that are
// refused (ill typed, or never true) are left out.
func drawPredicates(t *rapid.T, s *Schema, most int) []Predicate {
	var out []Predicate
	for range rapid.IntRange(0, most).Draw(t, "predicates") {
		if ps, err := CompileWhere(s, []string{drawCondition(t, s)}); err == nil {
			out = append(out, ps...)
		}
	}
	return SortPredicates(out)
}

// extremes has a numeric attribute of each kind, for what lies at the very ends.
func extremes() (*Schema, []int64) {
	s := &Schema{Registry: "r", Key: "id", Attributes: []Attribute{
		{Name: "a", Type: Int, Optional: true},
		{Name: "b", Type: Int, Optional: true},
		{Name: "c", Type: Decimal, Scale: 4, Optional: true},
	}}
	return s, []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64}
}
