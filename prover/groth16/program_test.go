package groth16

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/constraint"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
	"github.com/consensys/gnark/logger"
	"github.com/rs/zerolog"
)

// drawn is a circuit of operations that follow from its seed.
type drawn struct {
	seed   uint64
	Public frontend.Variable `gnark:",public"`
	Inputs [6]frontend.Variable
}

func (c *drawn) Define(api frontend.API) error {
	r := rand.New(rand.NewPCG(c.seed, 0))
	values := append([]frontend.Variable{c.Public, 0, 1, -1, 12345}, c.Inputs[:]...)
	pick := func() frontend.Variable { return values[r.IntN(len(values))] }
	bits := []frontend.Variable{api.IsZero(c.Public)}
	bit := func() frontend.Variable { return bits[r.IntN(len(bits))] }
	for range 40 {
		a, b := pick(), pick()
		var v frontend.Variable
		switch r.IntN(10) {
		case 0:
			v = api.Add(a, b, pick())
		case 1:
			v = api.Sub(a, b)
		case 2:
			v = api.Mul(a, b)
		case 3:
			v = api.DivUnchecked(c.Inputs[r.IntN(6)], c.Inputs[r.IntN(6)]) // 0/0 is 0
		case 4:
			v = api.Select(bit(), a, b)
		case 5:
			bits = append(bits, api.IsZero(a))
			v = bits[len(bits)-1]
		case 6:
			bits = append(bits, api.ToBinary(a)[:4]...)
			v = api.Neg(a)
		case 7:
			v = api.Lookup2(bit(), bit(), a, b, 3, pick())
		case 8:
			v = api.Xor(bit(), api.Or(bit(), bit()))
		case 9:
			v = api.Mul(7, a, api.Add(b, b, 2))
		}
		values = append(values, v)
	}
	api.AssertIsEqual(api.Mul(c.Inputs[0], c.Inputs[1]), c.Inputs[2]) // does not hold of all inputs
	return nil
}

// assign gives inputs, many of them 0, 1 or -1. Of three in four the last row holds.
func (c *drawn) assign(r *rand.Rand) *drawn {
	draw := func() (e fr.Element) {
		if e.SetInt64(int64(r.IntN(3)) - 1); r.IntN(2) == 0 {
			e.MustSetRandom()
		}
		return e
	}
	out := &drawn{Public: draw()}
	for i := range out.Inputs {
		out.Inputs[i] = draw()
	}
	if x, y := out.Inputs[0].(fr.Element), out.Inputs[1].(fr.Element); r.IntN(4) > 0 {
		out.Inputs[2] = *x.Mul(&x, &y)
	}
	return out
}

// The program gives every wire, and every row's sides, as gnark's solver does, and both
// take the same witnesses for unsatisfying.
func TestProgramAgainstSolver(t *testing.T) {
	logger.Disable()
	config, err := solver.NewConfig()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	satisfied, unsatisfied := 0, 0
	for seed := range uint64(30) {
		circuit := &drawn{seed: seed}
		compiled, err := frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, circuit)
		if err != nil {
			t.Fatal(err)
		}
		system := compiled.(*cs.R1CS)
		p, err := compile(system)
		if err != nil {
			t.Fatal(err)
		}
		a, left, right := p.newAssignment(), make(fr.Vector, p.rows), make(fr.Vector, p.rows)
		for range 10 {
			w, err := frontend.NewWitness(circuit.assign(r), ecc.BN254.ScalarField())
			if err != nil {
				t.Fatal(err)
			}
			ours := p.run(vector(w), config.HintFunctions, a, left, right)
			solved, theirs := system.Solve(w, solver.WithLogger(zerolog.Nop()))
			if (ours == nil) != (theirs == nil) || ours != nil && !errors.Is(ours, ErrNotSatisfied) {
				t.Fatalf("circuit %d: %v, and gnark says %v", seed, ours, theirs)
			}
			if ours != nil {
				unsatisfied++
				continue
			}
			satisfied++
			s := solved.(*cs.R1CSSolution)
			if !slices.Equal(a.wires, s.W) || !slices.Equal(left, s.A) || !slices.Equal(right, s.B) {
				t.Fatalf("circuit %d: the wires or rows differ", seed)
			}
		}
	}
	if satisfied < 30 || unsatisfied < 30 {
		t.Errorf("%d assignments satisfied their circuits, and %d did not", satisfied, unsatisfied)
	}
}

// A system that the program would not solve as gnark does is refused.
func TestUnsuitableSystems(t *testing.T) {
	for name, change := range map[string]func(s *cs.R1CS){
		"an unknown blueprint":      func(s *cs.R1CS) { s.Blueprints[0] = &constraint.BlueprintLookupHint[constraint.U64]{} },
		"a wire that nothing gives": func(s *cs.R1CS) { s.NbInternalVariables++ },
		"a row less":                func(s *cs.R1CS) { s.Instructions = s.Instructions[:len(s.Instructions)-1] },
		"rows in another order":     func(s *cs.R1CS) { slices.Reverse(s.Instructions) },
		"a hint called twice": func(s *cs.R1CS) {
			for _, i := range s.Instructions {
				if _, ok := s.Blueprints[i.BlueprintID].(*constraint.BlueprintGenericHint); ok {
					s.Instructions = append(s.Instructions, i)
					return
				}
			}
		},
		"a wire with the coefficient 0": func(s *cs.R1CS) { clear(s.Coefficients) },
	} {
		system, err := compileSmall()
		if err != nil {
			t.Fatal(err)
		}
		change(system)
		if _, err := compile(system); !errors.Is(err, ErrUnsuitable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A hint's function that fails, lies or panics ends its own proof, and no other.
func TestHintThatFails(t *testing.T) {
	f := newFixture(t)
	engine, err := New(f.system, &f.pk, f.tables, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	v := vector(f.randomWitness(t))
	honest := engine.hints
	for name, c := range map[string]struct {
		hint  solver.Hint
		panic any
	}{
		"fails": {hint: func(*big.Int, []*big.Int, []*big.Int) error { return errors.New("4711") }},
		"lies": {hint: func(q *big.Int, _, out []*big.Int) error {
			for _, o := range out {
				o.Sub(o, q).Sub(o, big.NewInt(2)) // negative, and not reduced
			}
			return nil
		}},
		"panics": {hint: func(*big.Int, []*big.Int, []*big.Int) error { panic("in vain") }, panic: "in vain"},
	} {
		engine.hints = map[solver.HintID]solver.Hint{}
		for id := range honest {
			engine.hints[id] = c.hint
		}
		func() {
			defer func() {
				if v := recover(); v != c.panic {
					t.Errorf("a hint that %s: the panic %v", name, v)
				}
			}()
			if proof, err := engine.Prove(t.Context(), v); err != ErrNotSatisfied || proof != nil { //nolint:errorlint // no more than that
				t.Errorf("a hint that %s: %v", name, err)
			}
		}()
		engine.hints = honest
		if proof, err := engine.Prove(t.Context(), v); err != nil || f.verify(proof, v[0]) != nil {
			t.Errorf("after a hint that %s: %v", name, err)
		}
	}
}
