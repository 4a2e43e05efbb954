package circuits

import (
	"slices"
	"testing"

	"github.com/consensys/gnark/constraint"
	"github.com/consensys/gnark/frontend"
)

// D is the public input, wire 1. Groth16 is weakly simulation-extractable (nobody
// makes a proof of a new D from proofs of others) if the public wires' polynomials
// are independent of the private ones': D stands in one row, alone on its left side
// and in no other place. The orientation must keep it so.
func TestPublicInputStandsAlone(t *testing.T) {
	for name, circuit := range map[string]frontend.Circuit{"present": &Present{}, "absent": &Absent{}} {
		system, err := Compile(circuit)
		if err != nil {
			t.Fatal(err)
		}
		has := func(side constraint.LinearExpression) bool {
			return slices.ContainsFunc(side, func(term constraint.Term) bool { return term.WireID() == 1 })
		}
		rows := 0
		for i, r := range system.GetR1Cs() {
			if has(r.R) || has(r.O) {
				t.Errorf("%s: D is on the right or in the output of row %d", name, i)
			}
			if has(r.L) {
				rows++
				if len(r.L) != 1 {
					t.Errorf("%s: D is not alone in row %d", name, i)
				}
			}
		}
		if rows != 1 {
			t.Errorf("%s: D is in %d rows", name, rows)
		}
	}
}
