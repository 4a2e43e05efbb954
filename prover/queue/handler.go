package queue

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/panics"
)

// Handler runs a job and gives its result. It should return soon after its context has
// ended. An error is tried again with another run, unless it is [Permanent]; of a
// [Failure] its code and detail are stored. A panic fails the job.
//
// A job may run more than once: the process may end after a handler has done its work and
// before that is stored. What must not be done twice, the handler saves ([Task.Save])
// before it does it, and does in a way that can be repeated.
type Handler func(ctx context.Context, t *Task) (result []byte, err error)

// Task is a run of a job.
type Task struct {
	// Job is the job when the run began. Saved is what the last run saved, or this one.
	Job Job

	b      *Bolt
	number uint64
	waited time.Duration
	over   atomic.Bool
}

// errOver says that a handler saves something after it returned.
var errOver = errors.New("the run is over")

// Save stores a state for the job's next run, if there is to be one, durably, in the
// place of what was saved before. The caller seals what is private. It is deleted when
// the job finishes.
func (t *Task) Save(state []byte) error {
	if len(state) > MaxSavedBytes {
		return fmt.Errorf("%w: a state of %d bytes, over the limit of %d", ErrBadJob, len(state), MaxSavedBytes)
	}
	err := t.b.writer.write(func(tx *bolt.Tx) error {
		if t.over.Load() {
			return errOver
		}
		r, err := read(tx, t.number)
		if err != nil {
			return err
		}
		if err := happened(tx, t.number, r, EventSaved, now()); err != nil {
			return err
		}
		t.b.changed(tx, t.number, func() {})
		return errors.Join(put(tx, t.number, r), tx.Bucket(bucketSaved).Put(key(t.number), state))
	})
	if err == nil {
		t.Job.Saved = append([]byte{}, state...)
	}
	return err
}

// panicError is a handler's panic.
type panicError struct{ text, stack string }

// Error implements error.
func (e *panicError) Error() string { return "a panic: " + e.text }

// errExited says that a handler ended its goroutine instead of returning.
var errExited = errors.New("the handler did not return")

// call calls a handler. Its panic is an error that is permanent, since the next run
// would come to it, too.
func call(ctx context.Context, t *Task, h Handler) (result []byte, err error) {
	err = Permanent(errExited)
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		defer func() {
			if v := recover(); v != nil {
				err = Permanent(&panicError{panics.Text(v), panics.Stack()})
			}
		}()
		result, err = h(ctx, t)
	}()
	<-returned
	return result, err
}
