package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"
	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/registry"
)

// dataKeyFile holds the data keys, encrypted with age to whoever may open the workspace.
const dataKeyFile = "keys/data.age"

// rewriteEnding marks a file that is being written anew.
const rewriteEnding = ".rewrite"

// Errors of encryption at rest.
var (
	ErrKeyNeeded        = errors.New("the workspace is encrypted at rest, and no key was given")
	ErrNotEncrypted     = errors.New("the workspace is not encrypted at rest")
	ErrAlreadyEncrypted = errors.New("the workspace is encrypted at rest already")
	ErrUnfinished       = errors.New("the values of the workspace are being encrypted anew, and that was not finished")
)

// Unlock gives the age identities that are at hand.
type Unlock func() ([]age.Identity, error)

// Reseal has the private values that a part of the service keeps in the service's database
// sealed under a key's present data key (see [atrest.Key.Reseal]), whatever they were under
// before. It may be called again for values that are already.
type Reseal func(*bbolt.DB, *atrest.Key) error

// AtRest gives the key under which whatever is private and is kept in the workspace's
// directory is to be sealed; nil where the workspace is in the clear. It is another one
// after [Workspace.Encrypt] and [Workspace.RotateDataKey], during which nobody else may use
// the workspace.
func (w *Workspace) AtRest() *atrest.Key { return w.atRest }

// loadRing opens the data keys, where there are any.
func (w *Workspace) loadRing() error {
	sealed, err := os.ReadFile(w.path(dataKeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if w.ring, err = openRing(sealed, w.unlock); err != nil {
		return fmt.Errorf("%s: %w", w.path(dataKeyFile), err)
	}
	w.atRest, err = w.ring.Key()
	return err
}

func openRing(sealed []byte, unlock Unlock) (*atrest.Ring, error) {
	if unlock == nil {
		return nil, ErrKeyNeeded
	}
	identities, err := unlock()
	if err != nil {
		return nil, err
	}
	if len(identities) == 0 {
		return nil, ErrKeyNeeded
	}
	return atrest.OpenRing(sealed, identities...)
}

// writeRing writes the data keys, if what is at hand opens what is written: nobody is to
// lock themselves out.
func writeRing(dir string, ring *atrest.Ring, unlock Unlock) error {
	sealed, err := ring.Seal()
	if err != nil {
		return err
	}
	if _, err := openRing(sealed, unlock); err != nil {
		return fmt.Errorf("nothing was changed, since what is at hand could not open it afterwards: %w", err)
	}
	return atomicfile.Write(filepath.Join(dir, dataKeyFile), sealed, 0o600)
}

// AtRestStatus says how a workspace is encrypted.
type AtRestStatus struct {
	Key        string   // the id of the present data key
	Recipients []string // who may open it
	Changing   bool     // not all is sealed under the present data key
	Registries map[string]string
}

// AtRestStatus tells how the workspace is encrypted, and opens every registry to see. It
// fails with [ErrNotEncrypted].
func (w *Workspace) AtRestStatus() (*AtRestStatus, error) {
	if w.ring == nil {
		return nil, ErrNotEncrypted
	}
	s := &AtRestStatus{Key: w.atRest.ID().String(), Recipients: w.ring.Recipients, Changing: w.atRest.Changing(), Registries: map[string]string{}}
	names, err := w.Registries()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		r, err := w.Registry(name)
		if err != nil {
			return nil, err
		}
		if id := r.Key(); id != (atrest.ID{}) {
			s.Registries[name] = id.String()
		} else {
			s.Registries[name] = "in the clear"
		}
	}
	return s, nil
}

// Encrypt encrypts a workspace that is in the clear, for these age recipients, of which
// what is at hand must be one. Everything is written anew. Who is interrupted calls it
// again, which goes on. report is told what is being done.
func (w *Workspace) Encrypt(ctx context.Context, recipients []string, unlock Unlock, report func(string), others ...Reseal) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ring == nil:
		w.unlock, w.ring = unlock, atrest.NewRing(recipients)
		w.ring.Enabling = true
		if err := writeRing(w.dir, w.ring, w.unlock); err != nil {
			w.ring = nil
			return err
		}
	case !w.ring.Enabling:
		return ErrAlreadyEncrypted
	}
	return w.encryptAnew(ctx, report, others)
}

