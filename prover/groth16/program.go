package groth16

import (
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/constraint"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/constraint/solver"
)

// program solves a constraint system as gnark's solver does, compiled for one system:
// linear combinations that occur more than once are evaluated once, and what is known
// of a row before any witness is (which wire it gives, and from which side) is not
// found out again for each.
type program struct {
	public, secret, wires, rows int
	coefficients                []fr.Element
	terms                       []term
	sums                        []sum
	steps                       []step
	hints                       []hint
	a, b                        []uint32 // the sums that are the left and right side of each row
}

// term is a coefficient times a wire.
type term struct{ coefficient, wire uint32 }

// sum is a linear combination of wires: terms first up to end. Those with the
// coefficient 1 come first, up to ones, then those with -1, up to minus.
type sum struct{ first, ones, minus, end uint32 }

// step is one thing to do.
type step struct {
	kind uint32
	// The sums of a row's sides; of an evaluation the sum is l, and of a hint its index.
	l, r, o uint32
	// The wire that a row gives, and what its coefficient is divided by: its inverse.
	wire, inverse uint32
}

// The kinds of steps.
const (
	evaluate uint32 = iota // a sum
	check                  // a row that gives no wire: l·r = o
	outputs                // a row whose o has the new wire; o is then l·r
	divides                // a row whose l has the new wire; l is then o/r
	runHint
)

// hint is a call of a function that gives wires from first up to end.
type hint struct {
	id         solver.HintID
	inputs     []uint32 // sums
	first, end uint32
}

// compiler makes a program.
type compiler struct {
	program
	system  *cs.R1CS
	known   []bool // wires
	index   map[string]uint32
	valued  []bool // sums that have been evaluated
	inverse map[uint32]uint32
}

// compile makes the program of a system.
func compile(system *cs.R1CS) (*program, error) {
	c := &compiler{system: system, index: map[string]uint32{}, inverse: map[uint32]uint32{}}
	c.public, c.secret = system.GetNbPublicVariables(), system.GetNbSecretVariables()
	c.wires, c.rows = c.public+c.secret+system.GetNbInternalVariables(), system.GetNbConstraints()
	c.coefficients = append(c.coefficients, system.Coefficients...)
	c.known = make([]bool, c.wires)
	for i := range c.public + c.secret {
		c.known[i] = true
	}
	for _, packed := range system.Instructions {
		instruction := packed.Unpack(&system.System)
		var err error
		switch blueprint := system.Blueprints[packed.BlueprintID].(type) {
		case constraint.BlueprintR1C:
			var row constraint.R1C
			blueprint.DecompressR1C(&row, instruction)
			err = c.row(row)
		case constraint.BlueprintHint:
			var mapping constraint.HintMapping
			blueprint.DecompressHint(&mapping, instruction)
			err = c.hint(mapping)
		default:
			err = fmt.Errorf("%w: blueprint %T", ErrUnsuitable, blueprint)
		}
		if err != nil {
			return nil, err
		}
	}
	return c.finish()
}

func (c *compiler) finish() (*program, error) {
	for _, known := range c.known {
		if !known {
			return nil, fmt.Errorf("%w: a wire has no value", ErrUnsuitable)
		}
	}
	if len(c.a) != c.rows {
		return nil, fmt.Errorf("%w: %d rows for %d constraints", ErrUnsuitable, len(c.a), c.rows)
	}
	return &c.program, nil
}

