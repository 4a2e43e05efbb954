package prover

import (
	"errors"
	"fmt"
)

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
	// ErrNoGrant says that the request names a grant that this agency does not have, or
	// that no longer counts; [statement.ErrNotGranted], that it does not cover the request.
	ErrNoGrant = errors.New("no such grant")
	// ErrNoEpoch says that the registry has no epoch for the request.
	ErrNoEpoch = errors.New("no such epoch")
	// ErrBadPrepared says that prepared proofs are not what [Agency.Prepare] made for the
	// request.
	ErrBadPrepared = errors.New("bad prepared proofs")
)

// Errors that should not happen.
var (
	// ErrNotSatisfied says that an assignment does not satisfy its circuit.
	ErrNotSatisfied = errors.New("the assignment does not satisfy the circuit")
	// ErrSelfCheck says that a fresh proof did not verify, and was not given out.
	ErrSelfCheck = errors.New("the fresh proof does not verify")
)

// PledgedError is an [ErrPledged] that names the entry of the pledge which holds the
// record.
type PledgedError struct{ Entry uint64 }

// Error implements error.
func (e *PledgedError) Error() string { return fmt.Sprintf("%v since entry %d", ErrPledged, e.Entry) }

// Is tells that the error is an [ErrPledged].
func (*PledgedError) Is(target error) bool { return target == ErrPledged }

// ErrUnprovable is all that an asker learns of a request that is not answered,
// unless the record is pledged: see [AskerError].
var ErrUnprovable = errors.New("not provable")

// AskerError gives what an asker may be told of an error of this package:
// [ErrUnprovable], or the [*PledgedError] of the one record that answers. The errors
// themselves name keys, failing conditions and how many records there are, for the
// agency's own eyes. Nothing of the error given is left in the error returned. Failures of
// the agency, a full disk or a cancelled context say the same: whoever serves askers
// tells them apart by the error given.
func AskerError(err error) error {
	var pledged *PledgedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pledged) && !errors.Is(err, ErrFalse):
		return &PledgedError{pledged.Entry}
	}
	return ErrUnprovable
}
