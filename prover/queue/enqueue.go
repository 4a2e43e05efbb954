package queue

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	bolt "go.etcd.io/bbolt"
)

var (
	idForm           = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	organisationForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
)

func (n New) validate() error {
	switch {
	case !idForm.MatchString(n.ID):
		return fmt.Errorf("%w: its id is not of 1 to 64 letters, digits, '-' and '_'", ErrBadJob)
	case !organisationForm.MatchString(n.Organisation):
		return fmt.Errorf("%w: %q is no organisation", ErrBadJob, n.Organisation)
	case !organisationForm.MatchString(n.Kind):
		return fmt.Errorf("%w: %q is no kind", ErrBadJob, n.Kind)
	case len(n.Payload) > MaxPayloadBytes:
		return fmt.Errorf("%w: a payload of %d bytes, over the limit of %d", ErrBadJob, len(n.Payload), MaxPayloadBytes)
	}
	return nil
}

// Enqueue implements [Queue].
func (b *Bolt) Enqueue(ctx context.Context, n New) (Job, error) {
	if err := errors.Join(ctx.Err(), n.validate()); err != nil {
		return Job{}, err
	}
	// What is there already is no more work, however full the queue is.
	if job, err := b.existing(n); !errors.Is(err, ErrNotFound) {
		return job, err
	}
	if err := b.index.reserve(n.Kind, n.Organisation); err != nil {
		return Job{}, err
	}
	var at uint64
	err := b.writer.write(func(tx *bolt.Tx) (err error) {
		at, err = b.insert(tx, n, func() {})
		return err
	})
	if err != nil {
		b.index.release(n.Kind, n.Organisation)
	}
	if errors.Is(err, errExists) { // since it was looked for
		return b.existing(n)
	}
	if err != nil {
		return Job{}, err
	}
	return b.get(at)
}

// EnqueueTx is [Queue.Enqueue] as part of a transaction of the caller's, which may fail
// or be rolled back: then there is no job. Jobs of transactions that are written at the
// same time are all counted after they are.
func (b *Bolt) EnqueueTx(tx *bolt.Tx, n New) (Job, error) {
	if err := n.validate(); err != nil {
		return Job{}, err
	}
	if job, err := existing(tx, n); !errors.Is(err, ErrNotFound) {
		return job, err
	}
	b.index.mu.Lock()
	p := b.index.poolOf(n.Kind)
	err := p.refuses(n.Organisation)
	b.index.mu.Unlock()
	if err != nil {
		return Job{}, err
	}
	if _, err := b.insert(tx, n, func() { p.count(n.Organisation, 1) }); err != nil {
		return Job{}, err
	}
	return existing(tx, n)
}

// errExists says that the id of a job to be inserted is taken.
var errExists = errors.New("there is a job with this id")

// insert stores a new job. counted is called when it is on the disk, before it is put
// in line.
func (b *Bolt) insert(tx *bolt.Tx, job New, counted func()) (uint64, error) {
	if tx.Bucket(bucketIDs).Get([]byte(job.ID)) != nil {
		return 0, errExists
	}
	n, err := nextNumber(tx)
	if err != nil {
		return 0, err
	}
	r := b.newRecord(job)
	if err := happened(tx, n, r, EventQueued, r.Enqueued); err != nil {
		return 0, err
	}
	b.changed(tx, n, func() {
		counted()
		b.admit(n, r)
	})
	return n, errors.Join(
		put(tx, n, r),
		tx.Bucket(bucketIDs).Put([]byte(job.ID), key(n)),
		tx.Bucket(bucketPayloads).Put(key(n), job.Payload),
		tx.Bucket(bucketLive).Put(key(n), nil),
		tx.Bucket(bucketOrganisations).Put(organisationKey(job.Organisation, n), nil),
	)
}

func (b *Bolt) newRecord(n New) *record {
	utc := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return t.UTC().Truncate(time.Microsecond)
	}
	r := &record{
		ID: n.ID, Organisation: n.Organisation, Kind: n.Kind, Fingerprint: n.fingerprint(),
		State: Queued, Enqueued: now(), Deadline: utc(n.Deadline), NotBefore: utc(n.NotBefore),
	}
	if r.Deadline.IsZero() && b.options.Deadline > 0 {
		r.Deadline = r.Enqueued.Add(b.options.Deadline)
	}
	return r
}

// nextNumber gives numbers from 1 that are never given again.
func nextNumber(tx *bolt.Tx) (uint64, error) {
	meta := tx.Bucket(bucketMeta)
	n := uint64(1)
	if last := meta.Get(keyNext); last != nil {
		var err error
		if n, err = number(last); err != nil {
			return 0, err
		}
	}
	return n, meta.Put(keyNext, key(n+1))
}

func (b *Bolt) existing(n New) (job Job, err error) {
	err = b.db.View(func(tx *bolt.Tx) error {
		job, err = existing(tx, n)
		return err
	})
	if err == nil {
		b.place(&job)
	}
	return job, err
}

// existing gives the job that a new one is the same as, or fails with [ErrNotFound] or
// [ErrConflict].
func existing(tx *bolt.Tx, n New) (Job, error) {
	at, err := find(tx, n.ID)
	if err != nil {
		return Job{}, err
	}
	r, err := read(tx, at)
	if err != nil {
		return Job{}, err
	}
	if !r.same(n) {
		return Job{}, fmt.Errorf("%w: of another organisation, kind or payload", ErrConflict)
	}
	return full(tx, at, r), nil
}
