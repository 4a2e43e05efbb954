package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/server/access"
)

// commitOrder is the payload of a commit's job.
type commitOrder struct {
	Registry string `json:"registry"`
	After    uint64 `json:"after"` // the latest epoch when it was ordered; 0: none
}

// Commit has what is staged committed as a registry's next epoch, and gives the job.
// With nothing staged the epoch says that the last one is still true.
func (s *Service) Commit(ctx context.Context, p *access.Principal, name string) (*Job, error) {
	store, err := s.ownStore(p, name)
	if err != nil {
		return nil, err
	}
	order := commitOrder{Registry: name}
	if latest, ok := store.Latest(); ok {
		order.After = latest.Number
	} else if _, staged, err := store.Staged(); err != nil || !staged {
		return nil, errors.Join(err, fmt.Errorf("registry %s: %w", name, ErrNothingStaged))
	}
	payload, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	id := s.newID(ctx)
	err = s.db.Update(func(tx *bbolt.Tx) error {
		if _, err := targetOf(tx, id); err == nil {
			return nil // it was ordered before a crash
		}
		_, err := s.queue.EnqueueTx(tx, queue.New{ID: id, Organisation: p.Organisation.ID, Kind: KindCommit, Payload: payload})
		return errors.Join(err, setTarget(tx, id, target{Registry: name}),
			s.record(tx, p, AuditRecord{Action: "commit.started", Registry: name, Job: id}))
	})
	if err != nil {
		return nil, err
	}
	return s.Job(ctx, p, id)
}

// commit is the job that commits. One that was ordered before the latest epoch and has
// nothing to add to it is done: an earlier run of it, or another order, did it.
func (s *Service) commit(ctx context.Context, t *queue.Task) ([]byte, error) {
	var order commitOrder
	if err := json.Unmarshal(t.Job.Payload, &order); err != nil {
		return nil, queue.Permanent(err)
	}
	defer s.commits.lock(order.Registry)()
	store, err := s.w.Registry(order.Registry)
	if err != nil {
		return nil, err
	}
	_, staged, err := store.Staged()
	if err != nil {
		return nil, err
	}
	if latest, ok := store.Latest(); ok && latest.Number > order.After && !staged {
		return json.Marshal(latest.Number)
	}
	epoch, err := s.w.Commit(ctx, order.Registry, nil)
	if err != nil && ctx.Err() == nil {
		return nil, s.failed(t.Job.ID, "commit_failed", err)
	}
	if err != nil {
		return nil, err
	}
	if _, err := s.w.Publish(ctx); err != nil {
		s.log.Error("publish the log", "error", err.Error()) // the epoch is there all the same
	}
	return json.Marshal(epoch.Number)
}

// failed keeps why a job failed for the agency, which may do something about it, and
// makes it the job's end: nothing has changed, and it can be ordered again.
func (s *Service) failed(job, code string, err error) error {
	kept := s.db.Update(func(tx *bbolt.Tx) error { return s.notes.put(tx, job, []byte(err.Error())) })
	return errors.Join(kept, queue.Permanent(&queue.Failure{Code: code, Cause: err}))
}

func (s *Service) commitFinished(tx *bbolt.Tx, j queue.Job) error {
	t, err := targetOf(tx, j.ID)
	if err != nil {
		return err
	}
	a := AuditRecord{Action: "commit." + string(j.State), Outcome: j.Code, Registry: t.Registry, Job: j.ID}
	if j.State == queue.Done {
		if err := json.Unmarshal(j.Result, &t.Epoch); err != nil {
			return err
		}
		a.Action, a.Epoch = "epoch.committed", t.Epoch
	}
	return errors.Join(setTarget(tx, j.ID, t), s.record(tx, nil, a))
}
