package circuits

import (
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/attestry/attestry/statement"
)

// celModel is the naive model: cel-go over one row. A number is a rational, a date
// the text of its cell (ISO dates are ordered as texts), a text what upper case and
// trimming make of it where its domain says so.
type celModel struct {
	schema *statement.Schema
	env    *cel.Env
	row    map[string]any
}

func newCELModel(t testing.TB, s *statement.Schema, cells []string) *celModel {
	t.Helper()
	options := []cel.EnvOption{
		cel.Function("date", cel.Overload("date_string", []*cel.Type{cel.StringType}, cel.DynType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return v }))),
		cel.Function("num", cel.Overload("num_string", []*cel.Type{cel.StringType}, cel.DynType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return number{readNumber(string(v.(types.String)))} }))),
	}
	m := &celModel{schema: s, row: map[string]any{}}
	for i, a := range s.Attributes {
		options = append(options, cel.Variable(a.Name, cel.DynType))
		m.row[a.Name] = m.value(a, cells[i])
	}
	var err error
	if m.env, err = cel.NewEnv(options...); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *celModel) value(a statement.Attribute, cell string) any {
	switch {
	case cell == "":
		return nil
	case a.Type == statement.Bool:
		return readBool(cell)
	case a.Type == statement.Text:
		return m.text(a, cell)
	case a.Type == statement.Date:
		return cell
	}
	return number{readNumber(cell)}
}

func (m *celModel) text(a statement.Attribute, cell string) string {
	if _, ok := m.schema.Domains[a.Name]; ok {
		return strings.ToUpper(strings.TrimSpace(cell))
	}
	return cell
}

func (m *celModel) holds(t testing.TB, src string) bool {
	t.Helper()
	ast, issues := m.env.Compile(src)
	if issues.Err() != nil {
		t.Fatalf("cel-go on %s: %v", src, issues.Err())
	}
	program, err := m.env.Program(ast)
	if err != nil {
		t.Fatalf("cel-go on %s: %v", src, err)
	}
	out, _, err := program.Eval(m.row)
	if err != nil {
		t.Fatalf("cel-go on %s of %v: %v", src, m.row, err)
	}
	return out.Value().(bool)
}

func readBool(cell string) bool { return cell == "1" || strings.EqualFold(cell, "true") }

func readNumber(cell string) *big.Rat {
	r, ok := new(big.Rat).SetString(cell)
	if !ok {
		panic("not a number: " + cell) // the cells are drawn
	}
	return r
}

// number is an exact number in cel-go: it compares with numbers, and is multiplied
// by integers.
type number struct{ *big.Rat }

var numberType = types.NewObjectType("number", traits.ComparerType|traits.MultiplierType)

// ConvertToNative implements ref.Val: nothing asks for it.
func (number) ConvertToNative(reflect.Type) (any, error) { return nil, errors.ErrUnsupported }

// ConvertToType implements ref.Val: nothing asks for it.
func (number) ConvertToType(ref.Type) ref.Val { return types.NewErr("a number has no other type") }

// Equal implements ref.Val.
func (n number) Equal(other ref.Val) ref.Val {
	o, ok := other.(number)
	return types.Bool(ok && n.Cmp(o.Rat) == 0)
}

// Type implements ref.Val.
func (number) Type() ref.Type { return numberType }

// Value implements ref.Val.
func (n number) Value() any { return n.Rat }

// Compare implements traits.Comparer.
func (n number) Compare(other ref.Val) ref.Val { return types.Int(n.Cmp(other.(number).Rat)) }

// Multiply implements traits.Multiplier.
func (n number) Multiply(other ref.Val) ref.Val {
	factor := new(big.Rat).SetInt64(int64(other.(types.Int)))
	return number{factor.Mul(factor, n.Rat)}
}
