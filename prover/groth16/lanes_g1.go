package groth16

import (
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
)

// g1Batch is the number of G1 additions that share an inversion: it costs as much as
// some 200 multiplications in vectors.
const g1Batch = 1024

// g1Lanes is [lanes] of G1.
type g1Lanes struct {
	x, y       fp.Vector
	d, l, t    fp.Vector
	inverter   *inverter
	exceptions []g1Exception
	infinities bool   // infinity may be in some lane
	touched    uint64 // so that touching is not for nothing in the compiler's eyes
}

// g1Exception is a sum that the formula for two points of different x does not give.
type g1Exception struct {
	lane int
	sum  curve.G1Affine
}

func newG1Lanes(size int) *g1Lanes {
	return &g1Lanes{
		x: make(fp.Vector, size), y: make(fp.Vector, size),
		d: make(fp.Vector, g1Batch), l: make(fp.Vector, g1Batch), t: make(fp.Vector, g1Batch),
		inverter: newInverter(g1Batch),
	}
}

func (g *g1Lanes) reset()     { g.infinities = false }
func (g *g1Lanes) batch() int { return g1Batch }

func (g *g1Lanes) get(lane int) curve.G1Affine { return curve.G1Affine{X: g.x[lane], Y: g.y[lane]} }

func (g *g1Lanes) gather(lane int, points []curve.G1Affine, refs []ref) {
	for len(refs) > 0 {
		n := min(len(refs), ahead)
		g.touched = touchG1(points, refs[:n])
		x, y := g.x[lane:lane+n], g.y[lane:lane+n]
		for i, r := range refs[:n] {
			p := &points[r>>1]
			x[i] = p.X
			negateIf(&y[i], &p.Y, r&1)
		}
		lane, refs = lane+n, refs[n:]
	}
}

// touchG1 reads a word of each point: see [ahead].
func touchG1(points []curve.G1Affine, refs []ref) (any uint64) {
	for _, r := range refs {
		any ^= points[r>>1].X[0]
	}
	return any
}

// add gives, for P = (x1, y1) in the lanes to and Q = (x2, y2) in the lanes from,
//
//	l = (y2 - y1) / (x2 - x1),  x3 = l² - x1 - x2,  y3 = l·(x1 - x3) - y1.
func (g *g1Lanes) add(spans []span) {
	total := 0
	for _, s := range spans {
		d := g.d[total : total+s.n]
		d.Sub(g.x[s.from:s.from+s.n], g.x[s.to:s.to+s.n])
		g.except(d, s)
		total += s.n
	}
	inverses := g.inverter.invert(g.d[:total])
	total = 0
	for _, s := range spans {
		x1, x2 := g.x[s.to:s.to+s.n], g.x[s.from:s.from+s.n]
		y1, y2 := g.y[s.to:s.to+s.n], g.y[s.from:s.from+s.n]
		l, t := g.l[:s.n], g.t[:s.n]
		t.Sub(y2, y1)
		l.Mul(t, inverses[total:total+s.n])
		t.Mul(l, l)
		t.Sub(t, x1)
		t.Sub(t, x2)
		x2.Sub(x1, t)
		copy(x1, t)
		y2.Mul(x2, l)
		y1.Sub(y2, y1)
		total += s.n
	}
	for _, e := range g.exceptions {
		g.x[e.lane], g.y[e.lane] = e.sum.X, e.sum.Y
	}
	g.exceptions = g.exceptions[:0]
}

// except finds the pairs with equal x, and those with infinity where there may be
// some: their sums are noted and their difference made 1.
func (g *g1Lanes) except(d fp.Vector, s span) {
	for i := range d {
		if d[i][0]|d[i][1]|d[i][2]|d[i][3] == 0 || g.infinities && (g.x[s.to+i].IsZero() || g.x[s.from+i].IsZero()) {
			a, b := g.get(s.to+i), g.get(s.from+i)
			e := g1Exception{lane: s.to + i}
			e.sum.Add(&a, &b)
			g.infinities = g.infinities || e.sum.IsInfinity()
			g.exceptions = append(g.exceptions, e)
			d[i].SetOne()
		}
	}
}

// double gives, with l = 3x² / 2y, as in add. No point of the group has y = 0.
func (g *g1Lanes) double(lane, n int) {
	x, y := g.x[lane:lane+n], g.y[lane:lane+n]
	d, l, t := g.d[:n], g.l[:n], g.t[:n]
	d.Add(y, y)
	inverses := g.inverter.invert(d)
	t.Mul(x, x)
	l.Add(t, t)
	t.Add(l, t)
	l.Mul(t, inverses)
	t.Mul(l, l)
	t.Sub(t, x)
	t.Sub(t, x)
	x.Sub(x, t)
	l.Mul(l, x)
	copy(x, t)
	y.Sub(l, y)
}
