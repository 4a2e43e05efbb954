package workspace

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/internal/boltcopy"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
)

// A backup is a directory:
//
//	BACKUP/MANIFEST     a note signed by the log's key: origin, time, entries, the digest of:
//	BACKUP/SHA256SUMS   the digest of every other file
//	BACKUP/workspace/   the workspace's files, but for the guard, the lock and the socket
//	BACKUP/trust.json   what trust export would have written
//	BACKUP/…            what else was to be kept with it
//
// Its files have mode 0600. It holds what the workspace holds: what is encrypted there is
// encrypted in it, and nothing else is.
const (
	backupWorkspace = "workspace"
	backupTrust     = "trust.json"
)

// BackedUp is what a backup has.
type BackedUp struct {
	Entries  uint64           // of the ledger
	Files    int              // without the manifest and the list
	Bytes    int64            // of the files
	Manifest statement.Digest // SHA-256 of the manifest, by which the backup can be told from others
}

// Backup copies the workspace into a new directory, which appears when it is whole, while
// others go on using the workspace: ledger, registries and the service's database are of
// one moment. others are further files, by their names. It fails with [ErrExists] where
// something has the directory's name.
func (w *Workspace) Backup(ctx context.Context, dir string, others map[string][]byte) (done BackedUp, err error) {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return done, errors.Join(err, fmt.Errorf("%s is %w: a backup never writes over anything", dir, ErrExists))
	}
	parent := filepath.Dir(filepath.Clean(dir))
	partial, err := os.MkdirTemp(parent, "."+filepath.Base(filepath.Clean(dir))+".partial-*")
	if err != nil {
		return done, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("back up to %s: %w", dir, err), os.RemoveAll(partial))
		}
	}()
	b := &backup{ctx: ctx, dir: partial}
	if err := w.fillBackup(b, others); err != nil {
		return done, err
	}
	if err := b.finish(w); err != nil {
		return done, err
	}
	// Of an empty directory that somebody makes meanwhile nothing is lost.
	return b.done, errors.Join(os.Rename(partial, dir), atomicfile.SyncDir(parent))
}

