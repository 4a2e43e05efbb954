package service

import (
	"errors"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/verifier"
)

// Log is the state of the ledger.
type Log struct {
	Origin     string
	Entries    uint64
	Checkpoint []byte // nil: none was published yet
	Signed     uint64 // entries below the checkpoint
}

// Log gives the ledger's state.
func (s *Service) Log() (Log, error) {
	l := Log{Origin: s.w.Ledger.Origin(), Entries: s.w.Ledger.Size()}
	signed, err := s.w.Ledger.Checkpoint()
	if errors.Is(err, store.ErrNoCheckpoint) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	c, err := ledger.ReadCheckpoint(signed)
	l.Checkpoint, l.Signed = signed, c.Size
	return l, err
}

// Entry is an entry of the ledger.
type Entry struct {
	Index uint64
	Type  ledger.EntryType
	Leaf  tlog.Hash
	JSON  []byte
}

// Entry gives an entry by its index. It fails with [ErrNotFound].
func (s *Service) Entry(index uint64) (*Entry, error) {
	data, err := s.w.Ledger.Entry(index)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	entry, err := ledger.ParseEntry(data)
	if err != nil {
		return nil, err
	}
	return &Entry{index, entry.Type(), ledger.LeafHash(data), data}, nil
}

// Entries lists the ledger's entries, the oldest first, from f.From on.
func (s *Service) Entries(p *access.Principal, f Filter) (page Page[*Entry], err error) {
	list := f.list("entries", p)
	at, err := s.at(list, f.Cursor)
	if err != nil {
		return page, err
	}
	page.Items = []*Entry{}
	size := s.w.Ledger.Size()
	for index, looked := max(at, f.From), 0; index < size; index, looked = index+1, looked+1 {
		if len(page.Items) == f.Limit || looked == maxLooked {
			page.Next = s.cursor(list, index)
			return page, nil
		}
		e, err := s.Entry(index)
		if err != nil {
			return page, err
		}
		if f.Type == "" || f.Type == string(e.Type) {
			page.Items = append(page.Items, e)
		}
	}
	return page, nil
}

// Trust gives the trust file that pins the workspace.
func (s *Service) Trust() (*verifier.Trust, error) { return s.w.Trust() }

// Circuit is a circuit that proofs are made with.
type Circuit struct {
	prover.CircuitKeys
	Sunset *uint64 // the entry that ended its use
}

// Circuits lists the circuits.
func (s *Service) Circuits() ([]Circuit, error) {
	all := []Circuit{}
	for _, keys := range s.w.Circuits() {
		sunset, err := s.w.Ledger.Sunset(keys.Circuit, keys.VK)
		if err != nil {
			return nil, err
		}
		all = append(all, Circuit{keys, sunset})
	}
	return all, nil
}
