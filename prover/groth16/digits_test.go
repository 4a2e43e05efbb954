package groth16

import (
	"math/big"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// borders gives the scalars at which digits, carries and signs change: around 0, r/2, and
// the multiples and halves of each window's factor.
func borders(w windows) []fr.Element {
	var all []fr.Element
	around := func(k *big.Int) {
		for d := int64(-2); d <= 2; d++ {
			var e fr.Element
			e.SetBigInt(new(big.Int).Add(k, big.NewInt(d)))
			all = append(all, e)
			e.Neg(&e)
			all = append(all, e)
		}
	}
	around(new(big.Int))
	around(new(big.Int).Rsh(fr.Modulus(), 1))
	halves := new(big.Int) // the largest digit in every window but the top one
	for i, width := range w.widths {
		half := new(big.Int).Lsh(big.NewInt(1), uint(w.offsets[i]+width-1))
		around(half)
		around(new(big.Int).Lsh(half, 1))
		around(halves.Add(halves, half))
	}
	return all
}

// The digits of a scalar sum to it or to it less r, and none is beyond the buckets: nothing is
// carried out of the top window.
func TestDigits(t *testing.T) {
	for n := 17; n <= 40; n++ { // fewer windows have digits of more than 16 bits
		w := newWindows(n)
		scalars := append(borders(w), scalarCases(200)["random"]...)
		for _, k := range scalars {
			digits := make([]int16, 3*n)
			w.digits(&k, digits, 3)
			sum := new(big.Int)
			for i, offset := range w.offsets {
				d := int(digits[3*i])
				if max(d, -d) > w.buckets() {
					t.Fatalf("%d windows: digit %d of %s is %d", n, i, &k, d)
				}
				sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(d)), uint(offset)))
			}
			if sum.CmpAbs(new(big.Int).Rsh(fr.Modulus(), 1)) > 0 || new(big.Int).Mod(sum, fr.Modulus()).Cmp(k.BigInt(new(big.Int))) != 0 {
				t.Fatalf("%d windows: the digits of %s sum to %s", n, &k, sum)
			}
		}
	}
}
