package access

import "errors"

// Errors of the directory.
var (
	// ErrFormat: the buckets are of another version or hold something else.
	ErrFormat = errors.New("not a directory of organisations of this version")
	// ErrInvalid: what is to be made is not allowed to be so.
	ErrInvalid = errors.New("not allowed")
	// ErrExists: there is one of that name, or with that certificate.
	ErrExists = errors.New("already there")
	// ErrNotFound: there is no such organisation or credential.
	ErrNotFound = errors.New("not found")
)

// ErrScope: a credential with scopes is to make one that is good for more.
var ErrScope = errors.New("a credential makes none that is good for more than it is itself")

// Errors of credentials. All but the last mean that the request is nobody's.
var (
	// ErrNoCredential: none was presented.
	ErrNoCredential = errors.New("no credential")
	// ErrBadCredential: it is malformed, unknown or false, or there are several that
	// contradict each other. It is not said which: whoever guesses learns nothing.
	ErrBadCredential = errors.New("bad credential")
	// ErrExpired: it was good, and its time is over or has not begun.
	ErrExpired = errors.New("expired credential")
	// ErrRevoked: it was good until it was revoked.
	ErrRevoked = errors.New("revoked credential")
	// ErrDisabled: it is good, but its organisation is disabled.
	ErrDisabled = errors.New("disabled organisation")
	// ErrUnavailable: who could say whether it is good gives no answer.
	ErrUnavailable = errors.New("the credential cannot be checked now")
)
