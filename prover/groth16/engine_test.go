package groth16

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math/big"
	"runtime"
	"sync"
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/backend"
	gnark "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/backend/witness"
	"github.com/consensys/gnark/constraint"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
	"github.com/consensys/gnark/logger"
	"github.com/rs/zerolog"

	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

var witnesses = flag.Int("witnesses", 20, "random witnesses that TestDifferential proves with both provers")

// small is a circuit with all that systems have: hints, divisions, constants,
// coefficients, rows that give a wire and rows that only check.
type small struct {
	Out     frontend.Variable `gnark:",public"`
	X, Y, Z frontend.Variable
}

func (c *small) Define(api frontend.API) error {
	square := api.Mul(c.X, c.X)
	sum := api.Add(api.Mul(square, square, c.X), api.Div(c.Y, c.Z), 7)
	for i, bit := range api.ToBinary(c.Y)[:8] {
		sum = api.Add(sum, api.Mul(bit, 3*i+1))
	}
	sum = api.Sub(sum, api.Select(api.IsZero(c.X), c.Z, api.Mul(5, c.Y)))
	api.AssertIsEqual(c.Out, api.Mul(sum, api.DivUnchecked(c.X, c.X)))
	return nil
}

// smallWitness gives a true assignment, computed apart from the circuit.
func smallWitness(x, y, z fr.Element) *small {
	var out, term fr.Element
	if !x.IsZero() { // 0/0 is 0, unchecked
		out.Square(&x).Square(&out).Mul(&out, &x)
		out.Add(&out, term.Div(&y, &z))
		out.Add(&out, term.SetUint64(7))
		low := y.Bits()[0]
		for i := range uint64(8) {
			out.Add(&out, term.SetUint64(low>>i&1*(3*i+1)))
		}
		term.SetUint64(5)
		out.Sub(&out, term.Mul(&term, &y))
	}
	return &small{Out: out, X: x, Y: y, Z: z}
}

// fixture is a circuit with keys, tables and an engine.
type fixture struct {
	system  *cs.R1CS
	pk      gnark.ProvingKey
	gnarkVK gnark.VerifyingKey
	vk      *verifier.VerifyingKey
	tables  *Tables
	engine  *Engine
}

// shared is made once for the tests that do not change it.
var shared = sync.OnceValues(makeFixture)

// newFixture gives the shared one, whose fields may be replaced.
func newFixture(t testing.TB) *fixture {
	t.Helper()
	f, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	own := *f
	return &own
}

func compileSmall() (*cs.R1CS, error) {
	logger.Disable()
	compiled, err := frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, &small{})
	if err != nil {
		return nil, err
	}
	return compiled.(*cs.R1CS), nil
}

func makeFixture() (*fixture, error) {
	system, err := compileSmall()
	if err != nil {
		return nil, err
	}
	f := &fixture{system: system}
	if err := gnark.Setup(f.system, &f.pk, &f.gnarkVK); err != nil {
		return nil, err
	}
	vk := &f.gnarkVK
	if f.vk, err = verifier.NewVerifyingKey(vk.G1.Alpha, vk.G2.Beta, vk.G2.Gamma, vk.G2.Delta, vk.G1.K[0], vk.G1.K[1]); err != nil {
		return nil, err
	}
	if f.tables, err = MakeTables(f.system, &f.pk); err != nil {
		return nil, err
	}
	f.engine, err = New(f.system, &f.pk, f.tables, Options{})
	return f, err
}

