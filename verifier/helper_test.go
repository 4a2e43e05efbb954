package verifier

import (
	"math/big"
	"os"
	"sync"
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark/backend/groth16"
	groth16bn254 "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/constraint"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
	"github.com/consensys/gnark/logger"

	"github.com/attestry/attestry/statement"
)

func TestMain(m *testing.M) {
	logger.Disable()
	os.Exit(m.Run())
}

// standIn stands in for a circuit of attestry's: one public input D, which it
// proves for every value, so that tests can make a proof of any statement.
type standIn struct {
	D       frontend.Variable `gnark:",public"`
	X, Y, Z frontend.Variable
}

func (c *standIn) Define(api frontend.API) error {
	api.AssertIsEqual(api.Mul(c.X, c.X), c.Y)
	api.AssertIsEqual(api.Mul(c.Y, c.Z), c.D)
	return nil
}

// testKeys are the keys of one setup of the stand-in circuit.
type testKeys struct {
	ccs   constraint.ConstraintSystem
	pk    groth16.ProvingKey
	gnark groth16.VerifyingKey
	vk    *VerifyingKey
}

func setup() *testKeys {
	ccs, err := frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, &standIn{})
	if err != nil {
		panic(err)
	}
	pk, vk, err := groth16.Setup(ccs)
	if err != nil {
		panic(err)
	}
	k := &testKeys{ccs: ccs, pk: pk, gnark: vk}
	g := vk.(*groth16bn254.VerifyingKey)
	k.vk, err = NewVerifyingKey(g.G1.Alpha, g.G2.Beta, g.G2.Gamma, g.G2.Delta, g.G1.K[0], g.G1.K[1])
	if err != nil {
		panic(err)
	}
	return k
}

// Two setups: that of the circuit which tests pin, and another.
var keys, otherKeys = sync.OnceValue(setup), sync.OnceValue(setup)

// prove gives gnark's proof of D = d.
func (k *testKeys) prove(t testing.TB, d statement.Element) *groth16bn254.Proof {
	t.Helper()
	x := big.NewInt(3)
	z := new(big.Int).ModInverse(big.NewInt(9), ecc.BN254.ScalarField())
	z.Mul(z, d.Big())
	w, err := frontend.NewWitness(&standIn{D: d.Big(), X: x, Y: big.NewInt(9), Z: z}, ecc.BN254.ScalarField())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := groth16.Prove(k.ccs, k.pk, w)
	if err != nil {
		t.Fatal(err)
	}
	return proof.(*groth16bn254.Proof)
}

// verifyByGnark asks gnark's own verifier.
func (k *testKeys) verifyByGnark(t testing.TB, p *groth16bn254.Proof, d *big.Int) error {
	t.Helper()
	w, err := frontend.NewWitness(&standIn{D: d, X: 0, Y: 0, Z: 0}, ecc.BN254.ScalarField(), frontend.PublicOnly())
	if err != nil {
		t.Fatal(err)
	}
	return groth16.Verify(p, k.gnark, w)
}

func encodeProof(p *groth16bn254.Proof) []byte {
	return (&Groth16Proof{a: p.Ar, b: p.Bs, c: p.Krs}).Marshal()
}
