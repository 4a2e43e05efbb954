package service

import (
	"bytes"
	"context"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/server/access"
)

// count keeps how many requests there are in a state, of an organisation and of all.
func (s *Service) count(tx *bbolt.Tx, organisation string, state RequestState, by int64) error {
	bucket := tx.Bucket([]byte(countsBucket))
	for _, owner := range []string{"", organisation} {
		key := []byte(owner + "\x00" + string(state))
		var n uint64
		if v := bucket.Get(key); len(v) == 8 {
			n = binary.BigEndian.Uint64(v)
		}
		if err := bucket.Put(key, binary.BigEndian.AppendUint64(nil, n+uint64(by))); err != nil {
			return err
		}
	}
	return nil
}

// Counts says how many requests an organisation may see, by state. For an agency that
// does not act for every registry they are of the newest ones alone.
func (s *Service) Counts(p *access.Principal) (counts map[string]int, err error) {
	counts = map[string]int{}
	o := p.Organisation
	err = s.db.View(func(tx *bbolt.Tx) error {
		if o.Role == access.RoleAgency && len(o.Registries) > 0 {
			some, _, err := s.requests.page(tx, "", 0, maxLooked, func(r *Request) bool { return r.mayRead(o) })
			for _, r := range some {
				counts[string(r.State)]++
			}
			return err
		}
		owner := ""
		if o.Role == access.RoleBank {
			owner = o.ID
		}
		prefix := []byte(owner + "\x00")
		cursor := tx.Bucket([]byte(countsBucket)).Cursor()
		for k, v := cursor.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = cursor.Next() {
			if n := binary.BigEndian.Uint64(v); n > 0 {
				counts[string(k[len(prefix):])] = int(n)
			}
		}
		return nil
	})
	return counts, err
}

// Overview is how much there is of everything that an organisation may see.
type Overview struct {
	Log        Log
	Registries int
	Requests   map[string]int // by state
	Jobs       map[string]int // unfinished ones, by state
}

// Overview counts.
func (s *Service) Overview(ctx context.Context, p *access.Principal) (o Overview, err error) {
	if o.Log, err = s.Log(); err != nil {
		return o, err
	}
	names, err := s.w.Ledger.Registries()
	if err != nil {
		return o, err
	}
	o.Registries = len(names)
	if o.Requests, err = s.Counts(p); err != nil {
		return o, err
	}
	o.Jobs, err = s.countJobs(ctx, p)
	return o, err
}

// countJobs counts unfinished jobs: all of them for who runs the server or answers from
// every registry, and for others as their requests tell.
func (s *Service) countJobs(ctx context.Context, p *access.Principal) (map[string]int, error) {
	counts := map[string]int{}
	if o := p.Organisation; o.Role == access.RoleOperator || o.Role == access.RoleAgency && len(o.Registries) == 0 {
		for _, kind := range []string{KindAnswer, KindCommit} {
			stats := s.queue.Stats()[kind]
			counts[string(queue.Queued)] += stats.Queued + stats.Delayed
			counts[string(queue.Running)] += stats.Running
		}
		return counts, nil
	}
	for _, state := range []queue.State{queue.Queued, queue.Running} {
		for f := (queue.Filter{Organisation: p.Organisation.ID, State: state}); ; {
			jobs, next, err := s.queue.List(ctx, f)
			if err != nil {
				return nil, err
			}
			for _, j := range jobs {
				if j.Kind != KindWebhook {
					counts[string(state)]++
				}
			}
			if next == "" {
				break
			}
			f.After = next
		}
	}
	return counts, nil
}