// row compiles a row. At most one of its wires is unknown, and stands in one term.
func (c *compiler) row(row constraint.R1C) error {
	sides := [3]uint32{c.sum(row.L), c.sum(row.R), c.sum(row.O)}
	c.a, c.b = append(c.a, sides[0]), append(c.b, sides[1])
	s := step{kind: check, l: sides[0], r: sides[1], o: sides[2]}
	unknown, in := constraint.Term{}, -1
	for i, side := range [3]constraint.LinearExpression{row.L, row.R, row.O} {
		for _, t := range side {
			if c.isKnown(t) {
				continue
			}
			if in >= 0 || c.coefficients[t.CoeffID()].IsZero() {
				return fmt.Errorf("%w: a row does not give its unknown wire", ErrUnsuitable)
			}
			unknown, in = t, i
		}
	}
	for i, side := range sides {
		if i != in {
			c.evaluate(side)
		}
	}
	if in >= 0 {
		s.wire, s.inverse = uint32(unknown.WireID()), c.invert(uint32(unknown.CoeffID()))
		s.kind = outputs
		if in < 2 {
			s.kind = divides
			s.l, s.r = sides[in], sides[1-in]
		}
		c.known[s.wire] = true
		c.valued[sides[in]] = true
	}
	c.steps = append(c.steps, s)
	return nil
}

func (c *compiler) hint(m constraint.HintMapping) error {
	h := hint{id: m.HintID, first: m.OutputRange.Start, end: m.OutputRange.End}
	for _, input := range m.Inputs {
		for _, t := range input {
			if !c.isKnown(t) {
				return fmt.Errorf("%w: a hint wants an unknown wire", ErrUnsuitable)
			}
		}
		s := c.sum(input)
		c.evaluate(s)
		h.inputs = append(h.inputs, s)
	}
	for wire := h.first; wire < h.end; wire++ {
		if c.known[wire] {
			return fmt.Errorf("%w: a hint gives a known wire", ErrUnsuitable)
		}
		c.known[wire] = true
	}
	c.steps = append(c.steps, step{kind: runHint, l: uint32(len(c.hints))})
	c.hints = append(c.hints, h)
	return nil
}

// isKnown tells whether a term has a value.
func (c *compiler) isKnown(t constraint.Term) bool { return t.IsConstant() || c.known[t.WireID()] }

// evaluate adds the evaluation of a sum, unless it has a value.
func (c *compiler) evaluate(s uint32) {
	if !c.valued[s] {
		c.valued[s] = true
		c.steps = append(c.steps, step{kind: evaluate, l: s})
	}
}

// sum gives the index of a linear combination. Wires in it may be unknown yet.
func (c *compiler) sum(l constraint.LinearExpression) uint32 {
	var groups [3][]term // coefficient 1, -1, any other
	minusOne := fr.One()
	minusOne.Neg(&minusOne)
	for _, t := range l {
		wire := uint32(t.WireID())
		if t.IsConstant() {
			wire = 0
		}
		kind := 2
		switch coefficient := c.coefficients[t.CoeffID()]; {
		case coefficient.IsZero():
			continue
		case coefficient.IsOne():
			kind = 0
		case coefficient == minusOne:
			kind = 1
		}
		groups[kind] = append(groups[kind], term{uint32(t.CoeffID()), wire})
	}
	s := sum{first: uint32(len(c.terms))}
	var key []byte
	ends := [3]*uint32{&s.ones, &s.minus, &s.end}
	at := s.first
	for i, group := range groups {
		for _, t := range group {
			key = binary.LittleEndian.AppendUint64(key, uint64(t.coefficient)<<32|uint64(t.wire))
		}
		at += uint32(len(group))
		*ends[i] = at
	}
	if at, ok := c.index[string(key)]; ok {
		return at
	}
	for _, group := range groups {
		c.terms = append(c.terms, group...)
	}
	c.index[string(key)] = uint32(len(c.sums))
	c.sums, c.valued = append(c.sums, s), append(c.valued, false)
	return uint32(len(c.sums) - 1)
}

// invert gives the index of a coefficient's inverse.
func (c *compiler) invert(coefficient uint32) uint32 {
	if at, ok := c.inverse[coefficient]; ok {
		return at
	}
	at := uint32(len(c.coefficients))
	var inverse fr.Element
	c.coefficients = append(c.coefficients, *inverse.Inverse(&c.coefficients[coefficient]))
	c.inverse[coefficient] = at
	return at
}

