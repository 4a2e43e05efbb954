package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/ledger"
)

// ErrNotRestored says why a copy cannot take a ledger's place.
var ErrNotRestored = errors.New("not restored")

// RestoreOptions say what to restore, and with what it has to agree.
type RestoreOptions struct {
	Options
	// Origin is that of the log which is to be restored.
	Origin string
	// LogKeys are the verifier keys that the log has had, the present one last. One of them
	// has signed the guard and the tiles.
	LogKeys []string
	// Tiles is a directory that the log was exported to, or "". What the copy lacks up to
	// the guard's checkpoint is taken from there.
	Tiles string
	// Progress hears how many entries of the copy have been checked.
	Progress func(done, total uint64)
}

// Restored is what a restoration did.
type Restored struct {
	Entries uint64 `json:"entries"`
	// FromTiles of them are not from the copy.
	FromTiles uint64 `json:"from_tiles"`
	// Aside is where the damaged ledger is now, if there was one.
	Aside string `json:"aside,omitempty"`
}

// Restore puts a copy that [Store.Backup] made in the place of a closed log's missing
// or damaged database. The copy is checked like a ledger, and must have grown into,
// or be brought by exported tiles up to, what the guard says was signed: else
// [ErrNotRestored] or [ErrGuard] says what can be done. It fails with
// [ErrDamaged] where the copy itself is damaged, and with [ErrOtherLog] where it is
// another log's.
//
// A whole ledger is never replaced: it may have entries that no copy has. A damaged one
// is moved aside, and not written over, since parts of it may be all that is left of
// what came after the copy.
func Restore(ctx context.Context, path, from string, o RestoreOptions) (Restored, error) {
	damaged, err := replaceable(ctx, path, o)
	if err != nil {
		return Restored{}, err
	}
	partial := path + ".restore.partial"
	if err := removeIfThere(partial); err != nil {
		return Restored{}, err
	}
	done, err := prepareRestore(ctx, path, partial, from, o)
	if err != nil {
		return Restored{}, errors.Join(err, removeIfThere(partial))
	}
	if damaged {
		done.Aside = fmt.Sprintf("%s.damaged-%s", path, time.Now().UTC().Format("20060102T150405.000000000Z"))
		if err := settle(path, done.Aside); err != nil {
			return Restored{}, errors.Join(err, removeIfThere(partial))
		}
	}
	if err := os.Rename(partial, path); err != nil {
		return Restored{}, err
	}
	return done, atomicfile.SyncDir(filepath.Dir(path))
}

// replaceable tells whether a database is there, and refuses where it is whole.
func replaceable(ctx context.Context, path string, o RestoreOptions) (there bool, err error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	s, err := Open(path, o.Options)
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotLedger) && !errors.Is(err, ErrVersion) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	err = s.Check(ctx)
	if closing := s.Close(); closing != nil {
		return false, closing
	}
	switch {
	case err == nil:
		return false, fmt.Errorf("%w: %s is whole (%d entries) and may have entries that the copy lacks; move it away yourself if it is to be replaced", ErrNotRestored, path, s.Size())
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrGuard):
		return true, nil
	}
	return false, err
}

// prepareRestore makes the file that takes the ledger's place, under another name.
func prepareRestore(ctx context.Context, path, partial, from string, o RestoreOptions) (done Restored, err error) {
	if err := copyTo(partial, from); err != nil {
		return done, err
	}
	opts := o.Options
	opts.ReadOnly, opts.guardOf, opts.noSync = false, path, true // synced as a whole, below
	s, err := Open(partial, opts)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if s.Origin() != o.Origin {
		return done, fmt.Errorf("%w: a copy of %s cannot become %s: a log of another origin has a workspace of its own", ErrOtherLog, s.Origin(), o.Origin)
	}
	report, err := s.Fsck(ctx, FsckOptions{Progress: o.Progress})
	if err != nil {
		return done, err
	}
	if report.damagedBeside(PartGuard) {
		return done, fmt.Errorf("%w: the copy %s is damaged: %w", ErrNotRestored, from, report.Err())
	}
	before := s.Size()
	if err := s.rollForward(ctx, o); err != nil {
		return done, err
	}
	done = Restored{Entries: s.Size(), FromTiles: s.Size() - before}
	return done, s.db.Sync()
}

