package queue

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/canon"
)

// Limits of [Queue.List].
const (
	maxPage = 100
	maxScan = 10_000 // jobs that are looked at for one page
)

// Get implements [Queue].
func (b *Bolt) Get(ctx context.Context, id string) (job Job, err error) {
	if err := ctx.Err(); err != nil {
		return Job{}, err
	}
	err = b.db.View(func(tx *bolt.Tx) error {
		n, err := find(tx, id)
		if err != nil {
			return err
		}
		r, err := read(tx, n)
		if err != nil {
			return err
		}
		job = full(tx, n, r)
		return nil
	})
	if err == nil {
		b.place(&job)
	}
	return job, err
}

// get gives a job by its number.
func (b *Bolt) get(n uint64) (job Job, err error) {
	err = b.db.View(func(tx *bolt.Tx) error {
		r, err := read(tx, n)
		if err == nil {
			job = full(tx, n, r)
		}
		return err
	})
	if err == nil {
		b.place(&job)
	}
	return job, err
}

// full gives a job with all that is stored of it.
func full(tx *bolt.Tx, n uint64, r *record) Job {
	j := r.job()
	j.number = n
	j.Payload, j.Saved, j.Result = values(tx, n)
	return j
}

// place fills in a job's position.
func (b *Bolt) place(j *Job) {
	if j.State != Queued {
		return
	}
	b.index.mu.Lock()
	defer b.index.mu.Unlock()
	if l := b.index.jobs[j.number]; l != nil {
		j.Position = l.position()
	}
}

// List implements [Queue].
func (b *Bolt) List(ctx context.Context, f Filter) (jobs []Job, next string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	before := ^uint64(0)
	if f.After != "" {
		if before, err = strconv.ParseUint(f.After, 10, 64); err != nil {
			return nil, "", fmt.Errorf("%w: %q", ErrBadPage, f.After)
		}
	}
	if f.State != "" && !f.State.valid() || f.Limit < 0 {
		return nil, "", fmt.Errorf("%w: there is no state %q, or no page of %d", ErrBadJob, f.State, f.Limit)
	}
	if f.Limit == 0 || f.Limit > maxPage {
		f.Limit = maxPage
	}
	err = b.db.View(func(tx *bolt.Tx) error {
		jobs, next, err = list(tx, f, before)
		return err
	})
	for i := range jobs {
		b.place(&jobs[i])
	}
	return jobs, next, err
}

// list goes back from a number through all jobs, or those of an organisation.
func list(tx *bolt.Tx, f Filter, before uint64) (jobs []Job, next string, err error) {
	c, from, prefix := tx.Bucket(bucketJobs).Cursor(), key(before), []byte{}
	if f.Organisation != "" {
		c, from = tx.Bucket(bucketOrganisations).Cursor(), organisationKey(f.Organisation, before)
		prefix = from[:len(from)-8]
	}
	k, _ := c.Seek(from)
	if k == nil {
		k, _ = c.Last()
	}
	for scanned := 0; k != nil && bytes.Compare(k, prefix) >= 0; k, _ = c.Prev() {
		if bytes.Compare(k, from) >= 0 {
			continue
		}
		n, err := number(k)
		if err != nil {
			return nil, "", err
		}
		if len(jobs) == f.Limit || scanned == maxScan {
			return jobs, strconv.FormatUint(n+1, 10), nil
		}
		scanned++
		r, err := read(tx, n)
		if err != nil {
			return nil, "", err
		}
		if (f.Kind == "" || f.Kind == r.Kind) && (f.State == "" || f.State == r.State) {
			j := r.job()
			j.number = n
			jobs = append(jobs, j)
		}
	}
	return jobs, "", nil
}

// Events implements [Queue].
func (b *Bolt) Events(ctx context.Context, id string, after uint64) (events []Event, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	events, _, _, err = b.events(id, after)
	return events, err
}

// Wait implements [Queue].
func (b *Bolt) Wait(ctx context.Context, id string, after uint64) ([]Event, error) {
	_, n, _, err := b.events(id, after)
	if err != nil {
		return nil, err
	}
	for {
		happened := b.index.watch(n)
		events, _, finished, err := b.events(id, after)
		if finished { // nothing will happen, for others that watch neither
			b.index.mu.Lock()
			b.index.tell(n)
			b.index.mu.Unlock()
		}
		if len(events) > 0 || finished || err != nil {
			return events, err
		}
		select {
		case <-happened:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// events gives a job's events after a number, the job's own number and whether it has
// finished.
func (b *Bolt) events(id string, after uint64) (events []Event, n uint64, finished bool, err error) {
	err = b.db.View(func(tx *bolt.Tx) error {
		if n, err = find(tx, id); err != nil {
			return err
		}
		r, err := read(tx, n)
		if err != nil {
			return err
		}
		finished = r.State.Finished()
		c := tx.Bucket(bucketEvents).Cursor()
		if after >= r.Events { // also of a number that is no event's
			return nil
		}
		prefix := key(n)
		for k, v := c.Seek(eventKey(n, after+1)); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			e := storedEvent{}
			if err := canon.Unmarshal(v, &e); err != nil {
				return fmt.Errorf("the queue is damaged: an event of job %d: %w", n, err)
			}
			at, err := number(k)
			if err != nil {
				return err
			}
			events = append(events, Event{Number: at, Type: e.Type, At: e.At, Attempt: e.Attempt, NotBefore: e.NotBefore, Code: e.Code})
		}
		return nil
	})
	return events, n, finished, err
}

// ReplaceSaved replaces what unfinished jobs have saved, by their ids, for whoever seals
// it under another key. The queue must not be in use.
func ReplaceSaved(tx *bolt.Tx, replace func(id string, saved []byte) ([]byte, error)) error {
	bucket := tx.Bucket(bucketSaved)
	if bucket == nil {
		return nil // no queue was ever opened here
	}
	anew := map[uint64][]byte{}
	err := bucket.ForEach(func(k, v []byte) error {
		n, err := number(k)
		if err != nil {
			return err
		}
		r, err := read(tx, n)
		if err != nil {
			return err
		}
		anew[n], err = replace(r.ID, bytes.Clone(v))
		return err
	})
	if err != nil {
		return err
	}
	for n, saved := range anew {
		if err := bucket.Put(key(n), saved); err != nil {
			return err
		}
	}
	return nil
}
