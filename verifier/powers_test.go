package verifier

import (
	"math/big"
	"testing"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// TestPowers holds powers to gnark-crypto's, for every exponent of one bit, the edges
// and some others.
func TestPowers(t *testing.T) {
	_, _, g1, g2 := curve.Generators()
	base := ensure[curve.GT](t)(curve.Pair([]curve.G1Affine{g1}, []curve.G2Affine{g2}))
	p := powersOf(base)
	exponents := make([]fr.Element, 4) // 0 among them
	exponents[1].SetOne()
	exponents[2].SetInt64(-1)
	exponents[3].SetUint64(1<<32 - 1)
	for bit := range uint(fr.Bits) {
		var e fr.Element
		e.SetBigInt(new(big.Int).Lsh(big.NewInt(1), bit))
		exponents = append(exponents, e)
	}
	for range 50 {
		d := randomElement(t)
		exponents = append(exponents, d.Fr())
	}
	for _, e := range exponents {
		var exponent big.Int
		var want curve.GT
		want.Exp(base, e.BigInt(&exponent))
		if got := p.power(e); !got.Equal(&want) {
			t.Errorf("%v: another power than gnark-crypto's", &exponent)
		}
	}
}
