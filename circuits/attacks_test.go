package circuits

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/frontend"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// attack is an assignment that must not satisfy its circuit.
type attack struct {
	name    string
	circuit frontend.Circuit
	lies    lies
	// part is the same assignment of the circuit's part that the attack is about,
	// where that is quicker to run than the whole.
	part frontend.Circuit
	// many says that the attack is one of a long family, of which the slow tests
	// try a sample.
	many bool
	// free are the values that the attacker would choose, by the connection that
	// would have to be cut for that: see variant.
	free map[string]fr.Element
}

// position is where the attacked leaves stand.
const position = 12345

// onPath gives the index of the way's child at a level.
func onPath(level int) int {
	p := position
	for l := range level {
		p /= imt.Arity(l)
	}
	return p % imt.Arity(level)
}

// everything gives a true statement that has a scope, a holder and a value in
// every slot.
func everything(t testing.TB) *PresentInput {
	t.Helper()
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
	pledge(t, in)
	return in
}

// silent gives a true statement that says nothing of the attributes, with a scope
// and a holder. Its outputs are the subject and the first attribute, not the leaf.
func silent(t testing.TB) *PresentInput {
	t.Helper()
	in := honest(t)
	in.Layout = mustLayout(t, statement.Question{Outputs: [2]statement.Output{statement.OutputSubject, statement.OutputAttribute("value")}})
	pledge(t, in)
	return in
}

func pledge(t testing.TB, in *PresentInput) {
	t.Helper()
	var err error
	if in.Scope, err = statement.ScopeElement("mortgage"); err != nil {
		t.Fatal(err)
	}
	in.Leaf.Holder, in.HolderSecret = statement.HolderTag(element(99)), element(99)
	in.Layout.Holder, in.Serial = true, element(77)
	graft(in, position)
}

// claims gives a statement with one slot alone.
func claims(t testing.TB, i int, slot statement.Slot) *PresentInput {
	t.Helper()
	in := honest(t)
	if i >= statement.FirstPairSlot && slot.Factor.IsZero() {
		slot.Factor = element(1)
	}
	in.Layout.Slots[i] = slot
	return in
}

// presentAttacks lists the attacks on present: at least one that breaks each of
// its assertions alone, and one for each of its hashes' inputs.
func presentAttacks(t testing.TB) []attack {
	t.Helper()
	var all []attack
	all = append(all, aliasedBits(t)...)
	all = append(all, falseSlots(t)...)
	all = append(all, falseDigits(t)...)
	all = append(all, strangeTrees(t)...)
	all = append(all, strangers(t)...)
	all = append(all, otherWires(t)...)
	return append(all, otherStatements(t)...)
}

// aliasedBits keeps the packed element of a false question, but moves the weight of
// its one operator to another bit, which it makes not boolean.
func aliasedBits(t testing.TB) (all []attack) {
	for i := range numBits {
		claimed := 0
		if i/12 == 0 {
			claimed = 1
		}
		in := claims(t, claimed, statement.Slot{X: 1, AtLeast: true, Operand: element(303001)})
		in.Leaf.Attributes[0] = fr.Element{}
		graft(in, position)
		c := in.Assignment()
		from := claimed*12 + 6
		c.Bits[from] = 0
		weight := element(uint64(c.Bits[i].(int)))
		shifted := weightOf(from, i)
		c.Bits[i] = *weight.Add(&weight, &shifted)
		if first := numBits - 13; i >= first && i < numBits-1 && (i-first)%6 < 2 {
			c.D = run(t, c, lies{}).computed() // an output's kind: the commitment is to a mixture
		}
		all = append(all, attack{name: fmt.Sprintf("bit %d stands for bit %d", i, from), circuit: c, many: true})
	}
	return all
}

// weightOf gives 2^(from-to) in the field.
func weightOf(from, to int) (e fr.Element) {
	e = power(uint(max(from-to, 0)))
	if from < to {
		e = power(uint(to - from))
		e.Inverse(&e)
	}
	return e
}

