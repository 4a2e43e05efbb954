package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	path, err := w.registryPath(schema.Registry)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("registry %s is %w", schema.Registry, ErrExists)
	}
	s, err := registry.Create(path+".new", schema)
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
	issuer, err := ledger.PublicKeyOf(w.issuer)
	if err != nil {
		return nil, err
	}
	e := &ledger.SchemaEntry{Schema: *schema, Serial: serial, Issuer: issuer}
	return e, e.Sign(w.issuer)
}

// settleRegistries finishes what a crash interrupted in CreateRegistry: a new
// registry whose schema the ledger has takes its name, another one is removed.
func (w *Workspace) settleRegistries() error {
	files, err := os.ReadDir(filepath.Join(w.dir, registriesDir))
	if err != nil {
		return err
	}
	for _, f := range files {
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
	s, err := registry.Open(path)
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
	return s.Commit(ctx, registry.CommitOptions{
		Time: time.Now(), Progress: progress,
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

// rollForward makes the epoch that the ledger has and the registry lacks, if the
// process ended between the two.
func (w *Workspace) rollForward(ctx context.Context, name string, s *registry.Store) error {
	_, entry, _, err := w.Ledger.LatestEpoch(name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	at, err := statement.ParseTime(entry.Time)
	if err != nil {
		return err
	}
	return s.Redo(ctx, registry.Epoch{Number: uint64(entry.Number), Root: entry.Root, Time: at})
}
