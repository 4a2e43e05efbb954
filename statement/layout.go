package statement

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// The shape of one proof's question.
const (
	// NumSlots is how many predicates one proof holds.
	NumSlots = 8
	// FirstPairSlot is the first of the slots that can compare two attributes.
	FirstPairSlot = 6
	// NumPairSlots is how many slots can compare two attributes.
	NumPairSlots = NumSlots - FirstPairSlot
	// PoolSize is the number of set members that a proof's slots share, beside
	// one operand for each slot.
	PoolSize = 15
	// NumGroups is the number of groups that the pool is shared out in.
	NumGroups = 4
	// NumOutputs is the number of hiding commitments of a proof.
	NumOutputs = 2
	// MaxSet is the largest set: the whole pool and the slot's own operand.
	MaxSet = PoolSize + 1
	// MaxFactor is the largest factor of an attribute.
	MaxFactor = 1<<16 - 1
)

// Groups gives the bounds in the pool of each group: sizes 4, 4, 4 and 3.
var Groups = [NumGroups][2]int{{0, 4}, {4, 8}, {8, 12}, {12, 15}}

// Slot is one predicate as the circuit sees it. With x and y the values of the
// attributes X and Y, z = x for a literal predicate and z = Factor*x - Operand*y
// for a pair, the slot demands:
//
//	Equal:    (x - Operand) * product of (x - member) over the used groups = 0
//	NotEqual: that product times (x - Null) is not 0
//	AtLeast:  z - Operand in [0, 2^bits)
//	AtMost:   Operand - z in [0, 2^bits)
//
// where a pair has 0 (or -1 if Less) in the place of Operand, z in the place of x
// in the product, and neither x nor y null.
type Slot struct {
	X, Y                             int // attribute indices; Y is 0 unless Pair
	Equal, NotEqual, AtLeast, AtMost bool
	Groups                           [NumGroups]bool
	Pair, Less                       bool       // slots from FirstPairSlot on
	Factor                           fr.Element // of X: 1 unless Pair; 0 below FirstPairSlot
	Operand                          fr.Element // the literal, or Y's factor
}

// OutputKind says what an output commits to.
type OutputKind int

// The kinds of outputs, as the circuit encodes them in two bits.
const (
	KindAttribute OutputKind = iota
	KindKey
	KindSubject
	KindLeaf
)

// OutputSlot is one output as the circuit sees it; Attr is 0 unless the kind is
// KindAttribute.
type OutputSlot struct {
	Kind OutputKind
	Attr int
}

// Layout is a question as the circuit sees it. It is a function of the question
// and the schema, computed alike by prover and verifier, so that only canonical
// operators, in-schema attributes and in-range operands ever get a verdict.
type Layout struct {
	Slots   [NumSlots]Slot
	Pool    [PoolSize]fr.Element
	Outputs [NumOutputs]OutputSlot
	Holder  bool
}

// Layout places a question's predicates in the slots of one proof. It fails with
// [ErrBadQuestion] where the question is not canonical or does not fit.
func (q *Question) Layout(s *Schema) (*Layout, error) {
	if q.Absent {
		return nil, fmt.Errorf("%w: a question of absence has no layout", ErrBadQuestion)
	}
	if len(q.Predicates) > NumSlots {
		return nil, fmt.Errorf("%w: %d predicates, over the %d of one proof", ErrBadQuestion, len(q.Predicates), NumSlots)
	}
	if !slices.EqualFunc(q.Predicates, SortPredicates(q.Predicates), func(a, b Predicate) bool { return a.compare(b) == 0 }) {
		return nil, fmt.Errorf("%w: predicates repeated or out of order", ErrBadQuestion)
	}
	l := &Layout{Holder: q.Holder}
	var p placer
	for i := range l.Slots[FirstPairSlot:] {
		l.Slots[FirstPairSlot+i].Factor.SetOne()
	}
	for _, predicate := range q.Predicates {
		if err := p.place(l, s, predicate); err != nil {
			return nil, fmt.Errorf("predicate %q: %w", predicate, err)
		}
	}
	for i, o := range q.Outputs {
		slot, err := o.slot(s)
		if err != nil {
			return nil, err
		}
		l.Outputs[i] = slot
	}
	return l, nil
}

