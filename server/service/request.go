package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/budget"
)

// RequestState is how far a request is.
type RequestState string

// The states. The last four are ends.
const (
	Asked     RequestState = "asked"     // nobody works on it
	Answering RequestState = "answering" // a job does
	Answered  RequestState = "answered"
	Refused   RequestState = "refused"
	Withdrawn RequestState = "withdrawn" // by the asker
	Expired   RequestState = "expired"   // it was not answered in time
)

// Ended tells whether the state is an end.
func (s RequestState) Ended() bool { return s != Asked && s != Answering }

// Request is a request as the service keeps it, without its document.
type Request struct {
	ID           string       `json:"id"`
	Organisation string       `json:"organisation"` // who asks
	State        RequestState `json:"state"`
	Audience     string       `json:"audience,omitempty"`
	Purpose      string       `json:"purpose,omitempty"`
	Grant        *uint64      `json:"grant,omitempty"`
	Nonce        string       `json:"nonce"`
	Expires      time.Time    `json:"expires"` // to be answered
	Facts        []AskedFact  `json:"facts"`
	Only         []string     `json:"only,omitempty"` // the facts to prove here; none: all
	Created      time.Time    `json:"created"`
	Updated      time.Time    `json:"updated"`
	Job          string       `json:"job,omitempty"` // the last one
	Jobs         int          `json:"jobs,omitempty"`
	Started      string       `json:"started,omitempty"`     // names the operation that gave it the job
	Withdrawing  bool         `json:"withdrawing,omitempty"` // when its job lets go of it
	Proof        string       `json:"proof,omitempty"`
	Refusal      *Refusal     `json:"refusal,omitempty"`
	// Uncharged says that the records that could answer are not charged yet to the
	// asker's budget, as they are before anything is proved.
	Uncharged bool `json:"uncharged,omitempty"`
}

// Codes of a [Refusal]. New ones may come.
const (
	RefusedNotProvable    = "not_provable"
	RefusedAlreadyPledged = "already_pledged"
	RefusedNotGranted     = "not_granted" // the grant that it names does not allow it now
	RefusedByHand         = "refused"
)

// Refusal is why a request has no answer.
type Refusal struct {
	Code string `json:"code"`
	// Entry is the pledge that holds the record.
	Entry *uint64 `json:"entry,omitempty"`
	// Message is what the agency says to the asker.
	Message string `json:"message,omitempty"`
	// Detail is why, for the agency alone: it may name keys and failing conditions.
	Detail string `json:"detail,omitempty"`
}

// mayRead tells whether an organisation may see a request.
func (r *Request) mayRead(o access.Organisation) bool {
	return r.Organisation == o.ID || o.Role == access.RoleOperator || r.isAnsweredBy(o)
}

// isAnsweredBy tells whether an organisation is an agency that acts for all registries
// that the request is to be answered from.
func (r *Request) isAnsweredBy(o access.Organisation) bool {
	return o.Role == access.RoleAgency && !slices.ContainsFunc(r.here(), func(f AskedFact) bool { return !o.ActsFor(f.Source) })
}

// here gives the facts to prove here.
func (r *Request) here() []AskedFact {
	if len(r.Only) == 0 {
		return r.Facts
	}
	return slices.DeleteFunc(slices.Clone(r.Facts), func(f AskedFact) bool { return !slices.Contains(r.Only, f.Name) })
}

// shownTo gives the request as an organisation may see it.
func (r *Request) shownTo(o access.Organisation) *Request {
	shown := *r
	if r.Refusal != nil && !r.isAnsweredBy(o) {
		refusal := *r.Refusal
		refusal.Detail = ""
		shown.Refusal = &refusal
	}
	return &shown
}

// Ask takes a bank's request, and sees that it is answered where the configuration says
// so. only names the facts to prove here, where other agencies prove the rest; none is
// all. It fails with [statement.ErrBadRequest], [ErrIncomplete], [ErrAudience],
// [ErrExpired], with [budget.ErrSpent], and with [ErrExists] where the bank sent a request
// of this nonce before.
func (s *Service) Ask(ctx context.Context, p *access.Principal, document []byte, only []string) (*Request, error) {
	asked, err := s.read(document, only)
	if err != nil {
		return nil, err
	}
	if asked.document.Audience != p.Organisation.Audience {
		return nil, fmt.Errorf("%w: it is to be %q", ErrAudience, p.Organisation.Audience)
	}
	automatic, err := s.isAutomatic(asked)
	if err != nil {
		return nil, err
	}
	if s.config.Budget != nil {
		if asked.touched, err = s.w.Agency().Touched(asked.document, asked.only...); err != nil {
			return nil, err
		}
	}
	r, err := s.take(ctx, p, asked, automatic)
	if errors.Is(err, budget.ErrSpent) {
		s.noteProbing(p, asked.request)
	}
	return r, err
}

