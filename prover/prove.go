package prover

import (
	"context"
	"errors"
	"fmt"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/backend"
	gnark "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/backend/witness"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/rs/zerolog"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/prover/groth16"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Prove makes the proof of one statement, verifies it and gives its 128 bytes and
// the statement's digest. It fails with [ErrNotSatisfied] where the statement is
// not true of the input; the error never says more, since the solver's own quotes
// the record.
//
// A proof of the engine that does not verify is not given out: its tables are wrong. It
// and all further ones are then made by gnark's prover.
func (c *Circuit) Prove(in circuits.Input) ([]byte, statement.Element, error) {
	d := in.Statement().D()
	w, err := frontend.NewWitness(in.Circuit(), ecc.BN254.ScalarField())
	if err != nil {
		return nil, d, ErrNotSatisfied
	}
	if engine := c.engine.Load(); engine != nil {
		encoded, err := c.proveFast(engine, w, d)
		if err == nil || errors.Is(err, ErrNotSatisfied) {
			return encoded, d, err
		}
		if c.engine.CompareAndSwap(engine, nil) {
			c.warn("the tables in %s are wrong: a proof made with them was withheld. Remove the file, and find out who could write it; until a restart proofs of the circuit %s take three times as long", c.tables, c.Keys.Name)
		}
	}
	// A system that was read with its tables was not compiled: nothing else has turned
	// gnark's logger off. What a circuit prints goes to a logger of its own.
	silence()
	proof, err := gnark.Prove(c.system, c.pk, w, backend.WithSolverOptions(solver.WithLogger(zerolog.Nop())))
	if err != nil {
		return nil, d, ErrNotSatisfied
	}
	encoded, err := c.release(proof, d)
	return encoded, d, err
}

// proveFast proves with the engine.
func (c *Circuit) proveFast(engine *groth16.Engine, w witness.Witness, d statement.Element) ([]byte, error) {
	proof, err := engine.Prove(context.Background(), w.Vector().(fr.Vector)) // a witness of BN254 has no other
	if errors.Is(err, groth16.ErrNotSatisfied) {
		return nil, ErrNotSatisfied
	}
	if err != nil {
		return nil, err
	}
	return c.release(proof, d)
}

// release encodes a proof, and gives it if it verifies as its reader will see it.
func (c *Circuit) release(made *gnark.Proof, d statement.Element) ([]byte, error) {
	encoded := encodeProof(made)
	proof, err := verifier.ParseProof(encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSelfCheck, err)
	}
	if err := c.VK.Verify(proof, d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSelfCheck, err)
	}
	return encoded, nil
}

// Engine tells whether the circuit proves with the engine. If not, it does with gnark's
// own prover, which takes three times as long.
func (c *Circuit) Engine() bool { return c.engine.Load() != nil }

// encodeProof gives A, B and C as compressed points: 32, 64 and 32 bytes.
func encodeProof(p *gnark.Proof) []byte {
	a, b, c := p.Ar.Bytes(), p.Bs.Bytes(), p.Krs.Bytes()
	out := append([]byte{}, a[:]...)
	out = append(out, b[:]...)
	return append(out, c[:]...)
}
