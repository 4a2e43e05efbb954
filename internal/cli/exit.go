package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/attestry/attestry/statement"
)

// The exit codes.
const (
	Done  = 0 // what was asked is done
	No    = 1 // a check said no: a false claim, a failed verdict
	Could = 2 // it could not be done: usage, malformed, missing
)

// refusal is an error that is the answer no.
type refusal struct{ error }

// Unwrap implements the contract of errors.Is and errors.As.
func (r refusal) Unwrap() error { return r.error }

// Refuse marks an error as the answer no of a check that was made, in contrast to
// a check that could not be made.
func Refuse(err error) error {
	if err == nil {
		return nil
	}
	return refusal{err}
}

// ExitCode gives the exit code that an error has: [No] for what [Refuse] marked,
// [Could] for every other one.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return Done
	case errors.As(err, new(refusal)):
		return No
	}
	return Could
}

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

// Unwrap implements the contract of errors.Is and errors.As.
func (h hinted) Unwrap() error { return h.error }

// Hint adds to an error what to do about it, which is shown on a line of its own.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return hinted{err, fmt.Sprintf(format, args...)}
}

// interruption is an error that a signal caused, in words.
type interruption struct {
	error
	outcome string
}

// Error implements error.
func (i interruption) Error() string { return "interrupted: " + i.outcome }

// Unwrap implements the contract of errors.Is and errors.As.
func (i interruption) Unwrap() error { return i.error }

// Interrupted says of an error that a signal caused what the command left behind,
// like "nothing was changed". Any other error is given back as it is.
func Interrupted(err error, outcome string) error {
	if errors.Is(err, context.Canceled) {
		return interruption{err, outcome}
	}
	return err
}

// explain gives an error on one line, and its hints, the outermost one first.
func explain(err error) (message string, hints []string) {
	message = strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	if stopped := (interruption{}); errors.As(err, &stopped) {
		message = stopped.Error()
	} else if errors.Is(err, context.Canceled) {
		message = "interrupted"
	}
	var expression *statement.ExprError
	if errors.As(err, &expression) && expression.Hint != "" {
		message = strings.Replace(message, " (hint: "+expression.Hint+")", "", 1)
		hints = append(hints, expression.Hint)
	}
	for h := (hinted{}); errors.As(err, &h); err = h.error {
		hints = append(hints, h.hint)
	}
	return message, hints
}
