package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/config"
	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/budget"
	"github.com/attestry/attestry/server/metrics"
	rules "github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/workspace"
)

const (
	// proofBytes is what the making of a proof takes of memory, with room to spare.
	proofBytes = 256 << 20
	// callers is how many webhooks are called at once: they wait for others, so they
	// have workers of their own.
	callers = 8
	// committers is how many registries are committed at once.
	committers = 2
	// commitStall is how long a commit may wait for others, which take as long as their
	// registries are large, before the queue is taken for stuck.
	commitStall = 2 * time.Hour
)

// serveOrganisations has a workspace's server serve its organisations: it adds what they
// use to the server's configuration, and does their jobs until ctx ends. stop waits for
// what is being done, and comes before the workspace is closed. fail is told of a queue
// that cannot go on.
func (s *service) serveOrganisations(ctx context.Context, w *workspace.Workspace, c *server.Config, fail func(error)) (stop func(), err error) {
	if c.Directory, err = directory(w); err != nil {
		return nil, err
	}
	if c.Access, err = s.authenticator(c.Directory); err != nil {
		return nil, err
	}
	q, err := s.open(w, c)
	if err != nil {
		return nil, err
	}
	c.Ready = append(c.Ready, server.Check{Name: "queue", Holds: func(context.Context) error { return q.Ready() }})
	c.OwnTrust = s.settings.Trust == ""
	var working sync.WaitGroup
	working.Go(func() { _ = c.Access.CheckIssuers(ctx) }) // which tells the log
	working.Go(func() {
		if err := c.Service.Run(ctx); err != nil && ctx.Err() == nil {
			fail(fmt.Errorf("the queue: %w", err))
		}
	})
	select {
	case <-q.Begun(): // so that who is told where the server listens finds it ready
	case <-ctx.Done():
	}
	return working.Wait, nil
}

// open opens the queue and, as the server's service, the rules of what organisations do, as
// the configuration says.
func (s *service) open(w *workspace.Workspace, c *server.Config) (*queue.Bolt, error) {
	db, err := w.ServiceDB()
	if err != nil {
		return nil, err
	}
	o := queueOptions(s.settings)
	o.Log = s.log
	o.OnFinish = func(tx *bbolt.Tx, j queue.Job) error { return c.Service.Finished(tx, j) }
	o.Observe = func(o queue.Observation) {
		s.metrics.Job(metrics.Run{Kind: o.Kind, Outcome: string(o.Outcome), Waited: o.Waited, Ran: o.Ran})
		if o.Kind == rules.KindAnswer && o.Outcome == queue.OutcomeFailed {
			s.metrics.Refusal(o.Code)
		}
	}
	q, err := queue.Open(db, o)
	if err != nil {
		return nil, err
	}
	limits, err := s.openBudget(w, db)
	if err != nil {
		return nil, err
	}
	h := s.settings.Webhooks
	c.Service, err = rules.Open(rules.Config{
		Workspace: w, Queue: q, Sealer: w.AtRest(), Automatic: rules.Automatic(s.settings.Answer.Automatic), Logger: s.log,
		Budget:   limits,
		Tracer:   s.tracer(),
		Webhooks: rules.WebhookConfig{Timeout: h.Timeout, Attempts: h.Attempts, AllowPrivate: h.AllowPrivate},
	})
	return q, err
}

// openBudget opens what bounds the banks' questions; nil: the configuration has no bounds.
func (s *service) openBudget(w *workspace.Workspace, db *bbolt.DB) (*budget.Budget, error) {
	c := s.settings.Budget
	if c.Questions == 0 && c.RegistryQuestions == 0 {
		return nil, nil
	}
	return budget.Open(db, budget.Options{
		Limits: budget.Limits{Window: c.Window, Questions: c.Questions, RegistryQuestions: c.RegistryQuestions}, Sealer: w.AtRest(),
	})
}

func queueOptions(c config.Config) queue.Options {
	pool := func(workers int) queue.Pool {
		return queue.Pool{Workers: workers, Jobs: c.Queue.Jobs, JobsPerOrganisation: c.Queue.JobsPerOrganisation}
	}
	workers := c.Queue.Workers
	if workers == 0 {
		workers = queue.Workers(proofBytes)
	}
	commits := pool(committers)
	commits.Stall = commitStall
	return queue.Options{
		Pool:     pool(workers),
		Pools:    map[string]queue.Pool{rules.KindWebhook: pool(callers), rules.KindCommit: commits},
		Attempts: c.Queue.Attempts, Backoff: c.Queue.Backoff, MaxBackoff: c.Queue.MaxBackoff,
		Deadline: c.Queue.Deadline, Drain: c.Drain.Timeout, Retain: c.Queue.Retain,
	}
}
