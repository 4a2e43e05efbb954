package ledger

import (
	"errors"
	"fmt"
)

// Errors of formats: the bytes themselves are wrong.
var (
	ErrMalformed     = errors.New("malformed ledger entry")
	ErrUnknownType   = errors.New("unknown entry type")
	ErrBadSignature  = errors.New("bad signature")
	ErrBadKey        = errors.New("bad key")
	ErrBadCheckpoint = errors.New("bad checkpoint")
	ErrBadInclusion  = errors.New("bad inclusion proof")
	ErrBadBundle     = errors.New("bad entry bundle")
	ErrBadTilePath   = errors.New("bad tile path")
)

// Errors of rules: the entry is well formed and this log refuses it here.
var (
	ErrDuplicate    = errors.New("already in the log")
	ErrNotAccepted  = errors.New("not accepted by this version")
	ErrForeign      = errors.New("made for another log")
	ErrUnknown      = errors.New("not in this log")
	ErrConflict     = errors.New("contradicts an earlier entry")
	ErrIssuer       = errors.New("not signed by the registry's issuer")
	ErrEpochChain   = errors.New("epoch out of its chain")
	ErrWrongRoot    = errors.New("not the epoch's root")
	ErrProofInvalid = errors.New("the proof does not hold")
	ErrNoVerifier   = errors.New("no proof verifier")
	ErrConsent      = errors.New("consent missing or out of place")
	ErrStaleEpoch   = errors.New("a pledge needs the registry's latest epoch")
	ErrPledged      = errors.New("already pledged")
	ErrRelease      = errors.New("not a release of this pledge")
	ErrLogKey       = errors.New("not signed by the log's key")
	ErrRotation     = errors.New("not a rotation of the key in force")
	ErrRevoked      = errors.New("the key was revoked")
	ErrSunset       = errors.New("the circuit is sunset: no new proof counts under it")
)

// DuplicateError says that what an entry is the identity of is in the log already.
// It is [ErrDuplicate] to errors.Is. Nothing has changed.
type DuplicateError struct {
	Index uint64 // of the first entry
}

// Error implements error.
func (e *DuplicateError) Error() string { return fmt.Sprintf("%v: entry %d", ErrDuplicate, e.Index) }

// Unwrap gives ErrDuplicate.
func (e *DuplicateError) Unwrap() error { return ErrDuplicate }
