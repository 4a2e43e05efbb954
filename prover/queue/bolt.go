package queue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Bolt is a [Queue] in a bbolt database, which this process alone has open. Its methods
// may be used from several goroutines.
type Bolt struct {
	db      *bolt.DB
	options Options
	index   *index
	writer  *writer
	timer   *timer
	running atomic.Bool // there is a Run
	began   sync.Once
	begun   chan struct{} // closed by the first Run
}

// Open opens the queue in a database, in buckets named "queue.…" that it makes where
// they are missing. Jobs that were running when the process ended are queued again.
func Open(db *bolt.DB, o Options) (*Bolt, error) {
	b := &Bolt{db: db, options: o.withDefaults(), index: newIndex(o), writer: newWriter(db), timer: newTimer(), begun: make(chan struct{})}
	if err := db.Update(prepareBuckets); err != nil {
		return nil, err
	}
	if err := b.resume(); err != nil {
		return nil, err
	}
	return b, b.load()
}

// resume queues the jobs that were running when the process ended. Nothing is in the
// index yet, and nobody is told of an end: whoever opens a queue is not ready for that.
func (b *Bolt) resume() error {
	return b.db.Update(func(tx *bolt.Tx) error {
		var running []uint64
		err := forLive(tx, func(n uint64, r *record) error {
			if r.State == Running {
				running = append(running, n)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, n := range running {
			if err := b.resumeJob(tx, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// resumeJob queues a job whose run the process's end cut short: at once, and after some
// time where that was not the first one, since it may be the job what ends processes.
func (b *Bolt) resumeJob(tx *bolt.Tx, n uint64) error {
	r, err := read(tx, n)
	if err != nil {
		return err
	}
	r.Crashes++
	r.State = Queued
	if r.Crashes > 1 && !r.Cancelling {
		r.NotBefore = now().Add(b.options.backoff(r.Crashes - 1)).Truncate(time.Microsecond)
	}
	if err := happened(tx, n, r, EventRequeued, now()); err != nil {
		return err
	}
	return put(tx, n, r)
}

// forLive calls fn for each unfinished job, the oldest first.
func forLive(tx *bolt.Tx, fn func(n uint64, r *record) error) error {
	return tx.Bucket(bucketLive).ForEach(func(k, _ []byte) error {
		n, err := number(k)
		if err != nil {
			return err
		}
		r, err := read(tx, n)
		if err != nil {
			return err
		}
		return fn(n, r)
	})
}

// load fills the index.
func (b *Bolt) load() error {
	b.index.mu.Lock()
	defer b.index.mu.Unlock()
	return b.db.View(func(tx *bolt.Tx) error {
		return forLive(tx, func(n uint64, r *record) error {
			b.index.poolOf(r.Kind).count(r.Organisation, 1)
			b.admit(n, r)
			return nil
		})
	})
}

// admit puts a stored job that is queued into the index; its place is counted
// already. The caller holds the index's mu.
func (b *Bolt) admit(n uint64, r *record) {
	j := b.index.jobs[n]
	if j == nil {
		j = &live{number: n, id: r.ID, organisation: r.Organisation, kind: r.Kind, pool: b.index.poolOf(r.Kind)}
		b.index.jobs[n] = j
	}
	j.running, j.cancel = false, nil
	j.enqueued, j.notBefore, j.deadline = r.Enqueued, r.NotBefore, r.Deadline
	if b.index.line(j, time.Now()); !j.ready {
		b.timer.by(j.notBefore)
	}
	b.timer.by(j.deadline)
}

// ending is how a job finishes.
type ending struct {
	state        State
	code, detail string
	result       []byte
}

// finish ends a job in a transaction: what is private of it is gone with that.
func (b *Bolt) finish(tx *bolt.Tx, n uint64, r *record, e ending) error {
	at := now()
	r.State, r.Code, r.Detail, r.Finished = e.state, e.code, e.detail, at
	r.Cancelling, r.NotBefore = false, time.Time{}
	if err := happened(tx, n, r, map[State]EventType{Done: EventDone, Failed: EventFailed, Cancelled: EventCancelled}[e.state], at); err != nil {
		return err
	}
	j := r.job()
	j.Payload, j.Saved, j.Result = values(tx, n)
	j.Result = e.result
	if err := b.options.OnFinish(tx, j); err != nil {
		return err
	}
	if e.state == Done {
		if err := tx.Bucket(bucketResults).Put(key(n), e.result); err != nil {
			return err
		}
	}
	return errors.Join(
		put(tx, n, r),
		tx.Bucket(bucketFinished).Put(finishedKey(at, n), nil),
		tx.Bucket(bucketPayloads).Delete(key(n)),
		tx.Bucket(bucketSaved).Delete(key(n)),
		tx.Bucket(bucketLive).Delete(key(n)),
	)
}

// values gives copies of what is stored beside a job's record.
func values(tx *bolt.Tx, n uint64) (payload, saved, result []byte) {
	get := func(bucket []byte) []byte {
		if v := tx.Bucket(bucket).Get(key(n)); v != nil {
			return append([]byte{}, v...)
		}
		return nil
	}
	return get(bucketPayloads), get(bucketSaved), get(bucketResults)
}

// changed brings the index up to what a transaction has made of a job, once that is
// on the disk.
func (b *Bolt) changed(tx *bolt.Tx, n uint64, then func()) {
	tx.OnCommit(func() {
		b.index.mu.Lock()
		defer b.index.mu.Unlock()
		then()
		b.index.tell(n)
	})
}

// Cancel implements [Queue].
func (b *Bolt) Cancel(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var ended *record
	err := b.writer.write(func(tx *bolt.Tx) error {
		ended = nil
		n, err := find(tx, id)
		if err != nil {
			return err
		}
		r, err := read(tx, n)
		if err != nil {
			return err
		}
		switch {
		case r.State.Finished():
			return ErrFinished
		case r.State == Running:
			return b.cancelRun(tx, n, r)
		}
		ended = r
		return b.endQueued(tx, n, r, ending{state: Cancelled})
	})
	if err == nil && ended != nil {
		b.observe(ended.job(), Observation{Kind: ended.Kind, Outcome: OutcomeCancelled, Waited: waited(ended)})
	}
	return err
}

// endQueued ends a job that does not run.
func (b *Bolt) endQueued(tx *bolt.Tx, n uint64, r *record, e ending) error {
	b.changed(tx, n, func() { b.index.drop(n) })
	return b.finish(tx, n, r, e)
}

// cancelRun notes that a running job was cancelled, and tells its run.
func (b *Bolt) cancelRun(tx *bolt.Tx, n uint64, r *record) error {
	if r.Cancelling {
		return nil
	}
	r.Cancelling = true
	if err := happened(tx, n, r, EventCancelling, now()); err != nil {
		return err
	}
	b.changed(tx, n, func() {
		if j := b.index.jobs[n]; j != nil && j.cancel != nil {
			j.cancel(ErrCancelled)
		}
	})
	return put(tx, n, r)
}

// waited gives how long a job has waited since it could run.
func waited(r *record) time.Duration {
	since := r.Enqueued
	if r.NotBefore.After(since) {
		since = r.NotBefore
	}
	return max(time.Since(since), 0)
}
