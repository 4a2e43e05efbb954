package service

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"go.etcd.io/bbolt"
)

// Kinds of what is due at a time.
const (
	dueRequest  = 'r' // a request is to be answered by then
	dueOpenings = 'o' // openings wait until then
	dueReplay   = 'i' // the answer to an idempotency key is kept until then
)

const dueBucket = "service.due" // time in milliseconds, kind, id -> nothing

// due notes that something is to be done at a time.
func (s *Service) due(tx *bbolt.Tx, at time.Time, kind byte, id string) error {
	return tx.Bucket([]byte(dueBucket)).Put(dueKey(at, kind, id), []byte{})
}

func dueKey(at time.Time, kind byte, id string) []byte {
	key := binary.BigEndian.AppendUint64(nil, uint64(max(at.UnixMilli(), 0)))
	return append(append(key, kind), id...)
}

func (s *Service) sweepEvery(ctx context.Context, interval time.Duration) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		if err := s.Sweep(); err != nil {
			s.log.Error("put away what is overdue", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// sweepBatch is how much one transaction puts away, so that it holds up no other.
const sweepBatch = 200

// Sweep ends requests that were not answered in time, and forgets openings and answers
// to idempotency keys whose time is over.
func (s *Service) Sweep() error {
	for {
		n := 0
		err := s.db.Update(func(tx *bbolt.Tx) error {
			due, now := tx.Bucket([]byte(dueBucket)), uint64(s.now().UnixMilli())
			var keys [][]byte
			cursor := due.Cursor()
			for k, _ := cursor.First(); k != nil && binary.BigEndian.Uint64(k) <= now && len(keys) < sweepBatch; k, _ = cursor.Next() {
				keys = append(keys, append([]byte{}, k...))
			}
			n = len(keys)
			for _, k := range keys {
				if err := errors.Join(due.Delete(k), s.overdue(tx, k[8], string(k[9:]))); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n < sweepBatch {
			return err
		}
	}
}

func (s *Service) overdue(tx *bbolt.Tx, kind byte, id string) error {
	var err error
	switch kind {
	case dueRequest:
		var r *Request
		if r, err = s.requests.get(tx, id); err == nil && r.State == Asked { // a job ends by its own deadline
			err = s.changeIn(tx, r, func() error { return s.expire(tx, r) })
		}
	case dueOpenings:
		var p *Proof
		if p, err = s.proofs.get(tx, id); err == nil && p.Openings.State == OpeningsWaiting {
			err = errors.Join(s.forget(tx, p, OpeningsExpired), s.record(tx, nil, AuditRecord{Action: "openings.expired", Request: p.Request, Proof: id}))
		}
	case dueReplay:
		var r *replayRecord
		if r, err = s.replayRecord(tx, id); err == nil && !r.Until.After(s.now()) {
			err = s.replays.delete(tx, id)
		}
	}
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (s *Service) expire(tx *bbolt.Tx, r *Request) error {
	r.State = Expired
	return errors.Join(s.documents.delete(tx, r.ID), s.record(tx, nil, AuditRecord{Action: "request.expired", Request: r.ID}))
}
