// Package workspace is an agency's directory: its ledger, keys and registries,
// opened together and by one process at a time.
//
//	DIR/workspace.json      format and origin
//	DIR/ledger.db           the log, and ledger.db.guard, its last signed checkpoint
//	DIR/keys/log.key        signs checkpoints (a signed-note signer key)
//	DIR/keys/log.former     the keys that the log had before, their public halves
//	DIR/keys/issuer.key     signs schemas and epochs (Ed25519)
//	DIR/keys/data.age       the keys that the rest is encrypted with at rest, if it is
//	DIR/circuits/           proving and verifying keys, named by their hashes, and tables
//	                        of the proving keys, which are made anew where they are missing
//	DIR/registries/NAME.db  a registry's records and secrets: private
//	DIR/grants/             the documents of grants, by their digests
//	DIR/witnesses.json      whom the log asks for cosignatures, if anybody
//	DIR/service.db          organisations, credentials and jobs of a server: private
//
// Everything but the verifying keys is readable by its owner alone. [Init] makes
// one, [Open] opens it and brings registries that a crash left behind up to what
// the ledger says. One that is encrypted at rest is opened with [OpenWith].
package workspace

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/filelock"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Errors of workspaces.
var (
	ErrNotWorkspace = errors.New("not a workspace")
	ErrExists       = errors.New("already there")
	ErrInUse        = errors.New("the workspace is used by another process")
	ErrNoRegistry   = errors.New("no such registry")
)

const format = "attestry/workspace/v1"

// about is workspace.json.
type about struct {
	Format string `json:"format"`
	Origin string `json:"origin"`
}

// The files of a workspace.
const (
	aboutFile  = "workspace.json"
	ledgerFile = "ledger.db"
	// serviceFile is made when something is first kept in it.
	serviceFile = "service.db"
	lockFile    = "lock"
	// ControlSocket is where the process that serves a workspace can be asked for things,
	// by its owner alone.
	ControlSocket = "control.sock"
	logKeyFile    = "keys/log.key"
	issuerKeyFile = "keys/issuer.key"
	circuitsDir   = "circuits"
	registriesDir = "registries"
)

// Workspace is an open workspace. Its methods may be used from several goroutines.
type Workspace struct {
	Ledger *store.Store
	Signer note.Signer
	// Warn is told what whoever runs the log should know, such as that a witness gave
	// no answer. It may be nil.
	Warn func(format string, args ...any)
	// Report is told what is being made that takes seconds. It may be nil.
	Report func(what string)
	// ReferenceProver has gnark's own prover make the proofs, and not the engine.
	ReferenceProver bool

	dir      string
	lock     *filelock.Lock
	unlock   Unlock
	ring     *atrest.Ring // nil: in the clear
	atRest   *atrest.Key
	logKey   string // verifier key
	issuer   ed25519.PrivateKey
	manifest *prover.Manifest
	vks      map[statement.Digest]*verifier.VerifyingKey // by key hash

	witnesses witnesses

	mu         sync.Mutex
	registries map[string]*registry.Store
	circuits   map[string]*prover.Circuit
	service    *bbolt.DB // nil until it is asked for
}

// Options say how a workspace is opened.
type Options struct {
	// Unlock gives what opens the data keys. It is asked only where there are any.
	Unlock Unlock
}

// Open opens the workspace in dir, which is in the clear. It fails with
// [ErrNotWorkspace], [ErrInUse] or [ErrKeyNeeded].
func Open(dir string) (*Workspace, error) { return OpenWith(dir, Options{}) }

