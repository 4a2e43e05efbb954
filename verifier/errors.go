package verifier

import "errors"

// Errors of Groth16 encodings and proofs.
var (
	ErrEncoding = errors.New("bad encoding")
	ErrProof    = errors.New("the proof does not hold")
)

// Errors of files.
var (
	// ErrMalformed: the bundle or the openings are not what their format says.
	ErrMalformed = errors.New("malformed")
	// ErrBadTrust: the trust file is not what its format says, or contradicts itself.
	ErrBadTrust = errors.New("bad trust file")
	// ErrBadState: the state of an audit is not one that can be continued here.
	ErrBadState = errors.New("the saved audit cannot be used")
)

// ErrCannotCheck says that what was asked needs a file that was not given, so that
// neither yes nor no would be an answer.
var ErrCannotCheck = errors.New("cannot check")
