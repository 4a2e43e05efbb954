// Package poseidon is the one hash that attestry's circuits compute, outside the
// circuit: Poseidon2 over the scalar field of BN254 as a feed-forward compression.
//
// Compress(lane, x) = P(x)[lane] + x[lane], where P is the permutation whose
// width is len(x). Two uses never share a function: a use is separated from every
// other by its width and lane, or by a tag element in its input (see [Tag]).
// docs/spec/hashes.md lists all uses.
package poseidon

import (
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/poseidon2"
)

// FullRounds is the number of full rounds at every width.
const FullRounds = 8

// PartialRounds gives the number of partial rounds at a width: those of the
// Poseidon2 reference script for 128 bits on BN254, with its security margin.
// (The default of gnark at width 2, 6 and 50, is below that script's minimum.)
func PartialRounds(width int) int {
	switch width {
	case 2, 3, 4:
		return 56
	case 8, 12, 16:
		return 57
	}
	panic(fmt.Sprintf("poseidon: no instance of width %d", width))
}

// maxWidth is the widest permutation.
const maxWidth = 16

// permutations holds one instance a width; an instance has no mutable state.
var permutations = func() (p [maxWidth + 1]*poseidon2.Permutation) {
	for _, width := range []int{2, 3, 4, 8, 12, 16} {
		p[width] = poseidon2.NewPermutation(width, FullRounds, PartialRounds(width))
	}
	return p
}()

// parameters are those of permutations, for the arithmetic in vectors.
var parameters = func() (p [maxWidth + 1]*poseidon2.Parameters) {
	for _, width := range []int{2, 4, 8, 12, 16} {
		p[width] = poseidon2.NewParameters(width, FullRounds, PartialRounds(width))
	}
	return p
}()

// Compress hashes 2, 3, 4, 8, 12 or 16 elements to one. It panics at any other
// number of them, or at a lane outside the width.
func Compress(lane int, in ...fr.Element) fr.Element {
	var state [maxWidth]fr.Element
	width := copy(state[:], in)
	if width != len(in) || permutations[width] == nil {
		panic(fmt.Sprintf("poseidon: no instance of width %d", len(in)))
	}
	if width >= minRow {
		permuteRow(parameters[width], state[:width])
	} else if err := permutations[width].Permutation(state[:width]); err != nil {
		panic(err) // the width was just chosen to fit
	}
	return *state[lane].Add(&state[lane], &in[lane])
}

// Tag turns a name of at most 31 bytes into the field element that separates its
// use: the name's bytes as a big-endian integer.
func Tag(name string) fr.Element {
	if len(name) > fr.Bytes-1 {
		panic("poseidon: the tag " + name + " is over 31 bytes")
	}
	var e fr.Element
	e.SetBytes([]byte(name))
	return e
}
