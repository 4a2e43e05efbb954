package statement

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"pgregory.net/rapid"
)

// celDate is the function date("2006-01-02") for cel-go.
func celDate() cel.EnvOption {
	return cel.Function("date", cel.Overload("date_string", []*cel.Type{cel.StringType}, cel.TimestampType,
		cel.UnaryBinding(func(v ref.Val) ref.Val {
			t, err := time.Parse(time.DateOnly, string(v.(types.String)))
			if err != nil {
				return types.NewErr("not a date")
			}
			return types.Timestamp{Time: t}
		})))
}

// celEnv declares every attribute as dyn: it may be null.
func celEnv(t *rapid.T, s *Schema) *cel.Env {
	options := []cel.EnvOption{celDate()}
	for _, a := range s.Attributes {
		options = append(options, cel.Variable(a.Name, cel.DynType))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// celRow gives a record as cel-go sees the cells of a file: a decimal is a double,
// which is exact enough for the up to 15 digits that this test uses.
func celRow(t *rapid.T, s *Schema, row []Value) map[string]any {
	out := map[string]any{}
	for i, a := range s.Attributes {
		v := row[i]
		switch text := s.FormatValue(a, v); {
		case v.Absent:
			out[a.Name] = nil
		case a.Type == Int:
			out[a.Name] = v.Int
		case a.Type == Decimal:
			f, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			out[a.Name] = f
		case a.Type == Date:
			day, err := time.Parse(time.DateOnly, text)
			if err != nil {
				t.Fatal(err)
			}
			out[a.Name] = day
		case a.Type == Bool:
			out[a.Name] = v.Int != 0
		default:
			out[a.Name] = v.Text
		}
	}
	return out
}

// celCase is a condition in the language, and what cel-go is asked: the same
// condition behind guards that make null satisfy nothing.
type celCase struct{ ours, guarded string }

func guard(condition string, names ...string) celCase {
	guarded := condition
	for _, name := range names {
		guarded = name + " != null && " + guarded
	}
	return celCase{condition, "(" + guarded + ")"}
}

// drawPlainValue stays where doubles are exact and products do not overflow.
func drawPlainValue(t *rapid.T, s *Schema, a Attribute) Value {
	if a.Type == Text || a.Type == Bool {
		return drawValue(t, s, a)
	}
	if a.Optional && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return Value{Absent: true}
	}
	limit := int64(1) << 40
	if a.Type == Date {
		limit = 300 // around 1970: cel-go's years begin with 1
	}
	return Value{Int: rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64Range(-limit, limit)).Draw(t, "plain")}
}

// celLiteral writes a literal, often the row's own value and always in the
// canonical form, since cel-go does not normalise.
func celLiteral(t *rapid.T, s *Schema, a Attribute, own Value) string {
	v := own
	if own.Absent || rapid.Bool().Draw(t, "other value") {
		a := a
		a.Optional = false
		v = drawPlainValue(t, s, a)
	}
	return expressionLiteral(a, s.FormatValue(a, v))
}

func drawCEL(t *rapid.T, s *Schema, row []Value) celCase {
	i := rapid.IntRange(0, len(s.Attributes)-1).Draw(t, "attribute")
	a := s.Attributes[i]
	switch form := rapid.IntRange(0, 6).Draw(t, "form"); {
	case form == 0 && a.Optional:
		c := a.Name + rapid.SampledFrom([]string{" == null", " != null"}).Draw(t, "null op")
		return celCase{c, "(" + c + ")"}
	case form == 1 && a.Type == Bool:
		c := rapid.SampledFrom([]string{"", "!"}).Draw(t, "not") + a.Name
		return celCase{c, guard(c, a.Name).guarded}
	case form <= 3:
		members := make([]string, rapid.IntRange(1, 5).Draw(t, "members"))
		for j := range members {
			members[j] = celLiteral(t, s, a, row[i])
		}
		in := a.Name + " in [" + strings.Join(members, ", ") + "]"
		return guard(rapid.SampledFrom([]string{in, "!(" + in + ")"}).Draw(t, "in"), a.Name)
	case form == 4:
		if c, ok := drawCELPair(t, s, a); ok {
			return c
		}
	}
	sides := []string{a.Name, celLiteral(t, s, a, row[i])}
	left := rapid.IntRange(0, 1).Draw(t, "left")
	return guard(sides[left]+drawOp(t, a)+sides[1-left], a.Name)
}

