package circuits

import (
	"math/big"

	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/std/math/bits"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// The ranges of the order predicates, in bits. Two signed 64-bit integers differ
// by less than 2^64; two of them scaled by factors below 2^16 by less than 2^80.
const (
	orderBits     = 64
	pairOrderBits = 80
)

// Present is the circuit "present": a record under a root satisfies a question.
//
// Public input: D, the statement's digest. Everything else is private; what the
// statement fixes is fixed by D, because D hashes it.
//
// Relation. There are a leaf, a path, a serial, a holder secret and randomness with
//
//	D         = H(P, Root, nullifier, Scope, Q)
//	Q         = H(question, outputs, Context, Blind)
//	leaf      is a child of Path[0], whose hash is a child of Path[1], ..., whose hash is Root
//	leaf.Key != 0                             (the sentinel is no record)
//	every slot of the question holds          (statement.Slot says what a slot demands)
//	output_i  = Commit(value_i, OutputRandomness[i]), value_i != Null
//	Scope  = 0 : nullifier = 0
//	Scope != 0 : nullifier = H(Serial, Scope) and leaf.SerialHash = H(Serial)
//	leaf.Holder != 0 : leaf.Holder = H(HolderSecret)
//	question.Holder  : leaf.Holder != 0
//
// Preconditions, which the verifier must ensure outside the circuit:
//   - the question's bits and elements come from [statement.Question.Layout] under
//     the schema that P names: the circuit itself would accept a slot with no
//     operator (which says nothing), a selector beyond the schema (which selects
//     Null), or operands and factors outside their ranges (whose differences could
//     wrap around the field);
//   - Root is the root of the epoch that P names, and the epoch's issuer vouches
//     that its leaves hold canonical values: integers within 64 bits, hashes within
//     248, Null in unused slots;
//   - Context and Scope are hashes of what they stand for.
type Present struct {
	D frontend.Variable `gnark:",public"`

	P, Root, Scope, Context, Blind frontend.Variable

	Bits     [numBits]frontend.Variable // statement.Layout.Bits
	Operands [statement.NumSlots]frontend.Variable
	Pool     [statement.PoolSize]frontend.Variable
	Factors  [statement.NumPairSlots]frontend.Variable

	OutputRandomness [statement.NumOutputs]frontend.Variable

	Key, Subject, Holder, SerialHash, Blinding, Link frontend.Variable
	Attributes                                       [statement.MaxAttributes]frontend.Variable

	Path    [imt.Levels - 1][8]frontend.Variable // all children of the nodes on the way
	PathTop [12]frontend.Variable                // the root's

	Serial       frontend.Variable // 0 unless Scope is not 0
	HolderSecret frontend.Variable // 0 unless the record has a holder
}

// numBits is the number of packed bits of a question: see statement.Layout.Bits.
const numBits = statement.NumSlots*12 + statement.NumPairSlots*6 + statement.NumOutputs*6 + 1

// slotVars are one slot's wires, decoded from the packed bits.
type slotVars struct {
	x, y                             []frontend.Variable // 4 bits each, lowest first
	equal, notEqual, atLeast, atMost frontend.Variable
	groups                           []frontend.Variable
	pair, less                       frontend.Variable // only of a pair slot
	factor, operand                  frontend.Variable
}

// Define implements frontend.Circuit.
func (c *Present) Define(api frontend.API) error {
	h, err := newHasher(api)
	if err != nil {
		return err
	}
	for _, b := range c.Bits {
		api.AssertIsBoolean(b)
	}
	leaf := c.leaf(h)
	membership(api, h, leaf, c.Path, c.PathTop, c.Root)
	api.AssertIsDifferent(c.Key, 0)

	slots, outputBits, holderRequired := c.unpack()
	for i, slot := range slots {
		if i < statement.FirstPairSlot {
			c.literalSlot(api, slot)
		} else {
			c.pairSlot(api, slot)
		}
	}
	var outputs [statement.NumOutputs]frontend.Variable
	for i := range outputs {
		outputs[i] = c.output(api, h, outputBits[i], leaf, c.OutputRandomness[i])
	}
	c.holder(api, h, holderRequired)
	nullifier := c.nullifier(api, h)
	q := c.question(api, h, outputs)
	d := h.compress(0, statement.TagStatement, c.P, c.Root, nullifier, c.Scope, q, 0, 0)
	api.AssertIsEqual(c.D, d)
	return nil
}

func (c *Present) leaf(h *hasher) frontend.Variable {
	attributes := h.compress(statement.AttributesLane, c.Attributes[:]...)
	return h.compress(0, statement.TagLeaf, attributes, c.Key, c.Subject, c.Holder, c.SerialHash, c.Blinding, c.Link)
}

// membership shows that a leaf is under a root. A child's place among its siblings
// is not shown: the keys, not the positions, are what statements speak of.
func membership(api frontend.API, h *hasher, leaf frontend.Variable, path [imt.Levels - 1][8]frontend.Variable, top [12]frontend.Variable, root frontend.Variable) {
	current := leaf
	for level := range imt.Levels {
		children := top[:]
		if level < imt.Levels-1 {
			children = path[level][:]
		}
		product := frontend.Variable(1)
		for _, child := range children {
			product = api.Mul(product, api.Sub(child, current))
		}
		api.AssertIsEqual(product, 0)
		current = h.compress(imt.Lane(level), children...)
	}
	api.AssertIsEqual(current, root)
}

// unpack names the packed bits, in the order of statement.Layout.Bits.
func (c *Present) unpack() (slots []slotVars, outputs [statement.NumOutputs][]frontend.Variable, holder frontend.Variable) {
	rest := c.Bits[:]
	take := func(n int) []frontend.Variable {
		taken := rest[:n]
		rest = rest[n:]
		return taken
	}
	for i := range statement.NumSlots {
		s := slotVars{x: take(4), operand: c.Operands[i]}
		ops := take(4)
		s.equal, s.notEqual, s.atLeast, s.atMost = ops[0], ops[1], ops[2], ops[3]
		s.groups = take(statement.NumGroups)
		if i >= statement.FirstPairSlot {
			s.y = take(4)
			flags := take(2)
			s.pair, s.less = flags[0], flags[1]
			s.factor = c.Factors[i-statement.FirstPairSlot]
		}
		slots = append(slots, s)
	}
	for i := range outputs {
		outputs[i] = take(6)
	}
	return slots, outputs, take(1)[0]
}

// literalSlot compares one attribute with the operand and the pool.
func (c *Present) literalSlot(api frontend.API, s slotVars) {
	x := mux(api, s.x, c.Attributes[:])
	c.condition(api, s, x, api.Sub(x, s.operand), orderBits)
}

// pairSlot does what literalSlot does, or compares factor*x with operand*y.
func (c *Present) pairSlot(api frontend.API, s slotVars) {
	x := mux(api, s.x, c.Attributes[:])
	y := mux(api, s.y, c.Attributes[:])
	yFactor := api.Mul(s.pair, s.operand)
	z := api.Sub(api.Mul(s.factor, x), api.Mul(yFactor, y))
	bound := api.Sub(s.operand, yFactor, s.less)
	null := statement.Null()
	bothPresent := api.Mul(api.Sub(x, null), api.Sub(y, null))
	assertNonZeroIf(api, s.pair, bothPresent)
	c.condition(api, s, x, api.Sub(z, bound), pairOrderBits)
}

// condition enforces a slot's operator on difference, which is z - bound.
func (c *Present) condition(api frontend.API, s slotVars, x, difference frontend.Variable, rangeBits int) {
	product := difference
	for g, bounds := range statement.Groups {
		members := frontend.Variable(1)
		for _, member := range c.Pool[bounds[0]:bounds[1]] {
			members = api.Mul(members, api.Sub(x, member))
		}
		product = api.Mul(product, api.Select(s.groups[g], members, 1))
	}
	api.AssertIsEqual(api.Mul(s.equal, product), 0)
	assertNonZeroIf(api, s.notEqual, api.Mul(product, api.Sub(x, statement.Null())))
	signed := api.Mul(api.Sub(s.atLeast, s.atMost), difference)
	bits.ToBinary(api, signed, bits.WithNbDigits(rangeBits))
}

// output commits to the value that its bits select.
func (c *Present) output(api frontend.API, h *hasher, b []frontend.Variable, leaf, randomness frontend.Variable) frontend.Variable {
	attribute := mux(api, b[2:], c.Attributes[:])
	value := api.Lookup2(b[0], b[1], attribute, c.Key, c.Subject, leaf)
	api.AssertIsDifferent(value, statement.Null())
	return h.compress(0, statement.TagOutput, value, randomness, 0)
}

// holder demands the secret of a record that has a holder, and the holder of a
// record that the question wants to have one.
func (c *Present) holder(api frontend.API, h *hasher, required frontend.Variable) {
	tag := h.compress(0, statement.TagHolder, c.HolderSecret)
	api.AssertIsEqual(api.Mul(c.Holder, api.Sub(c.Holder, tag)), 0)
	assertNonZeroIf(api, required, c.Holder)
}

// nullifier is 0 for the scope 0, and otherwise the hash of the record's serial,
// which the leaf fixes, and the scope.
func (c *Present) nullifier(api frontend.API, h *hasher) frontend.Variable {
	pledged := api.Sub(1, api.IsZero(c.Scope))
	serialHash := h.compress(0, statement.TagSerial, c.Serial)
	api.AssertIsEqual(api.Mul(pledged, api.Sub(serialHash, c.SerialHash)), 0)
	return api.Mul(pledged, h.compress(0, statement.TagNullifier, c.Serial, c.Scope, 0))
}

// question gives Q: the order of its input is that of statement.Private.QInput.
func (c *Present) question(api frontend.API, h *hasher, outputs [statement.NumOutputs]frontend.Variable) frontend.Variable {
	packed := frontend.Variable(0)
	for i, b := range c.Bits {
		packed = api.Add(packed, api.Mul(b, new(big.Int).Lsh(big.NewInt(1), uint(i))))
	}
	in := []frontend.Variable{statement.TagQuestion, packed}
	in = append(in, c.Operands[:]...)
	in = append(in, c.Pool[:]...)
	in = append(in, c.Factors[:]...)
	in = append(in, outputs[:]...)
	in = append(in, c.Context, c.Blind)
	first := h.compress(0, in[:16]...)
	return h.compress(0, append([]frontend.Variable{first}, in[16:]...)...)
}

// mux selects one of 16 values by 4 boolean bits, the lowest first.
func mux(api frontend.API, selector, values []frontend.Variable) frontend.Variable {
	for _, b := range selector {
		half := make([]frontend.Variable, len(values)/2)
		for i := range half {
			half[i] = api.Select(b, values[2*i+1], values[2*i])
		}
		values = half
	}
	return values[0]
}

// assertNonZeroIf demands v != 0 where the boolean flag is set. Selecting 1
// otherwise leaves no free wire, which a bare v * w = flag would.
func assertNonZeroIf(api frontend.API, flag, v frontend.Variable) {
	api.AssertIsDifferent(api.Select(flag, v, 1), 0)
}
