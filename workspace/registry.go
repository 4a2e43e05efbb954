package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
)

const (
	registryEnding = ".db"
	// newEnding marks a registry whose schema is not yet known to be in the ledger.
	newEnding = ".db.new"
)

// registryName guards file names; a schema's names are of this form.
var registryName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

func (w *Workspace) registryPath(name string) (string, error) {
	if !registryName.MatchString(name) {
		return "", fmt.Errorf("%w: %q is no registry's name", ErrNoRegistry, name)
	}
	return filepath.Join(w.dir, registriesDir, name+registryEnding), nil
}

// CreateRegistry makes an empty registry and publishes its schema. The file exists
// before the schema entry, which commits to its secrets, and takes its final name
// after it.
func (w *Workspace) CreateRegistry(ctx context.Context, schema *statement.Schema) error {
	w.mu.Lock() // so that a backup has the file and the entry, or neither
	defer w.mu.Unlock()
	path, err := w.registryPath(schema.Registry)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("registry %s is %w", schema.Registry, ErrExists)
	}
	if err := w.checkJoins(schema); err != nil {
		return err
	}
	s, err := registry.CreateSealed(path+".new", schema, w.atRest)
	if err != nil {
		return err
	}
	entry, err := w.schemaEntry(schema, s.SerialCommitment())
	if err := errors.Join(err, s.Close()); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	if _, err := w.Ledger.Append(ctx, entry); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	return os.Rename(path+".new", path)
}

func (w *Workspace) schemaEntry(schema *statement.Schema, serial statement.Digest) (*ledger.SchemaEntry, error) {
	e := &ledger.SchemaEntry{Schema: *schema, Serial: serial}
	return e, e.Sign(w.issuer)
}

// UpdateRegistry publishes a schema that replaces a registry's, and takes it on. What
// the leaves hold must stay, see [registry.Store.Replace]. The ledger's entry decides:
// a crash after it is caught up with by [Workspace.Registry].
func (w *Workspace) UpdateRegistry(ctx context.Context, schema *statement.Schema) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := w.registry(schema.Registry)
	if err != nil {
		return err
	}
	if err := errors.Join(s.CanReplace(schema), w.checkJoins(schema)); err != nil {
		return err
	}
	_, present, err := w.Ledger.Schema(schema.Registry)
	if err != nil {
		return err
	}
	previous, err := present.Identity()
	if err != nil {
		return err
	}
	entry := &ledger.SchemaEntry{Schema: *schema, Serial: present.Serial, Previous: &previous}
	if err := entry.Sign(w.issuer); err != nil {
		return err
	}
	if _, err := w.Ledger.Append(ctx, entry); err != nil {
		return err
	}
	// Opened anew, the store takes on what the ledger has.
	delete(w.registries, schema.Registry)
	if err := s.Close(); err != nil {
		return err
	}
	_, err = w.registry(schema.Registry)
	return err
}

// checkJoins refuses a schema with definitions that the registries which they join do
// not fit, and one that the definitions of another registry here do not fit: since a
// definition is never changed or dropped, nothing could be committed ever after.
func (w *Workspace) checkJoins(schema *statement.Schema) error {
	for _, name := range schema.Joins() {
		_, joined, err := w.Ledger.Schema(name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("%w: %q, which a derived registry joins: create it first", ErrNoRegistry, name)
		case err != nil:
			return err
		case joined.Schema.Registry != name:
			return fmt.Errorf("%w: registry %s, which a derived registry joins, derives from %s itself: join that one", statement.ErrBadSchema, name, joined.Schema.Registry)
		}
		if err := schema.CheckJoins(&joined.Schema); err != nil {
			return err
		}
	}
	names, err := w.Registries()
	if err != nil {
		return err
	}
	for _, name := range names {
		_, other, err := w.Ledger.Schema(name)
		if err != nil {
			return err
		}
		if err := other.Schema.CheckJoins(schema); err != nil {
			return fmt.Errorf("registry %s: %w", name, err)
		}
	}
	return nil
}

