package queue

import (
	"errors"
	"fmt"
	"time"
)

// Errors of use.
var (
	ErrBadJob   = errors.New("bad job")
	ErrNotFound = errors.New("no such job")
	ErrConflict = errors.New("there is another job with this id")
	ErrFinished = errors.New("the job has finished")
	ErrRunning  = errors.New("jobs are being run already")
	ErrVersion  = errors.New("not a queue of this version")
	ErrBadPage  = errors.New("not where a page ended")
)

// Errors of limits: see [LimitError].
var (
	ErrFull    = errors.New("too many jobs are waiting")
	ErrTooMany = errors.New("too many jobs of one organisation are waiting")
)

// Errors of [Bolt.Ready].
var (
	ErrIdle  = errors.New("no jobs are being run")
	ErrStuck = errors.New("the queue is stuck")
)

// ErrCancelled is the cause of a run's cancelled context where somebody cancelled the
// job.
var ErrCancelled = errors.New("the job was cancelled")

// ErrDrained is the cause of a run's cancelled context where the process is to end: the
// job runs again after the next start.
var ErrDrained = errors.New("the queue is shutting down")

// LimitError refuses a job for now. It is [ErrFull] or [ErrTooMany].
type LimitError struct {
	Err        error
	RetryAfter time.Duration // when to try again, as an estimate; at least a second
}

// Error implements error.
func (e *LimitError) Error() string { return fmt.Sprintf("%v: try again in %s", e.Err, e.RetryAfter) }

// Unwrap gives the limit's error.
func (e *LimitError) Unwrap() error { return e.Err }

// Codes of failures that are not the handler's.
const (
	// CodeInternal is of an error that is no [Failure], and of a panic.
	CodeInternal = "internal"
	// CodeDeadline is of a job whose deadline came first.
	CodeDeadline = "deadline"
	// CodeCrashed is of a job with which the process ended too often.
	CodeCrashed = "crashed"
)

// Failure is a handler's error with what is stored of it, and may be shown to whom the
// job is shown. Of any other error nothing is stored but [CodeInternal].
type Failure struct {
	Code, Detail string
	Cause        error // never stored
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Cause == nil {
		return f.Code + ": " + f.Detail
	}
	return fmt.Sprintf("%s: %v", f.Code, f.Cause)
}

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// permanentError is an error that another run would not mend.
type permanentError struct{ error }

// Unwrap gives the error itself.
func (e permanentError) Unwrap() error { return e.error }

// Permanent marks a handler's error as one that another run would not mend.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// CodeOf gives the code that is stored of a handler's error.
func CodeOf(err error) string {
	code, _ := shown(err)
	return code
}

// shown gives what is stored of a handler's error.
func shown(err error) (code, detail string) {
	var f *Failure
	if errors.As(err, &f) && f.Code != "" {
		return f.Code, f.Detail
	}
	return CodeInternal, ""
}
