package verifier

import (
	"math/big"
	"os"
	"sync"
	"testing"

	groth16bn254 "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/logger"

	"github.com/attestry/attestry/internal/standin"
	"github.com/attestry/attestry/statement"
)

func TestMain(m *testing.M) {
	logger.Disable()
	os.Exit(m.Run())
}

// testKeys are the keys of one setup of the stand-in circuit.
type testKeys struct {
	gnark *standin.Keys
	vk    *VerifyingKey
}

func setup() *testKeys {
	made, err := standin.Setup()
	if err != nil {
		panic(err)
	}
	k := &testKeys{gnark: made}
	g := made.VK
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
	return ensure[*groth16bn254.Proof](t)(k.gnark.Prove(d.Big()))
}

// verifyByGnark asks gnark's own verifier.
func (k *testKeys) verifyByGnark(p *groth16bn254.Proof, d *big.Int) error {
	return k.gnark.Verify(p, d)
}

func encodeProof(p *groth16bn254.Proof) []byte {
	return (&Groth16Proof{a: p.Ar, b: p.Bs, c: p.Krs}).Marshal()
}
