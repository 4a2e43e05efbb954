package queue

import (
	"context"
	"errors"
	"time"
)

// State is where a job is in its life.
type State string

// The states. A job begins as queued and ends as done, failed or cancelled.
const (
	Queued    State = "queued" // it waits for its turn, or for NotBefore
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Finished tells whether a job has come to its end.
func (s State) Finished() bool { return s == Done || s == Failed || s == Cancelled }

// valid tells whether there is such a state.
func (s State) valid() bool { return s == Queued || s == Running || s.Finished() }

// New is a job to be enqueued.
type New struct {
	// ID names the job: 1 to 64 letters, digits, '-' and '_'. Whoever may know it is told
	// of the job, so it should not be guessable.
	ID           string
	Organisation string // for whom it runs: jobs of different ones take turns
	Kind         string // what the handler is to do
	// Payload is what the handler works from, until the job has finished. It is stored as
	// it is: the caller seals what is private.
	Payload []byte
	// Fingerprint tells payloads of one ID apart where they are sealed, and so differ
	// each time: a keyed hash of what is in them. Empty: the payload itself is compared.
	Fingerprint []byte
	Deadline    time.Time // when the job ends at the latest; zero: see [Options]
	NotBefore   time.Time // when it may run at the earliest; zero: at once
}

// Job is a job as it is at one time.
type Job struct {
	ID, Organisation, Kind string
	State                  State
	Attempt                int // runs that have begun, but for those that a drain ended
	Enqueued               time.Time
	Started                time.Time // of the last run; zero: none has begun
	Finished               time.Time
	Deadline               time.Time
	NotBefore              time.Time // of a queued job that waits to be tried again
	// Position is the job's place among those that wait, from 1, if each takes as long
	// as the other; 0 where it does not wait for its turn.
	Position   int
	Cancelling bool // it was cancelled while it ran, and its run has not ended yet
	// Code and Detail say why a job failed, or why its last run did, as its handler said
	// (see [Failure]).
	Code, Detail string
	// Payload and Saved are there until the job has finished, and Result after it is
	// done. [Queue.List] leaves all three out.
	Payload, Saved, Result []byte

	number uint64
}

// Filter chooses jobs to list. Its zero value chooses all.
type Filter struct {
	Organisation string
	Kind         string
	State        State
	After        string // where the last page ended, as [Queue.List] gave it
	Limit        int    // of the page, up to 100; 0 is 100
}

// EventType is what happened to a job.
type EventType string

// The types of events. The last event of a job is one of the last three.
const (
	EventQueued     EventType = "queued"
	EventRunning    EventType = "running"
	EventSaved      EventType = "saved"    // the handler saved its state
	EventRetrying   EventType = "retrying" // a run failed, and another follows
	EventRequeued   EventType = "requeued" // a run was ended with the process
	EventCancelling EventType = "cancelling"
	EventDone       EventType = "done"
	EventFailed     EventType = "failed"
	EventCancelled  EventType = "cancelled"
)

// Event is something that happened to a job.
type Event struct {
	Number    uint64 // from 1, without gaps, the same after a restart
	Type      EventType
	At        time.Time
	Attempt   int
	NotBefore time.Time // of retrying: when
	Code      string    // of retrying and failed
}

// Queue runs jobs that outlive the process. [Open] gives one on bbolt; a database
// server that many machines share can stand behind it, too.
type Queue interface {
	// Enqueue stores a job, durably. Of an ID that it has already it gives that job, if
	// organisation, kind and payload are the same, and fails with [ErrConflict] else. It
	// fails with a [*LimitError] where there are too many unfinished jobs.
	Enqueue(ctx context.Context, n New) (Job, error)
	// Get gives a job, or [ErrNotFound].
	Get(ctx context.Context, id string) (Job, error)
	// List gives a page of the jobs that a filter chooses, the newest first, and where
	// the next page begins; "" after the last. A page may have fewer than were asked for.
	List(ctx context.Context, f Filter) (jobs []Job, next string, err error)
	// Cancel ends a job that waits. One that runs has its context cancelled, with the
	// cause [ErrCancelled], and its handler decides: what it has done is done. Cancel
	// fails with [ErrFinished] where the job has ended.
	Cancel(ctx context.Context, id string) error
	// Events gives a job's events after a number; none is no error.
	Events(ctx context.Context, id string, after uint64) ([]Event, error)
	// Wait is Events, but waits until there is one or the job has finished. It fails
	// with the context's error where that ends first.
	Wait(ctx context.Context, id string, after uint64) ([]Event, error)
	// Run runs jobs until the context ends and those that were running then have ended
	// or been requeued. There is one Run at a time.
	Run(ctx context.Context, h Handler) error
}

// Await waits until a job has finished, and gives it. Where the context ends first it
// gives the job as it is then, and the context's error.
func Await(ctx context.Context, q Queue, id string) (Job, error) {
	for after := uint64(0); ; {
		events, waitErr := q.Wait(ctx, id, after)
		if waitErr != nil && ctx.Err() == nil {
			return Job{}, waitErr
		}
		job, err := q.Get(context.WithoutCancel(ctx), id)
		if err != nil || waitErr != nil || job.State.Finished() {
			return job, errors.Join(err, waitErr)
		}
		after = events[len(events)-1].Number
	}
}
