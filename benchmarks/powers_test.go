package main

import (
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
	"github.com/consensys/gnark-crypto/utils"
)

// The basis at tau gives the value at tau of the polynomial through some values.
func TestLagrangeAt(t *testing.T) {
	const power = 4
	tau := *new(fr.Element).SetUint64(12345)
	basis, err := lagrangeAt(tau, power)
	if err != nil {
		t.Fatal(err)
	}
	coefficients := powersOf(*new(fr.Element).SetUint64(7), 1<<power)
	values := append([]fr.Element{}, coefficients...)
	domain := fft.NewDomain(1 << power)
	domain.FFT(values, fft.DIF)
	utils.BitReverse(values)
	var got, want fr.Element
	powers := powersOf(tau, 1<<power)
	for i := range basis {
		got.Add(&got, values[i].Mul(&values[i], &basis[i]))
		want.Add(&want, coefficients[i].Mul(&coefficients[i], &powers[i]))
	}
	if !got.Equal(&want) {
		t.Errorf("%s, want %s", &got, &want)
	}
}
