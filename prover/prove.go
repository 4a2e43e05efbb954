package prover

import (
	"fmt"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark/backend"
	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/rs/zerolog"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Prove makes the proof of one statement, verifies it and gives its 128 bytes and
// the statement's digest. It fails with [ErrNotSatisfied] where the statement is
// not true of the input; the error never says more, since the solver's own quotes
// the record.
func (c *Circuit) Prove(in circuits.Input) ([]byte, statement.Element, error) {
	d := in.Statement().D()
	w, err := frontend.NewWitness(in.Circuit(), ecc.BN254.ScalarField())
	if err != nil {
		return nil, d, ErrNotSatisfied
	}
	// The solver's own logger too is off, whoever turned gnark's global one on: it
	// writes the values of an unsatisfied constraint.
	made, err := groth16.Prove(c.system, c.pk, w, backend.WithSolverOptions(solver.WithLogger(zerolog.Nop())))
	if err != nil {
		return nil, d, ErrNotSatisfied
	}
	encoded := encodeProof(made)
	proof, err := verifier.ParseProof(encoded)
	if err != nil {
		return nil, d, fmt.Errorf("%w: %w", ErrSelfCheck, err)
	}
	if err := c.VK.Verify(proof, d); err != nil {
		return nil, d, fmt.Errorf("%w: %w", ErrSelfCheck, err)
	}
	return encoded, d, nil
}

// encodeProof gives A, B and C as compressed points: 32, 64 and 32 bytes.
func encodeProof(p *groth16.Proof) []byte {
	a, b, c := p.Ar.Bytes(), p.Bs.Bytes(), p.Krs.Bytes()
	out := append([]byte{}, a[:]...)
	out = append(out, b[:]...)
	return append(out, c[:]...)
}
