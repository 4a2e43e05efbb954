// Package prover answers requests: it chooses the record that a request speaks of,
// makes the proofs, logs them and assembles the bundle for the asker.
//
//   - [SetupDevelopment] makes a circuit's keys, [LoadCircuit] reads them: files
//     named by their SHA-256, listed in a manifest.
//   - [Circuit.Prove] makes one proof and verifies it before it gives it out.
//   - [Agency.Answer] turns a request into a bundle and the asker's openings. Its two
//     halves are [Agency.Prepare], whose proofs can be kept, and [Agency.Log], which may
//     be repeated: whoever was interrupted between them ends with one proof.
//
// Assignments hold the record and the registry's secrets. They live in memory for
// the length of one proof: nothing here logs, stores or reports them, and errors
// of the constraint solver, which quote values, are replaced.
package prover
