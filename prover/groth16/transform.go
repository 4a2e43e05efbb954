package groth16

import (
	"math/bits"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
)

// domain is the group H of the n-th roots of unity, and its coset g·H where g is a root
// of order 2n.
type domain struct {
	n int
	// back[l][j] = w^(-j·n/2m), for the layer l of butterflies m = n>>(l+1) apart; w = g².
	back [][]fr.Element
	// forth[l][j] = g^((2j+1)·n/2m): the layer's factors at the coset.
	forth [][]fr.Element
}

// cosetRoot gives g, a root of unity of order 2n, whose square generates the domain of
// size n that gnark's keys are made for.
func cosetRoot(n int) fr.Element {
	g, err := fft.Generator(uint64(2 * n))
	if err != nil {
		panic(err) // r - 1 is divisible by 2^28, and circuits are smaller
	}
	return g
}

func newDomain(n int) *domain {
	d := &domain{n: n}
	g := cosetRoot(n)
	inverse := g
	inverse.Inverse(&inverse)
	for m := n / 2; m > 0; m /= 2 {
		back, forth := make([]fr.Element, m), make([]fr.Element, m)
		backStep, forthStep := power(inverse, n/m), power(g, n/m)
		back[0] = fr.One()
		forth[0] = power(g, n/(2*m))
		for j := 1; j < m; j++ {
			back[j].Mul(&back[j-1], &backStep)
			forth[j].Mul(&forth[j-1], &forthStep)
		}
		d.back, d.forth = append(d.back, back), append(d.forth, forth)
	}
	return d
}

// toCoset takes n times the polynomial that has the values a on H, and gives its values
// on the coset. The memory t has n/2 elements.
//
// The way to the coefficients is decimation in frequency, which leaves them in
// bit-reversed order; the way to the coset is decimation in time, which takes them so.
// The shift by g is in the factors of the second way, and costs nothing.
func (d *domain) toCoset(a, t fr.Vector) {
	for l, m := 0, d.n/2; m > 0; l, m = l+1, m/2 {
		for block := 0; block < d.n; block += 2 * m {
			apart(a[block:block+m], a[block+m:block+2*m], d.back[l], t[:m])
		}
	}
	for l, m := len(d.forth)-1, 1; m < d.n; l, m = l-1, m*2 {
		for block := 0; block < d.n; block += 2 * m {
			together(a[block:block+m], a[block+m:block+2*m], d.forth[l], t[:m])
		}
	}
}

// apart gives low + high and (low - high)·factors.
func apart(low, high, factors, t fr.Vector) {
	t.Sub(low, high)
	low.Add(low, high)
	high.Mul(t, factors)
}

// together gives low + high·factors and low - high·factors.
func together(low, high, factors, t fr.Vector) {
	t.Mul(high, factors)
	high.Sub(low, t)
	low.Add(low, t)
}

// reverse gives the bits of i, an index below n, in reverse order.
func reverse(i, n int) int {
	return int(bits.Reverse64(uint64(i)) >> (64 - bits.TrailingZeros64(uint64(n))))
}
