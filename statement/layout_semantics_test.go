package statement

import (
	"math/big"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"pgregory.net/rapid"
)

// The widths of the ranges that a slot's difference is held to: 64 bits for two
// integers, and what factors of up to 2^16 - 1 add to that.
const (
	plainBits = 64
	pairBits  = 80
)

// judge is the relation of the Slot comment over the elements of a record, word
// for word: the circuit's meaning, without the circuit.
func judge(l *Layout, record []fr.Element) bool {
	for i, s := range l.Slots {
		if !judgeSlot(l, i, s, record[s.X], record[s.Y]) {
			return false
		}
	}
	return true
}

func judgeSlot(l *Layout, i int, s Slot, x, y fr.Element) bool {
	null := Null()
	z, operand := x, s.Operand
	if s.Pair {
		var fx, fy fr.Element
		fx.Mul(&s.Factor, &x)
		fy.Mul(&s.Operand, &y)
		z.Sub(&fx, &fy)
		operand.SetZero()
		if s.Less {
			operand.SetInt64(-1)
		}
		if x.Equal(&null) || y.Equal(&null) {
			return false
		}
	}
	var d fr.Element
	product := *d.Sub(&z, &operand)
	for g, used := range s.Groups {
		for j := Groups[g][0]; used && j < Groups[g][1]; j++ {
			product.Mul(&product, d.Sub(&z, &l.Pool[j]))
		}
	}
	bits := plainBits
	if i >= FirstPairSlot {
		bits = pairBits
	}
	if s.NotEqual {
		withNull := product
		withNull.Mul(&withNull, d.Sub(&x, &null))
		if withNull.IsZero() {
			return false
		}
	}
	return (!s.Equal || product.IsZero()) &&
		(!s.AtLeast || inRange(d.Sub(&z, &operand), bits)) &&
		(!s.AtMost || inRange(d.Sub(&operand, &z), bits))
}

func inRange(e *fr.Element, bits int) bool { return e.BigInt(new(big.Int)).BitLen() <= bits }

func encodeRow(t interface{ Fatal(...any) }, s *Schema, row []Value) []fr.Element {
	record := make([]fr.Element, MaxAttributes)
	for i := range record {
		record[i] = Null()
	}
	for i, v := range row {
		e, err := s.Encode(s.Attributes[i], v)
		if err != nil {
			t.Fatal(err)
		}
		record[i] = e
	}
	return record
}

// TestLayoutMeansHolds holds the layout of whole questions against Holds of their
// predicates, over rows full of nulls and ends of ranges.
func TestLayoutMeansHolds(t *testing.T) {
	verdicts := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		questions, err := Split(s, drawPredicates(t, s, 6), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			row := drawRow(t, s)
			record := encodeRow(t, s, row)
			for _, q := range questions {
				l, err := q.Layout(s)
				if err != nil {
					t.Fatal(err)
				}
				want := true
				for _, p := range q.Predicates {
					ok, err := p.Holds(s, row)
					if err != nil {
						t.Fatal(err)
					}
					want = want && ok
				}
				if got := judge(l, record); got != want {
					t.Fatalf("%v on %v: layout says %v, Holds %v", q.Predicates, row, got, want)
				}
				if len(q.Predicates) > 0 {
					verdicts[want]++
				}
			}
		}
	})
	if verdicts[true] < 50 || verdicts[false] < 50 {
		t.Errorf("only one side was tried: %v", verdicts)
	}
}

// TestLayoutAtTheEnds tries every operator on all pairs of extreme values, with
// the largest factors and nulls.
func TestLayoutAtTheEnds(t *testing.T) {
	s, ends := extremes()
	values := []Value{{Absent: true}}
	for _, n := range ends {
		values = append(values, Value{Int: n})
	}
	var predicates []Predicate
	for _, op := range []Op{OpEqual, OpNotEqual, OpAtMost, OpLess} {
		for _, f := range [][2]int64{{1, 1}, {MaxFactor, MaxFactor}, {1, MaxFactor}, {MaxFactor, 1}} {
			predicates = append(predicates, pairOf(f[0], "a", op, f[1], "b"))
		}
		predicates = append(predicates, pairOf(6, "a", op, MaxFactor, "c"))
	}
	for _, n := range ends {
		text := s.FormatValue(s.Attributes[0], Value{Int: n})
		for _, op := range []Op{OpEqual, OpNotEqual, OpAtLeast, OpAtMost} {
			predicates = append(predicates, literal("a", op, text))
		}
	}
	predicates = append(predicates, literal("a", OpIsNull), literal("a", OpIsNotNull), literal("a", OpIn, "-1", "9223372036854775807"), literal("a", OpNotIn, "-1", "9223372036854775807"))
	for _, p := range predicates {
		q := Question{Predicates: []Predicate{p}, Outputs: [NumOutputs]Output{OutputLeaf, OutputLeaf}}
		l, err := q.Layout(s)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		for _, x := range values {
			for _, y := range values {
				row := []Value{x, y, y}
				want, err := p.Holds(s, row)
				if got := judge(l, encodeRow(t, s, row)); err != nil || got != want {
					t.Errorf("%s on %v: layout says %v, Holds %v, %v", p, row, got, want, err)
				}
			}
		}
	}
}
