package prover

import "errors"

// Errors of keys.
var (
	ErrNoKeys       = errors.New("no keys for this circuit")
	ErrDamagedKeys  = errors.New("the circuit's keys do not match their manifest")
	ErrOtherCircuit = errors.New("the keys are for another circuit")
)

// Errors of requests.
var (
	// ErrFalse says that the registry does not bear the claim out.
	ErrFalse = errors.New("the claim is false")
	// ErrPledged says that a live pledge holds the record.
	ErrPledged = errors.New("already pledged in this scope")
	// ErrNotProvable says that this version has no circuit for the request.
	ErrNotProvable = errors.New("not provable by this version")
	// ErrNoRegistry says that the ledger has no registry of the name.
	ErrNoRegistry = errors.New("no such registry")
	// ErrNoEpoch says that the registry has no epoch for the request.
	ErrNoEpoch = errors.New("no such epoch")
)

// Errors that should not happen.
var (
	// ErrNotSatisfied says that an assignment does not satisfy its circuit.
	ErrNotSatisfied = errors.New("the assignment does not satisfy the circuit")
	// ErrSelfCheck says that a fresh proof did not verify, and was not given out.
	ErrSelfCheck = errors.New("the fresh proof does not verify")
)
