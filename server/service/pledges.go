package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Pledge is a pledge of the ledger.
type Pledge struct {
	Index      uint64
	Registry   string
	Scope      string // its name, or its element where no schema here has it
	Nullifier  statement.Element
	ReleaseKey statement.ReleaseKey
	Status     ledger.PledgeStatus
}

// Pledge gives the pledge of an entry. It fails with [ErrNotFound].
func (s *Service) Pledge(index uint64) (*Pledge, error) {
	status, err := s.w.Ledger.Pledge(index)
	if errors.Is(err, ledger.ErrUnknown) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	data, err := s.w.Ledger.Entry(index)
	if err != nil {
		return nil, err
	}
	e, err := entryOf[*ledger.ProofEntry](data)
	if err != nil {
		return nil, err
	}
	return &Pledge{
		Index: index, Registry: e.Public.Registry, Scope: s.scopeName(e.Public.Registry, e.Scope),
		Nullifier: e.Nullifier, ReleaseKey: *e.Public.ReleaseKey, Status: status,
	}, nil
}

// Pledges lists the ledger's pledges, the oldest first.
func (s *Service) Pledges(p *access.Principal, f Filter) (page Page[*Pledge], err error) {
	list := f.list("pledges", p)
	from, err := s.at(list, f.Cursor)
	if err != nil {
		return page, err
	}
	page.Items = []*Pledge{}
	indexes, err := s.w.Ledger.Pledges(from, maxLooked)
	for i, index := range indexes {
		if len(page.Items) == f.Limit || i == maxLooked-1 {
			page.Next = s.cursor(list, index)
			break
		}
		pledge, err := s.Pledge(index)
		if err != nil {
			return page, err
		}
		if (f.Registry == "" || f.Registry == pledge.Registry) && (f.State == "" || f.State == pledge.State()) {
			page.Items = append(page.Items, pledge)
		}
	}
	return page, err
}

// States of a pledge.
const (
	PledgeLive     = "live"
	PledgeReleased = "released"
)

// State tells whether the pledge lives.
func (p *Pledge) State() string {
	if p.Status.Live {
		return PledgeLive
	}
	return PledgeReleased
}

// Submit appends a pledge that a record's holder proved, and gives the receipt that
// completes the holder's bundle. With consent the issuer signs it, which is the agency's
// to say. See [prover.Agency.Submit].
func (s *Service) Submit(ctx context.Context, p *access.Principal, document []byte, consent bool) (*verifier.Receipt, *Pledge, error) {
	e, err := parseEntry[*ledger.ProofEntry](document)
	if err != nil {
		return nil, nil, err
	}
	if consent && !p.Organisation.ActsFor(e.Public.Registry) {
		return nil, nil, fmt.Errorf("the issuer's consent is %w", ErrForbidden)
	}
	receipt, index, err := s.w.Agency().Submit(ctx, e, consent)
	if err != nil {
		return nil, nil, err
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		return s.record(tx, p, AuditRecord{Action: "pledge.submitted", Registry: e.Public.Registry, Entry: &index})
	})
	if err != nil {
		return nil, nil, err
	}
	pledge, err := s.Pledge(index)
	return receipt, pledge, err
}

// Release appends the release of the pledge of an entry. Once more is no error. The
// ledger's rules say whether the release key signed it.
func (s *Service) Release(ctx context.Context, p *access.Principal, index uint64, document []byte) (*Pledge, error) {
	e, err := parseEntry[*ledger.ReleaseEntry](document)
	if err != nil {
		return nil, err
	}
	if uint64(e.Pledge) != index {
		return nil, fmt.Errorf("%w: it releases the pledge of entry %d", ledger.ErrRelease, e.Pledge)
	}
	if _, err := s.Pledge(index); err != nil {
		return nil, err
	}
	_, err = s.w.Ledger.Append(ctx, e)
	var duplicate *ledger.DuplicateError
	if err != nil && !errors.As(err, &duplicate) {
		return nil, err
	}
	if _, err := s.w.Publish(ctx); err != nil {
		s.log.Error("publish the log", "error", err.Error())
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		return s.record(tx, p, AuditRecord{Action: "pledge.released", Registry: e.Registry, Entry: &index})
	})
	if err != nil {
		return nil, err
	}
	return s.Pledge(index)
}

// parseEntry reads an entry of a type that somebody sent.
func parseEntry[E ledger.Entry](document []byte) (e E, err error) {
	entry, err := ledger.ParseEntry(bytes.TrimSpace(document))
	if err != nil {
		return e, err
	}
	e, ok := entry.(E)
	if !ok {
		return e, fmt.Errorf("%w: of type %s in the place of %s", ledger.ErrMalformed, entry.Type(), strconv.Quote(string(e.Type())))
	}
	return e, nil
}
