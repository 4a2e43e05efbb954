package statement

import (
	"fmt"
	"math/big"
	"slices"
)

// Holds tells whether a record satisfies the predicate, exactly as the circuit
// would: values are indexed like the schema's attributes. An absent value
// satisfies nothing but "is null". The error is the one of a predicate that has
// no layout, or of a number of values that is not the schema's.
func (p Predicate) Holds(s *Schema, values []Value) (bool, error) {
	m, err := NewMatcher(s, []Predicate{p})
	if err != nil {
		return false, err
	}
	i, err := m.Match(values)
	return i < 0, err
}

// Matcher holds predicates ready to be tried on many records.
type Matcher struct {
	attributes int
	tests      []func(values []Value) bool
}

// NewMatcher makes a matcher of canonical predicates; it fails with
// [ErrBadQuestion] where one of them is not canonical.
func NewMatcher(s *Schema, predicates []Predicate) (*Matcher, error) {
	m := &Matcher{attributes: len(s.Attributes)}
	for _, p := range predicates {
		q := Question{Predicates: []Predicate{p}, Outputs: [NumOutputs]Output{OutputLeaf, OutputLeaf}}
		if _, err := q.Layout(s); err != nil {
			return nil, err
		}
		test, err := p.test(s)
		if err != nil {
			return nil, err
		}
		m.tests = append(m.tests, test)
	}
	return m, nil
}

// Match gives the index of the first predicate that a record fails, or -1 where
// it satisfies all of them.
func (m *Matcher) Match(values []Value) (int, error) {
	if len(values) != m.attributes {
		return 0, fmt.Errorf("%w: a record of %d values, where the schema has %d attributes", ErrBadValue, len(values), m.attributes)
	}
	return slices.IndexFunc(m.tests, func(test func([]Value) bool) bool { return !test(values) }), nil
}

func (p Predicate) test(s *Schema) (func([]Value) bool, error) {
	x, a, err := s.attribute(p.Attribute)
	if err != nil {
		return nil, err
	}
	if p.Other != "" {
		return p.pairTest(s, x, a)
	}
	literals := make([]Value, len(p.Values))
	for i, text := range p.Values {
		if literals[i], err = s.ParseLiteral(a, text); err != nil {
			return nil, err
		}
	}
	verdict := literalTest(p.Op, literals)
	return func(values []Value) bool {
		if values[x].Absent {
			return p.Op == OpIsNull
		}
		return verdict(values[x])
	}, nil
}

// literalTest judges a value that is there.
func literalTest(op Op, literals []Value) func(Value) bool {
	switch op {
	case OpEqual, OpIn:
		return func(v Value) bool { return slices.Contains(literals, v) }
	case OpNotEqual, OpNotIn:
		return func(v Value) bool { return !slices.Contains(literals, v) }
	case OpAtLeast:
		return func(v Value) bool { return v.Int >= literals[0].Int }
	case OpAtMost:
		return func(v Value) bool { return v.Int <= literals[0].Int }
	}
	return func(Value) bool { return op == OpIsNotNull }
}

func (p Predicate) pairTest(s *Schema, x int, a Attribute) (func([]Value) bool, error) {
	y, b, err := s.attribute(p.Other)
	if err != nil {
		return nil, err
	}
	fx := scaledFactor(p.Factor, b.Scale-a.Scale)
	fy := scaledFactor(p.OtherFactor, a.Scale-b.Scale)
	return func(values []Value) bool {
		l, r := values[x], values[y]
		if l.Absent || r.Absent {
			return false
		}
		if a.Type == Text {
			return (l.Text == r.Text) == (p.Op == OpEqual)
		}
		return ordered(p.Op, product(l.Int, fx).Cmp(product(r.Int, fy)))
	}, nil
}

// scaledFactor is a factor times 10^scale; a negative scale counts on the other side.
func scaledFactor(factor int64, scale int) *big.Int {
	f := big.NewInt(factor)
	return f.Mul(f, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, 0))), nil))
}

func product(n int64, factor *big.Int) *big.Int {
	z := big.NewInt(n)
	return z.Mul(z, factor)
}

// ordered judges the sign of a comparison.
func ordered(op Op, sign int) bool {
	switch op {
	case OpEqual:
		return sign == 0
	case OpNotEqual:
		return sign != 0
	case OpLess:
		return sign < 0
	}
	return sign <= 0
}
