package circuits

import (
	"math/big"
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/test"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// The golden size of absent, version 1, whose identity is AbsentHash.
const absentConstraints = 5457

func TestAbsentGolden(t *testing.T) {
	system, err := Compile(&Absent{})
	if err != nil {
		t.Fatal(err)
	}
	if n := system.GetNbConstraints(); n != absentConstraints || n > 1<<13 {
		t.Errorf("absent has %d constraints, want %d and at most 2^13", n, absentConstraints)
	}
	if h := Hash(system).Hex(); h != AbsentHash {
		t.Errorf("absent hashes to %s, want %s", h, AbsentHash)
	}
	if h := written(t, system); h != AbsentSystem {
		t.Errorf("gnark writes absent with SHA-256 %s, want %s", h, AbsentSystem)
	}
	if n := system.GetNbPublicVariables(); n != 2 {
		t.Errorf("absent has %d public wires, want 2", n)
	}
}

// gap gives the input of a claim that key is absent between two neighbours.
func gap(low, key, next fr.Element) *AbsentInput {
	in := &AbsentInput{
		P: element(1), Context: element(2), Blind: element(3), Key: key, Randomness: element(4),
		Next: next, LinkBlinding: element(5),
		Low: imt.Leaf{Key: low, Subject: element(6), SerialHash: element(7), Blinding: element(8)},
	}
	in.Low.Link = imt.Link(low, next, in.LinkBlinding)
	carrier := PresentInput{Leaf: in.Low, Layout: &statement.Layout{}}
	graft(&carrier, 4321)
	in.Path, in.Root = carrier.Path, carrier.Root
	return in
}

func absentSolved(c *Absent, opts ...test.TestEngineOption) bool {
	return test.IsSolved(&Absent{}, c, ecc.BN254.ScalarField(), opts...) == nil
}

func power(bit uint) (e fr.Element) {
	e.SetBigInt(new(big.Int).Lsh(big.NewInt(1), bit))
	return e
}

func plus(a fr.Element, n int64) fr.Element {
	b := statement.EncodeInt(n)
	return *b.Add(&a, &b)
}

// Every order of the searched key and its neighbours, at the ends of the keys' range.
func TestAbsentEdges(t *testing.T) {
	end, mid := statement.EndKey(), power(200)
	for _, c := range []struct {
		name           string
		low, key, next fr.Element
		want           bool
	}{
		{"between", element(10), element(15), element(20), true},
		{"just above the low key", element(10), element(11), element(20), true},
		{"just below the next key", element(10), element(19), element(20), true},
		{"the only gap", element(10), element(11), element(12), true},
		{"the low key itself", element(10), element(10), element(20), false},
		{"the next key itself", element(10), element(20), element(20), false},
		{"below the low key", element(10), element(9), element(20), false},
		{"above the next key", element(10), element(21), element(20), false},
		{"before the first record", fr.Element{}, element(5), mid, true},
		{"after the last record", mid, power(247), end, true},
		{"an empty registry", fr.Element{}, mid, end, true},
		{"the sentinel's key", fr.Element{}, fr.Element{}, end, false},
		{"the end marker", mid, end, end, false},
		{"beyond the end marker", mid, plus(end, 1), end, false},
		{"no gap", element(10), element(10), element(11), false},
		{"neighbours the wrong way round", element(20), element(15), element(10), false},
		{"wrapped around the field, upwards", mid, plus(fr.Element{}, -1), end, false},
	} {
		if got := absentSolved(gap(c.low, c.key, c.next).Assignment()); got != c.want {
			t.Errorf("%s: provable is %v", c.name, got)
		}
	}
}

func TestAbsentFullSize(t *testing.T) {
	system, err := Compile(&Absent{})
	if err != nil {
		t.Fatal(err)
	}
	if err := system.IsSolved(newWitness(t, gap(element(10), power(240), statement.EndKey()).Assignment())); err != nil {
		t.Error(err)
	}
}

// A record's own key is proved absent with another leaf, link or path.
func TestAttackAbsent(t *testing.T) {
	end := statement.EndKey()
	honest := func() *AbsentInput { return gap(element(10), element(15), element(20)) }
	for name, attack := range map[string]func() *Absent{
		"the link says another next key": func() *Absent {
			c := honest().Assignment()
			c.Next = end
			return c
		},
		"the link is another leaf's": func() *Absent {
			in := honest()
			in.Low.Link = imt.Link(element(11), end, in.LinkBlinding) // the tree has the honest leaf
			in.Next = end
			return in.Assignment()
		},
		"a leaf outside the tree": func() *Absent {
			in, other := honest(), gap(element(12), element(15), end)
			other.Root, other.Path = in.Root, in.Path
			return other.Assignment()
		},
		"another root": func() *Absent {
			in := honest()
			in.Root = element(9)
			return in.Assignment()
		},
		"another key than committed": func() *Absent {
			c := honest().Assignment()
			c.Key = element(16)
			return c
		},
		"another epoch's path": func() *Absent {
			in := honest()
			in.Path = gap(element(10), element(15), end).Path
			return in.Assignment()
		},
		"a nullifier": func() *Absent {
			in := honest()
			c := in.Assignment()
			s := in.Statement()
			s.Nullifier = element(1)
			c.D = s.D().Fr()
			return c
		},
		"a scope": func() *Absent {
			in := honest()
			c := in.Assignment()
			s := in.Statement()
			s.Scope = element(1)
			c.D = s.D().Fr()
			return c
		},
	} {
		if absentSolved(attack()) {
			t.Errorf("%s: the attack is accepted", name)
		}
	}
	if !absentSolved(honest().Assignment()) {
		t.Error("the honest statement is not provable")
	}
}

// Rule 1 for absent: D fixes every field.
func TestAttackAbsentFieldChanged(t *testing.T) {
	for name, change := range map[string]func(*Absent){
		"public part": func(c *Absent) { c.P = element(99) },
		"context":     func(c *Absent) { c.Context = element(99) },
		"blind":       func(c *Absent) { c.Blind = element(99) },
		"randomness":  func(c *Absent) { c.Randomness = element(99) },
	} {
		c := gap(element(10), element(15), element(20)).Assignment()
		change(c)
		if absentSolved(c) {
			t.Errorf("%s: the attack is accepted", name)
		}
	}
}

func TestAttackAbsentRangeHint(t *testing.T) {
	c := gap(element(10), element(10), element(20)).Assignment()
	for _, hint := range []func(*big.Int, []*big.Int, []*big.Int) error{onesHint, twosHint} {
		if absentSolved(c, test.WithReplacementHint(nBitsID(t), hint)) {
			t.Error("the attack is accepted")
		}
	}
}