// falseSlots claims what is not so of the record, in each slot.
func falseSlots(t testing.TB) (all []attack) {
	for i := range statement.NumSlots {
		for name, slot := range map[string]statement.Slot{
			"equality":        {Equal: true, Operand: element(306515)},
			"inequality":      {NotEqual: true, Operand: element(306514)},
			"lower bound":     {AtLeast: true, Operand: element(306515)},
			"upper bound":     {AtMost: true, Operand: element(306513)},
			"null is not 5":   {X: 4, NotEqual: true, Operand: element(5)},
			"null is above 5": {X: 4, AtLeast: true, Operand: element(5)},
			"null is below 5": {X: 4, AtMost: true, Operand: element(5)},
			"the beyond is 0": {X: 15, Equal: true},
			"the beyond is":   {X: 5, NotEqual: true, Operand: statement.Null()},
		} {
			all = append(all, attack{name: fmt.Sprintf("slot %d: %s", i, name), circuit: claims(t, i, slot).Assignment()})
		}
		in := claims(t, i, statement.Slot{Equal: true, Operand: element(1), Groups: [4]bool{true, false, true}})
		in.Layout.Pool = [statement.PoolSize]fr.Element{4: element(306514), 12: element(306514)} // in unused groups
		all = append(all, attack{name: fmt.Sprintf("slot %d: a member of another set", i), circuit: in.Assignment()})
		in = claims(t, i, statement.Slot{NotEqual: true, Operand: element(1), Groups: [4]bool{true}})
		in.Layout.Pool[3] = element(306514)
		all = append(all, attack{name: fmt.Sprintf("slot %d: not in its own set", i), circuit: in.Assignment()})
	}
	one := element(1)
	for _, i := range []int{6, 7} {
		for name, slot := range map[string]statement.Slot{
			"two nulls equal":       {X: 4, Y: 5, Equal: true},
			"two nulls ordered":     {X: 4, Y: 5, AtMost: true},
			"null and value differ": {X: 4, Y: 0, NotEqual: true},
			"value and null differ": {X: 0, Y: 4, NotEqual: true},
			"equal is less":         {X: 0, Y: 0, AtMost: true, Less: true},
			"greater is at most":    {X: 0, Y: 1, AtMost: true},
			"different is equal":    {X: 0, Y: 1, Equal: true},
			"equal is different":    {X: 0, Y: 0, NotEqual: true},
		} {
			slot.Pair, slot.Factor, slot.Operand = true, one, one
			all = append(all, attack{name: fmt.Sprintf("slot %d: %s", i, name), circuit: claims(t, i, slot).Assignment()})
		}
		scaled := statement.Slot{X: 1, Y: 0, Pair: true, AtMost: true, Factor: element(2), Operand: one}
		all = append(all, attack{name: fmt.Sprintf("slot %d: a factor left out", i), circuit: claims(t, i, scaled).Assignment()})
	}
	return all
}

// conditions is the part of Present that asserts the packed bits and the slots.
type conditions struct{ slots }

func (c *conditions) Define(api frontend.API) error {
	for _, b := range c.Bits {
		api.AssertIsBoolean(b)
	}
	return c.slots.Define(api)
}

// falseDigits claims a false bound and decomposes its negative difference into
// digits of which one is not a bit, or that do not sum to it.
func falseDigits(t testing.TB) (all []attack) {
	for i := range statement.NumSlots {
		c := claims(t, i, statement.Slot{AtLeast: true, Operand: element(306515)}).Assignment()
		n := orderBits
		if i >= statement.FirstPairSlot {
			n = pairOrderBits
		}
		part := &conditions{slots{Bits: c.Bits, Operands: c.Operands, Pool: c.Pool, Factors: c.Factors, Attributes: c.Attributes}}
		for digit := range n {
			all = append(all, attack{name: fmt.Sprintf("slot %d: digit %d holds it all", i, digit), circuit: c, part: part, lies: lies{digits: allIn(digit)}, many: digit > 0})
		}
		all = append(all, attack{name: fmt.Sprintf("slot %d: digits of another number", i), circuit: c, part: part, lies: lies{digits: ofZero}})
	}
	return all
}

