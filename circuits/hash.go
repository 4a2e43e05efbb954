package circuits

import (
	"fmt"

	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/std/permutation/poseidon2"

	"github.com/attestry/attestry/internal/poseidon"
)

// hasher computes internal/poseidon's Compress in a circuit.
type hasher struct {
	api          frontend.API
	permutations map[int]*poseidon2.Permutation
}

func newHasher(api frontend.API) (*hasher, error) {
	h := &hasher{api: api, permutations: map[int]*poseidon2.Permutation{}}
	for _, width := range []int{2, 4, 8, 12, 16} {
		p, err := poseidon2.NewPoseidon2FromParameters(api, width, poseidon.FullRounds, poseidon.PartialRounds(width))
		if err != nil {
			return nil, fmt.Errorf("poseidon2 of width %d: %w", width, err)
		}
		h.permutations[width] = p
	}
	return h, nil
}

// compress gives P(in)[lane] + in[lane], with P the permutation of width len(in).
func (h *hasher) compress(lane int, in ...frontend.Variable) frontend.Variable {
	state := make([]frontend.Variable, len(in))
	copy(state, in)
	if err := h.permutations[len(in)].Permutation(state); err != nil {
		panic(err) // the width was just chosen to fit
	}
	return h.api.Add(state[lane], in[lane])
}