// isAutomatic tells whether a request is answered at once. It looks at no record.
func (s *Service) isAutomatic(asked *asking) (bool, error) {
	if s.config.Automatic != AutomaticGranted {
		return s.config.Automatic == AutomaticAll, nil
	}
	err := s.w.Agency().CheckGrants(asked.document, asked.only...)
	if isNo(err) {
		return false, nil // the agency sees to it
	}
	return err == nil, err
}

// take keeps a request and, where it is to be answered now, gives it a job.
func (s *Service) take(ctx context.Context, p *access.Principal, asked *asking, answer bool) (*Request, error) {
	r := asked.request
	r.ID, r.Organisation, r.State = s.newID(ctx), p.Organisation.ID, Asked
	r.Created = s.now().UTC()
	r.Updated = r.Created
	if r.Expires.IsZero() {
		r.Expires = r.Created.Add(s.config.RequestsKept)
	}
	kept, err := s.keep(p, asked, answer)
	if err != nil {
		return nil, err
	}
	return kept.shownTo(p.Organisation), nil
}

// keep writes a new request, its charges, and its job where it is to be answered. One that
// a crash kept from being acknowledged, by its idempotency key, is given again as it is.
func (s *Service) keep(p *access.Principal, asked *asking, answer bool) (kept *Request, err error) {
	r := asked.request
	err = s.db.Update(func(tx *bbolt.Tx) error {
		nonces, nonce := tx.Bucket([]byte(noncesBucket)), []byte(r.Organisation+"\x00"+r.Nonce)
		if id := nonces.Get(nonce); id != nil {
			if string(id) != r.ID {
				return fmt.Errorf("a request of this nonce is %w: /v1/requests/%s", ErrExists, id)
			}
			kept, err = s.requests.get(tx, r.ID)
			return err
		}
		kept = r
		if len(asked.touched) > 0 {
			r.Uncharged = true
			if err := s.config.Budget.Charge(tx, r.Organisation, asked.touched); err != nil {
				return err
			}
		}
		if answer {
			if err := s.giveJob(tx, r, r.ID); err != nil {
				return err
			}
		}
		return errors.Join(
			nonces.Put(nonce, []byte(r.ID)),
			s.requests.add(tx, r.ID, r.Organisation, r),
			s.documents.put(tx, r.ID, asked.raw),
			s.count(tx, r.Organisation, r.State, 1),
			s.due(tx, r.Expires, dueRequest, r.ID),
			s.record(tx, p, AuditRecord{Action: "request.created", Request: r.ID, Facts: auditFacts(r.here())}),
		)
	})
	return kept, err
}

// change changes a request in a transaction: fn sees it as it is and says what it is to
// be, and what else belongs to it.
func (s *Service) change(id string, fn func(tx *bbolt.Tx, r *Request) error) (r *Request, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		if r, err = s.requests.get(tx, id); err != nil {
			return err
		}
		return s.changeIn(tx, r, func() error { return fn(tx, r) })
	})
	return r, err
}

// changeIn is change within a transaction. It counts the states and wakes who waits.
func (s *Service) changeIn(tx *bbolt.Tx, r *Request, fn func() error) error {
	before := r.State
	if err := fn(); err != nil {
		return err
	}
	r.Updated = s.now().UTC()
	tx.OnCommit(func() { s.changed.raise(r.ID) })
	return errors.Join(
		s.count(tx, r.Organisation, before, -1), s.count(tx, r.Organisation, r.State, 1),
		s.requests.put(tx, r.ID, r),
	)
}

// Request gives a request. It fails with [ErrNotFound].
func (s *Service) Request(p *access.Principal, id string) (*Request, error) {
	r, err := s.request(id)
	if err != nil {
		return nil, err
	}
	if !r.mayRead(p.Organisation) {
		return nil, ErrNotFound
	}
	return r.shownTo(p.Organisation), nil
}

func (s *Service) request(id string) (r *Request, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		r, err = s.requests.get(tx, id)
		return err
	})
	return r, err
}

// Await gives a request when its state is an end, or after a while as it is then. It
// ends early, without an error, where ctx does.
func (s *Service) Await(ctx context.Context, p *access.Principal, id string, wait time.Duration) (*Request, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		raised, done := s.changed.on(id)
		r, err := s.Request(p, id)
		if err != nil || r.State.Ended() {
			done()
			return r, err
		}
		select {
		case <-raised:
			done()
		case <-ctx.Done():
			done()
			return r, nil
		}
	}
}

// Filter says which things of a list are wanted.
type Filter struct {
	State        string
	Registry     string
	Organisation string
	Action       string
	Type         string
	From         uint64
	Cursor       string
	Limit        int
}

// list names the list that a cursor is of: what is listed, for whom and by which filters.
func (f Filter) list(what string, p *access.Principal) string {
	return fmt.Sprintf("%s %q %q %q %q %q %q %d", what, p.Organisation.ID, f.State, f.Registry, f.Organisation, f.Action, f.Type, f.From)
}

