package circuits

import (
	"errors"
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// checkCanonical holds a layout against what the circuit takes for granted.
func checkCanonical(t testing.TB, l *statement.Layout, attributes int) {
	t.Helper()
	most := element(statement.MaxFactor)
	for i, s := range l.Slots {
		ops := 0
		for _, op := range []bool{s.Equal, s.NotEqual, s.AtLeast, s.AtMost} {
			if op {
				ops++
			}
		}
		used := ops > 0
		if ops > 1 || s.X >= attributes || s.Y >= attributes || s.Less && !s.AtMost || !used && (s.X != 0 || s.Pair || !s.Operand.IsZero()) {
			t.Fatalf("slot %d is not canonical: %+v", i, s)
		}
		if s.Pair && (s.AtLeast || i < statement.FirstPairSlot || slices.Contains(s.Groups[:], true)) {
			t.Fatalf("slot %d is not a canonical pair: %+v", i, s)
		}
		for _, f := range []fr.Element{s.Factor, s.Operand} {
			if s.Pair && (f.IsZero() || f.Cmp(&most) > 0) {
				t.Fatalf("slot %d has a factor out of its range: %+v", i, s)
			}
		}
		if one := element(1); !s.Pair && i >= statement.FirstPairSlot && s.Factor != one {
			t.Fatalf("slot %d scales a literal's attribute: %+v", i, s)
		}
	}
}

// The circuit accepts these false slots. They are not attacks because no layout
// holds them, which is why the verifier lays questions out itself: each of these
// says what would be lost, and what refuses it.
func TestPreconditionsOfSlots(t *testing.T) {
	attributes := testLeaf(t).Attributes // value, price, garage, sold; rooms is null
	minusOne := statement.EncodeInt(-1)
	for name, c := range map[string]struct {
		slot int
		s    statement.Slot
	}{
		"no operator says nothing":               {0, statement.Slot{Operand: element(1)}},
		"both orders cancel":                     {0, statement.Slot{AtLeast: true, AtMost: true, Operand: element(1)}},
		"beyond the schema is null":              {0, statement.Slot{X: 15, Equal: true, Operand: statement.Null()}},
		"an operand below null wraps into it":    {0, statement.Slot{X: 4, AtLeast: true, Operand: minus(statement.Null(), 5)}},
		"a factor of the field's size wraps":     {6, statement.Slot{X: 0, Y: 1, Pair: true, AtMost: true, Factor: minusOne, Operand: element(1)}},
		"a factor of 0 compares nothing":         {6, statement.Slot{X: 0, Y: 1, Pair: true, AtMost: true, Operand: element(1)}},
		"a literal's factor changes the value":   {7, statement.Slot{X: 0, Equal: true, Factor: element(2), Operand: element(613028)}},
		"less against a literal moves the bound": {7, statement.Slot{X: 0, Equal: true, Less: true, Factor: element(1), Operand: element(306515)}},
	} {
		l := &statement.Layout{}
		l.Slots[c.slot] = c.s
		if !slotHolds(t, attributes, l) {
			t.Errorf("%s: the circuit refuses it", name)
		}
	}
}

func minus(a fr.Element, n int64) fr.Element { return plus(a, -n) }

// Several operators at once are the conjunction of what they say, but for the two
// orders, which cancel.
func TestSlotSeveralOperators(t *testing.T) {
	attributes := testLeaf(t).Attributes
	for _, c := range []struct {
		name string
		s    statement.Slot
		want bool
	}{
		{"equal and not equal", statement.Slot{Equal: true, NotEqual: true, Operand: element(306514)}, false},
		{"equal and at least, equal", statement.Slot{Equal: true, AtLeast: true, Operand: element(306514)}, true},
		{"equal and at least, above", statement.Slot{Equal: true, AtLeast: true, Operand: element(306513)}, false},
		{"not equal and at least, above", statement.Slot{NotEqual: true, AtLeast: true, Operand: element(306513)}, true},
		{"not equal and at least, equal", statement.Slot{NotEqual: true, AtLeast: true, Operand: element(306514)}, false},
		{"not equal and at most, above", statement.Slot{NotEqual: true, AtMost: true, Operand: element(306513)}, false},
		{"all four", statement.Slot{Equal: true, NotEqual: true, AtLeast: true, AtMost: true, Operand: element(1)}, false},
	} {
		l := &statement.Layout{}
		l.Slots[0] = c.s
		if got := slotHolds(t, attributes, l); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// What TestPreconditionsOfSlots needs cannot come out of a question.
func TestLayoutRefusesPreconditions(t *testing.T) {
	wide := &statement.Schema{Registry: "r", Key: "id", Attributes: []statement.Attribute{
		{Name: "a", Type: statement.Decimal, Scale: 0}, {Name: "b", Type: statement.Decimal, Scale: 5},
	}}
	for _, c := range []struct {
		name string
		s    *statement.Schema
		p    statement.Predicate
	}{
		{"no operator", schema, literal("value", "", "1")},
		{"an operator that is not in the table", schema, literal("value", "~", "1")},
		{"less against a literal", schema, literal("value", statement.OpLess, "1")},
		{"at least between attributes", schema, pair("price", 1, statement.OpAtLeast, "value", 1)},
		{"a set between attributes", schema, pair("price", 1, statement.OpIn, "value", 1)},
		{"an attribute beyond the schema", schema, literal("a15", statement.OpIsNull)},
		{"another attribute beyond the schema", schema, pair("price", 1, statement.OpAtMost, "a15", 1)},
		{"factor 0", schema, pair("price", 0, statement.OpAtMost, "value", 1)},
		{"other factor 0", schema, pair("price", 1, statement.OpAtMost, "value", 0)},
		{"factor 65536", schema, pair("price", statement.MaxFactor+1, statement.OpAtMost, "value", 1)},
		{"other factor 65536", schema, pair("price", 1, statement.OpAtMost, "value", statement.MaxFactor+1)},
		{"a negative factor", schema, pair("price", -1, statement.OpAtMost, "value", 1)},
		{"a negative other factor", schema, pair("price", 1, statement.OpAtMost, "value", -1)},
		{"a factor that the scale makes too large", wide, pair("a", 1, statement.OpAtMost, "b", 1)},
		{"a factor of a literal", schema, statement.Predicate{Attribute: "value", Op: statement.OpEqual, Values: []string{"1"}, Factor: 2}},
		{"an operand over 64 bits", schema, literal("value", statement.OpAtLeast, "9223372036854775808")},
		{"an operand below 64 bits", schema, literal("value", statement.OpAtMost, "-9223372036854775809")},
		{"null as an operand", schema, literal("rooms", statement.OpEqual, "")},
		{"an order of texts", schema, literal("garage", statement.OpAtLeast, "a")},
		{"an attribute against itself", schema, pair("value", 1, statement.OpNotEqual, "value", 1)},
	} {
		q := statement.Question{Predicates: []statement.Predicate{c.p}, Outputs: [2]statement.Output{"leaf", "leaf"}}
		if l, err := q.Layout(c.s); err == nil {
			t.Errorf("%s: it has the layout %+v", c.name, l)
		}
	}
	q := statement.Question{Predicates: []statement.Predicate{}, Outputs: [2]statement.Output{statement.OutputAttribute("a15"), "leaf"}}
	if _, err := q.Layout(schema); err == nil {
		t.Error("an output beyond the schema has a layout")
	}
}

// Every operator on an attribute beyond the schema, which is Null: nothing is true
// of it but that it is null.
func TestAttackBeyondTheSchema(t *testing.T) {
	attributes := testLeaf(t).Attributes
	for x := len(schema.Attributes); x < statement.MaxAttributes; x++ {
		for _, s := range []statement.Slot{
			{Equal: true}, {Equal: true, Operand: element(1)}, {NotEqual: true}, {NotEqual: true, Operand: statement.Null()},
			{AtLeast: true, Operand: statement.EncodeInt(-1 << 63)}, {AtMost: true, Operand: statement.EncodeInt(1<<63 - 1)},
			{Equal: true, Operand: element(1), Groups: [4]bool{true, true, true, true}},
			{NotEqual: true, Operand: element(1), Groups: [4]bool{true, true, true, true}},
		} {
			s.X = x
			l := &statement.Layout{}
			l.Slots[x%statement.FirstPairSlot] = s
			if slotHolds(t, attributes, l) {
				t.Errorf("%+v holds", s)
			}
		}
	}
}

// swappable is a true statement in whose question every two parts differ.
func swappable(t testing.TB) *Present {
	t.Helper()
	in := honest(t,
		literal("value", statement.OpIn, "2", "3", "306514", "4", "5", "6"),
		literal("sold", statement.OpNotIn, "1990-01-01", "1991-01-01", "1992-01-01"),
		literal("value", statement.OpAtLeast, "200000"),
		literal("price", statement.OpAtMost, "400000"),
		pair("price", 100, statement.OpAtMost, "value", 120),
		pair("price", 7, statement.OpNotEqual, "value", 3),
	)
	in.Layout.Outputs[0] = statement.OutputSlot{Kind: statement.KindKey}
	return in.Assignment()
}

// Rule 1: fields swapped between slots, groups and outputs, under one D.
func TestAttackFieldsSwapped(t *testing.T) {
	accepts(t, swappable(t))
	for name, swap := range map[string]func(c *Present){
		"operands of literal slots": func(c *Present) { c.Operands[0], c.Operands[1] = c.Operands[1], c.Operands[0] },
		"operands of pair slots":    func(c *Present) { c.Operands[6], c.Operands[7] = c.Operands[7], c.Operands[6] },
		"operand and factor":        func(c *Present) { c.Operands[6], c.Factors[0] = c.Factors[0], c.Operands[6] },
		"factors":                   func(c *Present) { c.Factors[0], c.Factors[1] = c.Factors[1], c.Factors[0] },
		"operand and set member":    func(c *Present) { c.Operands[0], c.Pool[0] = c.Pool[0], c.Operands[0] },
		"two sets' groups":          func(c *Present) { swapRange(c.Pool[:], 0, 12, 3) },
		"members of one group":      func(c *Present) { c.Pool[0], c.Pool[1] = c.Pool[1], c.Pool[0] },
		"randomness of the outputs": func(c *Present) {
			c.OutputRandomness[0], c.OutputRandomness[1] = c.OutputRandomness[1], c.OutputRandomness[0]
		},
		"kinds of the outputs": func(c *Present) { swapRange(c.Bits[:], numBits-13, numBits-7, 6) },
		"bits of two slots":    func(c *Present) { swapRange(c.Bits[:], 0, 12, 12) },
		"bits of pair slots":   func(c *Present) { swapRange(c.Bits[:], 72, 90, 18) },
		"operators":            func(c *Present) { swapRange(c.Bits[:], 4, 16, 4) },
		"a whole slot": func(c *Present) {
			swapRange(c.Bits[:], 0, 12, 12)
			c.Operands[0], c.Operands[1] = c.Operands[1], c.Operands[0]
		},
		"a whole pair slot": func(c *Present) {
			swapRange(c.Bits[:], 72, 90, 18)
			c.Operands[6], c.Operands[7] = c.Operands[7], c.Operands[6]
			c.Factors[0], c.Factors[1] = c.Factors[1], c.Factors[0]
		},
		"context and blind": func(c *Present) { c.Context, c.Blind = c.Blind, c.Context },
		"public part and root": func(c *Present) {
			c.P, c.Root = c.Root, c.P
		},
		"key and subject": func(c *Present) { c.Key, c.Subject = c.Subject, c.Key },
		"two attributes":  func(c *Present) { c.Attributes[0], c.Attributes[1] = c.Attributes[1], c.Attributes[0] },
	} {
		t.Run(name, func(t *testing.T) {
			c, before := swappable(t), swappable(t)
			swap(c)
			if *c == *before {
				t.Fatal("the swap changes nothing")
			}
			rejects(t, c)
		})
	}
}

func swapRange[T any](s []T, a, b, n int) {
	for i := range n {
		s[a+i], s[b+i] = s[b+i], s[a+i]
	}
}

// A tree has no leaf beyond its capacity: outside the circuit such a path is
// broken, inside it is the path of no leaf.
func TestAttackIndexBeyondTheTree(t *testing.T) {
	in := honest(t)
	hash := in.Leaf.Hash()
	if _, err := in.Path.Root(hash, position); err != nil {
		t.Fatal(err)
	}
	for _, beyond := range []uint64{imt.Capacity + position, imt.Capacity, 1 << 63} {
		if _, err := in.Path.Root(hash, beyond); !errors.Is(err, imt.ErrBrokenPath) {
			t.Errorf("position %d: %v", beyond, err)
		}
	}
	// thirteen branches under the root: the last is not among the twelve
	for i := range in.Path[imt.Levels-1] {
		in.Path[imt.Levels-1][i] = element(uint64(i + 1))
	}
	in.Root = imt.Node(imt.Levels-1, in.Path[imt.Levels-1])
	rejects(t, in.Assignment())
}
