package statement

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// wide has 16 ints, for requests that one proof does not hold.
func wide() *Schema {
	s := &Schema{Registry: "wide", Key: "id", Subject: "owner"}
	for i := range 16 {
		s.Attributes = append(s.Attributes, Attribute{Name: fmt.Sprintf("a%02d", i), Type: Int})
	}
	return s
}

// counts gives how many predicates each question has, and its outputs.
func counts(qs []Question) (out []string) {
	for _, q := range qs {
		out = append(out, fmt.Sprintf("%d %s %s", len(q.Predicates), q.Outputs[0], q.Outputs[1]))
	}
	return out
}

func TestSplit(t *testing.T) {
	s := wide()
	plain := func(n int) (ps []Predicate) {
		for i := range n {
			ps = append(ps, literal(fmt.Sprintf("a%02d", i%16), OpAtLeast, fmt.Sprint(i/16)))
		}
		return ps
	}
	pairs := func(n int) (ps []Predicate) {
		for i := range n {
			ps = append(ps, pairOf(1, fmt.Sprintf("a%02d", i), OpLess, 1, fmt.Sprintf("a%02d", i+1)))
		}
		return ps
	}
	set := func(attribute string, n int) Predicate {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprint(10+i))
		}
		return literal(attribute, OpIn, members...)
	}
	reveal := OutputAttribute("a00")
	for _, c := range []struct {
		name       string
		predicates []Predicate
		outputs    []Output
		want       []string
	}{
		{"nothing", nil, nil, []string{"0 leaf leaf"}},
		{"one output", nil, []Output{OutputKey}, []string{"0 key leaf"}},
		{"two outputs", plain(8), []Output{OutputSubject, OutputKey}, []string{"8 subject key"}},
		{"three outputs", nil, []Output{OutputSubject, OutputKey, reveal}, []string{"0 leaf subject", "0 leaf key", "0 leaf attribute:a00"}},
		{"nine predicates", plain(9), nil, []string{"8 leaf leaf", "1 leaf leaf"}},
		{"nine predicates, two outputs", plain(9), []Output{OutputSubject, OutputKey}, []string{"8 leaf subject", "1 leaf key"}},
		{"nine predicates, one output", plain(9), []Output{OutputKey}, []string{"8 leaf key", "1 leaf leaf"}},
		{"64 predicates", plain(64), nil, slices.Repeat([]string{"8 leaf leaf"}, 8)},
		{"two pairs", append(plain(6), pairs(2)...), nil, []string{"8 leaf leaf"}},
		{"three pairs", pairs(3), nil, []string{"2 leaf leaf", "1 leaf leaf"}},
		{"pairs go where there is room", append(plain(7), pairs(3)...), nil, []string{"8 leaf leaf", "2 leaf leaf"}},
		{"the largest set", []Predicate{set("a00", 16)}, nil, []string{"1 leaf leaf"}},
		{"two large sets", []Predicate{set("a00", 16), set("a01", 2)}, nil, []string{"1 leaf leaf", "1 leaf leaf"}},
		{"four sets", []Predicate{set("a00", 5), set("a01", 5), set("a02", 5), set("a03", 4)}, nil, []string{"4 leaf leaf"}},
		{"a later set fits before", []Predicate{set("a00", 12), set("a01", 9), set("a02", 5)}, nil, []string{"2 leaf leaf", "1 leaf leaf"}},
	} {
		got, err := Split(s, c.predicates, c.outputs, true)
		if diff := cmp.Diff(c.want, counts(got)); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", c.name, err, diff)
		}
		for _, q := range got {
			if !q.Holder || q.Predicates == nil {
				t.Errorf("%s: %+v", c.name, q)
			}
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	s := wide()
	s.Subject = ""
	many := []Output{OutputKey, OutputKey, OutputSubject}
	for name, err := range map[string]error{
		"no subject":        splitError(s, nil, []Output{OutputSubject}),
		"no subject, three": splitError(s, nil, many),
		"no such output":    splitError(s, nil, []Output{"record"}),
		"not canonical":     splitError(s, []Predicate{literal("a00", OpEqual, "01")}, nil),
	} {
		if !errors.Is(err, ErrBadQuestion) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func splitError(s *Schema, ps []Predicate, outputs []Output) error {
	_, err := Split(s, ps, outputs, false)
	return err
}

// TestSplitLaws: nothing is lost or added, every question has a layout, outputs
// keep their order, and the order of the predicates does not matter.
func TestSplitLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		predicates := drawPredicates(t, s, 24)
		choice := []Output{OutputSubject, OutputKey}
		for _, a := range s.Attributes {
			choice = append(choice, OutputAttribute(a.Name))
		}
		outputs := choice[:rapid.IntRange(0, len(choice)).Draw(t, "outputs")]
		got, err := Split(s, rapid.Permutation(predicates).Draw(t, "permutation"), outputs, false)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Split(s, predicates, outputs, false)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
		checkSplit(t, s, got, predicates, outputs)
	})
}

func checkSplit(t *rapid.T, s *Schema, questions []Question, predicates []Predicate, outputs []Output) {
	var all []Predicate
	var seen []Output
	for _, q := range questions {
		if _, err := q.Layout(s); err != nil {
			t.Fatal(err)
		}
		if len(questions) > 1 && q.Outputs[0] != OutputLeaf {
			t.Fatalf("no tie in %v", q)
		}
		all = append(all, q.Predicates...)
		seen = append(seen, slices.DeleteFunc(slices.Clone(q.Outputs[:]), func(o Output) bool { return o == OutputLeaf })...)
	}
	if diff := cmp.Diff(predicates, SortPredicates(all)); diff != "" || len(all) != len(predicates) {
		t.Fatalf("predicates: %s", diff)
	}
	if !slices.Equal(outputs, seen) {
		t.Fatalf("outputs %v became %v", outputs, seen)
	}
}