// allIn puts v into one digit: v * 2^-digit.
func allIn(digit int) func(*big.Int, []*big.Int) {
	return func(v *big.Int, digits []*big.Int) {
		for _, d := range digits {
			d.SetUint64(0)
		}
		inverse := new(big.Int).ModInverse(new(big.Int).Lsh(big.NewInt(1), uint(digit)), fr.Modulus())
		digits[digit].Mul(v, inverse).Mod(digits[digit], fr.Modulus())
	}
}

func ofZero(_ *big.Int, digits []*big.Int) {
	for _, d := range digits {
		d.SetUint64(0)
	}
}

// strangeTrees breaks the way up at each level, and tells of records that no tree
// holds.
func strangeTrees(t testing.TB) (all []attack) {
	for level := range imt.Levels {
		in := silent(t)
		in.Path[level][onPath(level)] = element(9)
		all = append(all, attack{name: fmt.Sprintf("a way that breaks off under level %d", level), circuit: resealFrom(in, level).Assignment()})
		for child := range imt.Arity(level) {
			if child != onPath(level) {
				all = append(all, otherSibling(t, level, child))
			}
		}
		all = append(all, forgedBranch(t, level))
	}
	in := silent(t)
	in.Root = element(9)
	all = append(all, attack{name: "another root", circuit: in.Assignment()})
	in = silent(t)
	in.Root = imt.Node(imt.Levels-2, append([]fr.Element{in.Root}, make([]fr.Element, 7)...))
	all = append(all, attack{name: "a tree of one level more", circuit: in.Assignment()})
	in = silent(t)
	for i := range in.Path[imt.Levels-1] { // the leaf's branch would be the root's thirteenth child
		in.Path[imt.Levels-1][i] = element(uint64(i + 1))
	}
	in.Root = imt.Node(imt.Levels-1, in.Path[imt.Levels-1])
	all = append(all, attack{name: "an index beyond the tree", circuit: in.Assignment()})
	in = silent(t)
	in.Leaf.Key = fr.Element{}
	graft(in, 0)
	return append(all, attack{name: "the sentinel", circuit: in.Assignment()})
}

// setChild changes one child on an assignment's way up.
func setChild(path *[imt.Levels - 1][8]frontend.Variable, top *[12]frontend.Variable, level, child int, v fr.Element) {
	if level == imt.Levels-1 {
		top[child] = v
	} else {
		path[level][child] = v
	}
}

func otherSibling(t testing.TB, level, child int) attack {
	in := silent(t)
	c := in.Assignment()
	setChild(&c.Path, &c.PathTop, level, child, element(9))
	return attack{name: fmt.Sprintf("another sibling %d/%d", level, child), circuit: c, many: true,
		free: map[string]fr.Element{fmt.Sprintf("node %d/%d", level, child): in.Path[level][child]}}
}

// forgedBranch is a tree of the attacker's own up to a level, put in the way of the
// true one above it.
func forgedBranch(t testing.TB, level int) attack {
	in, forged := silent(t), silent(t)
	forged.Leaf.Blinding = element(9)
	graft(forged, position)
	root := in.Root
	child := in.Path[level][onPath(level)]
	for above := level + 1; above < imt.Levels; above++ {
		forged.Path[above] = in.Path[above]
	}
	forged.Root = root
	return attack{name: fmt.Sprintf("a forged branch under level %d", level), circuit: forged.Assignment(),
		free: map[string]fr.Element{fmt.Sprintf("node %d/%d", level, onPath(level)): child}}
}

