package groth16

import (
	"math/rand/v2"
	"testing"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// The inverses of vectors of all lengths that batches have: none needs more memory than
// there is.
func TestInvert(t *testing.T) {
	v := newInverter(g1Batch)
	d := make(fp.Vector, g1Batch)
	d.MustSetRandom()
	d[0].SetOne()
	for n := range g1Batch + 1 {
		for i, inverse := range v.invert(d[:n]) {
			if inverse.Mul(&inverse, &d[i]); !inverse.IsOne() {
				t.Fatalf("of %d elements, number %d is not inverted", n, i)
			}
		}
	}
}

// Lanes that hold infinity, equal and opposite points are added right, in one batch with
// all others and with each other: a denominator that is 0 is nobody else's.
func TestLanes(t *testing.T) {
	_, _, g, h := curve.Generators()
	multiples := make(fr.Vector, 8)
	for i := range multiples {
		multiples[i].SetInt64(int64(i + 1))
	}
	testLanes(t, newG1Lanes(g1LaneCount), curve.BatchScalarMultiplicationG1(&g, multiples))
	testLanes(t, newG2Lanes(g2LaneCount), curve.BatchScalarMultiplicationG2(&h, multiples))
}

// testLanes adds rows of random multiples of a point: points[i] is its multiple i+1. What a
// lane holds is known as a multiple, so that the points of the result can be looked up.
func testLanes[P comparable](t *testing.T, l lanes[P], points []P) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for _, width := range []int{1, 7, 8, 9, 100, l.batch()} {
		for range 20 {
			l.reset()
			multiples := [4][]int{}
			for row := range multiples {
				refs := make([]ref, width)
				multiples[row] = make([]int, width)
				for i := range refs {
					m := 1 + r.IntN(2)
					negative := r.IntN(2) == 0
					refs[i] = newRef(m-1, negative)
					if multiples[row][i] = m; negative {
						multiples[row][i] = -m
					}
				}
				l.gather(row*width, points, refs)
			}
			add := func(to, from int) { // in two spans
				half := width / 2
				l.add([]span{{to * width, from * width, half}, {to*width + half, from*width + half, width - half}})
				for i := range width {
					multiples[to][i] += multiples[from][i]
				}
			}
			add(0, 1)
			add(2, 3)
			add(0, 2) // infinity is on either side, or both
			for i, m := range multiples[0] {
				var want P
				if m != 0 {
					want = points[max(m, -m)-1]
				}
				if m < 0 {
					l.gather(width, points, []ref{newRef(-m-1, true)})
					want = l.get(width)
				}
				if l.get(i) != want {
					t.Fatalf("%T, %d lanes: lane %d is not the multiple %d", l, width, i, m)
				}
			}
		}
	}
}
