package verifier

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// endomorphism is the curve's map (x, y) -> (omega*x, y), which multiplies a point of
// G1 by lambda: both are cube roots of 1, in one field and the other (Gallant, Lambert,
// Vanstone, CRYPTO 2001).
type endomorphism struct {
	omega  fp.Element
	lambda fr.Element
}

func newEndomorphism() (e endomorphism) {
	_, _ = e.omega.SetString("2203960485148121921418603742825762020974279258880205651966")
	_, _ = e.lambda.SetString("4407920970296243842393367215006156084916469457145843978461")
	return e
}

// of gives lambda*p.
func (e *endomorphism) of(p *curve.G1Affine) (moved curve.G1Affine) {
	moved.X.Mul(&p.X, &e.omega)
	moved.Y = p.Y
	return moved
}

// coefficientBytes is the size of a random coefficient: 128 bits.
const coefficientBytes = 16

// coefficient stands for low + high*lambda, by which a point is multiplied with half as
// many doublings as by a number of 128 bits. 128 uniform bits give one of 2^128 of them,
// since no two are the same modulo r: for the differences a and b of their halves
// a + b*lambda would be 0, and r would divide its norm a*a - a*b + b*b, which is more
// than 0 and less than 3*2^128.
type coefficient struct{ low, high uint64 }

// newCoefficients gives uniform coefficients.
func newCoefficients(n int) []coefficient {
	var random [coefficientBytes]byte
	out := make([]coefficient, n)
	for i := range out {
		_, _ = rand.Read(random[:]) // it never fails: it ends the program instead
		out[i] = coefficient{binary.LittleEndian.Uint64(random[:8]), binary.LittleEndian.Uint64(random[8:])}
	}
	return out
}

// element gives the coefficient modulo r.
func (r coefficient) element(e *endomorphism) (sum fr.Element) {
	var high fr.Element
	high.SetUint64(r.high)
	sum.SetUint64(r.low)
	return *sum.Add(&sum, high.Mul(&high, &e.lambda))
}

// times gives a point, of which the second is lambda times, times the coefficient.
func (r coefficient) times(p, moved *curve.G1Affine) (product curve.G1Jac) {
	var low, high big.Int
	return *product.JointScalarMultiplication(p, moved, low.SetUint64(r.low), high.SetUint64(r.high))
}

// window is how many bits of every half [sumOfMultiples] takes at a time. For some
// hundred points 5 or 6 is best, and no bad choice for a few.
const window = 5

// sumOfMultiples gives the sum of the points, each times its coefficient, by
// Pippenger's buckets. gnark-crypto's MultiExp does the same for any number of points,
// with code for every window up to 16 bits: half a megabyte, of which the auditor's
// program would use one case.
func sumOfMultiples(e *endomorphism, points []curve.G1Affine, coefficients []coefficient) (sum curve.G1Jac) {
	moved := make([]curve.G1Affine, len(points))
	for i := range points {
		moved[i] = e.of(&points[i])
	}
	for at := 63 / window * window; at >= 0; at -= window {
		for range window {
			sum.DoubleAssign()
		}
		var buckets [1 << window]curve.G1Jac
		for i, r := range coefficients {
			if d := r.low >> at & (1<<window - 1); d != 0 {
				buckets[d].AddMixed(&points[i])
			}
			if d := r.high >> at & (1<<window - 1); d != 0 {
				buckets[d].AddMixed(&moved[i])
			}
		}
		total := weighted(buckets[:])
		sum.AddAssign(&total)
	}
	return sum
}

// weighted gives the sum of d * buckets[d].
func weighted(buckets []curve.G1Jac) (total curve.G1Jac) {
	var running curve.G1Jac
	for d := len(buckets) - 1; d > 0; d-- {
		running.AddAssign(&buckets[d])
		total.AddAssign(&running)
	}
	return total
}
