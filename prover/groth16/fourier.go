package groth16

import (
	"math/bits"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// inverseFourier gives sum_k root^(-i·k)·points[k] in place of point i: the inverse
// Fourier transform of points, but for the factor 1/n. The points are given in
// bit-reversed order and come out in the natural one. None may be infinity.
func inverseFourier(c *crew, own *scratch, points []curve.G1Affine, rootInverse fr.Element) {
	n := len(points)
	half := make([]curve.G1Affine, n/2)
	scalars := make([]fr.Element, n/2)
	for size := 2; size <= n; size *= 2 {
		step := power(rootInverse, n/size)
		lower := size / 2
		at := 0
		for j := 1; j < lower; j++ { // factor 1 needs no multiplication
			factor := power(step, j)
			for block := 0; block < n; block += size {
				half[at], scalars[at] = points[block+lower+j], factor
				at++
			}
		}
		scale(c, own, half[:at], scalars[:at])
		at = 0
		for j := 1; j < lower; j++ {
			for block := 0; block < n; block += size {
				points[block+lower+j] = half[at]
				at++
			}
		}
		butterflies(c, own, points, size)
	}
}

// butterflies puts the sum and the difference of point j and point j + size/2 of each
// block of size into their places.
func butterflies(c *crew, own *scratch, points []curve.G1Affine, size int) {
	const batch = g1Batch / 2
	lower := size / 2
	var tasks []task
	for from := 0; from < len(points)/2; from += batch {
		to := min(from+batch, len(points)/2)
		tasks = append(tasks, func(s *scratch) {
			first, second, minus := make([]ref, to-from), make([]ref, to-from), make([]ref, to-from)
			for i := range first {
				at := (from+i)/lower*size + (from+i)%lower
				first[i], second[i], minus[i] = newRef(at, false), newRef(at+lower, false), newRef(at+lower, true)
			}
			n := len(first)
			s.g1.reset()
			s.g1.gather(0, points, first)
			s.g1.gather(n, points, first)
			s.g1.gather(2*n, points, second)
			s.g1.gather(3*n, points, minus)
			s.g1.add([]span{{0, 2 * n, 2 * n}})
			for i := range first {
				points[first[i]>>1], points[second[i]>>1] = s.g1.get(i), s.g1.get(n+i)
			}
		})
	}
	c.each(own, tasks)
}

// power gives e^k.
func power(e fr.Element, k int) fr.Element {
	out := fr.One()
	for i := bits.Len(uint(k)) - 1; i >= 0; i-- {
		out.Square(&out)
		if k>>i&1 == 1 {
			out.Mul(&out, &e)
		}
	}
	return out
}
