package poseidon

import (
	"fmt"
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// reference compresses with gnark-crypto's own permutation.
func reference(t *testing.T, lane int, in []fr.Element) fr.Element {
	state := slices.Clone(in)
	if err := permutations[len(in)].Permutation(state); err != nil {
		t.Fatal(err)
	}
	return *state[lane].Add(&state[lane], &in[lane])
}

// TestVectors holds Compress and a batch to gnark-crypto's permutation, at every width and lane, at lengths around that of
// a vector, with the elements at which a reduction could go wrong.
func TestVectors(t *testing.T) {
	var minusOne fr.Element
	minusOne.SetInt64(-1)
	edges := []fr.Element{{}, fr.One(), minusOne}
	for _, width := range []int{2, 4, 8, 12, 16} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Parallel()
			b := NewBatch(width)
			for _, n := range []int{0, 1, 7, 8, lanes - 1, lanes, lanes + 1, 3*lanes + 5} {
				in, out := make([]fr.Element, n*width), make([]fr.Element, n)
				for i := range in {
					if in[i].MustSetRandom(); i%5 == 0 {
						in[i] = edges[i/5%len(edges)]
					}
				}
				for lane := range width {
					b.Compress(lane, out, in)
					for i := range out {
						row := in[i*width : (i+1)*width]
						if want, got := reference(t, lane, row), Compress(lane, row...); out[i] != want || got != want {
							t.Fatalf("lane %d, %d of %d: in a batch %s, alone %s, want %s", lane, i, n, out[i].String(), got.String(), want.String())
						}
					}
				}
			}
		})
	}
}

// TestBatchRefuses: lengths that do not fit are a caller's mistake, not a hash.
func TestBatchRefuses(t *testing.T) {
	for name, f := range map[string]func(){
		"width":      func() { NewBatch(3) },
		"lane":       func() { NewBatch(2).Compress(2, make([]fr.Element, 1), make([]fr.Element, 2)) },
		"short":      func() { NewBatch(4).Compress(0, make([]fr.Element, 2), make([]fr.Element, 7)) },
		"wide":       func() { NewBatch(17) },
		"below zero": func() { NewBatch(2).Compress(-1, make([]fr.Element, 1), make([]fr.Element, 2)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// BenchmarkCompress is one compression a run: alone, and in a batch.
func BenchmarkCompress(b *testing.B) {
	for _, width := range []int{2, 4, 8, 12, 16} {
		const n = 1024
		in, out := make([]fr.Element, n*width), make([]fr.Element, n)
		for i := range in {
			in[i].MustSetRandom()
		}
		b.Run(fmt.Sprintf("alone/%d", width), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				out[i%n] = Compress(0, in[i%n*width:(i%n+1)*width]...)
			}
		})
		b.Run(fmt.Sprintf("batch/%d", width), func(b *testing.B) {
			batch := NewBatch(width)
			for i := 0; b.Loop(); i++ {
				if i%n == 0 {
					batch.Compress(0, out, in)
				}
			}
		})
	}
}
