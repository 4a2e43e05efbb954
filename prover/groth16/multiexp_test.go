package groth16

import (
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

func run(c *crew, own *scratch, m interface{ next() []task }) {
	for tasks := m.next(); tasks != nil; tasks = m.next() {
		c.each(own, tasks)
	}
}

// scalarCases gives scalars that are hard on buckets.
func scalarCases(n int) map[string]fr.Vector {
	random := make(fr.Vector, n)
	random.MustSetRandom()
	var minusOne, half fr.Element
	minusOne.SetInt64(-1)
	half.SetUint64(2).Inverse(&half)
	cases := map[string]fr.Vector{"random": random}
	for name, scalar := range map[string]fr.Element{"zero": {}, "one": fr.One(), "minus one": minusOne, "half": half, "equal": fr.NewElement(0x1234_5678_9abc_def0)} {
		cases[name] = make(fr.Vector, n)
		for i := range cases[name] {
			cases[name][i] = scalar
		}
	}
	cases["one bit"], cases["bits"], cases["small"], cases["one of them"] = make(fr.Vector, n), make(fr.Vector, n), make(fr.Vector, n), make(fr.Vector, n)
	for i := range n {
		cases["one bit"][i] = power(fr.NewElement(2), i%254)
		cases["bits"][i].SetUint64(uint64(i & 1))
		cases["small"][i].SetInt64(int64(i%7 - 3))
	}
	if n > 0 {
		cases["one of them"][n/2] = random[0]
	}
	cases["borders"] = make(fr.Vector, n)
	for i, at := 0, borders(newWindows(17)); i < n; i++ {
		cases["borders"][i] = at[i%len(at)]
	}
	return cases
}

// pointCases gives scalars of points that are hard on additions: 1·G, 2·G, ... many of which
// sum to others, equal ones, and such as cancel.
func pointCases(n int) map[string]fr.Vector {
	cases := map[string]fr.Vector{"random": make(fr.Vector, n), "equal": make(fr.Vector, n), "opposite": make(fr.Vector, n), "multiples": make(fr.Vector, n)}
	cases["random"].MustSetRandom()
	for i := range n {
		cases["equal"][i] = cases["random"][0]
		cases["opposite"][i].SetInt64(int64(1 - i%2*2))
		cases["multiples"][i].SetUint64(uint64(i + 1))
	}
	return cases
}

// Sums over no points, over as many as tasks are cut at, and over so many in one bucket that
// their columns' sums are of more than one column again.
func TestMultiExpSizes(t *testing.T) {
	for _, n := range []int{0, chunk - 1, chunk, chunk + 1, maxHeight*maxHeight + 1} {
		points := randomPoints(n)
		testMultiExp(t, g1{}, "random", points, func(points []curve.G1Affine, scalars fr.Vector) (sum curve.G1Affine) {
			if _, err := sum.MultiExp(points, scalars, ecc.MultiExpConfig{}); err != nil {
				t.Fatal(err)
			}
			return sum
		})
	}
}

// The sums of all scalars and points that are hard are gnark-crypto's.
func TestMultiExp(t *testing.T) {
	_, _, g, h := curve.Generators()
	for _, n := range []int{1, 17, 1100} {
		for name, scalars := range pointCases(n) {
			testMultiExp(t, g1{}, name, curve.BatchScalarMultiplicationG1(&g, scalars), func(points []curve.G1Affine, scalars fr.Vector) (sum curve.G1Affine) {
				if _, err := sum.MultiExp(points, scalars, ecc.MultiExpConfig{}); err != nil {
					t.Fatal(err)
				}
				return sum
			})
			testMultiExp(t, g2{}, name, curve.BatchScalarMultiplicationG2(&h, scalars[:min(n, 300)]), func(points []curve.G2Affine, scalars fr.Vector) (sum curve.G2Affine) {
				if _, err := sum.MultiExp(points, scalars, ecc.MultiExpConfig{}); err != nil {
					t.Fatal(err)
				}
				return sum
			})
		}
	}
}

// testMultiExp holds the sums over points to those of a reference.
func testMultiExp[P comparable](t *testing.T, g group[P], points string, bases []P, reference func([]P, fr.Vector) P) {
	t.Helper()
	c := newCrew(2)
	own := <-c.free
	for _, w := range []int{17, 20} {
		m := newMultiExp(g, makeTable(c, own, g, bases, newWindows(w)))
		for name, scalars := range scalarCases(len(bases)) {
			copy(m.scalars, scalars)
			m.begin()
			run(c, own, m)
			if m.result() != reference(bases, scalars) {
				t.Errorf("%d points %s, %d windows, scalars %s: wrong sum", len(bases), points, w, name)
			}
		}
	}
}

func BenchmarkMultiExp(b *testing.B) {
	c := newCrew(1)
	own := <-c.free
	points := randomPoints(16384)
	m := newMultiExp(g1{}, makeTable(c, own, g1{}, points, newWindows(17)))
	scalars := make(fr.Vector, 16384)
	scalars.MustSetRandom()
	copy(m.scalars, scalars)
	start := cpuTime()
	for b.Loop() {
		m.begin()
		run(c, own, m)
	}
	adds := 16384*17 + 2*16384
	perItem(b, start, adds)
}
