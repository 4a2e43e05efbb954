package circuits

import (
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/std/math/bits"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// weakness names a rule of a circuit that a variant of it gets wrong.
type weakness string

// knife makes a variant of a circuit: one rule weakened, or connections between
// wires and the inputs of hashes cut, whose other ends the prover then chooses. An
// empty knife leaves the circuit as it is, which a test holds against its hash.
type knife struct {
	weak weakness
	free map[string]fr.Element
	seen map[string]bool // the connections that there are
}

// via gives a connection's value: v, or the prover's choice where it is cut.
func (k knife) via(connection string, v frontend.Variable) frontend.Variable {
	if k.seen != nil {
		k.seen[connection] = true
	}
	if chosen, ok := k.free[connection]; ok {
		return chosen
	}
	return v
}

// pick gives the weakened form of a rule in its variant.
func pick[T any](k knife, w weakness, weak, strong T) T {
	if k.weak == w {
		return weak
	}
	return strong
}

func (k knife) membership(api frontend.API, h *hasher, leaf frontend.Variable, path [imt.Levels - 1][8]frontend.Variable, top [12]frontend.Variable, root frontend.Variable) {
	current := leaf
	for level := range imt.Levels {
		children := append([]frontend.Variable(nil), top[:]...)
		if level < imt.Levels-1 {
			children = append([]frontend.Variable(nil), path[level][:]...)
		}
		product := frontend.Variable(1)
		for i, child := range children {
			product = api.Mul(product, api.Sub(child, current))
			children[i] = k.via(fmt.Sprintf("node %d/%d", level, i), child)
		}
		api.AssertIsEqual(product, 0)
		current = h.compress(imt.Lane(level), children...)
	}
	api.AssertIsEqual(current, root)
}

// presentVariant is a copy of Present that a knife has been at.
type presentVariant struct {
	Present
	knife knife `gnark:"-"`
}

// The weaknesses of present's variants. Two rules are not here because nothing
// tells their absence: that a pair checks its first attribute for null (the second
// is checked too, and f * 2^250 - g * y is in no range and not 0 for any f, g and y
// of a layout, while not equal has a factor of its own for it), and that a literal
// slot's range is 64 bits and not a little more (values and literals are within 64
// bits, so no difference lies between).
const (
	wideRange       weakness = "a literal's range is 253 bits"
	widePairRange   weakness = "a pair slot's range is 253 bits"
	narrowNotEqual  weakness = "not equal forgets the null"
	onlyX           weakness = "a pair checks the first attribute alone for null"
	noLess          weakness = "less is at most"
	noFactor        weakness = "the factor is not multiplied in"
	allGroups       weakness = "a slot uses all groups"
	noGroups        weakness = "a slot uses no group"
	anySign         weakness = "at most is not told from at least"
	nullifierNoZero weakness = "the nullifier is not 0 without a scope"
	holderIfAsked   weakness = "the holder's secret counts only where the question requires a holder"
	nullSubject     weakness = "null is checked of the attribute, not of the output's value"
)

func (c *presentVariant) Define(api frontend.API) error {
	h, err := newHasher(api)
	if err != nil {
		return err
	}
	for _, b := range c.Bits {
		api.AssertIsBoolean(b)
	}
	leaf := c.leaf(h)
	c.knife.membership(api, h, leaf, c.Path, c.PathTop, c.Root)
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
		outputs[i] = c.output(api, h, i, outputBits[i], leaf)
	}
	c.holder(api, h, holderRequired)
	nullifier := c.nullifier(api, h)
	q := c.question(api, h, outputs)
	k := c.knife
	d := h.compress(0, statement.TagStatement, k.via("statement/p", c.P), k.via("statement/root", c.Root),
		k.via("statement/nullifier", nullifier), k.via("statement/scope", c.Scope), k.via("statement/question", q), 0, 0)
	api.AssertIsEqual(c.D, d)
	return nil
}

