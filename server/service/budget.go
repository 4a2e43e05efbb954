package service

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/budget"
	"github.com/attestry/attestry/statement"
)

// Budget is what a bank may ask and has asked.
type Budget struct {
	budget.Limits // zero: nothing is bounded
	Registries    []budget.Usage
}

// Budget tells what an organisation may ask, and what it has asked in the last window, in
// numbers: to itself, and to who watches over the server. It fails with [ErrNotFound].
func (s *Service) Budget(p *access.Principal, organisation string) (*Budget, error) {
	if p.Organisation.Role == access.RoleBank && p.Organisation.ID != organisation {
		return nil, ErrNotFound
	}
	if s.config.Budget == nil {
		return &Budget{}, nil
	}
	registries, err := s.w.Ledger.Registries()
	if err != nil {
		return nil, err
	}
	b := &Budget{Limits: s.config.Budget.Limits()}
	b.Registries, err = s.config.Budget.Usage(organisation, registries)
	return b, err
}

// chargeRecords charges a bank's question to the records that could answer it, once,
// before any of their values is looked at. It fails with [budget.ErrSpent], of which the
// asker learns no more than of a claim that is false: it tells whose records they are.
func (s *Service) chargeRecords(r *Request, document *statement.Request) error {
	if !r.Uncharged || s.config.Budget == nil {
		return nil
	}
	candidates, err := s.w.Agency().Candidates(document, r.Only...)
	if err != nil {
		return err
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		kept, err := s.requests.get(tx, r.ID)
		if err != nil || !kept.Uncharged {
			return err
		}
		kept.Uncharged = false
		return errors.Join(s.requests.put(tx, r.ID, kept), s.config.Budget.ChargeRecords(tx, r.Organisation, candidates))
	})
	if errors.Is(err, budget.ErrSpent) {
		return fmt.Errorf("a record that could answer was asked about as often as the asker's budget allows, by this name or another: %w", err)
	}
	if err == nil {
		r.Uncharged = false
	}
	return err
}

// noteProbing records that an organisation's budget is spent, now and then: it may go on
// asking as fast as it can.
func (s *Service) noteProbing(p *access.Principal, r *Request) {
	if !s.probing.now(p.Organisation.ID, s.now(), noteInterval) {
		return
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		return s.record(tx, p, AuditRecord{Action: "request.over_budget", Outcome: "budget_spent", Facts: auditFacts(r.here())})
	})
	if err != nil {
		s.log.Error("record that a budget is spent", "error", err.Error())
	}
}

// noteInterval is how long nothing more is recorded of an organisation whose budget is spent.
const noteInterval = time.Minute

// sometimes lets things be done for a name no more often than at an interval.
type sometimes struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// now tells whether it is time, and if so that it was done.
func (s *sometimes) now(name string, now time.Time, interval time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.last[name]; ok && now.Sub(last) < interval {
		return false
	}
	if s.last == nil {
		s.last = map[string]time.Time{}
	}
	s.last[name] = now
	return true
}