func (f *fixture) witness(t testing.TB, c *small) witness.Witness {
	t.Helper()
	w, err := frontend.NewWitness(c, ecc.BN254.ScalarField())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func vector(w witness.Witness) fr.Vector { return w.Vector().(fr.Vector) }

// verify has both verifiers look at a proof.
func (f *fixture) verify(p *gnark.Proof, public fr.Element) error {
	a, b, c := p.Ar.Bytes(), p.Bs.Bytes(), p.Krs.Bytes()
	proof, err := verifier.ParseProof(bytes.Join([][]byte{a[:], b[:], c[:]}, nil))
	if err != nil {
		return err
	}
	return errors.Join(f.vk.Verify(proof, statement.Element(public)), gnark.Verify(p, &f.gnarkVK, fr.Vector{public}))
}

// Both provers make proofs of random witnesses that both verifiers accept, and of no
// other statement.
//
//	go test ./prover/groth16 -run TestDifferential -args -witnesses 10000
func TestDifferential(t *testing.T) {
	f := newFixture(t)
	for i := range *witnesses {
		var e [3]fr.Element
		for j := range e {
			e[j].MustSetRandom()
		}
		if i%8 == 1 {
			e[0].SetZero()
		}
		w := f.witness(t, smallWitness(e[0], e[1], e[2]))
		fast, err := f.engine.Prove(t.Context(), vector(w))
		if err != nil {
			t.Fatal(err)
		}
		slow, err := gnark.Prove(f.system, &f.pk, w, backend.WithSolverOptions(solver.WithLogger(zerolog.Nop())))
		if err != nil {
			t.Fatal(err)
		}
		public := vector(w)[0]
		if err := errors.Join(f.verify(fast, public), f.verify(slow, public)); err != nil {
			t.Fatalf("witness %d: %v", i, err)
		}
		public.Double(&public).Add(&public, &e[1])
		if f.verify(fast, public) == nil {
			t.Fatalf("witness %d: the proof verifies for another statement", i)
		}
	}
	t.Logf("%d witnesses, two proofs of each", *witnesses)
}

func (f *fixture) randomWitness(t testing.TB) witness.Witness {
	var e [3]fr.Element
	for j := range e {
		e[j].MustSetRandom()
	}
	return f.witness(t, smallWitness(e[0], e[1], e[2]))
}

// What a witness must not do is said without a word of it.
func TestNotSatisfied(t *testing.T) {
	f := newFixture(t)
	for wire := range 4 {
		v := vector(f.randomWitness(t))
		v[wire].Double(&v[wire])
		if proof, err := f.engine.Prove(t.Context(), v); err != ErrNotSatisfied || proof != nil { //nolint:errorlint // no more than that
			t.Errorf("wire %d is wrong: %v", wire, err)
		}
	}
	v := vector(f.randomWitness(t))
	if _, err := f.engine.Prove(t.Context(), v[:3]); !errors.Is(err, ErrNotSatisfied) {
		t.Errorf("a witness too short: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.engine.Prove(over, v); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	if proof, err := f.engine.Prove(t.Context(), v); err != nil || f.verify(proof, v[0]) != nil {
		t.Errorf("after all that: %v", err)
	}
}

// chain is a circuit of n rows: the power of 2^(n-1).
type chain struct {
	n   int
	Out frontend.Variable `gnark:",public"`
	X   frontend.Variable
}

func (c *chain) Define(api frontend.API) error {
	x := c.X
	for range c.n - 1 {
		x = api.Mul(x, x)
	}
	api.AssertIsEqual(x, c.Out)
	return nil
}

// Systems of few rows, and of as many as transforms have and one more, are proved, for
// witnesses of all zeros, ones and others.
func TestSizes(t *testing.T) {
	logger.Disable()
	for _, rows := range []int{2, 3, 4, 5, 16, 17, 64, 65} {
		compiled, err := frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, &chain{n: rows})
		if err != nil {
			t.Fatal(err)
		}
		f := &fixture{system: compiled.(*cs.R1CS)}
		if n := f.system.GetNbConstraints(); n != rows {
			t.Fatalf("%d rows for %d", n, rows)
		}
		if err := gnark.Setup(f.system, &f.pk, &f.gnarkVK); err != nil {
			t.Fatal(err)
		}
		if f.tables, err = MakeTables(f.system, &f.pk); err != nil {
			t.Fatal(err)
		}
		if f.engine, err = New(f.system, &f.pk, f.tables, Options{}); err != nil {
			t.Fatal(err)
		}
		var random fr.Element
		for _, x := range []fr.Element{{}, fr.One(), *random.MustSetRandom()} {
			out := x
			for range rows - 1 {
				out.Square(&out)
			}
			proof, err := f.engine.Prove(t.Context(), fr.Vector{out, x})
			if err != nil {
				t.Fatalf("%d rows, %s: %v", rows, &x, err)
			}
			if err := gnark.Verify(proof, &f.gnarkVK, fr.Vector{out}); err != nil {
				t.Errorf("%d rows, %s: %v", rows, &x, err)
			}
		}
	}
}

// fixed gives A and B of the proof with r = s = 0, which is never to be seen.
func (f *fixture) fixed(t *testing.T, v fr.Vector) (curve.G1Affine, curve.G2Affine) {
	t.Helper()
	solved, err := f.system.Solve(mustWitness(t, v))
	if err != nil {
		t.Fatal(err)
	}
	w := solved.(*cs.R1CSSolution).W
	a, b := f.pk.G1.Alpha, f.pk.G2.Beta
	for i, wire := range finite(f.pk.InfinityA) {
		var p curve.G1Affine
		a.Add(&a, p.ScalarMultiplication(&f.pk.G1.A[i], w[wire].BigInt(new(big.Int))))
	}
	for i, wire := range finite(f.pk.InfinityB) {
		var p curve.G2Affine
		b.Add(&b, p.ScalarMultiplication(&f.pk.G2.B[i], w[wire].BigInt(new(big.Int))))
	}
	return a, b
}

func mustWitness(t *testing.T, v fr.Vector) witness.Witness {
	t.Helper()
	w, err := witness.New(ecc.BN254.ScalarField())
	if err != nil {
		t.Fatal(err)
	}
	values := make(chan any, len(v))
	for _, e := range v {
		values <- e
	}
	close(values)
	if err := w.Fill(1, len(v)-1, values); err != nil {
		t.Fatal(err)
	}
	return w
}

// Proofs of one witness have no point in common, neither with each other nor with the
// proof of r = s = 0.
func TestRandomised(t *testing.T) {
	f := newFixture(t)
	v := vector(f.randomWitness(t))
	a, b := f.fixed(t, v)
	seenA, seenB, seenC := map[curve.G1Affine]bool{a: true}, map[curve.G2Affine]bool{b: true}, map[curve.G1Affine]bool{}
	for range 8 {
		p, err := f.engine.Prove(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		if seenA[p.Ar] || seenB[p.Bs] || seenC[p.Krs] {
			t.Fatal("a point comes again")
		}
		seenA[p.Ar], seenB[p.Bs], seenC[p.Krs] = true, true, true
	}
}

// Many proofs at once, more than there are workers.
func TestConcurrent(t *testing.T) {
	f := newFixture(t)
	var err error
	if f.engine, err = New(f.system, &f.pk, f.tables, Options{Workers: 3}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 12 {
		v := vector(f.randomWitness(t))
		all.Go(func() {
			proof, err := f.engine.Prove(t.Context(), v)
			if err != nil || f.verify(proof, v[0]) != nil {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
}

// A proof's memory is bounded by what is told.
func TestMemory(t *testing.T) {
	f := newFixture(t)
	v := vector(f.randomWitness(t))
	var err error
	if f.engine, err = New(f.system, &f.pk, f.tables, Options{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := f.engine.Prove(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	_, each := f.engine.Memory()
	if used := int(after.HeapAlloc) - int(before.HeapAlloc); used > each {
		t.Errorf("a proof keeps %d bytes, and is said to take %d", used, each)
	}
}

// A key and a system that do not go together are refused.
func TestUnsuitable(t *testing.T) {
	f := newFixture(t)
	other := f.pk
	other.G1.K = other.G1.K[1:]
	if _, err := New(f.system, &other, f.tables, Options{}); !errors.Is(err, ErrUnsuitable) {
		t.Errorf("another key: %v", err)
	}
	if _, err := MakeTables(f.system, &other); !errors.Is(err, ErrUnsuitable) {
		t.Errorf("tables of another key: %v", err)
	}
	for name, change := range map[string]func(pk *gnark.ProvingKey){
		"A": func(pk *gnark.ProvingKey) { pk.G1.A = withInfinity(pk.G1.A) },
		"B": func(pk *gnark.ProvingKey) { pk.G2.B = withInfinity(pk.G2.B) },
		"Z": func(pk *gnark.ProvingKey) { pk.G1.Z = withInfinity(pk.G1.Z) },
	} {
		changed := f.pk
		change(&changed)
		if _, err := MakeTables(f.system, &changed); !errors.Is(err, ErrUnsuitable) {
			t.Errorf("infinity in %s: %v", name, err)
		}
	}
	stranger, err := compileSmall()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range stranger.Instructions {
		if _, ok := stranger.Blueprints[i.BlueprintID].(*constraint.BlueprintGenericHint); ok {
			stranger.CallData[i.StartCallData+1]++
		}
	}
	if _, err := New(stranger, &f.pk, f.tables, Options{}); !errors.Is(err, ErrUnsuitable) {
		t.Errorf("a hint that nobody registered: %v", err)
	}
	wide := *f.tables
	wide.cWires = append([]uint32{}, wide.cWires...)
	wide.cWires[len(wide.cWires)/2] = uint32(len(f.pk.InfinityA))
	if _, err := New(f.system, &f.pk, &wide, Options{}); !errors.Is(err, ErrTables) {
		t.Errorf("a wire that there is not: %v", err)
	}
	short := *f.tables
	short.cWires = short.cWires[1:]
	if _, err := New(f.system, &f.pk, &short, Options{}); !errors.Is(err, ErrTables) {
		t.Errorf("other tables: %v", err)
	}
}

// withInfinity gives the points with infinity among them.
func withInfinity[P any](points []P) []P {
	out := append([]P{}, points...)
	clear(out[len(out)/2:][:1])
	return out
}

// A proof that waits for a worker ends with its context, and takes no worker with it.
func TestContextEndsTheWait(t *testing.T) {
	f := newFixture(t)
	engine, err := New(f.system, &f.pk, f.tables, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	v := vector(f.randomWitness(t))
	own, err := engine.crew.join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	for range 3 {
		go func() {
			_, err := engine.Prove(ctx, v)
			ended <- err
		}()
	}
	for engine.crew.waiting.Load() < 3 {
		runtime.Gosched()
	}
	cancel()
	for range 3 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n := engine.crew.waiting.Load(); n != 0 {
		t.Errorf("%d proofs wait", n)
	}
	engine.crew.leave(own)
	if proof, err := engine.Prove(t.Context(), v); err != nil || f.verify(proof, v[0]) != nil {
		t.Errorf("after that: %v", err)
	}
}
