package poseidon

import (
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/poseidon2"
)

// lanes is how many permutations go side by side: a multiple of what the vector
// instructions take at once (8), and few enough for the state of the widest one
// (16 · 32 elements of 32 bytes) to stay in a core's first cache.
const lanes = 32

// Batch computes many compressions of one width at once, a state element of 32 of
// them in one vector, which gnark-crypto multiplies in half the time or less where the
// processor has AVX-512 with IFMA, and in about the same time elsewhere. It is not safe for
// concurrent use: each goroutine has its own.
type Batch struct {
	width      int
	parameters *poseidon2.Parameters
	state      [maxWidth]fr.Vector
	scratch    [8]fr.Vector
	sums       [4]fr.Vector
}

// NewBatch makes a batch of a width: 2, 4, 8, 12 or 16. It panics at any other.
func NewBatch(width int) *Batch {
	if width < 0 || width > maxWidth || parameters[width] == nil {
		panic(fmt.Sprintf("poseidon: no instance of width %d", width))
	}
	b := &Batch{width: width, parameters: parameters[width]}
	for _, vectors := range [][]fr.Vector{b.state[:width], b.scratch[:], b.sums[:]} {
		for i := range vectors {
			vectors[i] = make(fr.Vector, lanes)
		}
	}
	return b
}

// Compress gives out[i] = [Compress](lane, in[i·width : (i+1)·width]...). It panics where in
// is not width times as long as out, or the lane is outside the width.
func (b *Batch) Compress(lane int, out, in []fr.Element) {
	if len(in) != len(out)*b.width || lane < 0 || lane >= b.width {
		panic(fmt.Sprintf("poseidon: %d elements of width %d to %d", len(in), b.width, len(out)))
	}
	for len(out) > 0 {
		n := min(lanes, len(out))
		b.load(in[:n*b.width], n)
		b.permute()
		for i := range n {
			out[i].Add(&b.state[lane][i], &in[i*b.width+lane])
		}
		out, in = out[n:], in[n*b.width:]
	}
}

// load turns n rows into columns. What is beyond them is computed, too, and not read.
func (b *Batch) load(in []fr.Element, n int) {
	for i := range n {
		for j := range b.width {
			b.state[j][i] = in[i*b.width+j]
		}
	}
}

// permute is the permutation of [poseidon2.Permutation], step for step.
func (b *Batch) permute() {
	b.external()
	for round, keys := range b.parameters.RoundKeys {
		if isPartial(b.parameters, round) {
			b.add(b.state[0], &keys[0])
			b.sBox(b.state[0])
			b.internal()
			continue
		}
		for j := range b.width {
			b.add(b.state[j], &keys[j])
			b.sBox(b.state[j])
		}
		b.external()
	}
}

// add adds one element to all of a vector.
func (b *Batch) add(v fr.Vector, e *fr.Element) {
	key := b.scratch[0]
	for i := range key {
		key[i] = *e
	}
	v.Add(v, key)
}

// sBox raises all of a vector to the fifth power.
func (b *Batch) sBox(v fr.Vector) {
	power := b.scratch[0]
	power.Mul(v, v)
	power.Mul(power, power)
	v.Mul(v, power)
}

// external multiplies by the matrix of the full rounds.
func (b *Batch) external() {
	if b.width == 2 {
		sum := b.scratch[0]
		sum.Add(b.state[0], b.state[1])
		b.state[0].Add(b.state[0], sum)
		b.state[1].Add(b.state[1], sum)
		return
	}
	for i := 0; i < b.width; i += 4 {
		b.m4(b.state[i : i+4])
	}
	if b.width == 4 {
		return
	}
	for k := range b.sums {
		b.sums[k].Add(b.state[k], b.state[4+k])
		for i := 8 + k; i < b.width; i += 4 {
			b.sums[k].Add(b.sums[k], b.state[i])
		}
	}
	for i := range b.width {
		b.state[i].Add(b.state[i], b.sums[i%4])
	}
}

// m4 multiplies four vectors by the 4 by 4 matrix (5 7 1 3, 4 6 1 1, 1 3 5 7, 1 1 4 6),
// with eight additions and four doublings as in the Poseidon2 paper (eprint 2023/323, appendix B).
func (b *Batch) m4(s []fr.Vector) {
	t := b.scratch[:]
	t[0].Add(s[0], s[1])
	t[1].Add(s[2], s[3])
	t[2].Add(s[1], s[1])
	t[2].Add(t[2], t[1])
	t[3].Add(s[3], s[3])
	t[3].Add(t[3], t[0])
	t[4].Add(t[1], t[1])
	t[4].Add(t[4], t[4])
	s[3].Add(t[4], t[3])
	t[5].Add(t[0], t[0])
	t[5].Add(t[5], t[5])
	s[1].Add(t[5], t[2])
	s[0].Add(t[3], s[1])
	s[2].Add(t[2], s[3])
}

// internal multiplies by the matrix of the partial rounds: all ones, plus a diagonal.
func (b *Batch) internal() {
	sum := b.scratch[0]
	sum.Add(b.state[0], b.state[1])
	if b.width == 2 { // (2 1, 1 3)
		b.state[0].Add(b.state[0], sum)
		b.state[1].Add(b.state[1], b.state[1])
		b.state[1].Add(b.state[1], sum)
		return
	}
	for j := 2; j < b.width; j++ {
		sum.Add(sum, b.state[j])
	}
	for j := range b.width {
		b.state[j].ScalarMul(b.state[j], &b.parameters.DiagM1[j])
		b.state[j].Add(b.state[j], sum)
	}
}