// assignment is the memory of one run of a program.
type assignment struct {
	wires []fr.Element // the constant 1, the public and secret ones, the others
	sums  []fr.Element
}

func (p *program) newAssignment() *assignment {
	return &assignment{make([]fr.Element, p.wires), make([]fr.Element, len(p.sums))}
}

func (a *assignment) wipe() {
	clear(a.wires)
	clear(a.sums)
}

// run gives all wires from the public and secret ones, and the values of the rows' left
// and right sides.
func (p *program) run(witness fr.Vector, functions map[solver.HintID]solver.Hint, a *assignment, left, right []fr.Element) error {
	if len(witness) != p.public-1+p.secret {
		return fmt.Errorf("%w: it has %d values for %d wires", ErrNotSatisfied, len(witness), p.public-1+p.secret)
	}
	a.wires[0].SetOne()
	copy(a.wires[1:], witness)
	clear(a.wires[1+len(witness):])
	var value, product fr.Element
	for i := range p.steps {
		s := &p.steps[i]
		switch s.kind {
		case evaluate:
			p.sum(s.l, a.wires, &a.sums[s.l])
		case check:
			if product.Mul(&a.sums[s.l], &a.sums[s.r]); product != a.sums[s.o] {
				return ErrNotSatisfied
			}
		case outputs:
			product.Mul(&a.sums[s.l], &a.sums[s.r])
			p.sum(s.o, a.wires, &value) // the new wire is 0 as yet
			p.give(s, a, value, product)
			a.sums[s.o] = product
		case divides:
			p.sum(s.l, a.wires, &value)
			if a.sums[s.r].IsZero() { // any wire would do: it stays 0
				if !a.sums[s.o].IsZero() {
					return ErrNotSatisfied
				}
				a.sums[s.l] = value
				continue
			}
			product.Inverse(&a.sums[s.r])
			product.Mul(&a.sums[s.o], &product)
			p.give(s, a, value, product)
			a.sums[s.l] = product
		case runHint:
			if err := p.call(&p.hints[s.l], functions, a); err != nil {
				return err
			}
		}
	}
	for i := range p.a {
		left[i], right[i] = a.sums[p.a[i]], a.sums[p.b[i]]
	}
	return nil
}

// give sets a wire so that the sum which it stands in, value without it, becomes total.
func (p *program) give(s *step, a *assignment, value, total fr.Element) {
	wire := &a.wires[s.wire]
	wire.Sub(&total, &value)
	if inverse := &p.coefficients[s.inverse]; !inverse.IsOne() {
		wire.Mul(wire, inverse)
	}
}

// sum evaluates a linear combination.
func (p *program) sum(index uint32, wires []fr.Element, out *fr.Element) {
	s := p.sums[index]
	var total, product fr.Element
	for _, t := range p.terms[s.first:s.ones] {
		total.Add(&total, &wires[t.wire])
	}
	for _, t := range p.terms[s.ones:s.minus] {
		total.Sub(&total, &wires[t.wire])
	}
	for _, t := range p.terms[s.minus:s.end] {
		product.Mul(&p.coefficients[t.coefficient], &wires[t.wire])
		total.Add(&total, &product)
	}
	*out = total
}

// call runs a hint.
func (p *program) call(h *hint, functions map[solver.HintID]solver.Hint, a *assignment) error {
	inputs, outputs := make([]*big.Int, len(h.inputs)), make([]*big.Int, h.end-h.first)
	for i, s := range h.inputs {
		inputs[i] = a.sums[s].BigInt(new(big.Int))
	}
	for i := range outputs {
		outputs[i] = new(big.Int)
	}
	if err := functions[h.id](fr.Modulus(), inputs, outputs); err != nil {
		return ErrNotSatisfied
	}
	for i, o := range outputs {
		a.wires[h.first+uint32(i)].SetBigInt(o)
	}
	return nil
}
