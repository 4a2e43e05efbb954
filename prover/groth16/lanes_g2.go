package groth16

import (
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
)

// g2Batch is the number of G2 additions that share an inversion.
const g2Batch = 512

// e2Vector is a vector of elements a0 + a1·u of Fp², u² = -1.
type e2Vector struct{ a0, a1 fp.Vector }

func newE2Vector(n int) e2Vector { return e2Vector{make(fp.Vector, n), make(fp.Vector, n)} }

func (v e2Vector) slice(from, n int) e2Vector {
	return e2Vector{v.a0[from : from+n], v.a1[from : from+n]}
}

func (v e2Vector) at(i int) curve.E2 { return curve.E2{A0: v.a0[i], A1: v.a1[i]} }

func (v e2Vector) set(i int, e *curve.E2) { v.a0[i], v.a1[i] = e.A0, e.A1 }

func (v e2Vector) zero(i int) bool { return v.a0[i].IsZero() && v.a1[i].IsZero() }

func (v e2Vector) sub(a, b e2Vector) {
	v.a0.Sub(a.a0, b.a0)
	v.a1.Sub(a.a1, b.a1)
}

func (v e2Vector) add(a, b e2Vector) {
	v.a0.Add(a.a0, b.a0)
	v.a1.Add(a.a1, b.a1)
}

func (v e2Vector) copy(a e2Vector) {
	copy(v.a0, a.a0)
	copy(v.a1, a.a1)
}

// mul multiplies, three multiplications for one. The result is none of the factors.
func (v e2Vector) mul(a, b e2Vector, t fp.Vector) {
	v.a0.Add(a.a0, a.a1)
	t.Add(b.a0, b.a1)
	v.a1.Mul(v.a0, t)
	v.a0.Mul(a.a0, b.a0)
	t.Mul(a.a1, b.a1)
	v.a1.Sub(v.a1, v.a0)
	v.a1.Sub(v.a1, t)
	v.a0.Sub(v.a0, t)
}

// square squares: (a0+a1)·(a0-a1) and 2·a0·a1. The result is not the operand.
func (v e2Vector) square(a e2Vector, t fp.Vector) {
	t.Add(a.a0, a.a1)
	v.a1.Sub(a.a0, a.a1)
	v.a0.Mul(t, v.a1)
	v.a1.Mul(a.a0, a.a1)
	v.a1.Add(v.a1, v.a1)
}

// g2Lanes is [lanes] of G2.
type g2Lanes struct {
	x, y       e2Vector
	d, l, t    e2Vector
	n, u       fp.Vector
	inverter   *inverter
	exceptions []g2Exception
	infinities bool   // infinity may be in some lane
	touched    uint64 // so that touching is not for nothing in the compiler's eyes
}

// g2Exception is a sum that the formula for two points of different x does not give.
type g2Exception struct {
	lane int
	sum  curve.G2Affine
}

func newG2Lanes(size int) *g2Lanes {
	return &g2Lanes{
		x: newE2Vector(size), y: newE2Vector(size),
		d: newE2Vector(g2Batch), l: newE2Vector(g2Batch), t: newE2Vector(g2Batch),
		n: make(fp.Vector, g2Batch), u: make(fp.Vector, g2Batch),
		inverter: newInverter(g2Batch),
	}
}

func (g *g2Lanes) reset()     { g.infinities = false }
func (g *g2Lanes) batch() int { return g2Batch }

func (g *g2Lanes) get(lane int) curve.G2Affine {
	return curve.G2Affine{X: g.x.at(lane), Y: g.y.at(lane)}
}

func (g *g2Lanes) gather(lane int, points []curve.G2Affine, refs []ref) {
	for len(refs) > 0 {
		n := min(len(refs), ahead)
		g.touched = touchG2(points, refs[:n])
		x, y := g.x.slice(lane, n), g.y.slice(lane, n)
		for i, r := range refs[:n] {
			p := &points[r>>1]
			x.a0[i], x.a1[i] = p.X.A0, p.X.A1
			negateIf(&y.a0[i], &p.Y.A0, r&1)
			negateIf(&y.a1[i], &p.Y.A1, r&1)
		}
		lane, refs = lane+n, refs[n:]
	}
}

