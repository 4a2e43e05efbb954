package statement

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNormalisationIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := TextDomain{Name: "d", Normalise: rapid.Permutation(NormaliseSteps).Draw(t, "steps")[:rapid.IntRange(0, 4).Draw(t, "n")]}
		once, err := d.Canonical(rapid.String().Draw(t, "text"))
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := d.Canonical(once); err != nil || twice != once {
			t.Fatalf("%v: %q becomes %q, %v", d, once, twice, err)
		}
	})
}

// TestCompiledFormCompilesToItself prints every predicate and compiles it again.
func TestCompiledFormCompilesToItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		for _, p := range drawPredicates(t, s, 8) {
			src, err := p.Expression(s)
			if err != nil {
				t.Fatal(err)
			}
			again, err := CompileWhere(s, []string{src})
			if err != nil {
				t.Fatalf("%s printed as %s: %v", p, src, err)
			}
			if diff := cmp.Diff([]Predicate{p}, again); diff != "" {
				t.Fatalf("%s: %s", src, diff)
			}
		}
	})
}

// TestOrderOfConditionsDoesNotMatter: conjuncts may be permuted, repeated, put in
// parentheses, and shared out over expressions.
func TestOrderOfConditionsDoesNotMatter(t *testing.T) {
	compiled := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		var conditions []string
		for range rapid.IntRange(1, 6).Draw(t, "conditions") {
			c := drawCondition(t, s)
			if _, err := CompileWhere(s, append(slices.Clone(conditions), c)); err == nil {
				conditions = append(conditions, c)
			}
		}
		want, err := CompileWhere(s, conditions)
		if err != nil {
			t.Fatal(err)
		}
		permuted := rapid.Permutation(append(slices.Clone(conditions), conditions...)).Draw(t, "permutation")
		got, err := CompileWhere(s, joinSome(t, permuted))
		if err != nil {
			t.Fatalf("%q compile, %q do not: %v", conditions, permuted, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		compiled += len(want)
	})
	if compiled < 100 {
		t.Errorf("only %d predicates were tried", compiled)
	}
}

func joinSome(t *rapid.T, conditions []string) []string {
	var out []string
	for len(conditions) > 0 {
		n := rapid.IntRange(1, len(conditions)).Draw(t, "run")
		out = append(out, "("+strings.Join(conditions[:n], ") && (")+")")
		conditions = conditions[n:]
	}
	return out
}

// TestContradictionsAreNeverTrue: whatever is refused because it cannot be true is
// not true of any row that can be drawn.
func TestContradictionsAreNeverTrue(t *testing.T) {
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		predicates := drawPredicates(t, s, 12)
		for _, a := range predicates {
			for _, b := range predicates {
				if a.compare(b) < 0 && !together(t, s, a, b) {
					refused++
				}
			}
		}
	})
	if refused < 20 {
		t.Errorf("only %d contradictions were drawn", refused)
	}
}

// together tells whether two predicates compile together; where they do not, no
// row satisfies both.
func together(t *rapid.T, s *Schema, a, b Predicate) bool {
	ea, errA := a.Expression(s)
	eb, errB := b.Expression(s)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	_, err := CompileWhere(s, []string{ea, eb})
	if err == nil {
		return true
	}
	if !errors.Is(err, ErrBadExpression) || !strings.Contains(err.Error(), "cannot be true") {
		t.Fatal(err)
	}
	for range 3 {
		row := drawRow(t, s)
		m, err := NewMatcher(s, []Predicate{a, b})
		if err != nil {
			t.Fatal(err)
		}
		if failed, err := m.Match(row); err != nil || failed < 0 {
			t.Fatalf("%s && %s is true of %v, %v", ea, eb, row, err)
		}
	}
	return false
}
