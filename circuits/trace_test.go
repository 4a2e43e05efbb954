package circuits

import (
	"fmt"
	"math/big"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/std/math/bits"
)

// trace runs a circuit's Define on values, and notes every assertion with whether
// it holds, where gnark's own engines stop at the first that does not. An assignment
// that breaks exactly one assertion is what a circuit without that assertion would
// accept: so one run of an attack tells which mutants it catches.
//
// It evaluates as the R1CS does, also on selectors that are not boolean: Select,
// Lookup2 and IsZero are the formulas of their rows. It implements no more of
// frontend.API than the circuits use; anything else panics.
type trace struct {
	frontend.API
	lies       lies
	assertions []assertion
}

// assertion is one assertion of a run: its values, whether it holds, and where it
// does not, the line of the circuit that makes it.
type assertion struct {
	site        string
	kind        kind
	left, right fr.Element
	holds       bool
}

type kind string

const (
	isEqual     kind = "equal"
	isDifferent kind = "different"
	isBoolean   kind = "boolean"
)

// lies are what a malicious prover's hints answer in the place of the honest ones.
type lies struct {
	// digits answers for a value that has no decomposition in so many bits.
	digits func(v *big.Int, digits []*big.Int)
	// noInverse makes the zero test's inverse 0.
	noInverse bool
}

// wire is a value with its own identity, so that a second demand to be boolean
// costs nothing, as in the builder of constraints.
type wire struct {
	v       fr.Element
	boolean bool
}

// run evaluates a circuit on an assignment. It does not change the assignment.
func run(t testing.TB, circuit frontend.Circuit, lies lies) *trace {
	t.Helper()
	copied := reflect.New(reflect.TypeOf(circuit).Elem())
	copied.Elem().Set(reflect.ValueOf(circuit).Elem())
	assignWires(copied.Elem())
	tr := &trace{lies: lies}
	if err := copied.Interface().(frontend.Circuit).Define(tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

var variableType = reflect.TypeFor[frontend.Variable]()

func assignWires(v reflect.Value) {
	switch {
	case v.Type() == variableType:
		v.Set(reflect.ValueOf(toWire(v.Interface())))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("gnark") != "-" {
				assignWires(v.Field(i))
			}
		}
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			assignWires(v.Index(i))
		}
	}
}

// failed gives the indices of the assertions that do not hold.
func (t *trace) failed() (indices []int) {
	for i, a := range t.assertions {
		if !a.holds {
			indices = append(indices, i)
		}
	}
	return indices
}

// computed gives what the last assertion compares D with.
func (t *trace) computed() fr.Element { return t.assertions[len(t.assertions)-1].right }

// site names the line of the circuit that asserts: its own, or the one that calls
// its shorthand assertNonZeroIf.
func site() string {
	var callers [16]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, ".assertNonZeroIf") {
			continue
		}
		if strings.HasSuffix(frame.File, "_circuit.go") || strings.HasSuffix(frame.File, "variant_test.go") {
			return fmt.Sprintf("%s:%d", frame.Function[strings.LastIndex(frame.Function, ".")+1:], frame.Line)
		}
		if !more {
			return "?"
		}
	}
}

func toWire(v frontend.Variable) *wire {
	if w, ok := v.(*wire); ok {
		return w
	}
	return &wire{v: valueOf(v)}
}

func valueOf(v frontend.Variable) (e fr.Element) {
	if w, ok := v.(*wire); ok {
		return w.v
	}
	if _, err := e.SetInterface(v); err != nil {
		panic(err) // an assignment that is not of numbers
	}
	return e
}

func (t *trace) note(k kind, left, right fr.Element, holds bool) {
	a := assertion{kind: k, left: left, right: right, holds: holds}
	if !holds {
		a.site = site()
	}
	t.assertions = append(t.assertions, a)
}

func (t *trace) Add(a, b frontend.Variable, more ...frontend.Variable) frontend.Variable {
	sum := new(wire)
	left, right := valueOf(a), valueOf(b)
	sum.v.Add(&left, &right)
	for _, v := range more {
		right = valueOf(v)
		sum.v.Add(&sum.v, &right)
	}
	return sum
}

func (t *trace) Sub(a, b frontend.Variable, more ...frontend.Variable) frontend.Variable {
	difference := new(wire)
	left, right := valueOf(a), valueOf(b)
	difference.v.Sub(&left, &right)
	for _, v := range more {
		right = valueOf(v)
		difference.v.Sub(&difference.v, &right)
	}
	return difference
}

func (t *trace) Mul(a, b frontend.Variable, more ...frontend.Variable) frontend.Variable {
	product := new(wire)
	left, right := valueOf(a), valueOf(b)
	product.v.Mul(&left, &right)
	for _, v := range more {
		right = valueOf(v)
		product.v.Mul(&product.v, &right)
	}
	return product
}

