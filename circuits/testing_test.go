package circuits

import (
	"math/big"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/backend/witness"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/logger"
	"github.com/consensys/gnark/std/math/bits"
	"github.com/consensys/gnark/test"

	"github.com/attestry/attestry/statement"
)

// TestMain silences gnark's logger, which writes to stdout.
func TestMain(m *testing.M) {
	logger.Disable()
	m.Run()
}

// slots is the part of Present that holds the question's conditions, small enough
// for laws over many values.
type slots struct {
	Bits       [numBits]frontend.Variable
	Operands   [statement.NumSlots]frontend.Variable
	Pool       [statement.PoolSize]frontend.Variable
	Factors    [statement.NumPairSlots]frontend.Variable
	Attributes [statement.MaxAttributes]frontend.Variable
}

func (s *slots) Define(api frontend.API) error {
	c := &Present{Bits: s.Bits, Operands: s.Operands, Pool: s.Pool, Factors: s.Factors, Attributes: s.Attributes}
	unpacked, _, _ := c.unpack()
	for i, slot := range unpacked {
		if i < statement.FirstPairSlot {
			c.literalSlot(api, slot)
		} else {
			c.pairSlot(api, slot)
		}
	}
	return nil
}

// slotHolds tells whether the conditions of a layout can be proved of attributes.
func slotHolds(t testing.TB, attributes [statement.MaxAttributes]fr.Element, l *statement.Layout) bool {
	t.Helper()
	in := PresentInput{Layout: l}
	in.Leaf.Attributes = attributes
	full := in.Assignment()
	assigned := &slots{Bits: full.Bits, Operands: full.Operands, Pool: full.Pool, Factors: full.Factors, Attributes: full.Attributes}
	return test.IsSolved(&slots{}, assigned, ecc.BN254.ScalarField()) == nil
}

func newWitness(t testing.TB, c frontend.Circuit) witness.Witness {
	t.Helper()
	w, err := frontend.NewWitness(c, ecc.BN254.ScalarField())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func bigProduct(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }

// nBitsID finds the hint behind bits.ToBinary.
func nBitsID(t testing.TB) solver.HintID {
	t.Helper()
	for _, h := range bits.GetHints() {
		if strings.HasSuffix(solver.GetHintName(h), "bits.nBits") {
			return solver.GetHintID(h)
		}
	}
	t.Fatal("no hint bits.nBits")
	return 0
}

func zeroHint(_ *big.Int, _, outputs []*big.Int) error { return fill(outputs, 0) }
func onesHint(_ *big.Int, _, outputs []*big.Int) error { return fill(outputs, 1) }

// twosHint answers with digits that are not bits but sum to the value: the value
// itself as the first digit.
func twosHint(_ *big.Int, inputs, outputs []*big.Int) error {
	if err := fill(outputs, 0); err != nil {
		return err
	}
	outputs[0].Set(inputs[len(inputs)-1])
	return nil
}

func fill(outputs []*big.Int, v int64) error {
	for _, o := range outputs {
		o.SetInt64(v)
	}
	return nil
}
