// Package standin is a circuit for tests in the place of attestry's: the same one public
// input, D, of which it proves every value in milliseconds. So a test can make a proof
// of any statement, false ones too, and see what else stands against it.
package standin

import (
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark/backend/groth16"
	groth16bn254 "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/constraint"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
)

// circuit proves D for X·X = Y and Y·Z = D, which has a solution for every D.
type circuit struct {
	D       frontend.Variable `gnark:",public"`
	X, Y, Z frontend.Variable
}

func (c *circuit) Define(api frontend.API) error {
	api.AssertIsEqual(api.Mul(c.X, c.X), c.Y)
	api.AssertIsEqual(api.Mul(c.Y, c.Z), c.D)
	return nil
}

// Keys are the keys of one setup of the circuit.
type Keys struct {
	VK  *groth16bn254.VerifyingKey
	ccs constraint.ConstraintSystem
	pk  groth16.ProvingKey
}

// Setup makes keys.
func Setup() (*Keys, error) {
	ccs, err := frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, &circuit{})
	if err != nil {
		return nil, err
	}
	pk, vk, err := groth16.Setup(ccs)
	if err != nil {
		return nil, err
	}
	bn254, ok := vk.(*groth16bn254.VerifyingKey)
	if !ok {
		return nil, fmt.Errorf("a verifying key of type %T", vk)
	}
	return &Keys{bn254, ccs, pk}, nil
}

// Prove gives gnark's proof of D = d.
func (k *Keys) Prove(d *big.Int) (*groth16bn254.Proof, error) {
	z := new(big.Int).ModInverse(big.NewInt(9), ecc.BN254.ScalarField())
	z.Mul(z, d)
	w, err := frontend.NewWitness(&circuit{D: d, X: 3, Y: 9, Z: z}, ecc.BN254.ScalarField())
	if err != nil {
		return nil, err
	}
	proof, err := groth16.Prove(k.ccs, k.pk, w)
	if err != nil {
		return nil, err
	}
	bn254, ok := proof.(*groth16bn254.Proof)
	if !ok {
		return nil, fmt.Errorf("a proof of type %T", proof)
	}
	return bn254, nil
}

// Verify asks gnark's own verifier.
func (k *Keys) Verify(p *groth16bn254.Proof, d *big.Int) error {
	w, err := frontend.NewWitness(&circuit{D: d, X: 0, Y: 0, Z: 0}, ecc.BN254.ScalarField(), frontend.PublicOnly())
	if err != nil {
		return err
	}
	return groth16.Verify(p, k.VK, w)
}
