package groth16

import (
	"context"
	"fmt"
	"math/big"
	"runtime"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	gnark "github.com/consensys/gnark/backend/groth16/bn254"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/constraint/solver"
)

// Options of an [Engine]. The zero value is the default.
type Options struct {
	// Workers is how many cores are used at most, and how many proofs are made at a
	// time: GOMAXPROCS where it is 0. Each needs memory: see [Engine.Memory].
	Workers int
}

// Engine makes proofs with one key. It may be used by many goroutines.
//
// A single proof is made by all workers together. Where more are asked for, each
// worker makes one, and those that find no worker wait.
type Engine struct {
	program        *program
	domain         *domain
	tables         *Tables
	alpha          curve.G1Affine
	beta, delta    curve.G2Affine
	aWires, bWires []uint32 // those that have a point in A and in B
	crew           *crew
	hints          map[solver.HintID]solver.Hint
	idle           chan *proving
}

// New makes an engine for a constraint system, its proving key and the tables of that.
// It fails with [ErrUnsuitable] or [ErrTables].
func New(system *cs.R1CS, pk *gnark.ProvingKey, t *Tables, o Options) (*Engine, error) {
	if err := suits(system, pk); err != nil {
		return nil, err
	}
	if err := t.fit(pk); err != nil {
		return nil, err
	}
	p := t.program
	if p == nil || t.system != system {
		var err error
		if p, err = compile(system); err != nil {
			return nil, err
		}
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	e := &Engine{
		program: p, domain: newDomain(int(pk.Domain.Cardinality)), tables: t,
		alpha: pk.G1.Alpha, beta: pk.G2.Beta, delta: pk.G2.Delta,
		aWires: finite(pk.InfinityA), bWires: finite(pk.InfinityB),
		crew: newCrew(o.Workers), idle: make(chan *proving, o.Workers),
	}
	for range o.Workers {
		e.idle <- nil // made when first needed
	}
	return e, e.findHints()
}

// findHints finds the functions that the system calls.
func (e *Engine) findHints() error {
	config, err := solver.NewConfig()
	if err != nil {
		return err
	}
	e.hints = config.HintFunctions
	for _, h := range e.program.hints {
		if e.hints[h.id] == nil {
			return fmt.Errorf("%w: hint %d is not registered", ErrUnsuitable, h.id)
		}
	}
	return nil
}

// proving is the memory of one proof.
type proving struct {
	assignment *assignment
	left       fr.Vector // the rows' left sides, and later the values of a·b
	right      fr.Vector
	t          fr.Vector
	a, c       *multiExp[curve.G1Affine]
	b          *multiExp[curve.G2Affine]
}

func (e *Engine) newProving() *proving {
	n := e.domain.n
	return &proving{
		assignment: e.program.newAssignment(),
		left:       make(fr.Vector, n), right: make(fr.Vector, n), t: make(fr.Vector, n),
		a: newMultiExp(g1{}, e.tables.a), b: newMultiExp(g2{}, e.tables.b), c: newMultiExp(g1{}, e.tables.c),
	}
}

// wiping forgets the witness.
func (p *proving) wiping() []task {
	return []task{
		func(*scratch) { p.c.wipe() },
		func(*scratch) { p.b.wipe() },
		func(*scratch) { p.a.wipe() },
		func(*scratch) {
			p.assignment.wipe()
			clear(p.left)
			clear(p.right)
			clear(p.t)
		},
	}
}

// Prove makes a proof that the public and secret wires of witness, in this order,
// satisfy the system. It fails with [ErrNotSatisfied] where they do not, and with the
// context's error where that ends before a worker is free.
//
// The caller verifies the proof before it gives it out, under a verifying key that has the
// proving key's delta. Then the proof says nothing of the witness, whatever the tables
// are: see randomise.
func (e *Engine) Prove(ctx context.Context, witness fr.Vector) (*gnark.Proof, error) {
	own, err := e.crew.join(ctx)
	if err != nil {
		return nil, err
	}
	defer e.crew.leave(own)
	p := <-e.idle // as many as workers
	if p == nil {
		p = e.newProving()
	}
	defer func() {
		e.crew.each(own, p.wiping())
		e.idle <- p
	}()
	if err := e.program.run(witness, e.hints, p.assignment, p.left, p.right); err != nil {
		return nil, err
	}
	e.sum(own, p)
	return e.randomise(own, p)
}

// sum makes A, B and C of the proof with r = s = 0. That of C, which has the most to do, goes
// first; the others fill its gaps.
func (e *Engine) sum(own *scratch, p *proving) {
	choose := func(to []fr.Element, wires []uint32) task {
		return func(*scratch) {
			for i, wire := range wires {
				to[i] = p.assignment.wires[wire]
			}
		}
	}
	one := func(t task) func() []task { return func() []task { return []task{t} } }
	half := e.domain.n / 2
	products := fr.Vector(p.c.scalars[len(e.tables.cWires):])
	coset := func() []task {
		return []task{
			func(*scratch) { e.domain.toCoset(p.left, p.t[:half]) },
			func(*scratch) { e.domain.toCoset(p.right, p.t[half:]) },
			choose(p.c.scalars, e.tables.cWires),
		}
	}
	multiply := one(func(*scratch) { products.Mul(p.left, p.right) })
	p.a.begin()
	p.b.begin()
	p.c.begin()
	e.crew.run(own,
		stages(p.c.next, coset, multiply),
		stages(p.b.next, one(choose(p.b.scalars, e.bWires))),
		stages(p.a.next, one(choose(p.a.scalars, e.aWires))))
}

// randomise gives the proof. That of r = s = 0 says much of the witness: it is
// randomised as anyone may randomise any proof,
//
//	A' = A/t,  B' = t·(B + u·delta),  C' = C + u·A,
//
// with t and u fresh, uniform, and t not 0. A' is then uniform among the points that are not
// infinity and B' uniform, independently of each other and of the witness, and C' is the one
// point that makes (A', B', C') verify: perfect zero knowledge, if the proof verifies.
// That needs no more than A in G1, not infinity, and B in G2, whatever sums they are, which
// is seen to here.
// (Baghery, Kohlweiss, Siim, Volkhov: Another Look at Extraction and Randomization of
// Groth's zk-SNARK, FC 2021, theorem 1.)
//
// Groth's prover has r and s in its place, and pays for them with a sum over B in G1.
func (e *Engine) randomise(own *scratch, p *proving) (*gnark.Proof, error) {
	var a, c curve.G1Jac
	var b curve.G2Jac
	resultA, resultB, resultC := p.a.result(), p.b.result(), p.c.result()
	a.FromAffine(&e.alpha)
	a.AddMixed(&resultA)
	b.FromAffine(&e.beta)
	b.AddMixed(&resultB)
	c.FromAffine(&resultC)
	defer func() { a, b, c = curve.G1Jac{}, curve.G2Jac{}, curve.G1Jac{} }()
	if a.Z.IsZero() || !a.IsOnCurve() || !b.IsInSubGroup() || !c.IsOnCurve() {
		return nil, fmt.Errorf("%w: their sums are no points of the groups", ErrTables)
	}
	t, inverse, u, err := randomisers()
	if err != nil {
		return nil, err
	}
	defer func() { // who knows them can take the randomness out of the proof
		for _, secret := range []*big.Int{t, inverse, u} {
			clear(secret.Bits())
		}
	}()
	proof := &gnark.Proof{}
	e.crew.each(own, []task{
		func(*scratch) {
			var delta curve.G2Jac
			delta.FromAffine(&e.delta)
			delta.ScalarMultiplication(&delta, u)
			b.AddAssign(&delta)
			b.ScalarMultiplication(&b, t)
			proof.Bs.FromJacobian(&b)
		},
		func(*scratch) {
			var ua, ta curve.G1Jac
			ua.ScalarMultiplication(&a, u)
			c.AddAssign(&ua)
			ta.ScalarMultiplication(&a, inverse)
			proof.Ar.FromJacobian(&ta)
			proof.Krs.FromJacobian(&c)
		},
	})
	return proof, nil
}

// randomisers gives t, 1/t and u.
func randomisers() (t, inverse, u *big.Int, err error) {
	var e [3]fr.Element
	for e[0].IsZero() {
		if _, err := e[0].SetRandom(); err != nil {
			return nil, nil, nil, err
		}
	}
	e[1].Inverse(&e[0])
	if _, err := e[2].SetRandom(); err != nil {
		return nil, nil, nil, err
	}
	return e[0].BigInt(new(big.Int)), e[1].BigInt(new(big.Int)), e[2].BigInt(new(big.Int)), nil
}