// damagedBeside tells whether something was found beside a part.
func (r *Report) damagedBeside(part Part) bool {
	for _, f := range r.Findings {
		if f.Part != part {
			return true
		}
	}
	return false
}

func copyTo(path, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// rollForward brings a copy up to what was signed, and makes sure that it is that.
func (s *Store) rollForward(ctx context.Context, o RestoreOptions) error {
	guard, err := s.signedFor(o.LogKeys)
	if err != nil {
		return err
	}
	if o.Tiles != "" {
		if err := s.appendTiles(ctx, o, guard.Size); err != nil {
			return err
		}
	}
	if size := s.Size(); size < guard.Size {
		return fmt.Errorf("%w: the copy has %d entries, and %d were signed for: bring it forward with a directory that the log was exported to (--from-tiles), or start a log under a new origin in a new workspace", ErrNotRestored, size, guard.Size)
	}
	return s.view(s.checkGuard)
}

// signedFor gives the checkpoint in the guard; an empty one where nothing was signed.
func (s *Store) signedFor(keys []string) (ledger.Checkpoint, error) {
	signed, err := readGuard(s.guardOf)
	if errors.Is(err, fs.ErrNotExist) {
		_, err := s.Checkpoint()
		if errors.Is(err, ErrNoCheckpoint) {
			return ledger.Checkpoint{}, nil
		}
		return ledger.Checkpoint{}, fmt.Errorf("%w: the file %s is missing, so that nobody knows up to where the log was signed: put it back, or start a log under a new origin in a new workspace", ErrGuard, GuardPath(s.guardOf))
	}
	if err != nil {
		return ledger.Checkpoint{}, err
	}
	c, err := openSigned(signed, keys)
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrGuard, GuardPath(s.guardOf), err)
	}
	return c, err
}

// appendTiles appends what an exported directory has beyond the copy. All of it was
// signed for, even what a guard that was restored with an old copy does not know.
func (s *Store) appendTiles(ctx context.Context, o RestoreOptions, guarded uint64) error {
	signed, err := os.ReadFile(filepath.Join(o.Tiles, ledger.CheckpointPath))
	if err != nil {
		return err
	}
	c, err := openSigned(signed, o.LogKeys)
	if err == nil && c.Size > guarded {
		// Beyond the guard its word alone counts, so that it has to be that of the present
		// key: a former one may have been stolen.
		c, err = openSigned(signed, o.LogKeys[len(o.LogKeys)-1:])
	}
	if err != nil {
		return fmt.Errorf("%w: the checkpoint of %s: %w", ErrOtherLog, o.Tiles, err)
	}
	if c.Size < guarded && s.Size() < guarded {
		return fmt.Errorf("%w: %s reaches to %d entries, and %d were signed for: find a newer export, or start a log under a new origin in a new workspace", ErrNotRestored, o.Tiles, c.Size, guarded)
	}
	for s.Size() < c.Size {
		entries, err := readBundle(o.Tiles, s.Size(), c.Size)
		if err != nil {
			return err
		}
		if _, err := s.AppendEncoded(ctx, entries...); err != nil {
			return fmt.Errorf("%w: %s, entries from %d on: %w", ErrNotRestored, o.Tiles, s.Size(), err)
		}
	}
	return s.view(func(tx *bolt.Tx) error { return s.checkAgainst(tx, signed) })
}

// readBundle reads the entries from one index on, up to the end of their bundle.
func readBundle(dir string, from, size uint64) ([][]byte, error) {
	p := ledger.TilePath{Entries: true, Index: from / ledger.TileWidth, Width: ledger.TileWidth}
	p.Width = int(min(size-p.Index*ledger.TileWidth, ledger.TileWidth))
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(p.String())))
	if err != nil {
		return nil, err
	}
	entries, err := ledger.DecodeBundle(data, p.Width)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return entries[from%ledger.TileWidth:], nil
}