// OpenWith is [Open] of a workspace that may be encrypted at rest. It fails with
// [atrest.ErrWrongIdentity] where nothing opens its data keys.
func OpenWith(dir string, o Options) (*Workspace, error) {
	w, origin, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	w.unlock = o.Unlock
	if err := w.load(origin); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// lockDir takes a workspace's lock, and gives it with nothing opened and its origin.
func lockDir(dir string) (*Workspace, string, error) {
	document, err := os.ReadFile(filepath.Join(dir, aboutFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("%w: %s (attestry init makes one)", ErrNotWorkspace, dir)
	}
	if err != nil {
		return nil, "", err
	}
	var a about
	if err := canon.Unmarshal(document, &a); err != nil || a.Format != format {
		return nil, "", fmt.Errorf("%w of this version: %s", ErrNotWorkspace, filepath.Join(dir, aboutFile))
	}
	l, err := acquire(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, "", err
	}
	w := &Workspace{dir: dir, lock: l, registries: map[string]*registry.Store{}, circuits: map[string]*prover.Circuit{}}
	return w, a.Origin, nil
}

func (w *Workspace) load(origin string) error {
	if err := w.loadKeys(origin); err != nil {
		return err
	}
	if err := w.openLedger(origin); err != nil {
		return err
	}
	if err := w.settleKeys(); err != nil {
		return err
	}
	return w.settleRegistries()
}

// loadKeys reads the keys and the table of circuits.
func (w *Workspace) loadKeys(origin string) (err error) {
	if err := w.loadRing(); err != nil {
		return err
	}
	if w.Signer, w.logKey, err = readLogKey(w.atRest, filepath.Join(w.dir, logKeyFile), origin); err != nil {
		return err
	}
	if w.issuer, err = readIssuerKey(w.atRest, filepath.Join(w.dir, issuerKeyFile)); err != nil {
		return err
	}
	if err := w.loadWitnesses(); err != nil {
		return err
	}
	circuits := filepath.Join(w.dir, circuitsDir)
	if w.manifest, err = prover.ReadManifest(circuits); err != nil {
		return err
	}
	w.vks = map[statement.Digest]*verifier.VerifyingKey{}
	for _, keys := range w.manifest.Circuits {
		if w.vks[keys.VK], err = keys.VerifyingKey(circuits); err != nil {
			return err
		}
	}
	return nil
}

// ledgerOptions say how the ledger is opened, but for what others are asked before it
// grows.
func (w *Workspace) ledgerOptions() (store.Options, error) {
	first, err := w.firstLogKey()
	return store.Options{Verify: w.verifyEntry, LogKeys: []ledger.PublicKey{first}}, err
}

func (w *Workspace) openLedger(origin string) error {
	options, err := w.ledgerOptions()
	if err != nil {
		return err
	}
	options.BeforeGrowth = w.askBeforeGrowth
	w.Ledger, err = store.Open(filepath.Join(w.dir, ledgerFile), options)
	if err != nil {
		return err
	}
	if w.Ledger.Origin() != origin {
		return fmt.Errorf("%w: %s is of the log %s, not %s", ErrNotWorkspace, ledgerFile, w.Ledger.Origin(), origin)
	}
	return nil
}

// verifyEntry is the ledger's callback: the proof of an entry, under the key that
// the log published.
func (w *Workspace) verifyEntry(e *ledger.ProofEntry, c *ledger.CircuitEntry) error {
	vk, ok := w.vks[c.VKHash()]
	if !ok {
		var err error
		if vk, err = verifier.ParseVerifyingKey(c.VK); err != nil {
			return err
		}
	}
	return vk.VerifyEntry(e)
}

// Close closes everything that is open and gives the workspace up.
func (w *Workspace) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, r := range w.registries {
		errs = append(errs, r.Close())
	}
	w.registries = nil
	if w.service != nil {
		errs = append(errs, w.service.Close())
		w.service = nil
	}
	if w.Ledger != nil {
		errs = append(errs, w.Ledger.Close())
	}
	return errors.Join(append(errs, w.lock.Release())...)
}

// Dir gives the workspace's directory.
func (w *Workspace) Dir() string { return w.dir }

// Circuits lists the circuit keys.
func (w *Workspace) Circuits() []prover.CircuitKeys { return slices.Clone(w.manifest.Circuits) }

// Circuit loads a circuit's keys, once.
func (w *Workspace) Circuit(name string) (*prover.Circuit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.circuits[name]; ok {
		return c, nil
	}
	c, err := prover.LoadCircuitWith(filepath.Join(w.dir, circuitsDir), name, prover.LoadOptions{
		Reference: w.ReferenceProver, Report: w.Report, Warn: w.Warn,
	})
	if err != nil {
		return nil, err
	}
	w.circuits[name] = c
	return c, nil
}

// Agency gives what requests are answered with.
func (w *Workspace) Agency() *prover.Agency {
	return &prover.Agency{
		Ledger: w.Ledger, Publish: w.Publish, Registry: w.Registry, Circuit: w.Circuit,
		Consent: func(e *ledger.ProofEntry) error { return e.SignConsent(w.issuer) },
		Grant:   w.GrantDocument,
	}
}

// Registries lists the registries by name, without those that derive from them.
func (w *Workspace) Registries() ([]string, error) {
	files, err := os.ReadDir(filepath.Join(w.dir, registriesDir))
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), registryEnding); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// Registry opens a registry by name, once, and brings it up to the ledger. It fails
// with [ErrNoRegistry].
func (w *Workspace) Registry(name string) (*registry.Store, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.registry(name)
}

// registry is [Workspace.Registry]; the caller holds mu.
func (w *Workspace) registry(name string) (*registry.Store, error) {
	source, err := w.Ledger.Source(name)
	if err == nil && source != name {
		s, err := w.registry(source)
		if err != nil {
			return nil, err
		}
		if derived, ok := s.Derived(name); ok {
			return derived, nil
		}
		return nil, fmt.Errorf("%w: %q, which the ledger has as derived from %s", ErrNoRegistry, name, source)
	}
	if s, ok := w.registries[name]; ok {
		return s, nil
	}
	path, err := w.registryPath(name)
	if err != nil {
		return nil, err
	}
	s, err := registry.OpenSealed(path, w.atRest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %q (attestry registry list shows those there are)", ErrNoRegistry, name)
	}
	if err != nil {
		return nil, err
	}
	// First the epoch, then the schema: what the store lacks was computed under the
	// schema that it has.
	if err := w.rollForward(context.Background(), name, s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s, err = w.takeSchema(name, path, s); err != nil {
		return nil, err
	}
	w.registries[name] = s
	return s, nil
}
