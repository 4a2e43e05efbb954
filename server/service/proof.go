package service

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/verifier"
)

// Proof is an answer as the service keeps it, without its bundle and openings.
type Proof struct {
	ID           string       `json:"id"`
	Request      string       `json:"request"`
	Organisation string       `json:"organisation"` // who asked
	Audience     string       `json:"audience,omitempty"`
	Created      time.Time    `json:"created"`
	Facts        []ProvedFact `json:"facts"`
	Sources      []string     `json:"sources"` // the registries whose records it is about
	Timings      Timings      `json:"timings"`
	Openings     Openings     `json:"openings"`
	Readers      []string     `json:"readers,omitempty"` // auditors that may read the bundle
}

// ProvedFact says what the proofs of a fact rest on, and where they are in the ledger.
type ProvedFact struct {
	Name     string   `json:"name"`
	Registry string   `json:"registry"`
	Epoch    uint64   `json:"epoch"`
	Entries  []uint64 `json:"entries"`
	// Pledge tells that the first entry pledges the record.
	Pledge bool `json:"pledge,omitempty"`
}

// OpeningsState is whether openings wait for their asker.
type OpeningsState string

// The states.
const (
	OpeningsWaiting      OpeningsState = "waiting"
	OpeningsAcknowledged OpeningsState = "acknowledged"
	OpeningsExpired      OpeningsState = "expired"
)

// Openings says where the openings of an answer are.
type Openings struct {
	State        OpeningsState `json:"state"`
	Expires      time.Time     `json:"expires"`
	Acknowledged time.Time     `json:"acknowledged,omitzero"`
	Bytes        int           `json:"bytes"` // of the age file
}

func provedFacts(b *verifier.Bundle) (facts []ProvedFact, err error) {
	for _, f := range b.Facts {
		proved := ProvedFact{Name: f.Name}
		epoch, err := entryOf[*ledger.EpochEntry](f.Epoch.Entry)
		if err != nil {
			return nil, err
		}
		proved.Epoch = uint64(epoch.Number)
		for i, p := range f.Proofs {
			entry, err := entryOf[*ledger.ProofEntry](p.Entry)
			if err != nil {
				return nil, err
			}
			inclusion, err := ledger.ParseInclusion([]byte(p.Inclusion))
			if err != nil {
				return nil, err
			}
			proved.Entries = append(proved.Entries, inclusion.Index)
			if i == 0 {
				proved.Registry, proved.Pledge = entry.Public.Registry, entry.IsPledge()
			}
		}
		facts = append(facts, proved)
	}
	return facts, nil
}

func entryOf[E ledger.Entry](data []byte) (e E, err error) {
	entry, err := ledger.ParseEntry(data)
	if err != nil {
		return e, err
	}
	e, ok := entry.(E)
	if !ok {
		return e, fmt.Errorf("an entry of type %s in the place of %s", entry.Type(), e.Type())
	}
	return e, nil
}

// isOf tells whether an organisation is an agency that acts for all registries that the
// answer is from.
func (p *Proof) isOf(o access.Organisation) bool {
	return o.Role == access.RoleAgency && !slices.ContainsFunc(p.Sources, func(r string) bool { return !o.ActsFor(r) })
}

// mayRead tells whether an organisation may have the bundle.
func (p *Proof) mayRead(o access.Organisation) bool {
	return p.Organisation == o.ID || p.isOf(o) || o.Role == access.RoleAuditor && slices.Contains(p.Readers, o.ID)
}

// Proof gives an answer. It fails with [ErrNotFound].
func (s *Service) Proof(p *access.Principal, id string) (proof *Proof, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		proof, err = s.proofIn(tx, p, id)
		return err
	})
	return proof, err
}

func (s *Service) proofIn(tx *bbolt.Tx, p *access.Principal, id string) (*Proof, error) {
	proof, err := s.proofs.get(tx, id)
	if err == nil && !proof.mayRead(p.Organisation) {
		return nil, ErrNotFound
	}
	return proof, err
}

