package workspace

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
)

// ErrNewestUnknown says that nobody told what the log has signed since a backup was made.
var ErrNewestUnknown = errors.New("nobody knows what the log signed after the backup")

// RestoreOptions say what a workspace is restored from.
type RestoreOptions struct {
	// From is the backup's directory.
	From   string
	Unlock Unlock
	// One of these says what the log has signed last: a directory that it was exported to,
	// with which the ledger is brought forward; a file with a checkpoint, the guard's say,
	// which it must reach; or that what came after the backup is given up.
	Tiles          string
	Checkpoint     string
	AcceptRollback bool
	// DryRun does everything but put the workspace in its place.
	DryRun bool
	// Progress hears how many entries of the ledger have been checked.
	Progress func(done, total uint64)
}

// Restoration is what [RestoreBackup] found and did.
type Restoration struct {
	Origin    string
	Made      time.Time // when the backup was made
	Entries   uint64
	FromTiles uint64 // of them
	// Trust is the fingerprint of what trust export writes.
	Trust string
	// Behind names registries whose records are older than the ledger's last epoch of
	// them: see [Workspace.CatchUp].
	Behind []string
}

// RestoreBackup makes a workspace of a backup in dir, which must not exist or be empty. It is made
// beside dir, checked there (every file by its digest, the manifest by the log's key,
// the ledger as by fsck, each registry by opening it and comparing it with the ledger) and
// renamed when it is whole. It fails with [ErrBadBackup] where the backup is not as it was
// made, and with [ErrNewestUnknown] or [store.ErrNotRestored] where it would make the log
// forget what it has signed.
func RestoreBackup(ctx context.Context, dir string, o RestoreOptions) (done Restoration, err error) {
	if o.Tiles == "" && o.Checkpoint == "" && !o.AcceptRollback {
		return done, ErrNewestUnknown
	}
	if err := vacant(dir); err != nil {
		return done, err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return done, err
	}
	made, err := os.MkdirTemp(parent, "."+filepath.Base(filepath.Clean(dir))+".partial-*")
	if err != nil {
		return done, err
	}
	defer func() {
		if err != nil || o.DryRun {
			err = errors.Join(err, os.RemoveAll(made))
		}
	}()
	r := &restoration{ctx: ctx, o: o, dir: made}
	if err := r.run(); err != nil || o.DryRun {
		return r.done, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, err
	}
	return r.done, errors.Join(os.Rename(made, dir), atomicfile.SyncDir(parent))
}

// restoration is one that is being done.
type restoration struct {
	ctx  context.Context
	o    RestoreOptions
	dir  string // where the workspace is made
	done Restoration
}

func (r *restoration) run() error {
	m, signed, err := readManifest(r.o.From)
	if err != nil {
		return err
	}
	r.done.Origin, r.done.Made = m.Origin, m.Made
	if err := os.Mkdir(filepath.Join(r.dir, registriesDir), 0o700); err != nil { // of which there may be none
		return err
	}
	if err := r.copyFiles(m); err != nil {
		return err
	}
	if err := r.ledger(m, signed); err != nil {
		return err
	}
	if err := r.look(); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(r.dir, lockFile)); err != nil {
		return err
	}
	return syncDirs(r.dir)
}

// readManifest reads a backup's manifest, whose signature nobody has looked at yet.
func readManifest(from string) (m *manifest, signed []byte, err error) {
	signed, err = readBounded(filepath.Join(from, backupManifest), maxManifestBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: %s has no %s", ErrBadBackup, from, backupManifest)
	}
	if err != nil {
		return nil, nil, err
	}
	text, _, _ := strings.Cut(string(signed), "\n\n")
	m, err = parseManifest(text + "\n")
	return m, signed, err
}

// readBounded reads a file of a backup, which is none of more bytes.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%w: %s is larger than any", ErrBadBackup, name)
	}
	return content, err
}

// copyFiles copies the workspace's files, and holds every file of the backup to the list and
// the list to the manifest. A file that is not in the list is refused, too.
func (r *restoration) copyFiles(m *manifest) error {
	list, err := readBounded(filepath.Join(r.o.From, backupSums), maxSumsBytes)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadBackup, err)
	}
	if sha256.Sum256(list) != m.Sums {
		return fmt.Errorf("%w: %s is not the one that %s is of", ErrBadBackup, backupSums, backupManifest)
	}
	sums, err := parseSums(list)
	if err != nil {
		return err
	}
	missing := map[string]statement.Digest{}
	for _, s := range sums {
		missing[s.path] = s.digest
	}
	err = filepath.WalkDir(r.o.From, func(name string, d fs.DirEntry, err error) error {
		if err := errors.Join(err, r.ctx.Err()); err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(r.o.From, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if rel == backupManifest || rel == backupSums {
			return nil
		}
		want, listed := missing[rel]
		if !listed || !d.Type().IsRegular() {
			return fmt.Errorf("%w: %s is not a file of it: move it elsewhere, if it is known where it is from", ErrBadBackup, name)
		}
		delete(missing, rel)
		return r.copyFile(rel, want)
	})
	for name := range missing {
		if err == nil {
			err = fmt.Errorf("%w: %s is missing", ErrBadBackup, name)
		}
	}
	return err
}

