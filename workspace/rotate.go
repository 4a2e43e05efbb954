package workspace

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
)

// A rotation goes through three states on disk, and the ledger decides between them:
//
//  1. the next key is in a file of its own, durably;
//  2. the entries are appended, all in one transaction, and the ledger knows the key;
//  3. the next key takes the place of the old one, of which only the public half stays.
//
// A process that ends between 1 and 2 leaves a key that nobody heard of, which
// opening removes; between 2 and 3 opening goes on to 3.
const (
	nextEnding = ".next"
	// formerLogKeys holds the verifier keys that the log had before, the first one
	// first: what the ledger's own check begins with.
	formerLogKeysFile = "keys/log.former"
)

// Rotation is what a rotation of keys did.
type Rotation struct {
	Role       ledger.Role
	Old, New   ledger.PublicKey
	Registries []string // of an issuer
	Entries    []uint64 // in the ledger; one, or one for each registry
}

// RotateLog replaces the log's key. The checkpoint of the rotation is signed by both
// keys, so that who pinned the old one sees it; every later one by the new key alone.
func (w *Workspace) RotateLog(ctx context.Context) (*Rotation, error) {
	origin := w.Ledger.Origin()
	skey, _, err := ledger.NewLogKey(origin)
	if err != nil {
		return nil, err
	}
	next, err := ledger.LogPrivateKey(skey)
	if err != nil {
		return nil, err
	}
	old, err := w.logPrivate()
	if err != nil {
		return nil, err
	}
	e := &ledger.KeyRotationEntry{Origin: origin, Role: ledger.RoleLog}
	if err := e.Sign(old, next); err != nil {
		return nil, err
	}
	path := w.path(logKeyFile + nextEnding)
	if err := vacantKey(path); err != nil {
		return nil, err
	}
	if err := writeSecret(w.atRest, path, []byte(skey+"\n")); err != nil {
		return nil, err
	}
	indexes, err := w.Ledger.Append(ctx, e)
	if err != nil {
		return nil, err // the next key stays until opening finds out whether it is needed
	}
	r := &Rotation{Role: ledger.RoleLog, Old: e.Old, New: e.New, Entries: indexes}
	return r, w.settleLogKey()
}

// RotateIssuer replaces the key that signs for the workspace's registries, in all of
// them at once. A registry that a revocation has closed stays with its key.
func (w *Workspace) RotateIssuer(ctx context.Context) (*Rotation, error) {
	_, next, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	r := &Rotation{Role: ledger.RoleIssuer}
	if r.Old, err = ledger.PublicKeyOf(w.issuer); err != nil {
		return nil, err
	}
	if r.New, err = ledger.PublicKeyOf(next); err != nil {
		return nil, err
	}
	if r.Registries, err = w.signedBy(r.Old); err != nil {
		return nil, err
	}
	if len(r.Registries) == 0 {
		return nil, errors.New("no registry has this issuer yet, so there is nothing to rotate")
	}
	var entries []ledger.Entry
	for _, name := range r.Registries {
		e := &ledger.KeyRotationEntry{Origin: w.Ledger.Origin(), Role: ledger.RoleIssuer, Registry: name}
		if err := e.Sign(w.issuer, next); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	path := w.path(issuerKeyFile + nextEnding)
	if err := vacantKey(path); err != nil {
		return nil, err
	}
	if err := writeIssuerKey(w.atRest, path, next); err != nil {
		return nil, err
	}
	if r.Entries, err = w.Ledger.Append(ctx, entries...); err != nil {
		return nil, err // as in RotateLog
	}
	return r, w.settleIssuerKey()
}

// Issued lists the registries that have an issuer of their own in the ledger: a
// derived one has its source's.
func (w *Workspace) Issued() ([]string, error) {
	names, err := w.Ledger.Registries()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		source, err := w.Ledger.Source(name)
		if err != nil {
			return nil, err
		}
		if source == name {
			out = append(out, name)
		}
	}
	return out, nil
}

// signedBy lists the registries that a key signs for at present.
func (w *Workspace) signedBy(key ledger.PublicKey) ([]string, error) {
	names, err := w.Issued()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		keys, err := w.Ledger.IssuerKeys(name)
		if err != nil {
			return nil, err
		}
		if present := keys[len(keys)-1]; present.Key == key && present.Revoked == nil {
			out = append(out, name)
		}
	}
	return out, nil
}

// settleKeys finishes or takes back a rotation that was interrupted, and makes sure
// that the keys in the files are those that the ledger says.
func (w *Workspace) settleKeys() error {
	if err := w.removePartialKeys(); err != nil {
		return err
	}
	if err := w.settleLogKey(); err != nil {
		return err
	}
	return w.settleIssuerKey()
}

