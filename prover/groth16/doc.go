// Package groth16 makes Groth16 proofs over BN254 for a fixed constraint system and
// key, some three times as fast as gnark's prover, which it can stand in for: the same
// keys, and proofs that the same verifiers accept.
//
// A proving key is used for years, so what depends on it alone is computed once, by
// [MakeTables], and kept in a file:
//
//	tables, err := groth16.MakeTables(system, pk) // seconds
//	engine, err := groth16.New(system, pk, tables, groth16.Options{})
//	proof, err := engine.Prove(ctx, witness)
//
// The caller verifies each proof before it gives it out. The engine trusts its tables no
// further than that: with wrong ones its proofs are wrong, and say nothing of the
// witness as long as no proof is released that does not verify (see [Engine.Prove]).
//
// How it works and what it is measured to do is told in docs/engine.md. The time that a
// proof takes depends on its witness, as it does with gnark's prover.
package groth16
