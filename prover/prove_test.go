package prover

import (
	"errors"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// trueInput is a statement about a record alone in its tree: attribute 0 is 42.
func trueInput() *circuits.PresentInput {
	in := &circuits.PresentInput{
		P: fr.NewElement(1), Context: fr.NewElement(2), Blind: fr.NewElement(3), Layout: &statement.Layout{},
		Leaf: imt.Leaf{Key: fr.NewElement(4), Subject: fr.NewElement(5)},
	}
	for i := range in.Leaf.Attributes {
		in.Leaf.Attributes[i] = statement.Null()
	}
	in.Leaf.Attributes[0] = fr.NewElement(42)
	in.Layout.Slots[0] = statement.Slot{AtLeast: true, Operand: fr.NewElement(42)}
	in.Layout.Outputs[1].Kind = statement.KindLeaf
	current := in.Leaf.Hash()
	for level := range imt.Levels {
		in.Path[level] = make([]fr.Element, imt.Arity(level))
		in.Path[level][0] = current
		current = imt.Node(level, in.Path[level])
	}
	in.Root = current
	return in
}

func TestProve(t *testing.T) {
	c, err := LoadCircuit(keyDir(), "present")
	if err != nil {
		t.Fatal(err)
	}
	in := trueInput()
	encoded, d, err := c.Prove(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(encoded) != 128 || d != in.Statement().D() {
		t.Fatalf("%d bytes for D %s", len(encoded), d)
	}
	proof, err := verifier.ParseProof(encoded)
	if err != nil {
		t.Fatal(err)
	}
	// Rule 1: changing any one field of the statement breaks verification.
	for name, change := range map[string]func(*statement.Statement){
		"P":         func(s *statement.Statement) { s.P.SetUint64(9) },
		"root":      func(s *statement.Statement) { s.Root.SetUint64(9) },
		"nullifier": func(s *statement.Statement) { s.Nullifier.SetUint64(9) },
		"scope":     func(s *statement.Statement) { s.Scope.SetUint64(9) },
		"Q":         func(s *statement.Statement) { s.Q.SetUint64(9) },
	} {
		s := in.Statement()
		change(&s)
		if err := c.VK.Verify(proof, s.D()); err == nil {
			t.Errorf("the proof verifies with another %s", name)
		}
	}
}

// A false statement has no proof, and its error quotes nothing of the record.
func TestProveFalse(t *testing.T) {
	c, err := LoadCircuit(keyDir(), "present")
	if err != nil {
		t.Fatal(err)
	}
	in := trueInput()
	in.Layout.Slots[0].Operand = fr.NewElement(43)
	encoded, _, err := c.Prove(in)
	if !errors.Is(err, ErrNotSatisfied) || encoded != nil {
		t.Fatalf("%d bytes, %v", len(encoded), err)
	}
	if err.Error() != ErrNotSatisfied.Error() || strings.ContainsAny(err.Error(), "0123456789") {
		t.Errorf("the error says more than it may: %v", err)
	}
}

func BenchmarkProve(b *testing.B) {
	c, err := LoadCircuit(keyDir(), "present")
	if err != nil {
		b.Fatal(err)
	}
	in := trueInput()
	for b.Loop() {
		if _, _, err := c.Prove(in); err != nil {
			b.Fatal(err)
		}
	}
}