// removePartialKeys removes keys that a crash kept from getting a name: nobody has
// heard of them. The workspace's lock is held, so that nobody is writing one.
func (w *Workspace) removePartialKeys() error {
	files, err := os.ReadDir(w.path("keys"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".") && strings.Contains(f.Name(), ".partial-") {
			if err := removeKey(w.path("keys/" + f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Workspace) settleLogKey() error {
	present, known, err := w.presentLogKey()
	if err != nil {
		return err
	}
	path := w.path(logKeyFile + nextEnding)
	next, vkey, err := readLogKey(w.atRest, path, w.Ledger.Origin())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case known && vkey == present:
		return w.replaceLogKey(next, vkey, path)
	default:
		if err := removeKey(path); err != nil {
			return err
		}
	}
	if known && present != w.logKey {
		return fmt.Errorf("%w: the ledger's log key is %s, and %s holds another one: put the right key back", ErrBadKey, present, w.path(logKeyFile))
	}
	return nil
}

// presentLogKey gives the log's key if the ledger's entries tell it.
func (w *Workspace) presentLogKey() (vkey string, known bool, err error) {
	keys, err := w.Ledger.LogKeys()
	if err != nil || len(keys) == 0 {
		return "", false, err
	}
	vkey, err = ledger.LogVerifierKey(w.Ledger.Origin(), keys[len(keys)-1].Key)
	return vkey, true, err
}

// replaceLogKey puts the next key in the place of the old one, which signs for the
// last time.
func (w *Workspace) replaceLogKey(next note.Signer, vkey, path string) error {
	// A log that must not sign is replaced all the same: whoever repairs it goes on
	// with the new key.
	if _, err := w.Ledger.PublishCheckpoint(next, w.Signer); err != nil && !errors.Is(err, store.ErrGuard) {
		return err
	}
	former, err := w.readFormerLogKeys()
	if err != nil {
		return err
	}
	if !slices.Contains(former, w.logKey) {
		former = append(former, w.logKey)
		if err := atomicfile.Write(w.path(formerLogKeysFile), []byte(strings.Join(former, "\n")+"\n"), 0o600); err != nil {
			return err
		}
	}
	if err := renameKey(path, w.path(logKeyFile)); err != nil {
		return err
	}
	w.Signer, w.logKey = next, vkey
	return nil
}

// readFormerLogKeys gives the verifier keys that the log had before.
func (w *Workspace) readFormerLogKeys() ([]string, error) {
	content, err := os.ReadFile(w.path(formerLogKeysFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(content)), err
}

// firstLogKey gives the log's first key, from the key files alone.
func (w *Workspace) firstLogKey() (ledger.PublicKey, error) {
	former, err := w.readFormerLogKeys()
	if err != nil {
		return ledger.PublicKey{}, err
	}
	return ledger.LogPublicKey(append(former, w.logKey)[0])
}

func (w *Workspace) settleIssuerKey() error {
	path := w.path(issuerKeyFile + nextEnding)
	next, err := readIssuerKey(w.atRest, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return w.checkIssuerKey()
	case err != nil:
		return err
	}
	key, err := ledger.PublicKeyOf(next)
	if err != nil {
		return err
	}
	signed, err := w.signedBy(key)
	if err != nil {
		return err
	}
	if len(signed) == 0 {
		return errors.Join(removeKey(path), w.checkIssuerKey())
	}
	if err := renameKey(path, w.path(issuerKeyFile)); err != nil {
		return err
	}
	w.issuer = next
	return w.checkIssuerKey()
}

// checkIssuerKey holds the issuer's key to the ledger: it signs for every registry
// that is not closed.
func (w *Workspace) checkIssuerKey() error {
	issuer, err := ledger.PublicKeyOf(w.issuer)
	if err != nil {
		return err
	}
	names, err := w.Issued()
	if err != nil {
		return err
	}
	for _, name := range names {
		keys, err := w.Ledger.IssuerKeys(name)
		if err != nil {
			return err
		}
		if present := keys[len(keys)-1]; present.Revoked == nil && present.Key != issuer {
			return fmt.Errorf("%w: the ledger's issuer of registry %s is %s, and %s holds another one: put the right key back", ErrBadKey, name, present.Key, w.path(issuerKeyFile))
		}
	}
	return nil
}

// logPrivate reads the key that signs the log's own entries.
func (w *Workspace) logPrivate() (ed25519.PrivateKey, error) {
	content, err := readSecret(w.atRest, w.path(logKeyFile))
	if err != nil {
		return nil, err
	}
	key, err := ledger.LogPrivateKey(strings.TrimSpace(string(content)))
	if err != nil {
		err = fmt.Errorf("%w: %s", ErrBadKey, w.path(logKeyFile)) // never the key itself
	}
	return key, err
}

func (w *Workspace) path(name string) string { return filepath.Join(w.dir, name) }

// vacantKey refuses to write a key over one that an interrupted rotation left.
func vacantKey(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is left of a rotation that was interrupted: open the workspace again, which finishes it or takes it back", path)
	}
	return nil
}

func renameKey(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(to))
}

func removeKey(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}
