package verifier

import (
	"math"
	"math/big"
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// TestCoefficients: none repeats, and each of the 128 bits is now set and now not.
func TestCoefficients(t *testing.T) {
	e := newEndomorphism()
	seen := map[fr.Element]bool{}
	or, and := coefficient{}, coefficient{math.MaxUint64, math.MaxUint64}
	for _, r := range newCoefficients(1000) {
		if seen[r.element(&e)] {
			t.Fatal("a coefficient twice")
		}
		seen[r.element(&e)] = true
		or.low, or.high = or.low|r.low, or.high|r.high
		and.low, and.high = and.low&r.low, and.high&r.high
	}
	if or != (coefficient{math.MaxUint64, math.MaxUint64}) || and != (coefficient{}) {
		t.Errorf("bits %#x are ever set, %#x always", or, and)
	}
}

// TestCoefficientsAreApart holds the reason why no two coefficients are the same to
// numbers: lambda is a primitive cube root of 1, and the norm of no difference reaches r.
func TestCoefficientsAreApart(t *testing.T) {
	e := newEndomorphism()
	var sum fr.Element
	one := fr.One()
	if sum.Square(&e.lambda).Add(&sum, &e.lambda).Add(&sum, &one); !sum.IsZero() {
		t.Error("lambda is no primitive cube root of 1")
	}
	largest := new(big.Int).Lsh(big.NewInt(3), 2*64)
	if largest.Cmp(fr.Modulus()) >= 0 {
		t.Error("a norm can be r")
	}
}

func TestEndomorphism(t *testing.T) {
	e := newEndomorphism()
	var lambda big.Int
	for range 4 {
		p := simKey().item(t).Proof.c
		var want curve.G1Affine
		want.ScalarMultiplication(&p, e.lambda.BigInt(&lambda))
		if got := e.of(&p); !got.Equal(&want) {
			t.Error("the endomorphism does not multiply by lambda")
		}
	}
}

// edgeCoefficients are some at the edges.
func edgeCoefficients() []coefficient {
	return []coefficient{{}, {1, 0}, {0, 1}, {31, 32}, {math.MaxUint64, math.MaxUint64}, {1 << 63, 1}}
}

// TestCoefficientTimes holds the product to gnark-crypto's.
func TestCoefficientTimes(t *testing.T) {
	e := newEndomorphism()
	for _, r := range append(newCoefficients(10), edgeCoefficients()...) {
		p := simKey().item(t).Proof.a
		moved, element := e.of(&p), r.element(&e)
		var want curve.G1Jac
		var scalar big.Int
		want.FromAffine(&p)
		want.ScalarMultiplication(&want, element.BigInt(&scalar))
		if got := r.times(&p, &moved); !got.Equal(&want) {
			t.Errorf("%v: another product than gnark-crypto's", r)
		}
	}
}

// TestSumOfMultiples holds the sum to gnark-crypto's.
func TestSumOfMultiples(t *testing.T) {
	e := newEndomorphism()
	for _, n := range []int{1, 2, 7, 16, 40} {
		points := make([]curve.G1Affine, n)
		coefficients := newCoefficients(n)
		for i := range points {
			points[i] = simKey().item(t).Proof.c
		}
		points[n/2] = points[0] // additions of equal points
		switch n {
		case 2:
			points[1].Neg(&points[0]) // and of opposite ones
			coefficients[1] = coefficients[0]
		case 7:
			copy(coefficients[1:], edgeCoefficients())
		}
		scalars := make([]fr.Element, n)
		for i, r := range coefficients {
			scalars[i] = r.element(&e)
		}
		var want curve.G1Jac
		if _, err := want.MultiExp(points, scalars, ecc.MultiExpConfig{}); err != nil {
			t.Fatal(err)
		}
		if got := sumOfMultiples(&e, points, coefficients); !got.Equal(&want) {
			t.Errorf("%d points: another sum than gnark-crypto's", n)
		}
	}
}
