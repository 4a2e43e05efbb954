package service

import (
	"errors"
	"time"
)

// Errors of requests to the service: what was asked for cannot be had.
var (
	// ErrNotFound: there is none, or the organisation may not see it, which reads alike.
	ErrNotFound = errors.New("not found")
	// ErrForbidden: the organisation may see it, and may not do this.
	ErrForbidden = errors.New("not this organisation's to do")
	// ErrWrongState: it is too late or too early for this.
	ErrWrongState = errors.New("not in its present state")
	// ErrGone: it was there, and is kept no longer.
	ErrGone = errors.New("kept no longer")
	// ErrBadCursor: a cursor that this list did not give.
	ErrBadCursor = errors.New("not a cursor of this list")
	// ErrExists: there is one of that name.
	ErrExists = errors.New("already there")
	// ErrBusy: too many do this at once.
	ErrBusy = errors.New("too many at once")
)

// Errors of request documents.
var (
	// ErrIncomplete: the document lacks what attestry request new puts in.
	ErrIncomplete = errors.New("the request is not complete")
	// ErrAudience: the document's audience is somebody else.
	ErrAudience = errors.New("the request's audience is not the organisation's")
	// ErrExpired: the document's time to be answered is over.
	ErrExpired = errors.New("the request has expired")
)

// Errors of registries.
var (
	// ErrManyDeletions: an import looks cut off.
	ErrManyDeletions = errors.New("the file lacks more than half of the registry")
	// ErrNothingStaged: a first epoch would be one of no records that anybody named.
	ErrNothingStaged = errors.New("nothing was ever imported: there is nothing to commit")
	// ErrDerived: the registry is computed from another one.
	ErrDerived = errors.New("the registry is derived from another one")
)

// Errors of idempotency keys.
var (
	// ErrOtherBody: the key came with another body before.
	ErrOtherBody = errors.New("the idempotency key was used for something else")
	// ErrInProgress: what the key stands for is being done.
	ErrInProgress = errors.New("what the idempotency key stands for is still being done")
)

// ErrFormat: the buckets are of another version or hold something else.
var ErrFormat = errors.New("not a service database of this version")

// ErrWebhook: the address is none that the server may call.
var ErrWebhook = errors.New("not an address for a webhook")

// RetryError is an error that passes by itself.
type RetryError struct {
	After time.Duration
	Cause error
}

// Error implements error.
func (e *RetryError) Error() string { return e.Cause.Error() }

// Unwrap gives the cause.
func (e *RetryError) Unwrap() error { return e.Cause }
