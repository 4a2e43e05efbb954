package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

// Registry is a registry as an organisation may see it.
type Registry struct {
	Name        string
	DerivedFrom string // empty: it has records of its own
	Schema      *statement.Schema
	SchemaEntry uint64
	Latest      *Epoch           // nil before the first commit
	Staged      *registry.Counts // for the agency; nil: nothing waits for a commit
}

// Epoch is an epoch as an organisation may see it.
type Epoch struct {
	Registry string
	Number   uint64
	Root     statement.Element
	Time     time.Time
	Entry    uint64
	Counts   bool // false where a revocation has voided it
	Records  *int // for the agency
	Changed  *int // for the agency
	Derived  map[string]statement.Element
}

// Registries lists all registries by name, the derived ones among them.
func (s *Service) Registries(p *access.Principal) ([]*Registry, error) {
	names, err := s.w.Ledger.Registries()
	if err != nil {
		return nil, err
	}
	all := []*Registry{}
	for _, name := range names {
		r, err := s.Registry(p, name)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Registry gives a registry. It fails with [ErrNotFound].
func (s *Service) Registry(p *access.Principal, name string) (*Registry, error) {
	source, err := s.w.Ledger.Source(name)
	if errors.Is(err, ledger.ErrUnknown) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	index, entry, err := s.w.Ledger.Schema(name)
	if err != nil {
		return nil, err
	}
	r := &Registry{Name: name, SchemaEntry: index}
	var ok bool
	if r.Schema, ok = entry.Schema.Of(name); !ok {
		return nil, fmt.Errorf("the schema of %s does not define %s", source, name)
	}
	if source != name {
		r.DerivedFrom = source
	}
	number, _, _, err := s.w.Ledger.LatestEpoch(name)
	if err == nil {
		r.Latest, err = s.epochAt(p, name, number)
	} else if errors.Is(err, ledger.ErrUnknown) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return r, s.addStaged(p, r)
}

// addStaged adds what waits for a commit, which is the agency's to see.
func (s *Service) addStaged(p *access.Principal, r *Registry) error {
	if r.DerivedFrom != "" || !p.Organisation.ActsFor(r.Name) {
		return nil
	}
	store, err := s.w.Registry(r.Name)
	if err != nil {
		return err
	}
	counts, ok, err := store.Staged()
	if ok {
		r.Staged = &counts
	}
	return err
}

// Epochs lists a registry's epochs, the latest first.
func (s *Service) Epochs(p *access.Principal, name string, f Filter) (page Page[*Epoch], err error) {
	f.Registry = name
	list := f.list("epochs", p)
	number, err := s.at(list, f.Cursor)
	if err != nil {
		return page, err
	}
	page.Items = []*Epoch{}
	if number == 0 {
		_, latest, _, err := s.w.Ledger.LatestEpoch(name)
		if errors.Is(err, ledger.ErrUnknown) {
			_, err = s.Registry(p, name) // none yet, or no such registry
			return page, err
		}
		if err != nil {
			return page, err
		}
		number = uint64(latest.Number)
	}
	for ; number > 0; number-- {
		if len(page.Items) == f.Limit {
			page.Next = s.cursor(list, number)
			return page, nil
		}
		e, err := s.Epoch(p, name, number)
		if errors.Is(err, ErrNotFound) {
			return page, nil // a derived registry's first epochs are not there
		}
		if err != nil {
			return page, err
		}
		page.Items = append(page.Items, e)
	}
	return page, nil
}

// Epoch gives a registry's epoch by its number. It fails with [ErrNotFound].
func (s *Service) Epoch(p *access.Principal, name string, number uint64) (*Epoch, error) {
	index, _, _, err := s.w.Ledger.Epoch(name, number)
	if errors.Is(err, ledger.ErrUnknown) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return s.epochAt(p, name, index)
}

// epochAt gives the epoch of a ledger's entry as one of a registry.
func (s *Service) epochAt(p *access.Principal, name string, index uint64) (*Epoch, error) {
	data, err := s.w.Ledger.Entry(index)
	if err != nil {
		return nil, err
	}
	entry, err := entryOf[*ledger.EpochEntry](data)
	if err != nil {
		return nil, err
	}
	root, ok := entry.RootOf(name)
	if !ok {
		return nil, ErrNotFound
	}
	e := &Epoch{Registry: name, Number: uint64(entry.Number), Root: root, Entry: index}
	if name == entry.Registry {
		e.Derived = entry.Derived
	}
	if e.Time, err = statement.ParseTime(entry.Time); err != nil {
		return nil, err
	}
	identity, err := entry.Identity()
	if err != nil {
		return nil, err
	}
	if err := s.w.Ledger.EpochCounts(identity, name); err == nil {
		e.Counts = true
	} else if !errors.Is(err, ledger.ErrRevoked) {
		return nil, err
	}
	if p.Organisation.ActsFor(entry.Registry) {
		return e, s.addRecords(e)
	}
	return e, nil
}

// addRecords adds what the registry's own store knows of an epoch.
func (s *Service) addRecords(e *Epoch) error {
	store, err := s.w.Registry(e.Registry)
	if errors.Is(err, workspace.ErrNoRegistry) {
		return nil // its file is not here
	}
	if err != nil {
		return err
	}
	own, err := store.Epoch(e.Number)
	if errors.Is(err, registry.ErrNoEpoch) {
		return nil
	}
	e.Records, e.Changed = &own.Records, &own.Changed
	return err
}

// CreateRegistry makes an empty registry and publishes its schema. It fails with
// [statement.ErrBadSchema], [ErrExists] and [ErrForbidden].
func (s *Service) CreateRegistry(ctx context.Context, p *access.Principal, schema *statement.Schema) (*Registry, error) {
	if !p.Organisation.ActsFor(schema.Registry) {
		return nil, fmt.Errorf("registry %s is %w", schema.Registry, ErrForbidden)
	}
	err := s.w.CreateRegistry(ctx, schema)
	if errors.Is(err, workspace.ErrExists) || errors.Is(err, ledger.ErrConflict) {
		err = fmt.Errorf("registry %s is %w", schema.Registry, ErrExists)
		if s.isSame(ctx, schema) {
			err = nil // a crash kept this from being said
		}
	}
	if err != nil {
		return nil, err
	}
	return s.changedRegistry(ctx, p, "registry.created", schema.Registry)
}

// isSame tells whether an operation that is done again has made the registry already.
func (s *Service) isSame(ctx context.Context, schema *statement.Schema) bool {
	if !Again(ctx) {
		return false
	}
	_, entry, err := s.w.Ledger.Schema(schema.Registry)
	if err != nil {
		return false
	}
	a, errA := json.Marshal(entry.Schema)
	b, errB := json.Marshal(schema)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// UpdateRegistry publishes a schema that replaces a registry's. It fails with
// [statement.ErrBadSchema], [registry.ErrReplace] and [ErrNotFound].
func (s *Service) UpdateRegistry(ctx context.Context, p *access.Principal, schema *statement.Schema) (*Registry, error) {
	if _, err := s.ownStore(p, schema.Registry); err != nil {
		return nil, err
	}
	defer s.commits.lock(schema.Registry)()
	if err := s.w.UpdateRegistry(ctx, schema); err != nil {
		return nil, err
	}
	return s.changedRegistry(ctx, p, "registry.updated", schema.Registry)
}

func (s *Service) changedRegistry(ctx context.Context, p *access.Principal, action, name string) (*Registry, error) {
	if _, err := s.w.Publish(ctx); err != nil {
		s.log.Error("publish the log", "error", err.Error())
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		return s.record(tx, p, AuditRecord{Action: action, Registry: name})
	})
	if err != nil {
		return nil, err
	}
	return s.Registry(p, name)
}

// ownStore opens a registry for an agency that acts for it. It fails with
// [ErrNotFound], and with [ErrDerived] where it has no records of its own.
func (s *Service) ownStore(p *access.Principal, name string) (*registry.Store, error) {
	source, err := s.w.Ledger.Source(name)
	if errors.Is(err, ledger.ErrUnknown) || err == nil && !p.Organisation.ActsFor(source) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if source != name {
		return nil, fmt.Errorf("registry %s: %w, %s", name, ErrDerived, source)
	}
	store, err := s.w.Registry(name)
	if errors.Is(err, workspace.ErrNoRegistry) {
		return nil, ErrNotFound
	}
	return store, err
}

const (
	// maxImports is how many imports may run at once: each holds its file's records in
	// memory.
	maxImports = 2
	// importWait is what a client is told to wait when there are so many.
	importWait = 10 * time.Second
)

// Import stages a file of records for the next commit. All of it is good and staged, or
// nothing has changed, also where the file breaks off with an error. It fails with
// [registry.ErrBadImport], [registry.ErrStaged] and, unless deletions are meant or the file
// is one of changes, [ErrManyDeletions].
func (s *Service) Import(ctx context.Context, p *access.Principal, name string, file io.Reader, opts registry.ImportOptions, deletions bool) (counts registry.Counts, err error) {
	store, err := s.ownStore(p, name)
	if err != nil {
		return counts, err
	}
	select {
	case s.imports <- struct{}{}:
		defer func() { <-s.imports }()
	default:
		return counts, &RetryError{importWait, fmt.Errorf("%w: imports", ErrBusy)}
	}
	if !opts.Changes && !deletions {
		opts.Accept = acceptable
	}
	counts, err = store.ImportWith(ctx, file, opts)
	if err != nil {
		return counts, err
	}
	return counts, s.db.Update(func(tx *bbolt.Tx) error {
		return s.record(tx, p, AuditRecord{Action: "records.imported", Registry: name})
	})
}

// acceptable refuses a file that looks cut off.
func acceptable(n registry.Counts) error {
	if !n.LooksCutOff() {
		return nil
	}
	return fmt.Errorf("%w: %d rows: %d inserted, %d updated, %d deleted, %d unchanged", ErrManyDeletions,
		n.Rows, n.Inserted, n.Updated, n.Deleted, n.Unchanged)
}

// scopeName gives the name of a scope's element in a registry, or the element's text
// where no schema of the registry here has it.
func (s *Service) scopeName(name string, element statement.Element) string {
	_, entry, err := s.w.Ledger.Schema(name)
	if err == nil {
		i := slices.IndexFunc(entry.Schema.Scopes, func(scope statement.Scope) bool {
			e, err := statement.ScopeElement(scope.Name)
			return err == nil && statement.Element(e) == element
		})
		if i >= 0 {
			return entry.Schema.Scopes[i].Name
		}
	}
	text, _ := element.MarshalText() // never fails
	return string(text)
}