// fillBackup copies everything: first what changes together, as of one moment, then the
// files that are written once. A grant's document is there before its entry.
func (w *Workspace) fillBackup(b *backup, others map[string][]byte) error {
	moment, err := w.snapshot(b.ctx)
	if err != nil {
		return err
	}
	err = b.databases(moment)
	if err := errors.Join(err, moment.Close()); err != nil {
		return err
	}
	for _, name := range []string{aboutFile, witnessesFile, releaseKeyFile} {
		if err := b.file(w.dir, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, name := range []string{"keys", circuitsDir, grantsDir, releasesDir} {
		if err := b.directory(w.dir, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	trust, err := w.Trust()
	if err != nil {
		return err
	}
	document, err := trust.Marshal()
	if err != nil {
		return err
	}
	if err := b.content(backupTrust, document); err != nil {
		return err
	}
	for name, content := range others {
		if err := b.content(name, content); err != nil {
			return err
		}
	}
	return nil
}

// moment are the databases of a workspace as they were at one moment.
type moment struct {
	ledger *store.Snapshot
	others map[string]*boltcopy.Snapshot // by file name
}

func (m *moment) Close() (err error) {
	if m.ledger != nil {
		err = m.ledger.Close()
	}
	for _, s := range m.others {
		err = errors.Join(err, s.Close())
	}
	return err
}

// versioned is a database that can be looked at.
type versioned func() (*boltcopy.Snapshot, error)

// snapshot takes the databases at one moment. What the service and the registries say goes
// before what the ledger says: a job keeps its proof before the ledger has it, and a
// registry its staging before the ledger has the epoch, so that with a ledger which is
// ahead of them each goes on. For that they must not have changed until the ledger was
// looked at; where they did, it is done again. Nobody waits for it.
func (w *Workspace) snapshot(ctx context.Context) (*moment, error) {
	w.mu.Lock() // no registry is made or replaced meanwhile
	defer w.mu.Unlock()
	databases, err := w.databases()
	if err != nil {
		return nil, err
	}
	for {
		m, still, err := w.look(databases)
		if err == nil && still {
			return m, nil
		}
		if err = errors.Join(err, m.Close(), ctx.Err()); err != nil {
			return nil, err
		}
	}
}

// databases gives the databases beside the ledger, by file name. The caller holds mu.
func (w *Workspace) databases() (map[string]versioned, error) {
	all := map[string]versioned{}
	if _, err := os.Stat(w.path(serviceFile)); err == nil {
		db, err := w.serviceDB()
		if err != nil {
			return nil, err
		}
		all[serviceFile] = func() (*boltcopy.Snapshot, error) { return boltcopy.Take(db) }
	}
	names, err := w.Registries()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		r, err := w.registry(name)
		if err != nil {
			return nil, err
		}
		all[path.Join(registriesDir, name+registryEnding)] = r.Snapshot
	}
	return all, nil
}

// look takes snapshots of all, and tells whether the others were the same until the ledger's
// was taken. What it gives is to be closed in any case.
func (w *Workspace) look(databases map[string]versioned) (m *moment, still bool, err error) {
	m = &moment{others: map[string]*boltcopy.Snapshot{}}
	for name, take := range databases {
		if m.others[name], err = take(); err != nil {
			delete(m.others, name)
			return m, false, err
		}
	}
	if m.ledger, err = w.Ledger.Snapshot(); err != nil {
		return m, false, err
	}
	for name, take := range databases {
		after, err := take()
		if err != nil {
			return m, false, err
		}
		same := after.Version() == m.others[name].Version()
		if err := after.Close(); err != nil || !same {
			return m, false, err
		}
	}
	return m, true, nil
}

// backup is one that is being written.
type backup struct {
	ctx  context.Context
	dir  string
	sums []sum
	done BackedUp
}

func (b *backup) databases(m *moment) error {
	err := b.write(path.Join(backupWorkspace, ledgerFile), func(f *os.File, also io.Writer) (err error) {
		b.done.Entries, err = m.ledger.Write(f, also)
		return err
	})
	for name, s := range m.others {
		if err == nil {
			err = b.write(path.Join(backupWorkspace, name), func(f *os.File, also io.Writer) error { return s.Write(f, also) })
		}
	}
	return err
}

// directory copies the files of a directory of the workspace.
func (b *backup) directory(from, name string) error {
	files, err := os.ReadDir(filepath.Join(from, name))
	for _, f := range files {
		// Not one that is being written, nor tables, which are made anew from their key.
		if err == nil && !strings.HasPrefix(f.Name(), ".") && !strings.HasSuffix(f.Name(), prover.TablesEnding) {
			err = b.file(from, path.Join(name, f.Name()))
		}
	}
	return err
}

// file copies a file of the workspace, which is written at once or not at all.
func (b *backup) file(from, name string) error {
	in, err := os.Open(filepath.Join(from, name))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file, and not of a workspace: move it elsewhere", filepath.Join(from, name))
	}
	return b.from(path.Join(backupWorkspace, name), in)
}

// content writes a file of the backup that is no copy of one.
func (b *backup) content(name string, content []byte) error {
	return b.from(name, bytes.NewReader(content))
}

func (b *backup) from(name string, in io.Reader) error {
	return b.write(name, func(f *os.File, also io.Writer) error {
		_, err := io.Copy(io.MultiWriter(f, also), in)
		return errors.Join(err, f.Sync())
	})
}

// write makes a file of the backup. What is put into it is to be given to also, too.
func (b *backup) write(name string, fill func(f *os.File, also io.Writer) error) error {
	if err := errors.Join(b.ctx.Err(), checkName(name)); err != nil {
		return err
	}
	target := filepath.Join(b.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	h := sha256.New()
	err = fill(f, h)
	if err == nil {
		var info os.FileInfo
		if info, err = f.Stat(); err == nil {
			b.done.Bytes += info.Size()
		}
	}
	b.done.Files++
	b.sums = append(b.sums, sum{name, statement.Digest(h.Sum(nil))})
	return errors.Join(err, f.Close())
}

// finish writes the list and the manifest, and makes all names durable.
func (b *backup) finish(w *Workspace) error {
	slices.SortFunc(b.sums, func(x, y sum) int { return strings.Compare(x.path, y.path) })
	list := formatSums(b.sums)
	m := manifest{Origin: w.Ledger.Origin(), Made: time.Now().UTC().Truncate(time.Second), Entries: b.done.Entries, Sums: sha256.Sum256(list)}
	signed, err := m.sign(w.Signer)
	if err != nil {
		return err
	}
	b.done.Manifest = sha256.Sum256(signed)
	return errors.Join(
		atomicfile.Write(filepath.Join(b.dir, backupSums), list, 0o600),
		atomicfile.Write(filepath.Join(b.dir, backupManifest), signed, 0o600),
		syncDirs(b.dir),
	)
}

// syncDirs makes the names in a directory and those below it durable.
func syncDirs(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = atomicfile.SyncDir(name)
		}
		return err
	})
}