func (o Output) slot(s *Schema) (OutputSlot, error) {
	switch o {
	case OutputKey:
		return OutputSlot{Kind: KindKey}, nil
	case OutputLeaf:
		return OutputSlot{Kind: KindLeaf}, nil
	case OutputSubject:
		if s.Subject == "" {
			return OutputSlot{}, fmt.Errorf("%w: registry %s has no subject", ErrBadQuestion, s.Registry)
		}
		return OutputSlot{Kind: KindSubject}, nil
	}
	name, ok := o.Attribute()
	if !ok {
		return OutputSlot{}, fmt.Errorf("%w: no output %q", ErrBadQuestion, o)
	}
	i, _, err := s.attribute(name)
	return OutputSlot{Kind: KindAttribute, Attr: i}, err
}

// placer hands out slots and groups in the order of the predicates: pairs fill
// the pair slots from the first, everything else fills the plain slots and then
// the pair slots from the last.
type placer struct {
	plain, pairs int
	groups       [NumGroups]bool
}

func (p *placer) place(l *Layout, s *Schema, pr Predicate) error {
	if pr.Other != "" {
		slot, err := pairSlot(s, pr)
		if err != nil {
			return err
		}
		return p.putPair(l, slot)
	}
	slot, members, err := literalSlot(s, pr)
	if err != nil {
		return err
	}
	if err := p.takeGroups(l, &slot, members); err != nil {
		return err
	}
	return p.putLiteral(l, slot)
}

func (p *placer) putPair(l *Layout, slot Slot) error {
	if p.pairs == NumPairSlots || p.plain+p.pairs == NumSlots {
		return fmt.Errorf("%w: one proof compares at most %d pairs of attributes", ErrBadQuestion, NumPairSlots)
	}
	l.Slots[FirstPairSlot+p.pairs] = slot
	p.pairs++
	return nil
}

func (p *placer) putLiteral(l *Layout, slot Slot) error {
	if p.plain+p.pairs == NumSlots {
		return fmt.Errorf("%w: over the %d predicates of one proof", ErrBadQuestion, NumSlots)
	}
	i := p.plain
	if i >= FirstPairSlot {
		i = NumSlots - 1 - (p.plain - FirstPairSlot)
	}
	p.plain++
	if i >= FirstPairSlot {
		slot.Factor.SetOne()
	}
	l.Slots[i] = slot
	return nil
}

// takeGroups gives a set's members beyond the first their groups of the pool. A
// group that is not filled is padded by repeating its first member: padding with
// 0 would add 0 to the set.
func (p *placer) takeGroups(l *Layout, slot *Slot, members []fr.Element) error {
	for len(members) > 0 {
		g := p.freeGroup(len(members))
		if g < 0 {
			return fmt.Errorf("%w: the sets of one proof have at most %d members beyond the first of each", ErrBadQuestion, PoolSize)
		}
		p.groups[g] = true
		slot.Groups[g] = true
		lo, hi := Groups[g][0], Groups[g][1]
		n := copy(l.Pool[lo:hi], members)
		for i := lo + n; i < hi; i++ {
			l.Pool[i] = members[0]
		}
		members = members[n:]
	}
	return nil
}

// freeGroup prefers the small last group for what fits in it.
func (p *placer) freeGroup(need int) int {
	last := NumGroups - 1
	if !p.groups[last] && need <= Groups[last][1]-Groups[last][0] {
		return last
	}
	return slices.Index(p.groups[:], false)
}