// takeSchema has a store take on the schema that the ledger has for it, and gives the
// store to go on with. Where it fails, the store is closed.
func (w *Workspace) takeSchema(name, path string, s *registry.Store) (*registry.Store, error) {
	_, entry, err := w.Ledger.Schema(name)
	if err == nil && reflect.DeepEqual(&entry.Schema, s.Schema()) {
		return s, nil
	}
	if err == nil {
		err = s.Replace(&entry.Schema)
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return registry.OpenSealed(path, w.atRest)
}

// settleRegistries finishes what a crash interrupted in CreateRegistry: a new
// registry whose schema the ledger has takes its name, another one is removed.
func (w *Workspace) settleRegistries() error {
	files, err := os.ReadDir(filepath.Join(w.dir, registriesDir))
	if err != nil {
		return err
	}
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), registryEnding); ok {
			path, err := w.registryPath(name)
			if err == nil {
				err = registry.RemoveUnfinished(path)
			}
			if err != nil {
				return err
			}
		}
		if name, ok := strings.CutSuffix(f.Name(), newEnding); ok {
			if err := w.settleRegistry(name, filepath.Join(w.dir, registriesDir, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Workspace) settleRegistry(name, path string) error {
	_, entry, err := w.Ledger.Schema(name)
	if errors.Is(err, store.ErrNotFound) {
		return os.Remove(path)
	}
	if err != nil {
		return err
	}
	s, err := registry.OpenSealed(path, w.atRest)
	if err != nil {
		return err
	}
	ours := s.SerialCommitment() == entry.Serial
	if err := s.Close(); err != nil {
		return err
	}
	if !ours {
		return os.Remove(path)
	}
	return os.Rename(path, strings.TrimSuffix(path, ".new"))
}

// Commit makes the staged import the registry's next epoch and publishes it. The
// ledger's entry decides: a crash after it is caught up with by [Workspace.Registry].
func (w *Workspace) Commit(ctx context.Context, name string, progress func(done, total int)) (registry.Epoch, error) {
	s, err := w.Registry(name)
	if err != nil {
		return registry.Epoch{}, err
	}
	// Opened beforehand: a schema's update waits for the commit, and others for it.
	joins := map[string]*registry.Store{}
	for _, name := range s.Schema().Joins() {
		if joins[name], err = w.Registry(name); err != nil {
			return registry.Epoch{}, err
		}
	}
	return s.Commit(ctx, registry.CommitOptions{
		Time: time.Now(), Progress: progress,
		Join:    func(name string) (*registry.Store, error) { return joins[name], nil },
		Publish: func(e registry.Epoch) error { return w.publish(ctx, name, e) },
	})
}

func (w *Workspace) publish(ctx context.Context, name string, e registry.Epoch) error {
	_, schema, err := w.Ledger.Schema(name)
	if err != nil {
		return err
	}
	identity, err := schema.Identity()
	if err != nil {
		return err
	}
	entry := &ledger.EpochEntry{
		Registry: name, Schema: identity, Number: canon.Uint64(e.Number), Time: statement.FormatTime(e.Time), Root: e.Root,
	}
	if err := w.publishDerived(entry, e.Derivation); err != nil {
		return err
	}
	_, _, previous, err := w.Ledger.LatestEpoch(name)
	if err == nil {
		entry.Previous = &previous
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := entry.Sign(w.issuer); err != nil {
		return err
	}
	_, err = w.Ledger.Append(ctx, entry)
	return err
}

// publishDerived names what the epoch derives, and the epochs that it joins.
func (w *Workspace) publishDerived(entry *ledger.EpochEntry, d *registry.Derivation) error {
	if d == nil {
		return nil
	}
	entry.Derived, entry.Joins = d.Roots, map[string]statement.Digest{}
	for name, number := range d.Joins {
		_, _, identity, err := w.Ledger.Epoch(name, number)
		if err != nil {
			return err
		}
		entry.Joins[name] = identity
	}
	return nil
}

// derivation reads from an epoch's entry what [Workspace.publishDerived] wrote.
func (w *Workspace) derivation(entry *ledger.EpochEntry) (*registry.Derivation, error) {
	if len(entry.Derived) == 0 {
		return nil, nil
	}
	d := &registry.Derivation{Roots: entry.Derived, Joins: map[string]uint64{}}
	for name, identity := range entry.Joins {
		_, joined, err := w.Ledger.EpochByIdentity(identity)
		if err != nil {
			return nil, err
		}
		d.Joins[name] = uint64(joined.Number)
	}
	return d, nil
}

// rollForward makes the epochs that the ledger has and the registry lacks: one, if the
// process ended between the two, or those up to a restored ledger's last, as long as
// nothing but what is staged has changed since.
func (w *Workspace) rollForward(ctx context.Context, name string, s *registry.Store) error {
	_, last, _, err := w.Ledger.LatestEpoch(name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	latest, _ := s.Latest()
	for n := min(latest.Number+1, uint64(last.Number)); n <= uint64(last.Number); n++ {
		_, entry, _, err := w.Ledger.Epoch(name, n)
		if err != nil {
			return err
		}
		if err := w.redo(ctx, s, entry); err != nil {
			return err
		}
	}
	return nil
}

// redo makes the epoch of an entry in a registry, or compares it with the one that it has.
func (w *Workspace) redo(ctx context.Context, s *registry.Store, entry *ledger.EpochEntry) error {
	at, err := statement.ParseTime(entry.Time)
	if err != nil {
		return err
	}
	derivation, err := w.derivation(entry)
	if err != nil {
		return err
	}
	return s.Redo(ctx, registry.Epoch{Number: uint64(entry.Number), Root: entry.Root, Time: at, Derivation: derivation}, w.registry)
}