func (c *presentVariant) leaf(h *hasher) frontend.Variable {
	k := c.knife
	attributes := make([]frontend.Variable, len(c.Attributes))
	for i, a := range c.Attributes {
		attributes[i] = k.via(fmt.Sprintf("attributes/%d", i), a)
	}
	return h.compress(0, statement.TagLeaf, k.via("leaf/attributes", h.compress(statement.AttributesLane, attributes...)),
		k.via("leaf/key", c.Key), k.via("leaf/subject", c.Subject), k.via("leaf/holder", c.Holder),
		k.via("leaf/serial", c.SerialHash), k.via("leaf/blinding", c.Blinding), k.via("leaf/link", c.Link))
}

func (c *presentVariant) literalSlot(api frontend.API, s slotVars) {
	x := mux(api, s.x, c.Attributes[:])
	c.condition(api, s, x, api.Sub(x, s.operand), pick(c.knife, wideRange, 253, orderBits))
}

func (c *presentVariant) pairSlot(api frontend.API, s slotVars) {
	k := c.knife
	x := mux(api, s.x, c.Attributes[:])
	y := mux(api, s.y, c.Attributes[:])
	yFactor := api.Mul(s.pair, s.operand)
	z := api.Sub(api.Mul(pick(k, noFactor, frontend.Variable(1), s.factor), x), api.Mul(yFactor, y))
	bound := api.Sub(s.operand, yFactor, pick(k, noLess, frontend.Variable(0), s.less))
	null := statement.Null()
	bothPresent := api.Mul(api.Sub(x, null), pick(k, onlyX, frontend.Variable(1), api.Sub(y, null)))
	assertNonZeroIf(api, s.pair, bothPresent)
	c.condition(api, s, x, api.Sub(z, bound), pick(k, widePairRange, 253, pairOrderBits))
}

func (c *presentVariant) condition(api frontend.API, s slotVars, x, difference frontend.Variable, rangeBits int) {
	k := c.knife
	product := difference
	for g, bounds := range statement.Groups {
		members := frontend.Variable(1)
		for _, member := range c.Pool[bounds[0]:bounds[1]] {
			members = api.Mul(members, api.Sub(x, member))
		}
		used := pick(k, noGroups, frontend.Variable(1), members)
		product = api.Mul(product, api.Select(s.groups[g], used, pick(k, allGroups, members, 1)))
	}
	api.AssertIsEqual(api.Mul(s.equal, product), 0)
	assertNonZeroIf(api, s.notEqual, pick(k, narrowNotEqual, product, api.Mul(product, api.Sub(x, statement.Null()))))
	sign := api.Sub(s.atLeast, s.atMost)
	if k.weak == anySign {
		sign = api.Add(s.atLeast, s.atMost)
	}
	bits.ToBinary(api, api.Mul(sign, difference), bits.WithNbDigits(rangeBits))
}

func (c *presentVariant) output(api frontend.API, h *hasher, i int, b []frontend.Variable, leaf frontend.Variable) frontend.Variable {
	k := c.knife
	attribute := mux(api, b[2:], c.Attributes[:])
	value := api.Lookup2(b[0], b[1], attribute, c.Key, c.Subject, leaf)
	api.AssertIsDifferent(pick(k, nullSubject, attribute, value), statement.Null())
	return h.compress(0, statement.TagOutput, k.via(fmt.Sprintf("output%d/value", i), value),
		k.via(fmt.Sprintf("output%d/randomness", i), c.OutputRandomness[i]), 0)
}

func (c *presentVariant) holder(api frontend.API, h *hasher, required frontend.Variable) {
	tag := h.compress(0, statement.TagHolder, c.knife.via("holder/secret", c.HolderSecret))
	wrong := api.Mul(c.Holder, api.Sub(c.Holder, tag))
	if c.knife.weak == holderIfAsked {
		wrong = api.Mul(required, wrong)
	}
	api.AssertIsEqual(wrong, 0)
	assertNonZeroIf(api, required, c.Holder)
}