// literalSlot compiles a predicate against literals. members are the set's
// members beyond the first.
func literalSlot(s *Schema, pr Predicate) (slot Slot, members []fr.Element, err error) {
	i, a, err := s.attribute(pr.Attribute)
	if err != nil {
		return slot, nil, err
	}
	if pr.Factor != 0 || pr.OtherFactor != 0 {
		return slot, nil, fmt.Errorf("%w: factors need another attribute", ErrBadQuestion)
	}
	slot.X = i
	switch pr.Op {
	case OpEqual, OpIn, OpIsNull:
		slot.Equal = true
	case OpNotEqual, OpNotIn, OpIsNotNull:
		slot.NotEqual = true
	case OpAtLeast:
		slot.AtLeast = true
	case OpAtMost:
		slot.AtMost = true
	default:
		return slot, nil, fmt.Errorf("%w: no operator %q against a literal", ErrBadQuestion, pr.Op)
	}
	operands, err := literalOperands(s, a, pr)
	if err != nil {
		return slot, nil, err
	}
	slot.Operand = operands[0]
	return slot, operands[1:], nil
}

func literalOperands(s *Schema, a Attribute, pr Predicate) ([]fr.Element, error) {
	n, lo, hi := len(pr.Values), 1, 1
	switch pr.Op {
	case OpIn, OpNotIn:
		lo, hi = 2, MaxSet
		if !slices.IsSorted(pr.Values) || len(slices.Compact(slices.Clone(pr.Values))) != n {
			return nil, fmt.Errorf("%w: set members repeated or out of order", ErrBadQuestion)
		}
	case OpIsNull, OpIsNotNull:
		if n != 0 {
			return nil, fmt.Errorf("%w: %q takes no value", ErrBadQuestion, pr.Op)
		}
		return []fr.Element{Null()}, nil
	case OpAtLeast, OpAtMost:
		if a.Type == Text || a.Type == Bool {
			return nil, fmt.Errorf("%w: a %s has no order", ErrBadQuestion, a.Type)
		}
	}
	if n < lo || n > hi {
		return nil, fmt.Errorf("%w: %d values for %q", ErrBadQuestion, n, pr.Op)
	}
	operands := make([]fr.Element, n)
	for i, text := range pr.Values {
		v, err := s.ParseLiteral(a, text)
		if err != nil {
			return nil, err
		}
		if s.FormatValue(a, v) != text {
			return nil, fmt.Errorf("%w: value %d is not in its canonical form", ErrBadQuestion, i)
		}
		if operands[i], err = s.Encode(a, v); err != nil {
			return nil, err
		}
	}
	return operands, nil
}

// ParseLiteral reads a literal of a question: as [Schema.ParseValue], but never absent.
func (s *Schema) ParseLiteral(a Attribute, text string) (Value, error) {
	a.Optional = false
	if a.Type == Text && text == "" {
		return Value{}, nil // the empty text is a value that a question may name
	}
	return s.ParseValue(a, text)
}

// pairSlot compiles Factor*X op OtherFactor*Y.
func pairSlot(s *Schema, pr Predicate) (Slot, error) {
	x, a, err := s.attribute(pr.Attribute)
	if err != nil {
		return Slot{}, err
	}
	y, b, err := s.attribute(pr.Other)
	if err != nil {
		return Slot{}, err
	}
	if err := s.checkPair(a, b, pr); err != nil {
		return Slot{}, err
	}
	fx, fy, err := pairFactors(a, b, pr)
	if err != nil {
		return Slot{}, err
	}
	slot := Slot{X: x, Y: y, Pair: true, Factor: EncodeInt(fx), Operand: EncodeInt(fy)}
	switch pr.Op {
	case OpEqual:
		slot.Equal = true
	case OpNotEqual:
		slot.NotEqual = true
	case OpAtMost:
		slot.AtMost = true
	case OpLess:
		slot.AtMost, slot.Less = true, true
	default:
		return Slot{}, fmt.Errorf("%w: no operator %q between attributes", ErrBadQuestion, pr.Op)
	}
	return slot, nil
}

