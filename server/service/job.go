package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/tracing"
)

// Kinds of jobs.
const (
	KindAnswer  = "answer"  // its payload is the request's id
	KindCommit  = "commit"  // its payload is a commitOrder
	KindWebhook = "webhook" // its payload is the delivery's id
)

// Job is a job of the queue, as an organisation may see it.
type Job struct {
	queue.Job
	Request  string // what an answer answers
	Proof    string // what it came to
	Registry string // what a commit commits
	Epoch    uint64 // what it came to
	Timings  Timings
}

// Timings say what the proofs of an answer took.
type Timings struct {
	Proofs  int   `json:"proofs"`
	ProveMS int64 `json:"prove_ms"`
	LogMS   int64 `json:"log_ms"`
}

// work does a job, and makes a trace of it. It is the queue's handler.
func (s *Service) work(ctx context.Context, t *queue.Task) ([]byte, error) {
	ctx, end := tracing.Begin(ctx, s.config.Tracer, "job "+t.Job.Kind, tracing.JobKind.String(t.Job.Kind), tracing.JobAttempt.Int(t.Job.Attempt))
	code := queue.CodeInternal // of a panic, too
	defer func() { end(code) }()
	result, err := s.workOn(ctx, t)
	if code = ""; err != nil {
		code = queue.CodeOf(err)
	}
	return result, err
}

func (s *Service) workOn(ctx context.Context, t *queue.Task) ([]byte, error) {
	switch t.Job.Kind {
	case KindAnswer:
		return s.answer(ctx, t)
	case KindCommit:
		return s.commit(ctx, t)
	case KindWebhook:
		return s.call(ctx, t)
	}
	return nil, queue.Permanent(fmt.Errorf("no jobs of kind %q", t.Job.Kind))
}

// Finished writes what comes of a job's end, in the transaction in which it ends. It is
// for [queue.Options.OnFinish].
func (s *Service) Finished(tx *bbolt.Tx, j queue.Job) error {
	switch j.Kind {
	case KindAnswer:
		return s.answerFinished(tx, j)
	case KindCommit:
		return s.commitFinished(tx, j)
	}
	return nil
}

// target is what a job is about. The queue forgets a job's payload with its end, and
// leaves it out of lists.
type target struct {
	Request  string `json:"request,omitempty"`
	Registry string `json:"registry,omitempty"`
	Epoch    uint64 `json:"epoch,omitempty"` // what a commit came to
}

const jobsBucket = "service.jobs" // a job's id -> target

func setTarget(tx *bbolt.Tx, job string, t target) error {
	document, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tx.Bucket([]byte(jobsBucket)).Put([]byte(job), document)
}

func targetOf(tx *bbolt.Tx, job string) (t target, err error) {
	document := tx.Bucket([]byte(jobsBucket)).Get([]byte(job))
	if document == nil {
		return t, ErrNotFound
	}
	return t, json.Unmarshal(document, &t)
}

// Job gives a job. It fails with [ErrNotFound].
func (s *Service) Job(ctx context.Context, p *access.Principal, id string) (*Job, error) {
	j, err := s.queue.Get(ctx, id)
	if errors.Is(err, queue.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return s.shown(p, j)
}

// AwaitJob gives a job when it has ended, or after a while as it is then.
func (s *Service) AwaitJob(ctx context.Context, p *access.Principal, id string, wait time.Duration) (*Job, error) {
	j, err := s.Job(ctx, p, id)
	if err != nil || wait == 0 || j.State.Finished() {
		return j, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	after, err := queue.Await(ctx, s.queue, id)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	return s.shown(p, after)
}

// shown gives a job as an organisation may see it, or [ErrNotFound].
func (s *Service) shown(p *access.Principal, j queue.Job) (shown *Job, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		shown, err = s.shownIn(tx, p.Organisation, j)
		return err
	})
	return shown, err
}

func (s *Service) shownIn(tx *bbolt.Tx, o access.Organisation, j queue.Job) (*Job, error) {
	t, err := targetOf(tx, j.ID)
	if err != nil {
		return nil, err
	}
	shown := &Job{Job: j, Request: t.Request, Registry: t.Registry, Epoch: t.Epoch}
	shown.Payload, shown.Saved, shown.Result = nil, nil, nil
	if o.Role != access.RoleAgency {
		shown.Detail = ""
	}
	if j.Kind == KindAnswer {
		return shown, s.showAnswer(tx, o, shown)
	}
	if o.Role != access.RoleOperator && !o.ActsFor(t.Registry) {
		return nil, ErrNotFound
	}
	if note, err := s.notes.get(tx, j.ID); err == nil && o.ActsFor(t.Registry) {
		shown.Detail = string(note)
	}
	return shown, nil
}

// showAnswer adds what the request tells of its job.
func (s *Service) showAnswer(tx *bbolt.Tx, o access.Organisation, j *Job) error {
	r, err := s.requests.get(tx, j.Request)
	if err != nil {
		return err
	}
	if !r.mayRead(o) {
		return ErrNotFound
	}
	if r.Job != j.ID {
		return nil // another one ended it
	}
	if r.Refusal != nil && r.isAnsweredBy(o) {
		j.Detail = r.Refusal.Detail
	}
	if j.Proof = r.Proof; j.Proof != "" {
		proof, err := s.proofs.get(tx, j.Proof)
		if err != nil {
			return err
		}
		j.Timings = proof.Timings
	}
	return nil
}

// jobsPage is how many jobs the queue gives at once.
const jobsPage = 100

// Jobs lists jobs, the newest first.
func (s *Service) Jobs(ctx context.Context, p *access.Principal, f Filter) (page Page[*Job], err error) {
	list := f.list("jobs", p)
	after, err := s.textAt(list, f.Cursor)
	if err != nil {
		return page, err
	}
	filter := queue.Filter{State: queue.State(f.State), After: after, Limit: min(f.Limit, jobsPage)}
	if p.Organisation.Role == access.RoleBank {
		filter.Organisation = p.Organisation.ID
	}
	jobs, next, err := s.queue.List(ctx, filter)
	if err != nil {
		return page, err
	}
	page.Items, page.Next = []*Job{}, s.textCursor(list, next)
	return page, s.db.View(func(tx *bbolt.Tx) error {
		for _, j := range jobs {
			shown, err := s.shownIn(tx, p.Organisation, j)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			page.Items = append(page.Items, shown)
		}
		return nil
	})
}

// JobEvents gives what happened to a job after an event's number, and waits until there
// is something; nothing more comes of a job that has ended. It fails with the context's
// error where that ends first.
func (s *Service) JobEvents(ctx context.Context, id string, after uint64) ([]queue.Event, error) {
	return s.queue.Wait(ctx, id, after)
}

// CancelJob cancels a job. It fails with [ErrWrongState] where the job has ended.
func (s *Service) CancelJob(ctx context.Context, p *access.Principal, id string) error {
	j, err := s.Job(ctx, p, id)
	if err != nil {
		return err
	}
	err = s.queue.Cancel(ctx, id)
	if errors.Is(err, queue.ErrFinished) {
		return fmt.Errorf("%w: the job is %s", ErrWrongState, j.State)
	}
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		return s.record(tx, p, AuditRecord{Action: "job.cancelled", Job: id, Request: j.Request, Registry: j.Registry})
	})
}