func (t *trace) Select(b, yes, no frontend.Variable) frontend.Variable {
	t.AssertIsBoolean(b)
	return t.Add(t.Mul(b, t.Sub(yes, no)), no)
}

func (t *trace) Lookup2(b0, b1, i0, i1, i2, i3 frontend.Variable) frontend.Variable {
	low, high := t.Select(b0, i1, i0), t.Select(b0, i3, i2)
	return t.Select(b1, high, low)
}

func (t *trace) IsZero(a frontend.Variable) frontend.Variable {
	value := toWire(a)
	inverse := new(wire)
	if !t.lies.noInverse {
		inverse.v.Inverse(&value.v)
	}
	m := t.Sub(1, t.Mul(value, inverse)).(*wire)
	m.boolean = true
	t.AssertIsEqual(t.Mul(value, m), 0)
	return m
}

func (t *trace) AssertIsEqual(a, b frontend.Variable) {
	left, right := toWire(a).v, toWire(b).v
	t.note(isEqual, left, right, left == right)
}

func (t *trace) AssertIsDifferent(a, b frontend.Variable) {
	left, right := toWire(a).v, toWire(b).v
	t.note(isDifferent, left, right, left != right)
}

func (t *trace) AssertIsBoolean(b frontend.Variable) {
	w, ok := b.(*wire)
	if !ok || w.boolean {
		return
	}
	w.boolean = true
	t.note(isBoolean, w.v, fr.Element{}, w.v.IsZero() || w.v.IsOne())
}

func (t *trace) Compiler() frontend.Compiler { return traceCompiler{t: t} }

// traceCompiler is the part of frontend.Compiler that the circuits reach.
type traceCompiler struct {
	frontend.Compiler
	t *trace
}

func (traceCompiler) Field() *big.Int { return fr.Modulus() }

func (traceCompiler) FieldBitLen() int { return fr.Bits }

func (traceCompiler) ConstantValue(v frontend.Variable) (*big.Int, bool) {
	if _, ok := v.(*wire); ok {
		return nil, false
	}
	return toWire(v).v.BigInt(new(big.Int)), true
}

func (traceCompiler) MarkBoolean(v frontend.Variable) { toWire(v).boolean = true }

func (traceCompiler) IsBoolean(v frontend.Variable) bool { return toWire(v).boolean }

// NewHint answers the one hint that is left: the digits of a number.
func (c traceCompiler) NewHint(f solver.Hint, n int, inputs ...frontend.Variable) ([]frontend.Variable, error) {
	if solver.GetHintID(f) != bitsHint() {
		return nil, fmt.Errorf("the hint %s is not expected", solver.GetHintName(f))
	}
	in := []*big.Int{toWire(inputs[0]).v.BigInt(new(big.Int))}
	answers := make([]*big.Int, n)
	for i := range answers {
		answers[i] = new(big.Int)
	}
	if err := c.t.lies.answer(f)(fr.Modulus(), in, answers); err != nil {
		return nil, err
	}
	out := make([]frontend.Variable, n)
	for i, a := range answers {
		out[i] = toWire(a)
	}
	return out, nil
}

// answer gives the hint of digits: the honest one where there is an honest answer.
func (l lies) answer(honest solver.Hint) solver.Hint {
	return func(field *big.Int, in, out []*big.Int) error {
		v := in[len(in)-1]
		if l.digits != nil && v.BitLen() > len(out) {
			l.digits(v, out)
			return nil
		}
		return honest(field, in, out)
	}
}

// options gives the lies as the solver of an R1CS takes them.
func (l lies) options() (options []solver.Option) {
	if l.digits != nil {
		options = append(options, solver.OverrideHint(bitsHint(), l.answer(honestBits())))
	}
	if l.noInverse {
		options = append(options, solver.OverrideHint(solver.GetHintID(solver.InvZeroHint), zeroHint))
	}
	return options
}

func honestBits() solver.Hint {
	for _, h := range bits.GetHints() {
		if strings.HasSuffix(solver.GetHintName(h), "bits.nBits") {
			return h
		}
	}
	panic("no hint bits.nBits")
}

func bitsHint() solver.HintID { return solver.GetHintID(honestBits()) }

// The trace agrees with gnark on what is computed: D of an honest assignment.
func TestTraceComputesD(t *testing.T) {
	for name, c := range map[string]frontend.Circuit{
		"present": everything(t).Assignment(),
		"absent":  gap(element(10), element(15), element(20)).Assignment(),
	} {
		if failed := run(t, c, lies{}).failed(); len(failed) != 0 {
			t.Errorf("%s: %d assertions fail on an honest assignment", name, len(failed))
		}
	}
}