// pairFactors brings decimals of different scales to the larger one, so that the
// predicate's factors speak of the values and the slot's of the integers.
func pairFactors(a, b Attribute, pr Predicate) (fx, fy int64, err error) {
	fx, fy = pr.Factor, pr.OtherFactor
	for range b.Scale - a.Scale {
		fx *= 10
	}
	for range a.Scale - b.Scale {
		fy *= 10
	}
	if fx > MaxFactor || fy > MaxFactor {
		return 0, 0, fmt.Errorf("%w: the factors and the difference in scale exceed %d", ErrBadQuestion, MaxFactor)
	}
	return fx, fy, nil
}

func (s *Schema) checkPair(a, b Attribute, pr Predicate) error {
	numeric := func(t Type) bool { return t == Int || t == Decimal }
	switch {
	case len(pr.Values) != 0:
		return fmt.Errorf("%w: a pair of attributes takes no literal", ErrBadQuestion)
	case pr.Factor < 1 || pr.Factor > MaxFactor || pr.OtherFactor < 1 || pr.OtherFactor > MaxFactor:
		return fmt.Errorf("%w: factors are 1 to %d", ErrBadQuestion, MaxFactor)
	case a.Name == b.Name:
		return fmt.Errorf("%w: an attribute against itself", ErrBadQuestion)
	case (pr.Op == OpEqual || pr.Op == OpNotEqual) && pr.Attribute > pr.Other:
		return fmt.Errorf("%w: an equality names its smaller attribute first", ErrBadQuestion)
	case numeric(a.Type) && numeric(b.Type):
		return nil
	case a.Type != b.Type || pr.Factor != 1 || pr.OtherFactor != 1:
		return fmt.Errorf("%w: %s and %s do not compare", ErrBadQuestion, a.Type, b.Type)
	case (a.Type == Text || a.Type == Bool) && pr.Op != OpEqual && pr.Op != OpNotEqual:
		return fmt.Errorf("%w: a %s has no order", ErrBadQuestion, a.Type)
	case a.Type == Text && !s.Domain(a.Name).Equal(s.Domain(b.Name)):
		return fmt.Errorf("%w: the texts are of different domains", ErrBadQuestion)
	}
	return nil
}

// Elements gives the question's part of Q's input: the packed bits, the slots'
// operands, the pool, the pair slots' factors.
func (l *Layout) Elements() []fr.Element {
	var packed fr.Element
	packed.SetBigInt(l.packedBits())
	out := []fr.Element{packed}
	for _, s := range l.Slots {
		out = append(out, s.Operand)
	}
	out = append(out, l.Pool[:]...)
	for _, s := range l.Slots[FirstPairSlot:] {
		out = append(out, s.Factor)
	}
	return out
}

// packedBits packs the layout's selectors and flags, the first bit lowest.
func (l *Layout) packedBits() *big.Int {
	packed := new(big.Int)
	for i, bit := range l.Bits() {
		if bit {
			packed.SetBit(packed, i, 1)
		}
	}
	return packed
}

// Bits lists the packed bits in their order. Each slot: X (4 bits, lowest first),
// equal, not equal, at least, at most, the groups; a pair slot also Y (4), pair,
// less. Then each output: kind (2), attribute (4). Last the holder flag.
func (l *Layout) Bits() []bool {
	var bits []bool
	number := func(n, width int) {
		for i := range width {
			bits = append(bits, n>>i&1 == 1)
		}
	}
	for i, s := range l.Slots {
		number(s.X, 4)
		bits = append(bits, s.Equal, s.NotEqual, s.AtLeast, s.AtMost)
		bits = append(bits, s.Groups[:]...)
		if i >= FirstPairSlot {
			number(s.Y, 4)
			bits = append(bits, s.Pair, s.Less)
		}
	}
	for _, o := range l.Outputs {
		number(int(o.Kind), 2)
		number(o.Attr, 4)
	}
	return append(bits, l.Holder)
}
