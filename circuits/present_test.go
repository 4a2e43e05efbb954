package circuits

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/test"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// The golden size of present, version 1. A change to it or to PresentHash is a new
// circuit: it needs a new version, new keys, and a line in docs/spec/present.md.
const presentConstraints = 8139

// written gives the SHA-256 of a constraint system as gnark writes it. With a new version of
// gnark it may be another one, without harm: tables are then made anew.
func written(t *testing.T, system *cs.R1CS) string {
	t.Helper()
	h := sha256.New()
	if _, err := system.WriteTo(h); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestPresentGolden(t *testing.T) {
	system, err := Compile(&Present{})
	if err != nil {
		t.Fatal(err)
	}
	if n := system.GetNbConstraints(); n != presentConstraints || n > 1<<13 {
		t.Errorf("present has %d constraints, want %d and at most 2^13", n, presentConstraints)
	}
	if h := Hash(system).Hex(); h != PresentHash {
		t.Errorf("present hashes to %s, want %s", h, PresentHash)
	}
	if h := written(t, system); h != PresentSystem {
		t.Errorf("gnark writes present with SHA-256 %s, want %s", h, PresentSystem)
	}
	if n := system.GetNbPublicVariables(); n != 2 { // the constant one, and D
		t.Errorf("present has %d public wires, want 2", n)
	}
}

// The orientation lowers the number of wires that need a point in G2, and changes
// no row's meaning.
func TestOrientation(t *testing.T) {
	system, err := Compile(&Present{})
	if err != nil {
		t.Fatal(err)
	}
	left, right := map[int]bool{}, map[int]bool{}
	for _, r := range system.GetR1Cs() {
		for _, term := range r.L {
			left[term.WireID()] = true
		}
		for _, term := range r.R {
			right[term.WireID()] = true
		}
	}
	if len(right) > len(left)*7/10 {
		t.Errorf("%d wires on the right against %d on the left", len(right), len(left))
	}
}

var schema = &statement.Schema{
	Registry: "titles", Key: "parcel", Subject: "owner",
	Attributes: []statement.Attribute{
		{Name: "value", Type: statement.Int},
		{Name: "price", Type: statement.Int, Optional: true},
		{Name: "garage", Type: statement.Text},
		{Name: "sold", Type: statement.Date},
		{Name: "rooms", Type: statement.Int, Optional: true},
	},
	Scopes: []statement.Scope{{Name: "mortgage", Consent: statement.ConsentIssuer}},
}

// values of the record that the tests prove about: value, price, garage, sold; rooms is absent.
var recordValues = []string{"306514", "303000", "attached", "1996-04-23", ""}

func element(n uint64) fr.Element { return fr.NewElement(n) }

func mustLayout(t testing.TB, q statement.Question) *statement.Layout {
	t.Helper()
	if q.Outputs[0] == "" {
		q.Outputs = [2]statement.Output{statement.OutputSubject, statement.OutputLeaf}
	}
	q.Predicates = statement.SortPredicates(q.Predicates)
	l, err := q.Layout(schema)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testLeaf(t testing.TB) imt.Leaf {
	t.Helper()
	l := imt.Leaf{SerialHash: statement.SerialHash(element(77)), Blinding: element(5), Link: imt.Link(element(1), element(2), element(3))}
	var err error
	if l.Key, err = schema.HashKey("LC-00001"); err != nil {
		t.Fatal(err)
	}
	if l.Subject, err = schema.HashSubject("OH-7675828"); err != nil {
		t.Fatal(err)
	}
	for i := range l.Attributes {
		l.Attributes[i] = statement.Null()
	}
	for i, a := range schema.Attributes {
		v, err := schema.ParseValue(a, recordValues[i])
		if err != nil {
			t.Fatal(err)
		}
		if l.Attributes[i], err = schema.Encode(a, v); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// graft puts the leaf at a position of an otherwise empty tree.
func graft(in *PresentInput, position uint64) {
	current := in.Leaf.Hash()
	for level := range imt.Levels {
		arity := uint64(imt.Arity(level))
		children := make([]fr.Element, arity)
		for i := range children {
			children[i] = imt.Empty(level - 1)
		}
		children[position%arity] = current
		in.Path[level] = children
		current = imt.Node(level, children)
		position /= arity
	}
	in.Root = current
}

// honest gives the input of a true statement about the test record.
func honest(t testing.TB, predicates ...statement.Predicate) *PresentInput {
	t.Helper()
	in := &PresentInput{
		P: element(1001), Context: element(1002), Blind: element(1003),
		OutputRandomness: [2]fr.Element{element(1004), element(1005)},
		Layout:           mustLayout(t, statement.Question{Predicates: predicates}),
		Leaf:             testLeaf(t),
	}
	graft(in, 12345)
	return in
}

func solved(c *Present, opts ...test.TestEngineOption) error {
	return test.IsSolved(&Present{}, c, ecc.BN254.ScalarField(), opts...)
}

func accepts(t *testing.T, c *Present) {
	t.Helper()
	if err := solved(c); err != nil {
		t.Errorf("a true statement is not provable: %v", err)
	}
}

func rejects(t *testing.T, c *Present, opts ...test.TestEngineOption) {
	t.Helper()
	if solved(c, opts...) == nil {
		t.Error("the attack is accepted")
	}
}

func literal(attribute string, op statement.Op, values ...string) statement.Predicate {
	return statement.Predicate{Attribute: attribute, Op: op, Values: values}
}

func pair(a string, fa int64, op statement.Op, b string, fb int64) statement.Predicate {
	return statement.Predicate{Attribute: a, Factor: fa, Op: op, Other: b, OtherFactor: fb}
}

// One full statement, every slot in use, pledged, with a holder, through R1CS as
// the prover solves it and through the test engine.
func TestPresentFullSize(t *testing.T) {
	in := honest(t,
		literal("value", statement.OpAtLeast, "200000"),
		literal("value", statement.OpAtMost, "400000"),
		literal("garage", statement.OpIn, "attached", "carport", "detached"),
		literal("garage", statement.OpNotIn, "basement", "none"),
		literal("sold", statement.OpAtMost, "1998-01-01"),
		literal("rooms", statement.OpIsNull),
		pair("price", 100, statement.OpAtMost, "value", 120),
		pair("price", 1, statement.OpNotEqual, "value", 1),
	)
	in.Leaf.Holder = statement.HolderTag(element(99))
	in.HolderSecret = element(99)
	in.Layout.Holder = true
	in.Scope, _ = statement.ScopeElement("mortgage")
	in.Serial = element(77)
	graft(in, imt.Capacity-1)
	accepts(t, in.Assignment())
	system, err := Compile(&Present{})
	if err != nil {
		t.Fatal(err)
	}
	if err := system.IsSolved(newWitness(t, in.Assignment())); err != nil {
		t.Errorf("the oriented constraint system: %v", err)
	}
}

// Rule 1: D binds every field of the statement. The attacker keeps D and changes
// one private wire that D should have fixed.
func TestAttackStatementFieldChanged(t *testing.T) {
	scope, err := statement.ScopeElement("mortgage")
	if err != nil {
		t.Fatal(err)
	}
	base := func() *Present {
		in := honest(t, literal("garage", statement.OpIn, "attached", "detached"))
		in.Scope, in.Serial = scope, element(77)
		return in.Assignment()
	}
	accepts(t, base())
	for name, change := range map[string]func(*Present){
		"public part": func(c *Present) { c.P = element(1) },
		"root":        func(c *Present) { c.Root = element(1) },
		"scope":       func(c *Present) { c.Scope = element(1) },
		"no scope":    func(c *Present) { c.Scope = 0 },
		"context":     func(c *Present) { c.Context = element(1) },
		"blind":       func(c *Present) { c.Blind = element(1) },
		"operand":     func(c *Present) { c.Operands[5] = element(1) },
		"pool":        func(c *Present) { c.Pool[3] = element(1) },
		"factor":      func(c *Present) { c.Factors[0] = element(2) },
		"randomness":  func(c *Present) { c.OutputRandomness[1] = element(1) },
		"serial":      func(c *Present) { c.Serial = element(78) },
		"swapped slots": func(c *Present) {
			c.Operands[0], c.Operands[1] = c.Operands[1], c.Operands[0]
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := base()
			change(c)
			rejects(t, c)
		})
	}
	t.Run("each packed bit", func(t *testing.T) {
		for i := 0; i < numBits; i += 7 {
			c := base()
			c.Bits[i] = 1 - c.Bits[i].(int)
			rejects(t, c)
		}
	})
}

// The packed element must have one reading: bits that are not boolean could sum to
// the same element under another question.
func TestAttackPackedBitsAliased(t *testing.T) {
	in := honest(t, literal("value", statement.OpAtLeast, "306514"))
	c := in.Assignment()
	// the first slot's bit 6 (at least) of weight 64 as 2 times bit 5 (not equal)
	c.Bits[6], c.Bits[5] = 0, 2
	rejects(t, c)
	c = in.Assignment()
	c.Bits[6], c.Bits[4] = 0, 4
	rejects(t, c)
}

// Rule 4: membership.
func TestAttackMembership(t *testing.T) {
	t.Run("siblings swapped", func(t *testing.T) {
		in := honest(t)
		in.Path[2][0], in.Path[2][1] = element(7), element(8)
		regraft(in, 12345)
		c := in.Assignment()
		accepts(t, c)
		c.Path[2][0], c.Path[2][1] = c.Path[2][1], c.Path[2][0]
		rejects(t, c)
	})
	t.Run("another epoch's path", func(t *testing.T) {
		old, now := honest(t), honest(t)
		now.Leaf.Attributes[0] = element(1)
		graft(now, 12345)
		now.Path = old.Path
		rejects(t, now.Assignment())
	})
	t.Run("another epoch's leaf", func(t *testing.T) {
		old, now := honest(t), honest(t)
		now.Leaf.Attributes[0] = element(1)
		graft(now, 12345)
		now.Leaf = old.Leaf
		rejects(t, now.Assignment())
	})
	t.Run("leaf as a node", func(t *testing.T) {
		// the root's claimed children are the leaf's own inputs
		in := honest(t)
		in.Root = in.Leaf.Hash()
		rejects(t, in.Assignment())
	})
	t.Run("node as a leaf", func(t *testing.T) {
		// a path one level short: the leaf stands where a node belongs
		in := honest(t)
		in.Path[0][12345%8] = element(9)
		in.Path[1][12345/8%8] = in.Leaf.Hash()
		rejects(t, resealFrom(in, 1).Assignment())
	})
	t.Run("leaf beside the path", func(t *testing.T) {
		in := honest(t)
		in.Path[0][12345%8] = element(9)
		rejects(t, resealFrom(in, 0).Assignment())
	})
	t.Run("empty slot", func(t *testing.T) {
		// a slot of 0 is no leaf: nothing hashes to it
		in := honest(t)
		in.Leaf = imt.Leaf{}
		rejects(t, in.Assignment())
	})
	t.Run("sentinel", func(t *testing.T) {
		in := honest(t)
		in.Leaf.Key = fr.Element{}
		graft(in, 0)
		rejects(t, in.Assignment())
	})
}

// regraft recomputes the way up after a change to a path's siblings.
func regraft(in *PresentInput, position uint64) {
	current := in.Leaf.Hash()
	for level := range imt.Levels {
		arity := uint64(imt.Arity(level))
		in.Path[level][position%arity] = current
		current = imt.Node(level, in.Path[level])
		position /= arity
	}
	in.Root = current
}

// resealFrom recomputes only the nodes above a level: what an attacker who builds a
// tree of his own would do.
func resealFrom(in *PresentInput, from int) *PresentInput {
	position := uint64(12345)
	var current fr.Element
	for level := range imt.Levels {
		arity := uint64(imt.Arity(level))
		if level > from {
			in.Path[level][position%arity] = current
		}
		current = imt.Node(level, in.Path[level])
		position /= arity
	}
	in.Root = current
	return in
}

// Rule 3: the nullifier.
func TestAttackNullifier(t *testing.T) {
	scope, err := statement.ScopeElement("mortgage")
	if err != nil {
		t.Fatal(err)
	}
	seal := func(in *PresentInput, nullifier fr.Element) *Present {
		c := in.Assignment()
		s := in.Statement()
		s.Nullifier = nullifier
		c.D = s.D().Fr()
		return c
	}
	in := honest(t)
	in.Scope, in.Serial = scope, element(77)
	accepts(t, seal(in, statement.Nullifier(element(77), scope)))
	rejects(t, seal(in, fr.Element{})) // a pledge that leaves no mark
	rejects(t, seal(in, statement.Nullifier(element(78), scope)))
	in.Serial = element(78) // another record's serial
	rejects(t, in.Assignment())
	in = honest(t) // no scope
	accepts(t, seal(in, fr.Element{}))
	rejects(t, seal(in, statement.Nullifier(element(77), scope)))
	in.Serial = element(77)
	rejects(t, seal(in, statement.Nullifier(element(77), fr.Element{})))
	// the hint behind the scope's zero test lies
	in = honest(t)
	in.Scope, in.Serial = scope, element(77)
	rejects(t, seal(in, fr.Element{}), test.WithReplacementHint(solver.GetHintID(solver.InvZeroHint), zeroHint))
}

// Rule 6: the holder.
func TestAttackHolder(t *testing.T) {
	in := honest(t)
	in.Leaf.Holder = statement.HolderTag(element(99))
	graft(in, 3)
	rejects(t, in.Assignment()) // without the secret
	in.HolderSecret = element(98)
	rejects(t, in.Assignment())
	in.HolderSecret = element(99)
	accepts(t, in.Assignment())
	in.Layout.Holder = true
	accepts(t, in.Assignment())
	in.Leaf.Holder = fr.Element{} // required, but the record has none
	graft(in, 3)
	rejects(t, in.Assignment())
	in.Leaf.Holder = statement.HolderTag(element(99)) // the leaf's holder flag off
	graft(in, 3)
	c := in.Assignment()
	c.Holder = 0
	rejects(t, c)
}

func TestAttackOutputs(t *testing.T) {
	seal := func(in *PresentInput, output int, value fr.Element) *Present {
		c := in.Assignment()
		private := statement.Private{Layout: in.Layout, Outputs: in.Outputs(), Context: in.Context, Blind: in.Blind}
		private.Outputs[output] = statement.Commit(value, in.OutputRandomness[output])
		s := in.Statement()
		s.Q = private.Q()
		c.D = s.D().Fr()
		return c
	}
	for _, o := range []statement.Output{statement.OutputKey, statement.OutputSubject, statement.OutputLeaf, statement.OutputAttribute("value")} {
		in := honest(t)
		in.Layout = mustLayout(t, statement.Question{Outputs: [2]statement.Output{o, statement.OutputLeaf}})
		accepts(t, in.Assignment())
		rejects(t, seal(in, 0, element(42)))
		rejects(t, seal(in, 0, in.Leaf.Link))
	}
	in := honest(t)
	in.Layout = mustLayout(t, statement.Question{Outputs: [2]statement.Output{statement.OutputAttribute("rooms"), statement.OutputLeaf}})
	rejects(t, in.Assignment()) // null
	in.Layout.Outputs[0].Attr = 15
	rejects(t, in.Assignment()) // beyond the schema
}

func TestSlotOperators(t *testing.T) {
	for _, c := range []struct {
		p    statement.Predicate
		want bool
	}{
		{literal("value", statement.OpEqual, "306514"), true},
		{literal("value", statement.OpEqual, "306515"), false},
		{literal("value", statement.OpNotEqual, "306515"), true},
		{literal("value", statement.OpNotEqual, "306514"), false},
		{literal("value", statement.OpAtLeast, "306514"), true},
		{literal("value", statement.OpAtLeast, "306515"), false},
		{literal("value", statement.OpAtMost, "306514"), true},
		{literal("value", statement.OpAtMost, "306513"), false},
		{literal("value", statement.OpIn, "1", "2", "306514", "4"), true},
		{literal("value", statement.OpIn, "1", "2", "3", "4"), false},
		{literal("value", statement.OpNotIn, "1", "2", "3", "4"), true},
		{literal("value", statement.OpNotIn, "1", "306514"), false},
		{literal("garage", statement.OpEqual, "attached"), true},
		{literal("garage", statement.OpEqual, "detached"), false},
		{literal("sold", statement.OpAtMost, "1996-04-23"), true},
		{literal("sold", statement.OpAtMost, "1996-04-22"), false},
		// null satisfies nothing but the test for it
		{literal("rooms", statement.OpIsNull), true},
		{literal("rooms", statement.OpIsNotNull), false},
		{literal("value", statement.OpIsNull), false},
		{literal("price", statement.OpIsNotNull), true},
		{literal("rooms", statement.OpEqual, "0"), false},
		{literal("rooms", statement.OpNotEqual, "0"), false},
		{literal("rooms", statement.OpAtLeast, "-9223372036854775808"), false},
		{literal("rooms", statement.OpAtMost, "9223372036854775807"), false},
		{literal("rooms", statement.OpIn, "0", "1"), false},
		{literal("rooms", statement.OpNotIn, "0", "1"), false},
		{pair("price", 1, statement.OpAtMost, "value", 1), true},
		{pair("value", 1, statement.OpAtMost, "price", 1), false},
		{pair("price", 1, statement.OpLess, "value", 1), true},
		{pair("price", 306514, statement.OpEqual, "value", 303000), false}, // over the factor limit: see below
		{pair("price", 1, statement.OpEqual, "value", 1), false},
		{pair("price", 1, statement.OpNotEqual, "value", 1), true},
		{pair("rooms", 1, statement.OpAtMost, "value", 1), false},
		{pair("value", 1, statement.OpAtMost, "rooms", 1), false},
		{pair("rooms", 1, statement.OpNotEqual, "value", 1), false},
	} {
		if c.p.Factor > statement.MaxFactor {
			q := statement.Question{Predicates: []statement.Predicate{c.p}, Outputs: [2]statement.Output{"leaf", "leaf"}}
			if _, err := q.Layout(schema); err == nil {
				t.Errorf("%s: a factor over the limit has a layout", c.p)
			}
			continue
		}
		if got := slotHolds(t, testLeaf(t).Attributes, mustLayout(t, statement.Question{Predicates: []statement.Predicate{c.p}})); got != c.want {
			t.Errorf("%s: %v, want %v", c.p, got, c.want)
		}
	}
}

// Comparisons at the ends of 64 bits and of the factors, where a difference that
// wrapped around would show.
func TestSlotBoundaries(t *testing.T) {
	const lo, hi = math.MinInt64, math.MaxInt64
	ints := []int64{lo, lo + 1, -65535, -1, 0, 1, 65535, hi - 1, hi}
	for _, x := range ints {
		for _, y := range ints {
			var attributes [statement.MaxAttributes]fr.Element
			attributes[0], attributes[1] = statement.EncodeInt(x), statement.EncodeInt(y)
			atLeast := &statement.Layout{}
			atLeast.Slots[0] = statement.Slot{AtLeast: true, Operand: statement.EncodeInt(y)}
			if got := slotHolds(t, attributes, atLeast); got != (x >= y) {
				t.Errorf("%d >= %d: %v", x, y, got)
			}
			for _, f := range []int64{1, statement.MaxFactor} {
				for _, less := range []bool{false, true} {
					l := &statement.Layout{}
					l.Slots[6] = statement.Slot{X: 0, Y: 1, Pair: true, AtMost: true, Less: less,
						Factor: statement.EncodeInt(f), Operand: statement.EncodeInt(statement.MaxFactor)}
					c := bigProduct(f, x).Cmp(bigProduct(statement.MaxFactor, y))
					if got, want := slotHolds(t, attributes, l), c < 0 || (c == 0 && !less); got != want {
						t.Errorf("%d*%d <= 65535*%d (less %v): %v", f, x, y, less, got)
					}
				}
			}
		}
	}
}

// Padding a set's group must not add 0 to the set.
func TestAttackSetPadding(t *testing.T) {
	attributes := testLeaf(t).Attributes
	l := mustLayout(t, statement.Question{Predicates: []statement.Predicate{literal("value", statement.OpIn, "1", "2")}})
	attributes[0] = fr.Element{}
	if slotHolds(t, attributes, l) {
		t.Error("0 is in the set {1, 2}")
	}
	attributes[0] = element(2)
	if !slotHolds(t, attributes, l) {
		t.Error("2 is not in the set {1, 2}")
	}
}

// Two nulls must not cancel in a pair, and a null scaled by its factor must not
// come into the range.
func TestAttackNullPair(t *testing.T) {
	var attributes [statement.MaxAttributes]fr.Element
	for i := range attributes {
		attributes[i] = statement.Null()
	}
	for _, slot := range []statement.Slot{
		{X: 0, Y: 1, Pair: true, AtMost: true},
		{X: 0, Y: 1, Pair: true, Equal: true},
		{X: 0, Y: 1, Pair: true},
	} {
		slot.Factor, slot.Operand = element(1), element(1)
		l := &statement.Layout{}
		l.Slots[7] = slot
		if slotHolds(t, attributes, l) {
			t.Errorf("two nulls satisfy %+v", slot)
		}
	}
}

// A malicious decomposition cannot make a negative difference look like a range.
func TestAttackRangeHint(t *testing.T) {
	in := honest(t, literal("value", statement.OpAtLeast, "306515"))
	rejects(t, in.Assignment(), test.WithReplacementHint(nBitsID(t), onesHint))
	rejects(t, in.Assignment(), test.WithReplacementHint(nBitsID(t), twosHint))
}