// touchG2 reads a word of each half of each point: see [ahead].
func touchG2(points []curve.G2Affine, refs []ref) (any uint64) {
	for _, r := range refs {
		p := &points[r>>1]
		any ^= p.X.A0[0] ^ p.Y.A0[0]
	}
	return any
}

// add is as in G1. The inverse of d0 + d1·u is (d0 - d1·u) / (d0² + d1²), so that what
// is inverted is in Fp.
func (g *g2Lanes) add(spans []span) {
	total := 0
	for _, s := range spans {
		d, n, t := g.d.slice(total, s.n), g.n[total:total+s.n], g.u[:s.n]
		d.sub(g.x.slice(s.from, s.n), g.x.slice(s.to, s.n))
		g.except(d, s)
		n.Mul(d.a0, d.a0)
		t.Mul(d.a1, d.a1)
		n.Add(n, t)
		total += s.n
	}
	inverses := g.inverter.invert(g.n[:total])
	total = 0
	for _, s := range spans {
		g.addSpan(s, g.d.slice(total, s.n), inverses[total:total+s.n])
		total += s.n
	}
	for _, e := range g.exceptions {
		g.x.set(e.lane, &e.sum.X)
		g.y.set(e.lane, &e.sum.Y)
	}
	g.exceptions = g.exceptions[:0]
}

func (g *g2Lanes) addSpan(s span, d e2Vector, inverses fp.Vector) {
	x1, x2 := g.x.slice(s.to, s.n), g.x.slice(s.from, s.n)
	y1, y2 := g.y.slice(s.to, s.n), g.y.slice(s.from, s.n)
	l, t, u := g.l.slice(0, s.n), g.t.slice(0, s.n), g.u[:s.n]
	// t = (y2 - y1) · conj(d) = ((a0 + a1·u) · (d0 - d1·u)), then times the inverse norm
	y2.sub(y2, y1)
	t.a0.Add(y2.a0, y2.a1)
	t.a1.Sub(d.a0, d.a1)
	l.a1.Mul(t.a0, t.a1)
	l.a0.Mul(y2.a0, d.a0)
	t.a0.Mul(y2.a1, d.a1)
	l.a1.Sub(l.a1, l.a0)
	l.a1.Add(l.a1, t.a0)
	l.a0.Add(l.a0, t.a0)
	l.a0.Mul(l.a0, inverses)
	l.a1.Mul(l.a1, inverses)
	t.square(l, u)
	t.sub(t, x1)
	t.sub(t, x2)
	x2.sub(x1, t)
	x1.copy(t)
	y2.mul(x2, l, u)
	y1.sub(y2, y1)
}

// except is as in G1.
func (g *g2Lanes) except(d e2Vector, s span) {
	for i := range s.n {
		if d.zero(i) || g.infinities && (g.x.zero(s.to+i) || g.x.zero(s.from+i)) {
			a, b := g.get(s.to+i), g.get(s.from+i)
			e := g2Exception{lane: s.to + i}
			e.sum.Add(&a, &b)
			g.infinities = g.infinities || e.sum.IsInfinity()
			g.exceptions = append(g.exceptions, e)
			d.a0[i].SetOne()
			d.a1[i].SetZero()
		}
	}
}

// double is as in G1.
func (g *g2Lanes) double(lane, n int) {
	x, y := g.x.slice(lane, n), g.y.slice(lane, n)
	d, l, t, norms, u := g.d.slice(0, n), g.l.slice(0, n), g.t.slice(0, n), g.n[:n], g.u[:n]
	d.add(y, y)
	norms.Mul(d.a0, d.a0)
	u.Mul(d.a1, d.a1)
	norms.Add(norms, u)
	inverses := g.inverter.invert(norms)
	d.a0.Mul(d.a0, inverses)
	d.a1.Mul(d.a1, inverses)
	for i := range d.a1 {
		d.a1[i].Neg(&d.a1[i])
	}
	t.square(x, u)
	l.add(t, t)
	t.add(l, t)
	l.mul(t, d, u)
	t.square(l, u)
	t.sub(t, x)
	t.sub(t, x)
	x.sub(x, t)
	d.mul(l, x, u)
	x.copy(t)
	y.sub(d, y)
}