// Proofs lists answers, the newest first.
func (s *Service) Proofs(p *access.Principal, f Filter) (Page[*Proof], error) {
	return listed(s, s.proofs, "proofs", p, f, func(proof *Proof) bool {
		return proof.mayRead(p.Organisation) &&
			(f.Registry == "" || slices.ContainsFunc(proof.Facts, func(a ProvedFact) bool { return a.Registry == f.Registry }))
	}, func(proof *Proof) *Proof { return proof })
}

// Bundle gives an answer's bundle, and notes who had it.
func (s *Service) Bundle(p *access.Principal, id string) (bundle []byte, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		proof, err := s.proofIn(tx, p, id)
		if err != nil {
			return err
		}
		if bundle, err = s.bundles.get(tx, id); err != nil {
			return err
		}
		return s.record(tx, p, AuditRecord{Action: "bundle.read", Request: proof.Request, Proof: id})
	})
	return bundle, err
}

// Sealed gives the openings, an age file, to the asker alone. It fails with [ErrGone]
// where they are forgotten.
func (s *Service) Sealed(p *access.Principal, id string) (openings []byte, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		proof, err := s.ofAsker(tx, p, id)
		if err != nil {
			return err
		}
		if proof.Openings.State != OpeningsWaiting {
			return fmt.Errorf("the openings were %s: they are %w", proof.Openings.State, ErrGone)
		}
		if openings, err = s.openings.get(tx, id); err != nil {
			return err
		}
		return s.record(tx, p, AuditRecord{Action: "openings.read", Request: proof.Request, Proof: id})
	})
	return openings, err
}

// ofAsker gives an answer to who asked. Another one that may see it is told so.
func (s *Service) ofAsker(tx *bbolt.Tx, p *access.Principal, id string) (*Proof, error) {
	proof, err := s.proofIn(tx, p, id)
	if err == nil && proof.Organisation != p.Organisation.ID {
		return nil, fmt.Errorf("the openings are the asker's alone: this is %w", ErrForbidden)
	}
	return proof, err
}

// Acknowledge forgets the openings, which the asker has, and what the request's
// document says. Once more is no error.
func (s *Service) Acknowledge(p *access.Principal, id string) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		proof, err := s.ofAsker(tx, p, id)
		if err != nil {
			return err
		}
		switch proof.Openings.State {
		case OpeningsAcknowledged:
			return nil
		case OpeningsExpired:
			return fmt.Errorf("the openings are expired: they are %w", ErrGone)
		}
		proof.Openings.Acknowledged = s.now().UTC()
		return errors.Join(
			s.forget(tx, proof, OpeningsAcknowledged),
			s.record(tx, p, AuditRecord{Action: "openings.acknowledged", Request: proof.Request, Proof: id}),
		)
	})
}

// forget drops what is kept for the asker of an answer alone.
func (s *Service) forget(tx *bbolt.Tx, proof *Proof, state OpeningsState) error {
	proof.Openings.State = state
	return errors.Join(
		s.openings.delete(tx, proof.ID), s.documents.delete(tx, proof.Request), s.proofs.put(tx, proof.ID, proof),
	)
}

// Readers gives the auditors that may read an answer's bundle to an agency.
func (s *Service) Readers(p *access.Principal, id string) ([]string, error) {
	proof, err := s.Proof(p, id)
	if err != nil {
		return nil, err
	}
	if !proof.isOf(p.Organisation) {
		return nil, ErrNotFound
	}
	return append([]string{}, proof.Readers...), nil
}

// maxReaders bounds how many auditors may read one answer.
const maxReaders = 64

// SetReader lets an auditor read an answer's bundle, or no more.
func (s *Service) SetReader(p *access.Principal, id, auditor string, may bool) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		proof, err := s.proofIn(tx, p, id)
		if err == nil && !proof.isOf(p.Organisation) {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		action := "reader.removed"
		proof.Readers = slices.DeleteFunc(proof.Readers, func(r string) bool { return r == auditor })
		if may {
			action = "reader.added"
			if proof.Readers = append(proof.Readers, auditor); len(proof.Readers) > maxReaders {
				return fmt.Errorf("%w: an answer has at most %d readers", ErrBusy, maxReaders)
			}
			slices.Sort(proof.Readers)
		}
		return errors.Join(s.proofs.put(tx, id, proof), s.record(tx, p, AuditRecord{Action: action, Proof: id, Target: auditor}))
	})
}
