package circuits

import (
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/frontend"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// PresentInput is what an assignment of [Present] is made from. All of it is
// typed and canonical, so nothing is reduced modulo r on the way in.
type PresentInput struct {
	P, Root, Scope fr.Element

	Layout           *statement.Layout
	OutputRandomness [statement.NumOutputs]fr.Element
	Context, Blind   fr.Element

	Leaf imt.Leaf
	Path imt.Path

	Serial       fr.Element // needed only when Scope is not 0
	HolderSecret fr.Element // needed only when the leaf has a holder
}

// Format implements fmt.Formatter: no verb shows the input.
func (in PresentInput) Format(f fmt.State, _ rune) { fmt.Fprint(f, "circuits.PresentInput(private)") }

// Outputs gives the commitments that the layout asks for.
func (in *PresentInput) Outputs() (out [statement.NumOutputs]fr.Element) {
	for i, slot := range in.Layout.Outputs {
		out[i] = statement.Commit(in.value(slot), in.OutputRandomness[i])
	}
	return out
}

func (in *PresentInput) value(slot statement.OutputSlot) fr.Element {
	switch slot.Kind {
	case statement.KindKey:
		return in.Leaf.Key
	case statement.KindSubject:
		return in.Leaf.Subject
	case statement.KindLeaf:
		return in.Leaf.Hash()
	}
	return in.Leaf.Attributes[slot.Attr]
}

// Statement gives the statement that the assignment claims.
func (in *PresentInput) Statement() statement.Statement {
	private := statement.Private{Layout: in.Layout, Outputs: in.Outputs(), Context: in.Context, Blind: in.Blind}
	s := statement.Statement{P: in.P, Root: in.Root, Scope: in.Scope, Q: private.Q()}
	if !in.Scope.IsZero() {
		s.Nullifier = statement.Nullifier(in.Serial, in.Scope)
	}
	return s
}

// Assignment gives the circuit's assignment. It checks nothing: a false claim's
// assignment does not satisfy the circuit.
func (in *PresentInput) Assignment() *Present {
	d := in.Statement().D().Fr()
	c := &Present{
		D: d, P: in.P, Root: in.Root, Scope: in.Scope, Context: in.Context, Blind: in.Blind,
		Key: in.Leaf.Key, Subject: in.Leaf.Subject, Holder: in.Leaf.Holder, SerialHash: in.Leaf.SerialHash,
		Blinding: in.Leaf.Blinding, Link: in.Leaf.Link, Serial: in.Serial, HolderSecret: in.HolderSecret,
	}
	for i, b := range in.Layout.Bits() {
		c.Bits[i] = 0
		if b {
			c.Bits[i] = 1
		}
	}
	for i, s := range in.Layout.Slots {
		c.Operands[i] = s.Operand
		if i >= statement.FirstPairSlot {
			c.Factors[i-statement.FirstPairSlot] = s.Factor
		}
	}
	for i, e := range in.Layout.Pool {
		c.Pool[i] = e
	}
	for i, e := range in.OutputRandomness {
		c.OutputRandomness[i] = e
	}
	for i, e := range in.Leaf.Attributes {
		c.Attributes[i] = e
	}
	assignPath(in.Path, &c.Path, &c.PathTop)
	return c
}

func assignPath(p imt.Path, path *[imt.Levels - 1][8]frontend.Variable, top *[12]frontend.Variable) {
	for level := range path {
		for i, e := range p[level] {
			path[level][i] = e
		}
	}
	for i, e := range p[imt.Levels-1] {
		top[i] = e
	}
}