// strangers has no right to the record: no secret, no serial, no value.
func strangers(t testing.TB) (all []attack) {
	add := func(name string, change func(in *PresentInput)) {
		in := silent(t)
		change(in)
		all = append(all, attack{name: name, circuit: in.Assignment()})
	}
	add("no holder, where one is required", func(in *PresentInput) {
		in.Leaf.Holder, in.HolderSecret = fr.Element{}, fr.Element{}
		graft(in, position)
	})
	add("a holder's record that the question does not call so", func(in *PresentInput) {
		in.Layout.Holder, in.HolderSecret = false, fr.Element{}
	})
	for i := range statement.NumOutputs {
		add(fmt.Sprintf("output %d is null", i), func(in *PresentInput) {
			in.Layout.Outputs[i] = statement.OutputSlot{Attr: 4}
		})
		add(fmt.Sprintf("output %d is beyond the schema", i), func(in *PresentInput) {
			in.Layout.Outputs[i] = statement.OutputSlot{Attr: 15}
		})
		add(fmt.Sprintf("output %d is the subject that is not there", i), func(in *PresentInput) {
			in.Layout.Outputs[i] = statement.OutputSlot{Kind: statement.KindSubject}
			in.Leaf.Subject = statement.Null()
			graft(in, position)
		})
	}
	in := silent(t)
	c := in.Assignment()
	c.HolderSecret = 0
	all = append(all, attack{name: "no holder's secret", circuit: c, free: map[string]fr.Element{"holder/secret": element(99)}})
	in = silent(t)
	in.Serial = element(78)
	all = append(all, attack{name: "another record's serial", circuit: in.Assignment(), free: map[string]fr.Element{"serial/serial": element(77)}})
	c = resealed(silent(t), func(s *statement.Statement) { s.Nullifier = fr.Element{} })
	all = append(all, attack{name: "the zero test's hint says there is no scope", circuit: c, lies: lies{noInverse: true}})
	in = silent(t)
	in.Scope = fr.Element{}
	c = resealed(in, func(s *statement.Statement) { s.Nullifier = statement.Nullifier(in.Serial, fr.Element{}) })
	return append(all, attack{name: "a nullifier without a scope", circuit: c})
}

// resealed gives the assignment with the D of another statement.
func resealed(in *PresentInput, change func(*statement.Statement)) *Present {
	c, s := in.Assignment(), in.Statement()
	change(&s)
	c.D = s.D().Fr()
	return c
}

// otherWires changes one private wire that a hash fixes, and keeps D and the root:
// other questions for one D, other openings for one leaf.
func otherWires(t testing.TB) (all []attack) {
	add := func(name, connection string, honest fr.Element, change func(c *Present)) {
		c := silent(t).Assignment()
		change(c)
		all = append(all, attack{name: name, circuit: c, free: map[string]fr.Element{connection: honest}})
	}
	in := silent(t)
	elements := in.Layout.Elements()
	add("another packed bit", "question/0", elements[0], func(c *Present) { c.Bits[0] = 1 })
	for i := range statement.NumSlots {
		add(fmt.Sprintf("another operand %d", i), fmt.Sprintf("question/%d", 1+i), elements[1+i], func(c *Present) { c.Operands[i] = element(9) })
	}
	for i := range statement.PoolSize {
		add(fmt.Sprintf("another set member %d", i), fmt.Sprintf("question/%d", 9+i), elements[9+i], func(c *Present) { c.Pool[i] = element(9) })
	}
	for i := range statement.NumPairSlots {
		add(fmt.Sprintf("another factor %d", i), fmt.Sprintf("question/%d", 24+i), elements[24+i], func(c *Present) { c.Factors[i] = element(9) })
	}
	for i, o := range in.Outputs() {
		add(fmt.Sprintf("another output %d", i), fmt.Sprintf("question/%d", 26+i), o, func(c *Present) { c.OutputRandomness[i] = element(9) })
	}
	add("another context", "question/28", in.Context, func(c *Present) { c.Context = element(9) })
	add("another blind", "question/29", in.Blind, func(c *Present) { c.Blind = element(9) })

	for i, a := range in.Leaf.Attributes[1:] { // the first is an output
		add(fmt.Sprintf("another opening of the leaf: attribute %d", i+1), fmt.Sprintf("attributes/%d", i+1), a, func(c *Present) { c.Attributes[i+1] = element(9) })
	}
	add("another opening of the leaf: key", "leaf/key", in.Leaf.Key, func(c *Present) { c.Key = element(9) })
	add("another opening of the leaf: blinding", "leaf/blinding", in.Leaf.Blinding, func(c *Present) { c.Blinding = element(9) })
	add("another opening of the leaf: link", "leaf/link", in.Leaf.Link, func(c *Present) { c.Link = element(9) })
	add("another opening of the leaf: holder", "leaf/holder", in.Leaf.Holder, func(c *Present) {
		c.Holder, c.HolderSecret = statement.HolderTag(element(98)), element(98)
	})
	return append(all, otherOpenings(t, in)...)
}

