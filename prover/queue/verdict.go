package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	bolt "go.etcd.io/bbolt"
)

// verdict is what becomes of a job after a run: it ends, or is queued again.
type verdict struct {
	ending
	outcome   Outcome
	notBefore time.Time // of a job that is tried again
}

// verdict judges a run. What the handler has done is done, whoever wanted it to stop.
func (b *Bolt) verdict(ctx context.Context, r *record, result []byte, err error) verdict {
	if err == nil && len(result) > MaxResultBytes {
		err = Permanent(errors.New("a result over the limit"))
	}
	code, detail := shown(err)
	failed := verdict{ending{state: Failed, code: code, detail: detail}, OutcomeFailed, time.Time{}}
	late := !r.Deadline.IsZero() && !now().Before(r.Deadline)
	switch {
	case err == nil:
		return verdict{ending{state: Done, result: result}, OutcomeDone, time.Time{}}
	case r.Cancelling:
		return verdict{ending{state: Cancelled}, OutcomeCancelled, time.Time{}}
	case errors.As(err, new(permanentError)):
		return failed
	case errors.Is(context.Cause(ctx), ErrDrained):
		return verdict{ending{state: Queued}, OutcomeRequeued, time.Time{}}
	case late:
		return verdict{ending{state: Failed, code: CodeDeadline}, OutcomeFailed, time.Time{}}
	}
	notBefore := now().Add(b.options.backoff(r.Failures + 1)).Truncate(time.Microsecond)
	if r.Failures+1 >= b.options.Attempts || !r.Deadline.IsZero() && !notBefore.Before(r.Deadline) {
		return failed
	}
	return verdict{ending{state: Queued, code: code, detail: detail}, OutcomeRetried, notBefore}
}

// again queues a job for another run.
func (b *Bolt) again(tx *bolt.Tx, n uint64, r *record, v verdict) error {
	r.State, r.Code, r.Detail, r.NotBefore = Queued, v.code, v.detail, v.notBefore
	event := EventRetrying
	if v.outcome == OutcomeRequeued {
		r.Attempt--
		event = EventRequeued
	} else {
		r.Failures++
	}
	if err := happened(tx, n, r, event, now()); err != nil {
		return err
	}
	b.changed(tx, n, func() { b.admit(n, r) })
	return put(tx, n, r)
}

// backoff gives how long to wait after so many failures: half of it at random, so that
// jobs that failed together do not come back together.
func (o Options) backoff(failures int) time.Duration {
	wait := min(o.Backoff, o.MaxBackoff)
	for i := 1; i < failures && wait < o.MaxBackoff; i++ {
		wait = min(2*wait, o.MaxBackoff)
	}
	return wait - rand.N(wait/2+1)
}
