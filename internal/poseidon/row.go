package poseidon

import (
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/poseidon2"
)

// minRow is the width from which one state fills a vector.
const minRow = 8

// permuteRow is the permutation of [poseidon2.Permutation], step for step, with the state
// as one vector. Where the processor has AVX-512 with IFMA it takes two thirds of the
// time, and elsewhere about the same.
func permuteRow(p *poseidon2.Parameters, state fr.Vector) {
	var room [maxWidth]fr.Element
	scratch := fr.Vector(room[:len(state)])
	externalRow(state)
	for round, keys := range p.RoundKeys {
		if isPartial(p, round) {
			state[0].Add(&state[0], &keys[0])
			raise(&state[0])
			internalRow(p.DiagM1, state, scratch)
			continue
		}
		state.Add(state, keys)
		scratch.Mul(state, state)
		scratch.Mul(scratch, scratch)
		state.Mul(state, scratch)
		externalRow(state)
	}
}

// isPartial tells whether a round has one S-box. Its keys but the first are zero or absent.
func isPartial(p *poseidon2.Parameters, round int) bool {
	return round >= p.NbFullRounds/2 && round < p.NbFullRounds/2+p.NbPartialRounds
}

// raise is the S-box: the fifth power.
func raise(x *fr.Element) {
	var power fr.Element
	power.Square(x).Square(&power)
	x.Mul(x, &power)
}

// internalRow multiplies by the matrix of the partial rounds: all ones, plus a diagonal.
func internalRow(diagonal []fr.Element, state, scratch fr.Vector) {
	sum := state[0]
	for i := 1; i < len(state); i++ {
		sum.Add(&sum, &state[i])
	}
	for i := range scratch {
		scratch[i] = sum
	}
	state.Mul(state, diagonal)
	state.Add(state, scratch)
}

// externalRow multiplies by the matrix of the full rounds, at widths of 4k above 4.
func externalRow(state fr.Vector) {
	var sums [4]fr.Element
	for i := 0; i < len(state); i += 4 {
		m4((*[4]fr.Element)(state[i:]))
		for k := range sums {
			sums[k].Add(&sums[k], &state[i+k])
		}
	}
	for i := range state {
		state[i].Add(&state[i], &sums[i%4])
	}
}

// m4 is [Batch.m4] of four elements.
func m4(s *[4]fr.Element) {
	var t0, t1, t2, t3 fr.Element
	t0.Add(&s[0], &s[1])
	t1.Add(&s[2], &s[3])
	t2.Double(&s[1]).Add(&t2, &t1)
	t3.Double(&s[3]).Add(&t3, &t0)
	t1.Double(&t1).Double(&t1)
	t0.Double(&t0).Double(&t0)
	s[3].Add(&t1, &t3)
	s[1].Add(&t0, &t2)
	s[0].Add(&t3, &s[1])
	s[2].Add(&t2, &s[3])
}
