package groth16

import "errors"

var (
	// ErrUnsuitable says that a key or a constraint system is not one that the engine can
	// prove with: it proves rank-1 systems without commitments under their own keys.
	ErrUnsuitable = errors.New("not suitable for the engine")
	// ErrTables says that tables are damaged, or were not made for the key.
	ErrTables = errors.New("not the tables of this key")
	// ErrNotSatisfied says that a witness does not satisfy its system. It says no more:
	// gnark's solver quotes values.
	ErrNotSatisfied = errors.New("the witness does not satisfy the constraint system")
)
