package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
)

// maxFindings bounds a report: what is wrong beyond it is mostly what follows from
// what is in it.
const maxFindings = 20

// Part names a part of a ledger that can be damaged.
type Part string

// The parts.
const (
	PartPages      Part = "pages"      // the database's own structure
	PartEntry      Part = "entry"      // an entry's bytes, or that it keeps to the rules
	PartHash       Part = "hash"       // a stored hash of the tree
	PartRow        Part = "row"        // a row of the rules' state: indexes, nullifiers
	PartCheckpoint Part = "checkpoint" // the last published one
	PartGuard      Part = "guard"      // the file outside the database
)

// Finding is one thing that is wrong with a ledger.
type Finding struct {
	Part Part `json:"part"`
	// Entry is the first entry that the finding is about, where it is about one: the
	// damaged entry, or the one that completes a damaged hash.
	Entry *uint64 `json:"entry,omitempty"`
	// Hash is the index of a stored hash (as of sumdb/tlog).
	Hash *uint64 `json:"hash,omitempty"`
	// Table and Key (hexadecimal) name a row.
	Table string `json:"table,omitempty"`
	Key   string `json:"key,omitempty"`
	// Problem says what is wrong, with the place.
	Problem string `json:"problem"`

	err error // of which Problem is the text
}

// Report is what [Store.Fsck] found.
type Report struct {
	Origin  string `json:"origin"`
	Entries uint64 `json:"entries"`
	// Sound is the number of entries before the first one that is missing, damaged,
	// against the rules, or not what the tree has hashed.
	Sound uint64 `json:"sound"`
	// StateCompared is false where entries are damaged: what they give of the state is
	// then not known, and rows that differ would say nothing.
	StateCompared bool      `json:"state_compared"`
	Findings      []Finding `json:"findings"`
	// More says that there are findings beyond those listed.
	More bool `json:"more"`
}

// Err gives what was found as an error, or nil. It is [ErrDamaged] or [ErrGuard], and the
// rule that an entry breaks.
func (r *Report) Err() error {
	var errs []error
	for _, f := range r.Findings {
		errs = append(errs, f.err)
	}
	return errors.Join(errs...)
}

// First gives the first finding as an error, or nil.
func (r *Report) First() error {
	if len(r.Findings) == 0 {
		return nil
	}
	return r.Findings[0].err
}

// add takes up a finding, and tells whether there is room for more.
func (r *Report) add(f Finding) bool {
	if f.Entry != nil {
		r.Sound = min(r.Sound, *f.Entry)
	}
	if len(r.Findings) == maxFindings {
		r.More = true
		return false
	}
	if f.err == nil {
		f.err = fmt.Errorf("%w: %s", ErrDamaged, f.Problem)
	} else {
		f.Problem = f.err.Error()
	}
	r.Findings = append(r.Findings, f)
	return true
}

// damaged tells whether something of this part was found.
func (r *Report) damaged(parts ...Part) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return slices.Contains(parts, f.Part) })
}

// FsckOptions say how to check.
type FsckOptions struct {
	// LogKeys are the log's verifier keys, of which one has signed the published
	// checkpoint, and one the guard; without any, these signatures are not checked.
	LogKeys []string
	// Progress hears how many entries have been replayed.
	Progress func(done, total uint64)
}

// Check is [Store.Fsck] for who wants to know only whether the ledger is whole. It fails
// with [ErrDamaged] or [ErrGuard], and with the rules that entries break.
func (s *Store) Check(ctx context.Context) error {
	report, err := s.Fsck(ctx, FsckOptions{})
	if err != nil {
		return err
	}
	return report.Err()
}