// drawCELPair multiplies ints alone: cel-go has no double times int.
func drawCELPair(t *rapid.T, s *Schema, a Attribute) (celCase, bool) {
	numeric := func(a Attribute) bool { return a.Type == Int || a.Type == Decimal }
	others := slices.DeleteFunc(slices.Clone(s.Attributes), func(b Attribute) bool {
		return b.Name == a.Name || b.Type != a.Type && !(numeric(a) && numeric(b)) || !s.Domain(a.Name).Equal(s.Domain(b.Name))
	})
	if len(others) == 0 {
		return celCase{}, false
	}
	b := rapid.SampledFrom(others).Draw(t, "other")
	side := func(a Attribute) string {
		if a.Type != Int || rapid.Bool().Draw(t, "bare") {
			return a.Name
		}
		return fmt.Sprintf("%s * %d", a.Name, rapid.IntRange(1, 6000).Draw(t, "factor"))
	}
	return guard(side(a)+drawOp(t, a)+side(b), a.Name, b.Name), true
}

func celHolds(t *rapid.T, env *cel.Env, src string, row map[string]any) bool {
	ast, issues := env.Compile(src)
	if issues.Err() != nil {
		t.Fatalf("cel-go on %s: %v", src, issues.Err())
	}
	program, err := env.Program(ast)
	if err != nil {
		t.Fatalf("cel-go on %s: %v", src, err)
	}
	out, _, err := program.Eval(row)
	if err != nil {
		t.Fatalf("cel-go on %s of %v: %v", src, row, err)
	}
	return out.Value().(bool)
}

// TestAgainstCEL compares 3,000 expressions on records with cel-go's answer. What
// is refused because it cannot be true, cel-go has to find false.
func TestAgainstCEL(t *testing.T) {
	outcomes := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		env := celEnv(t, s)
		row := make([]Value, len(s.Attributes))
		for i, a := range s.Attributes {
			row[i] = drawPlainValue(t, s, a)
		}
		for range 30 {
			outcomes[compareWithCEL(t, s, env, row)]++
		}
	})
	if n := outcomes["true"] + outcomes["false"] + outcomes["refused"]; n < 2000 || outcomes["true"] < 200 || outcomes["false"] < 200 {
		t.Errorf("too few comparisons: %v", outcomes)
	}
}

func compareWithCEL(t *rapid.T, s *Schema, env *cel.Env, row []Value) string {
	var ours, guarded []string
	for range rapid.IntRange(1, 3).Draw(t, "conditions") {
		c := drawCEL(t, s, row)
		ours, guarded = append(ours, c.ours), append(guarded, c.guarded)
	}
	src := strings.Join(ours, " && ")
	want := celHolds(t, env, strings.Join(guarded, " && "), celRow(t, s, row))
	predicates, err := CompileWhere(s, []string{src})
	if err != nil {
		inexpressible := strings.Contains(err.Error(), "difference in scale")
		if want && !inexpressible || !inexpressible && !strings.Contains(err.Error(), "cannot be true") {
			t.Fatalf("%s: cel-go says %v of %v, the compiler: %v", src, want, row, err)
		}
		return "refused"
	}
	m, err := NewMatcher(s, predicates)
	if err != nil {
		t.Fatal(err)
	}
	failed, err := m.Match(row)
	if got := failed < 0; err != nil || got != want {
		t.Fatalf("%s on %v: %v, %v; cel-go says %v", src, row, got, err, want)
	}
	return strconv.FormatBool(want)
}