// copyFile checks a file of the backup, and copies it if it is of the workspace.
func (r *restoration) copyFile(name string, want statement.Digest) error {
	in, err := os.Open(filepath.Join(r.o.From, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	h := sha256.New()
	if own, ok := strings.CutPrefix(name, backupWorkspace+"/"); ok {
		err = r.put(own, io.TeeReader(in, h))
	} else {
		_, err = io.Copy(h, in)
	}
	if err == nil && statement.Digest(h.Sum(nil)) != want {
		err = fmt.Errorf("%w: %s is not as it was: it is cut off, or has been changed", ErrBadBackup, name)
	}
	return err
}

// copied is the ledger's name until it is known to be whole.
const copied = ".copied"

// put writes a file of the workspace.
func (r *restoration) put(name string, content io.Reader) error {
	if first, _, _ := strings.Cut(name, "/"); !isBackedUp(first) {
		return fmt.Errorf("%w: %s is not a file of a workspace", ErrBadBackup, name)
	}
	if name == ledgerFile {
		name += copied
	}
	target := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}

// isBackedUp tells whether a name in a workspace's directory is one that backups have.
func isBackedUp(name string) bool {
	switch name {
	case aboutFile, ledgerFile, serviceFile, witnessesFile, releaseKeyFile, "keys", circuitsDir, registriesDir, grantsDir, releasesDir:
		return true
	}
	return false
}

// ledger holds the manifest to the log's key, and puts the ledger in its place.
func (r *restoration) ledger(m *manifest, signed []byte) (err error) {
	main, err := Maintain(r.dir, Options{Unlock: r.o.Unlock})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, main.Close()) }()
	if err := main.w.checkManifest(m, signed); err != nil {
		return err
	}
	from := filepath.Join(r.dir, ledgerFile+copied)
	if err := r.writeGuard(main.w, from, main.path()); err != nil {
		return err
	}
	done, err := main.Restore(r.ctx, from, r.o.Tiles, r.o.Progress)
	if err != nil {
		return err
	}
	if r.done.Entries, r.done.FromTiles = done.Entries, done.FromTiles; done.Entries-done.FromTiles != m.Entries {
		return fmt.Errorf("%w: its ledger has not the %d entries that %s says", ErrBadBackup, m.Entries, backupManifest)
	}
	return os.Remove(from)
}

// checkManifest tells whether the log's present key signed a manifest of this log.
func (w *Workspace) checkManifest(m *manifest, signed []byte) error {
	v, err := note.NewVerifier(w.logKey)
	if err != nil {
		return err
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil || n.Text != m.text() || m.Origin != v.Name() {
		return fmt.Errorf("%w: %s is not signed by its log's key", ErrBadBackup, backupManifest)
	}
	return nil
}

// writeGuard writes the last checkpoint that the log is known to have signed: what the copy
// itself has published, or the one that was named, if that is newer. What is signed
// for beyond it in tiles has to be signed by the log's present key.
func (r *restoration) writeGuard(w *Workspace, copy, path string) error {
	s, err := store.Open(copy, store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	guard, err := s.Checkpoint()
	if errors.Is(err, store.ErrNoCheckpoint) {
		err = nil
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	if r.o.Checkpoint != "" {
		keys, err := w.allLogKeys()
		if err == nil {
			guard, err = newer(guard, r.o.Checkpoint, keys)
		}
		if err != nil {
			return err
		}
	}
	if guard == nil { // it never signed anything
		return nil
	}
	return atomicfile.Write(store.GuardPath(path), guard, 0o600)
}

// newer gives the checkpoint of a file, if it is of a larger tree than signed.
func newer(signed []byte, file string, keys []string) ([]byte, error) {
	other, err := readBounded(file, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(keys, func(key string) bool { _, err := ledger.OpenCheckpoint(other, key); return err == nil })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s: it is not signed by a key of the log", ledger.ErrBadCheckpoint, file)
	}
	c, err := ledger.ReadCheckpoint(other)
	if err != nil || signed == nil {
		return other, err
	}
	own, err := ledger.ReadCheckpoint(signed)
	if err != nil || own.Size >= c.Size {
		return signed, err
	}
	return other, nil
}

// look opens what was made, as every command will.
func (r *restoration) look() (err error) {
	w, err := OpenWith(r.dir, Options{Unlock: r.o.Unlock})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	trust, err := w.Trust()
	if err != nil {
		return err
	}
	if r.done.Trust, err = trust.Fingerprint(); err != nil {
		return err
	}
	names, err := w.Registries()
	if err != nil {
		return err
	}
	for _, name := range names {
		_, err := w.Registry(name)
		if errors.Is(err, registry.ErrDiverged) && w.isBehind(name) {
			r.done.Behind = append(r.done.Behind, name)
		} else if err != nil {
			return err
		}
	}
	if _, err := os.Stat(w.path(serviceFile)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, err = w.ServiceDB()
	return err
}