// Page is a part of a list; Next is the cursor of the next part, empty at the end.
type Page[T any] struct {
	Items []T
	Next  string
}

// Requests lists requests, the newest first.
func (s *Service) Requests(p *access.Principal, f Filter) (Page[*Request], error) {
	return listed(s, s.requests, "requests", p, f, func(r *Request) bool {
		return r.mayRead(p.Organisation) && (f.State == "" || f.State == string(r.State)) &&
			(f.Registry == "" || slices.ContainsFunc(r.Facts, func(a AskedFact) bool { return a.Registry == f.Registry }))
	}, func(r *Request) *Request { return r.shownTo(p.Organisation) })
}

// listed gives a page of a collection: to a bank and an auditor what they own, to the
// others what they may see.
func listed[T, V any](s *Service, c collection[T], what string, p *access.Principal, f Filter, keep func(*T) bool, show func(*T) V) (page Page[V], err error) {
	list := f.list(what, p)
	below, err := s.at(list, f.Cursor)
	if err != nil {
		return page, err
	}
	owner := ""
	if p.Organisation.Role == access.RoleBank {
		owner = p.Organisation.ID
	}
	page.Items = []V{}
	err = s.db.View(func(tx *bbolt.Tx) error {
		things, next, err := c.page(tx, owner, below, f.Limit, keep)
		for _, thing := range things {
			page.Items = append(page.Items, show(thing))
		}
		page.Next = s.cursor(list, next)
		return err
	})
	return page, err
}

// Document gives a request's document to the asker and the agency. It fails with
// [ErrGone] where it is forgotten.
func (s *Service) Document(p *access.Principal, id string) (document []byte, err error) {
	r, err := s.request(id)
	if err != nil {
		return nil, err
	}
	if r.Organisation != p.Organisation.ID && !r.isAnsweredBy(p.Organisation) {
		return nil, ErrNotFound
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		if document, err = s.documents.get(tx, id); errors.Is(err, ErrNotFound) {
			return fmt.Errorf("the request's document is %w", ErrGone)
		}
		if err != nil {
			return err
		}
		return s.record(tx, p, AuditRecord{Action: "document.read", Request: id})
	})
	return document, err
}

// Withdraw takes a request back for who sent it. One that a job works on is withdrawn
// when the job lets go of it, unless it is answered by then: a pledge that is logged is
// not lost. It fails with [ErrWrongState] where the request has ended.
func (s *Service) Withdraw(ctx context.Context, p *access.Principal, id string) error {
	r, err := s.change(id, func(tx *bbolt.Tx, r *Request) error {
		switch {
		case r.Organisation != p.Organisation.ID && r.mayRead(p.Organisation):
			return fmt.Errorf("to withdraw a request is %w", ErrForbidden)
		case r.Organisation != p.Organisation.ID:
			return ErrNotFound
		case r.State == Withdrawn:
			return nil
		case r.State.Ended():
			return fmt.Errorf("%w: it is %s", ErrWrongState, r.State)
		}
		r.Withdrawing = true
		if r.State == Answering {
			return nil
		}
		return s.withdrawn(tx, r)
	})
	if err != nil || r.State != Answering {
		return err
	}
	if err := s.queue.Cancel(ctx, r.Job); !errors.Is(err, queue.ErrFinished) {
		return err
	}
	return nil // it was over while it was withdrawn
}

func (s *Service) withdrawn(tx *bbolt.Tx, r *Request) error {
	r.State = Withdrawn
	return errors.Join(s.documents.delete(tx, r.ID), s.record(tx, nil, AuditRecord{Action: "request.withdrawn", Request: r.ID}))
}

// Refuse refuses a request by hand. It fails with [ErrWrongState] where it has ended or
// a job works on it.
func (s *Service) Refuse(p *access.Principal, id, message string) (*Request, error) {
	r, err := s.change(id, func(tx *bbolt.Tx, r *Request) error {
		switch {
		case !r.isAnsweredBy(p.Organisation):
			return ErrNotFound
		case r.State == Refused && r.Refusal.Code == RefusedByHand && r.Refusal.Message == message:
			return nil // it was done, and its answer got lost
		case r.State != Asked:
			return fmt.Errorf("%w: it is %s", ErrWrongState, r.State)
		}
		return s.refuse(tx, p, r, &Refusal{Code: RefusedByHand, Message: message})
	})
	if err != nil {
		return nil, err
	}
	return r.shownTo(p.Organisation), nil
}

// refuse makes a refusal the end of a request.
func (s *Service) refuse(tx *bbolt.Tx, p *access.Principal, r *Request, why *Refusal) error {
	r.State, r.Refusal = Refused, why
	return errors.Join(
		s.documents.delete(tx, r.ID),
		s.record(tx, p, AuditRecord{Action: "request.refused", Outcome: why.Code, Request: r.ID, Job: r.Job, Entry: why.Entry}),
		s.notify(tx, "request.refused", r),
	)
}
