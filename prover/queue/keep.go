package queue

import (
	"bytes"
	"context"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"
)

// pruneBatch is how many jobs are forgotten in one transaction.
const pruneBatch = 256

// clock puts jobs in line when their time has come, and ends those whose deadline has.
func (b *Bolt) clock(ctx context.Context) {
	for {
		b.timer.passed()
		for _, n := range b.due(time.Now()) {
			if err := b.expire(n); err != nil {
				b.options.Log.Error("the queue cannot be written", "error", err)
				b.timer.by(now().Add(time.Second))
			}
		}
		if b.timer.wait(ctx) != nil {
			return
		}
	}
}

// due puts jobs in line and gives those that wait beyond their deadline.
func (b *Bolt) due(at time.Time) (expired []uint64) {
	b.index.mu.Lock()
	defer b.index.mu.Unlock()
	for n, j := range b.index.jobs {
		if j.running {
			continue
		}
		if !j.deadline.IsZero() && !at.Before(j.deadline) {
			expired = append(expired, n)
			continue
		}
		b.timer.by(j.deadline)
		if b.index.line(j, at); !j.ready {
			b.timer.by(j.notBefore)
		}
	}
	return expired
}

// expire ends a job that waits beyond its deadline.
func (b *Bolt) expire(n uint64) error {
	var o *Observation
	var j Job
	err := b.writer.write(func(tx *bolt.Tx) error {
		o = nil
		r, err := read(tx, n)
		if errors.Is(err, ErrNotFound) || err == nil && r.State != Queued {
			return nil // it was taken or cancelled meanwhile
		}
		if err != nil {
			return err
		}
		o, j = &Observation{Kind: r.Kind, Outcome: OutcomeFailed, Code: CodeDeadline, Waited: waited(r)}, r.job()
		return b.endQueued(tx, n, r, ending{state: Failed, code: CodeDeadline})
	})
	if err == nil && o != nil {
		b.observe(j, *o)
	}
	return err
}

// prune forgets finished jobs when they have been kept long enough.
func (b *Bolt) prune(ctx context.Context) {
	for {
		more, err := b.pruneOnce(now().Add(-b.options.Retain))
		if err != nil {
			b.options.Log.Error("finished jobs cannot be removed", "error", err)
		}
		if more && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(max(b.options.Retain/16, time.Second), time.Hour)):
		}
	}
}

// pruneOnce forgets some of the jobs that finished before an instant, and tells whether
// there are more.
func (b *Bolt) pruneOnce(before time.Time) (more bool, err error) {
	err = b.writer.write(func(tx *bolt.Tx) error {
		var old [][]byte
		c := tx.Bucket(bucketFinished).Cursor()
		end := finishedKey(before, 0)
		for k, _ := c.First(); k != nil && bytes.Compare(k, end) < 0 && len(old) < pruneBatch; k, _ = c.Next() {
			old = append(old, bytes.Clone(k))
		}
		more = len(old) == pruneBatch
		for _, k := range old {
			n, err := number(k)
			if err == nil {
				err = errors.Join(forget(tx, n), tx.Bucket(bucketFinished).Delete(k))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return more, err
}

// forget removes all that is stored of a finished job.
func forget(tx *bolt.Tx, n uint64) error {
	r, err := read(tx, n)
	if err != nil {
		return err
	}
	var errs []error
	for event := uint64(1); event <= r.Events; event++ {
		errs = append(errs, tx.Bucket(bucketEvents).Delete(eventKey(n, event)))
	}
	return errors.Join(append(errs,
		tx.Bucket(bucketIDs).Delete([]byte(r.ID)),
		tx.Bucket(bucketJobs).Delete(key(n)),
		tx.Bucket(bucketResults).Delete(key(n)),
		tx.Bucket(bucketOrganisations).Delete(organisationKey(r.Organisation, n)),
	)...)
}

// Stats is how many jobs of a kind there are now.
type Stats struct {
	Queued  int // in line
	Delayed int // that wait to be tried again
	Running int
}

// Stats gives how many unfinished jobs there are, by kind.
func (b *Bolt) Stats() map[string]Stats {
	b.index.mu.Lock()
	defer b.index.mu.Unlock()
	all := map[string]Stats{}
	for _, j := range b.index.jobs {
		s := all[j.kind]
		switch {
		case j.running:
			s.Running++
		case j.ready:
			s.Queued++
		default:
			s.Delayed++
		}
		all[j.kind] = s
	}
	return all
}