// Fsck rebuilds the log from its entries and compares: the database's pages by
// bbolt's own check, every stored hash with the entries, every entry with the rules,
// the state that the rules give with the one that is stored, the tree with the last
// published checkpoint and with the guard. It goes on after a finding, as far as that
// tells more. An error says that it could not check.
//
// The replay keeps its state in a temporary database beside the ledger, about as
// large as the ledger without its entries, so that memory does not grow with the log
// (but for bbolt's own check, some 50 bytes for each page of 4 KiB). Proofs are
// checked on all processors: it takes as long as checking every proof.
func (s *Store) Fsck(ctx context.Context, o FsckOptions) (*Report, error) {
	r := &Report{Origin: s.rules.Origin, Findings: []Finding{}, Entries: s.Size(), Sound: ledger.MaxSize}
	err := s.checkFiles(r, o)
	if err == nil {
		err = s.view(func(tx *bolt.Tx) error {
			return guarded(func() error { return s.fsck(ctx, tx, r, o) })
		})
	}
	if errors.Is(err, errPages) {
		r.add(Finding{Part: PartPages, err: err})
		r.Sound, err = 0, nil
	}
	r.Sound = min(r.Sound, r.Entries)
	return r, err
}

// checkFiles checks what an append or a publication changes under a reader's eyes:
// the database's free pages, and the guard.
func (s *Store) checkFiles(r *Report, o FsckOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer debug.FreeOSMemory() // bbolt's check has a map of all pages
	return s.view(func(tx *bolt.Tx) error {
		return guarded(func() error {
			if err := checkPages(tx); err != nil {
				r.add(Finding{Part: PartPages, err: err})
			}
			if err := s.checkGuard(tx); err != nil {
				r.add(Finding{Part: PartGuard, err: err})
			}
			s.checkSignatures(tx, r, o.LogKeys)
			return nil
		})
	})
}

func checkPages(tx *bolt.Tx) error {
	var problems []error
	for err := range tx.Check() { // to its end: the sender waits for its reader
		if len(problems) < maxFindings {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w: %w", ErrDamaged, errors.Join(problems...))
	}
	return nil
}

// checkSignatures holds what the log signed to the log's key.
func (s *Store) checkSignatures(tx *bolt.Tx, r *Report, keys []string) {
	signed := tx.Bucket(bucketMeta).Get(keyCheckpoint)
	if len(keys) == 0 || signed == nil {
		return
	}
	if _, err := openSigned(signed, keys); err != nil {
		r.add(Finding{Part: PartCheckpoint, err: fmt.Errorf("%w: the published checkpoint: %w", ErrDamaged, err)})
	}
	guard, err := readGuard(s.guardOf)
	if err != nil {
		return // said by checkGuard
	}
	if _, err := openSigned(guard, keys); err != nil {
		r.add(Finding{Part: PartGuard, err: fmt.Errorf("%w: %w", ErrGuard, err)})
	}
}

// openSigned reads a checkpoint that one of a log's keys has signed.
func openSigned(signed []byte, keys []string) (c ledger.Checkpoint, err error) {
	err = fmt.Errorf("%w: no key of the log is known", ledger.ErrBadKey)
	for _, key := range keys {
		if c, err = ledger.OpenCheckpoint(signed, key); err == nil {
			return c, nil
		}
	}
	return c, err
}

func (s *Store) fsck(ctx context.Context, tx *bolt.Tx, r *Report, o FsckOptions) error {
	r.Entries = txSize(tx)
	if err := checkTree(ctx, tx, r); err != nil {
		return err
	}
	replay, err := newReplay(s)
	if err != nil {
		return err
	}
	err = replay.entries(ctx, tx, r, o.Progress)
	if err == nil && !r.damaged(PartEntry) {
		r.StateCompared = true
		err = replay.compare(ctx, tx, r)
	}
	return errors.Join(err, replay.close())
}

// errPages is what a walk over the database ended with where its pages are not what
// they should be.
var errPages = fmt.Errorf("%w: its pages cannot be read", ErrDamaged)

// guarded runs a function that reads the database, whose pages may be damaged: bbolt
// panics at such a page, or follows it to where there is no memory.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: %v", errPages, fault)
		}
	}()
	return f()
}