// otherOpenings are the openings of one leaf whose changed part the statement shows:
// the statement is the one that the opening would give.
func otherOpenings(t testing.TB, in *PresentInput) (all []attack) {
	add := func(name, connection string, value fr.Element, change func(forged *PresentInput)) {
		forged := silent(t)
		change(forged) // and no new way up
		all = append(all, attack{name: "another opening of the leaf: " + name, circuit: forged.Assignment(), free: map[string]fr.Element{connection: value}})
	}
	add("attribute 0", "attributes/0", in.Leaf.Attributes[0], func(f *PresentInput) { f.Leaf.Attributes[0] = element(9) })
	add("all attributes", "leaf/attributes", in.Leaf.AttributesHash(), func(f *PresentInput) {
		for i := range f.Leaf.Attributes {
			f.Leaf.Attributes[i] = element(9)
		}
	})
	add("subject", "leaf/subject", in.Leaf.Subject, func(f *PresentInput) { f.Leaf.Subject = element(9) })
	add("serial", "leaf/serial", in.Leaf.SerialHash, func(f *PresentInput) {
		f.Leaf.SerialHash, f.Serial = statement.SerialHash(element(78)), element(78)
	})
	return all
}

// otherStatements keeps the private wires and states something else in D.
func otherStatements(t testing.TB) (all []attack) {
	in := silent(t)
	nine := element(9)
	add := func(name, connection string, change func(*statement.Statement)) {
		all = append(all, attack{name: "D states another " + name, circuit: resealed(in, change), free: map[string]fr.Element{connection: nine}})
	}
	add("public part", "statement/p", func(s *statement.Statement) { s.P = nine })
	add("root", "statement/root", func(s *statement.Statement) { s.Root = nine })
	add("nullifier", "statement/nullifier", func(s *statement.Statement) { s.Nullifier = nine })
	add("scope", "statement/scope", func(s *statement.Statement) { s.Scope = nine })
	add("question", "statement/question", func(s *statement.Statement) { s.Q = nine })
	add("serial's nullifier", "nullifier/serial", func(s *statement.Statement) { s.Nullifier = statement.Nullifier(nine, in.Scope) })
	add("scope's nullifier", "nullifier/scope", func(s *statement.Statement) { s.Nullifier = statement.Nullifier(in.Serial, nine) })
	outputs := in.Outputs()
	for i := range outputs {
		restate := func(name, part string, commitment fr.Element) {
			private := statement.Private{Layout: in.Layout, Outputs: outputs, Context: in.Context, Blind: in.Blind}
			private.Outputs[i] = commitment
			add(fmt.Sprintf("%s in output %d", name, i), fmt.Sprintf("output%d/%s", i, part), func(s *statement.Statement) { s.Q = private.Q() })
		}
		restate("value", "value", statement.Commit(nine, in.OutputRandomness[i]))
		restate("randomness", "randomness", statement.Commit(in.value(in.Layout.Outputs[i]), nine))
	}
	c := in.Assignment()
	c.D = nine
	return append(all, attack{name: "D of nothing", circuit: c})
}