func (c *presentVariant) nullifier(api frontend.API, h *hasher) frontend.Variable {
	k := c.knife
	pledged := api.Sub(1, api.IsZero(c.Scope))
	serialHash := h.compress(0, statement.TagSerial, k.via("serial/serial", c.Serial))
	api.AssertIsEqual(api.Mul(pledged, api.Sub(serialHash, c.SerialHash)), 0)
	nullifier := h.compress(0, statement.TagNullifier, k.via("nullifier/serial", c.Serial), k.via("nullifier/scope", c.Scope), 0)
	if k.weak == nullifierNoZero {
		return nullifier
	}
	return api.Mul(pledged, nullifier)
}

func (c *presentVariant) question(api frontend.API, h *hasher, outputs [statement.NumOutputs]frontend.Variable) frontend.Variable {
	packed := frontend.Variable(0)
	for i, b := range c.Bits {
		packed = api.Add(packed, api.Mul(b, new(big.Int).Lsh(big.NewInt(1), uint(i))))
	}
	elements := []frontend.Variable{packed}
	elements = append(elements, c.Operands[:]...)
	elements = append(elements, c.Pool[:]...)
	elements = append(elements, c.Factors[:]...)
	elements = append(elements, outputs[:]...)
	elements = append(elements, c.Context, c.Blind)
	in := []frontend.Variable{statement.TagQuestion}
	for i, e := range elements {
		in = append(in, c.knife.via(fmt.Sprintf("question/%d", i), e))
	}
	first := h.compress(0, in[:16]...)
	return h.compress(0, append([]frontend.Variable{first}, in[16:]...)...)
}

// absentVariant is a copy of Absent that a knife has been at.
type absentVariant struct {
	Absent
	knife knife `gnark:"-"`
}

// The weaknesses of absent's variants.
const (
	lowTouches  weakness = "the key may be the low key"
	nextTouches weakness = "the key may be the next key"
	fullLow     weakness = "the low range is the whole field"
	fullNext    weakness = "the next range is the whole field"
)

func (c *absentVariant) Define(api frontend.API) error {
	h, err := newHasher(api)
	if err != nil {
		return err
	}
	k := c.knife
	link := h.compress(0, statement.TagLink, k.via("link/low", c.Low), k.via("link/next", c.Next), k.via("link/blinding", c.LinkBlinding))
	low := h.compress(0, statement.TagLeaf, k.via("leaf/attributes", c.AttributesHash), k.via("leaf/key", c.Low),
		k.via("leaf/subject", c.Subject), k.via("leaf/holder", c.Holder), k.via("leaf/serial", c.SerialHash),
		k.via("leaf/blinding", c.Blinding), k.via("leaf/link", link))
	k.membership(api, h, low, c.Path, c.PathTop, c.Root)

	lowBits, nextBits := pick(k, fullLow, fr.Bits, keyBits), pick(k, fullNext, fr.Bits, keyBits)
	bits.ToBinary(api, api.Sub(c.Key, c.Low, pick(k, lowTouches, 0, 1)), bits.WithNbDigits(lowBits), bits.OmitModulusCheck())
	bits.ToBinary(api, api.Sub(c.Next, c.Key, pick(k, nextTouches, 0, 1)), bits.WithNbDigits(nextBits), bits.OmitModulusCheck())

	output := h.compress(0, statement.TagOutput, k.via("output/key", c.Key), k.via("output/randomness", c.Randomness), 0)
	q := h.compress(0, statement.TagAbsentQuestion, k.via("question/output", output), k.via("question/context", c.Context), k.via("question/blind", c.Blind))
	d := h.compress(0, statement.TagStatement, k.via("statement/p", c.P), k.via("statement/root", c.Root),
		k.via("statement/nullifier", 0), k.via("statement/scope", 0), k.via("statement/question", q), 0, 0)
	api.AssertIsEqual(c.D, d)
	return nil
}
