package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// How long the queue waits after the disk has refused a transaction.
const (
	diskBackoff    = 100 * time.Millisecond
	maxDiskBackoff = 10 * time.Second
)

// Run implements [Queue]. When the context ends no further job is begun. Jobs that run
// then have [Options].Drain to end, and are cancelled after that, with the cause
// [ErrDrained]: they are queued again as if the run had not begun. Run returns when all
// handlers have.
func (b *Bolt) Run(ctx context.Context, h Handler) error {
	if !b.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer b.running.Store(false)
	b.began.Do(func() { close(b.begun) })
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	defer context.AfterFunc(ctx, b.index.wakeAll)()
	var workers, keepers sync.WaitGroup
	for _, p := range b.index.pools {
		for range p.Workers {
			workers.Go(func() { b.work(ctx, work, p, h) })
		}
	}
	keepers.Go(func() { b.clock(ctx) })
	keepers.Go(func() { b.prune(ctx) })
	<-ctx.Done()
	patience := time.AfterFunc(b.options.Drain, func() { stop(ErrDrained) })
	workers.Wait()
	patience.Stop()
	keepers.Wait()
	return nil
}

// wakeAll has every worker look again.
func (x *index) wakeAll() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.pools {
		p.mayHaveWork.Broadcast()
	}
}

// next waits for a pool's next job. It gives nil when the context has ended.
func (x *index) next(ctx context.Context, p *pool) *live {
	x.mu.Lock()
	defer x.mu.Unlock()
	for ctx.Err() == nil {
		if j := p.take(); j != nil {
			return j
		}
		p.mayHaveWork.Wait()
	}
	return nil
}

// giveBack puts a job that was taken, and has not begun, back in line.
func (x *index) giveBack(j *live) {
	x.mu.Lock()
	defer x.mu.Unlock()
	j.running = false
	x.line(j, time.Now())
}

// work runs jobs of a pool, one after another, until ctx ends. The jobs' own context is
// work.
func (b *Bolt) work(ctx, work context.Context, p *pool, h Handler) {
	for {
		j := b.index.next(ctx, p)
		if j == nil {
			return
		}
		b.run(work, j, h)
	}
}

// run runs a job once.
func (b *Bolt) run(work context.Context, j *live, h Handler) {
	ctx, cancel := context.WithCancelCause(work)
	defer cancel(nil)
	t := &Task{b: b, number: j.number}
	begun, ended := false, Observation{}
	err := b.persist(work, func(tx *bolt.Tx) (err error) {
		begun, ended, err = b.begin(tx, j, t, cancel)
		return err
	})
	if err != nil { // the disk refuses, and there is no more time
		b.index.giveBack(j)
		return
	}
	if !begun {
		if ended.Outcome != "" {
			b.observe(t.Job, ended)
		}
		return
	}
	if !j.deadline.IsZero() {
		var stop func()
		ctx, stop = context.WithDeadline(ctx, j.deadline)
		defer stop()
	}
	result, err := call(ctx, t, h)
	t.over.Store(true)
	b.conclude(work, ctx, t, result, err)
}

// begin notes that a job runs, unless it has ended while it was taken, or ends now
// without a run.
func (b *Bolt) begin(tx *bolt.Tx, j *live, t *Task, cancel context.CancelCauseFunc) (begun bool, ended Observation, err error) {
	r, err := read(tx, j.number)
	if errors.Is(err, ErrNotFound) || err == nil && r.State != Queued {
		b.changed(tx, j.number, func() { b.index.drop(j.number) })
		return false, ended, nil
	}
	if err != nil {
		return false, ended, err
	}
	t.waited = waited(r)
	if e := unrun(r, tx.Bucket(bucketSaved).Get(key(j.number)) != nil); e.state != "" {
		t.Job = r.job()
		ended = Observation{Kind: r.Kind, Outcome: Outcome(e.state), Code: e.code, Waited: t.waited}
		return false, ended, b.endQueued(tx, j.number, r, e)
	}
	r.State, r.Started, r.NotBefore = Running, now(), time.Time{}
	r.Attempt++
	if err := happened(tx, j.number, r, EventRunning, r.Started); err != nil {
		return false, ended, err
	}
	t.Job = full(tx, j.number, r)
	b.changed(tx, j.number, func() {
		j.cancel = cancel
		if r.Cancelling {
			cancel(ErrCancelled)
		}
	})
	return true, ended, put(tx, j.number, r)
}

// unrun gives the end of a queued job that is not to run, or nothing. A job that was
// cancelled runs where it has saved something, with a cancelled context, and so does one
// with which the process ended often: what it was about to do may be done.
func unrun(r *record, saved bool) ending {
	switch {
	case r.Cancelling && !saved:
		return ending{state: Cancelled}
	case !r.Deadline.IsZero() && !now().Before(r.Deadline):
		return ending{state: Failed, code: CodeDeadline}
	case r.Crashes >= maxCrashes && !saved:
		return ending{state: Failed, code: CodeCrashed}
	}
	return ending{}
}

// conclude stores what became of a run. If the disk refuses until there is no more
// time, the job is left as running, and resumed by the next [Open].
func (b *Bolt) conclude(work, ctx context.Context, t *Task, result []byte, runErr error) {
	o := Observation{Kind: t.Job.Kind, Waited: t.waited, Ran: time.Since(t.Job.Started)}
	err := b.persist(work, func(tx *bolt.Tx) error {
		r, err := read(tx, t.number)
		if err != nil {
			return err
		}
		e := b.verdict(ctx, r, result, runErr)
		o.Outcome, o.Code = e.outcome, e.code
		if e.state.Finished() {
			b.changed(tx, t.number, func() {
				if p := b.index.jobs[t.number]; p != nil {
					p.pool.ran(o.Ran)
				}
				b.index.drop(t.number)
			})
			return b.finish(tx, t.number, r, e.ending)
		}
		return b.again(tx, t.number, r, e)
	})
	if err == nil {
		b.observe(t.Job, o)
	}
	var p *panicError
	if errors.As(runErr, &p) {
		b.options.Log.Error("panic in a job", "job", t.Job.ID, "kind", t.Job.Kind, "panic", p.text, "stack", p.stack)
	}
}

// persist writes a change, again and again where the disk refuses it, until the
// context ends.
func (b *Bolt) persist(work context.Context, do func(*bolt.Tx) error) error {
	for wait := diskBackoff; ; wait = min(2*wait, maxDiskBackoff) {
		err := b.writer.write(do)
		if err == nil {
			return nil
		}
		b.options.Log.Error("the queue cannot be written", "error", err)
		select {
		case <-work.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// observe tells of a run's end.
func (b *Bolt) observe(j Job, o Observation) {
	b.options.Log.LogAttrs(context.Background(), slog.LevelInfo, "job",
		slog.String("job", j.ID), slog.String("kind", j.Kind), slog.String("organisation", j.Organisation),
		slog.Int("attempt", j.Attempt), slog.String("outcome", string(o.Outcome)), slog.String("code", o.Code),
		slog.Duration("waited", o.Waited), slog.Duration("ran", o.Ran))
	b.options.Observe(o)
}
