package groth16

import (
	"math/big"

	"github.com/consensys/gnark-crypto/ecc"
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// scaleBatch is the number of points that one worker multiplies at once.
const scaleBatch = g1Batch / 2

// oddDigits is the number of 4-bit digits of half a scalar, each odd, from -15 to 15.
const oddDigits = 33

// endomorphism is the map (x, y) -> (omega·x, y) of G1, which multiplies a point by lambda.
// With it a scalar is cut into two halves (Gallant, Lambert, Vanstone, CRYPTO 2001).
type endomorphism struct {
	omega   fp.Element
	lattice ecc.Lattice // of the (a, b) with a + b·lambda = 0
}

func newEndomorphism() *endomorphism {
	e := &endomorphism{}
	_, _ = e.omega.SetString("2203960485148121921418603742825762020974279258880205651966")
	lambda, _ := new(big.Int).SetString("4407920970296243842393367215006156084916469457145843978461", 10)
	ecc.PrecomputeLattice(fr.Modulus(), lambda, &e.lattice)
	return e
}

// halves gives odd a and b of at most 129 bits with a + b·lambda = k.
func (e *endomorphism) halves(k *big.Int) [2]big.Int {
	h := ecc.SplitScalar(k, &e.lattice)
	for _, v := range [][2]*big.Int{ // the determinant is odd, so some of these makes both odd
		{&e.lattice.V1[0], &e.lattice.V1[1]},
		{&e.lattice.V2[0], &e.lattice.V2[1]},
		{new(big.Int).Add(&e.lattice.V1[0], &e.lattice.V2[0]), new(big.Int).Add(&e.lattice.V1[1], &e.lattice.V2[1])},
	} {
		if h[0].Bit(0) != v[0].Bit(0) && h[1].Bit(0) != v[1].Bit(0) {
			h[0].Add(&h[0], v[0])
			h[1].Add(&h[1], v[1])
			break
		}
	}
	return h
}

// odd writes an odd k as the sum of digits[i]·16^i with every digit odd.
func odd(k *big.Int) (digits [oddDigits]int8) {
	sign := int8(k.Sign())
	k = new(big.Int).Abs(k)
	digit := new(big.Int)
	for i := range oddDigits - 1 {
		d := int64(k.Bits()[0]&31) - 16
		digits[i] = sign * int8(d)
		k.Sub(k, digit.SetInt64(d)).Rsh(k, 4)
	}
	digits[oddDigits-1] = sign * int8(k.Int64())
	return digits
}

// scale multiplies each point with its scalar, neither of which is 0. It is for the
// public points of a key: its time depends on them.
func scale(c *crew, own *scratch, points []curve.G1Affine, scalars []fr.Element) {
	e := newEndomorphism()
	var tasks []task
	for from := 0; from < len(points); from += scaleBatch {
		to := min(from+scaleBatch, len(points))
		tasks = append(tasks, func(s *scratch) { scaleSome(s, e, points[from:to], scalars[from:to]) })
	}
	c.each(own, tasks)
}

func scaleSome(s *scratch, e *endomorphism, points []curve.G1Affine, scalars []fr.Element) {
	n := len(points)
	digits := make([][2][oddDigits]int8, n)
	for i := range scalars {
		h := e.halves(scalars[i].BigInt(new(big.Int)))
		digits[i] = [2][oddDigits]int8{odd(&h[0]), odd(&h[1])}
	}
	multiples := oddMultiples(s, e, points)
	refs := grow(s.refs, n)
	s.refs = refs
	g := s.g1
	g.reset()
	operand := func(lane, half, digit int) {
		for i := range refs {
			d := int(digits[i][half][digit])
			refs[i] = newRef((8*half+max(d, -d)/2)*n+i, d < 0)
		}
		g.gather(lane, multiples, refs)
	}
	operand(0, 0, oddDigits-1)
	operand(n, 1, oddDigits-1)
	g.add([]span{{0, n, n}})
	for digit := oddDigits - 2; digit >= 0; digit-- {
		for range 4 {
			g.double(0, n)
		}
		for half := range 2 {
			operand(n, half, digit)
			g.add([]span{{0, n, n}})
		}
	}
	for i := range points {
		points[i] = g.get(i)
	}
}

// oddMultiples gives the points times 1, 3, ... 15, and then times lambda that: multiple
// 2j+1 of point i is at j·n + i, and that of lambda times it at (8+j)·n + i.
func oddMultiples(s *scratch, e *endomorphism, points []curve.G1Affine) []curve.G1Affine {
	n := len(points)
	refs := make([]ref, n)
	for i := range refs {
		refs[i] = newRef(i, false)
	}
	g := s.g1
	g.reset()
	out := append(make([]curve.G1Affine, 0, 16*n), points...)
	g.gather(0, points, refs)
	for range 7 {
		g.gather(n, points, refs) // twice the point: the operand of an addition is lost
		g.double(n, n)
		g.add([]span{{0, n, n}})
		for i := range points {
			out = append(out, g.get(i))
		}
	}
	for _, p := range out {
		p.X.Mul(&p.X, &e.omega)
		out = append(out, p)
	}
	return out
}
