package witness

import (
	"errors"
	"fmt"
)

// Errors of a witness's directory and configuration.
var (
	ErrExists  = errors.New("there is a witness already")
	ErrNone    = errors.New("no witness here")
	ErrInUse   = errors.New("used by another process")
	ErrConfig  = errors.New("a witness cannot work so")
	ErrDamaged = errors.New("the witness's state is damaged")
)

// Errors of what a log submits; behind each, the answer that C2SP tlog-witness gives.
var (
	ErrMalformed  = errors.New("malformed request")                         // 400
	ErrNotSigned  = errors.New("not signed by a key that is pinned here")   // 403
	ErrUnknownLog = errors.New("not a log that this witness follows")       // 404
	ErrFork       = errors.New("another tree of the same size is cosigned") // 409
	ErrBadProof   = errors.New("the consistency proof does not hold")       // 422
)

// SizeError says that the log builds on another size than the witness last saw (409).
type SizeError struct {
	Size uint64 // what the witness saw
}

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("the witness last cosigned %d entries", e.Size)
}

// Errors of asking a witness.
var (
	// ErrUnreachable: no answer, or none that says anything of the log.
	ErrUnreachable = errors.New("the witness gave no answer")
	// ErrRefused: the witness does not follow the log, or does not know its key.
	ErrRefused = errors.New("the witness does not cosign for this log")
	// ErrBetrayed: what the witness cosigned is not a beginning of the log shown to it.
	ErrBetrayed = errors.New("the witness has seen another history of this log")
)

// AheadError says that a witness has cosigned a longer log than the one it was
// shown. It is [ErrBetrayed] to errors.Is.
type AheadError struct{ Seen, Have uint64 }

// Error implements error.
func (e *AheadError) Error() string {
	return fmt.Sprintf("the witness has cosigned %d entries of this log, which has %d here", e.Seen, e.Have)
}

// Unwrap gives ErrBetrayed.
func (e *AheadError) Unwrap() error { return ErrBetrayed }