// RotateDataKey encrypts everything anew under a new data key. Who is interrupted calls it
// again, which goes on with the new key that there is.
func (w *Workspace) RotateDataKey(ctx context.Context, report func(string), others ...Reseal) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ring == nil {
		return ErrNotEncrypted
	}
	if !w.atRest.Changing() {
		w.ring.AddKey()
		if err := writeRing(w.dir, w.ring, w.unlock); err != nil {
			return err
		}
	}
	return w.encryptAnew(ctx, report, others)
}

// Rewrap has other recipients open the data keys, which stay. What is at hand must be one
// of them.
func (w *Workspace) Rewrap(recipients []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ring == nil {
		return ErrNotEncrypted
	}
	former := w.ring.Recipients
	w.ring.Recipients = recipients
	err := writeRing(w.dir, w.ring, w.unlock)
	if err != nil {
		w.ring.Recipients = former
	}
	return err
}

// encryptAnew has all that is private sealed under the present data key, and then forgets
// the earlier ones. Until that last step the file of the data keys has them all, and each
// value says which it is under: whenever the process ends, everything opens. The caller
// holds mu.
func (w *Workspace) encryptAnew(ctx context.Context, report func(string), others []Reseal) error {
	var err error
	if w.atRest, err = w.ring.Key(); err != nil {
		return err
	}
	if err := w.rewriteRegistries(ctx, report); err != nil {
		return err
	}
	report("the keys")
	for _, name := range []string{logKeyFile, issuerKeyFile} {
		content, err := readSecret(w.atRest, w.path(name))
		if err != nil {
			return err
		}
		if err := writeSecret(w.atRest, w.path(name), content); err != nil {
			return err
		}
	}
	if err := w.resealService(others); err != nil {
		return err
	}
	w.ring.DropEarlier()
	if err := writeRing(w.dir, w.ring, w.unlock); err != nil {
		return err
	}
	w.atRest, err = w.ring.Key()
	return err
}

func (w *Workspace) rewriteRegistries(ctx context.Context, report func(string)) error {
	for name, r := range w.registries {
		delete(w.registries, name)
		if err := r.Close(); err != nil {
			return err
		}
	}
	names, err := w.Registries()
	if err != nil {
		return err
	}
	for _, name := range names {
		path, err := w.registryPath(name)
		if err != nil {
			return err
		}
		report("registry " + name)
		if err := registry.Rewrite(ctx, path, w.atRest); err != nil {
			return err
		}
	}
	return nil
}

// resealService has the service's database sealed anew, makes sure that nothing in it needs
// an earlier data key, and writes the file anew, so that its free pages hold nothing either.
func (w *Workspace) resealService(others []Reseal) error {
	path := w.path(serviceFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if w.service == nil {
		db, err := openService(path)
		if err != nil {
			return err
		}
		w.service = db
	}
	for _, reseal := range others {
		if err := reseal(w.service, w.atRest); err != nil {
			return err
		}
	}
	err := w.service.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return w.refuseEarlier(b) })
	})
	if err != nil {
		return err
	}
	if err := compactService(w.service, path); err != nil {
		return err
	}
	err = w.service.Close()
	w.service = nil // whoever needs it opens the new file
	return err
}

// refuseEarlier finds values that are sealed under an earlier data key still.
func (w *Workspace) refuseEarlier(b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		switch {
		case v == nil:
			return w.refuseEarlier(b.Bucket(k))
		case w.atRest.SealedEarlier(v):
			return fmt.Errorf("%w: %s has a value under an earlier data key, which stays therefore", ErrUnfinished, serviceFile)
		}
		return nil
	})
}

// compactService copies the service's database into a file that takes its place.
func compactService(db *bbolt.DB, path string) error {
	anew := path + rewriteEnding
	if err := os.Remove(anew); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	to, err := bbolt.Open(anew, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	const batch = 16 << 20
	if err := errors.Join(bbolt.Compact(to, db, batch), to.Close()); err != nil {
		return errors.Join(err, os.Remove(anew))
	}
	if err := os.Rename(anew, path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}
