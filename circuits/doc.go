// Package circuits holds attestry's gnark circuits. Each is three files: the
// circuit with its relation and preconditions, the making of its assignment, and
// its tests, which name the attacks that it withstands.
//
//	present   a record under a root satisfies a question     [Present]
//	absent    no record under a root has a committed key     [Absent]
//
// A circuit is Groth16 over BN254 with one public input, the statement's digest D,
// and no commitments. [Compile] builds its constraint system and chooses which
// side of each row goes left; [Hash] identifies the result. The hashes of released
// circuits never change: a new relation is a new version in the verifier's table.
package circuits
