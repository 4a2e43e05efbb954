package statement

import (
	"errors"
	"testing"
)

// TestLayoutRefusesWhatIsNotCanonical: a question comes out of a bundle, whose
// author may have written anything. Only what the compiler could have made passes.
func TestLayoutRefusesWhatIsNotCanonical(t *testing.T) {
	s := parcelSchema(t)
	leaf := [NumOutputs]Output{OutputLeaf, OutputLeaf}
	ok := literal("vacant", OpEqual, "true")
	withFactor := ok
	withFactor.Factor = 1
	withValue := pairOf(1, "assessed_value", OpLess, 1, "sale_price")
	withValue.Values = []string{"1"}
	for name, q := range map[string]Question{
		"unknown attribute":       {Predicates: []Predicate{literal("x", OpEqual, "1")}, Outputs: leaf},
		"unknown operator":        {Predicates: []Predicate{literal("vacant", "=", "true")}, Outputs: leaf},
		"strict order":            {Predicates: []Predicate{literal("assessed_value", OpLess, "1")}, Outputs: leaf},
		"order of a text":         {Predicates: []Predicate{literal("garage", OpAtLeast, "a")}, Outputs: leaf},
		"order of a bool":         {Predicates: []Predicate{literal("vacant", OpAtMost, "true")}, Outputs: leaf},
		"bool as 1":               {Predicates: []Predicate{literal("vacant", OpEqual, "1")}, Outputs: leaf},
		"leading zero":            {Predicates: []Predicate{literal("assessed_value", OpEqual, "07")}, Outputs: leaf},
		"negative zero":           {Predicates: []Predicate{literal("assessed_value", OpEqual, "-0")}, Outputs: leaf},
		"over 64 bits":            {Predicates: []Predicate{literal("assessed_value", OpEqual, "9223372036854775808")}, Outputs: leaf},
		"fewer decimals":          {Predicates: []Predicate{literal("area", OpEqual, "1.5")}, Outputs: leaf},
		"text not in its domain":  {Predicates: []Predicate{literal("code", OpEqual, "ab")}, Outputs: leaf},
		"no value":                {Predicates: []Predicate{literal("garage", OpEqual)}, Outputs: leaf},
		"two values":              {Predicates: []Predicate{literal("garage", OpEqual, "a", "b")}, Outputs: leaf},
		"set of one":              {Predicates: []Predicate{literal("garage", OpIn, "a")}, Outputs: leaf},
		"set of 17":               {Predicates: []Predicate{literal("garage", OpIn, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q")}, Outputs: leaf},
		"set out of order":        {Predicates: []Predicate{literal("garage", OpNotIn, "b", "a")}, Outputs: leaf},
		"set with a repeat":       {Predicates: []Predicate{literal("garage", OpIn, "a", "a")}, Outputs: leaf},
		"null with a value":       {Predicates: []Predicate{literal("wall", OpIsNull, "a")}, Outputs: leaf},
		"factor of a literal":     {Predicates: []Predicate{withFactor}, Outputs: leaf},
		"pair with a literal":     {Predicates: []Predicate{withValue}, Outputs: leaf},
		"pair, factor 0":          {Predicates: []Predicate{pairOf(0, "assessed_value", OpLess, 1, "sale_price")}, Outputs: leaf},
		"pair, negative factor":   {Predicates: []Predicate{pairOf(1, "assessed_value", OpLess, -1, "sale_price")}, Outputs: leaf},
		"pair, factor of 17 bits": {Predicates: []Predicate{pairOf(MaxFactor+1, "assessed_value", OpLess, 1, "sale_price")}, Outputs: leaf},
		"pair, scale and factor":  {Predicates: []Predicate{pairOf(1, "area", OpLess, 656, "sale_price")}, Outputs: leaf},
		"pair with itself":        {Predicates: []Predicate{pairOf(1, "area", OpLess, 2, "area")}, Outputs: leaf},
		"pair, at least":          {Predicates: []Predicate{pairOf(1, "area", OpAtLeast, 1, "width")}, Outputs: leaf},
		"pair, is null":           {Predicates: []Predicate{pairOf(1, "area", OpIsNull, 1, "width")}, Outputs: leaf},
		"pair, larger name first": {Predicates: []Predicate{pairOf(1, "width", OpEqual, 1, "area")}, Outputs: leaf},
		"pair of two types":       {Predicates: []Predicate{pairOf(1, "area", OpLess, 1, "sale_date")}, Outputs: leaf},
		"pair of dates, factor":   {Predicates: []Predicate{pairOf(2, "built", OpLess, 1, "sale_date")}, Outputs: leaf},
		"pair of texts, order":    {Predicates: []Predicate{pairOf(1, "garage", OpLess, 1, "wall")}, Outputs: leaf},
		"pair of two domains":     {Predicates: []Predicate{pairOf(1, "code", OpEqual, 1, "wall")}, Outputs: leaf},
		"pair with no attribute":  {Predicates: []Predicate{pairOf(1, "area", OpLess, 1, "x")}, Outputs: leaf},
		"predicates out of order": {Predicates: []Predicate{ok, literal("area", OpIsNull)}, Outputs: leaf},
		"predicate twice":         {Predicates: []Predicate{ok, ok}, Outputs: leaf},
		"unknown output":          {Outputs: [NumOutputs]Output{"record", OutputLeaf}},
		"output of no attribute":  {Outputs: [NumOutputs]Output{OutputAttribute("x"), OutputLeaf}},
		"output without its kind": {Outputs: [NumOutputs]Output{"area", OutputLeaf}},
		"no output":               {Outputs: [NumOutputs]Output{OutputLeaf, ""}},
	} {
		if l, err := q.Layout(s); l != nil || !errors.Is(err, ErrBadQuestion) && !errors.Is(err, ErrUnknownAttribute) && !errors.Is(err, ErrBadValue) {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
	s.Subject = ""
	if _, err := (&Question{Outputs: [NumOutputs]Output{OutputSubject, OutputLeaf}}).Layout(s); !errors.Is(err, ErrBadQuestion) {
		t.Errorf("subject of a registry without subjects: %v", err)
	}
	if _, err := (&Question{Predicates: []Predicate{ok}, Outputs: leaf}).Layout(s); err != nil {
		t.Errorf("what the compiler makes: %v", err)
	}
}
