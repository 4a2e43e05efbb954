package groth16

import (
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
)

func TestToCoset(t *testing.T) {
	for _, n := range []int{2, 4, 64, 8192} {
		g := cosetRoot(n)
		reference := fft.NewDomain(uint64(n), fft.WithShift(g))
		a := make(fr.Vector, n)
		a.MustSetRandom()
		want := append(fr.Vector{}, a...)
		reference.FFTInverse(want, fft.DIF)
		reference.FFT(want, fft.DIT, fft.OnCoset())
		newDomain(n).toCoset(a, make(fr.Vector, n/2))
		size := fr.NewElement(uint64(n))
		for i := range want {
			want[i].Mul(&want[i], &size)
			if a[i] != want[i] {
				t.Fatalf("size %d: value %d differs", n, i)
			}
		}
	}
}

func BenchmarkToCoset(b *testing.B) {
	a, t := make(fr.Vector, 8192), make(fr.Vector, 4096)
	a.MustSetRandom()
	d := newDomain(8192)
	start := cpuTime()
	for b.Loop() {
		d.toCoset(a, t)
	}
	perItem(b, start, 1)
}
