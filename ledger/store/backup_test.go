package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// noDebris checks that a directory has these files and no others.
func noDebris(t *testing.T, dir string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Errorf("files: %s", diff)
	}
}

func TestBackup(t *testing.T) {
	s := newStore(t)
	fill(t, s, 11)
	dir := t.TempDir()
	copied := filepath.Join(dir, "copy.db")
	if n, err := s.Backup(copied); err != nil || n != 11 {
		t.Fatalf("%d, %v", n, err)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	before, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backup(copied); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another one: %v", err)
	}
	if after, err := os.ReadFile(copied); err != nil || !bytes.Equal(before, after) {
		t.Errorf("it has changed: %v", err)
	}
	noDebris(t, dir, "copy.db")
	if diff := cmp.Diff(content(t, s), content(t, reopen(t, copied))); diff != "" {
		t.Errorf("the copy differs: %s", diff)
	}
	if _, err := s.Backup(filepath.Join(dir, "nowhere", "copy.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a directory that is not there: %v", err)
	}
}

// Copies made while appends go on are whole logs, each the beginning of the next.
func TestBackupWhileWriting(t *testing.T) {
	s := newStore(t)
	fill(t, s, 200)
	all := entries(t)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				e := ledgertest.ProofEntry(t, all[1].(*ledger.CircuitEntry), all[2].(*ledger.EpochEntry), fmt.Sprint(w, " ", i))
				if _, err := s.Append(t.Context(), e); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	dir := t.TempDir()
	last := uint64(0)
	for i := range 4 {
		path := filepath.Join(dir, fmt.Sprint(i, ".db"))
		n, err := s.Backup(path)
		if err != nil {
			t.Fatal(err)
		}
		c := reopen(t, path)
		if c.Size() != n || n < last || mustRoot(t, c, n) != mustRoot(t, s, n) {
			t.Errorf("copy %d has %d entries (said %d, before %d), or other ones", i, c.Size(), n, last)
		}
		if err := c.Check(t.Context()); err != nil {
			t.Error(err)
		}
		last = n
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	writers.Wait()
	if last == 200 {
		t.Error("nothing was written between the copies")
	}
}

func TestCompact(t *testing.T) {
	path, _, _ := published11(t)
	s := reopen(t, path)
	fillMore(t, s, 2000)
	tamper(t, s, func(tx *bolt.Tx) error { // room that is used and then not any more
		room, err := tx.CreateBucket([]byte("room"))
		if err != nil {
			return err
		}
		return room.Put([]byte("k"), make([]byte, 40<<20))
	})
	tamper(t, s, func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("room")) })
	want := content(t, s)
	if _, _, err := Compact(path); !errors.Is(err, ErrLocked) {
		t.Errorf("of an open ledger: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".compact.partial", []byte("left by a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, after, err := Compact(path)
	if err != nil || after >= before {
		t.Fatalf("%d bytes, then %d, %v", before, after, err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != after || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	noDebris(t, filepath.Dir(path), "backup.db", "ledger.db", "ledger.db.guard")
	if b, a, err := Compact(path); err != nil || b != after || a > b {
		t.Errorf("a second time: %d bytes, then %d, %v", b, a, err)
	}
	again := reopen(t, path)
	if diff := cmp.Diff(want, content(t, again)); diff != "" {
		t.Errorf("it differs: %s", diff)
	}
	fillMore(t, again, 10)
	if err := again.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

var furthers int

// fillMore appends n further proofs.
func fillMore(t testing.TB, s *Store, n int) {
	t.Helper()
	all := entries(t)
	var more []ledger.Entry
	for range n {
		furthers++
		more = append(more, ledgertest.ProofEntry(t, all[1].(*ledger.CircuitEntry), all[2].(*ledger.EpochEntry), fmt.Sprint("still further ", furthers)))
	}
	if _, err := s.Append(t.Context(), more...); err != nil {
		t.Fatal(err)
	}
}

// disaster is a log that has published 600 entries and has some more, of which there are a
// copy of 300 entries and an export of 600.
type disaster struct {
	path, copied, tiles, vkey string
	key                       note.Signer
	root                      [32]byte
}

func newDisaster(t *testing.T) disaster {
	t.Helper()
	dir := t.TempDir()
	d := disaster{path: filepath.Join(dir, "ledger.db"), copied: filepath.Join(dir, "copy"), tiles: filepath.Join(dir, "tiles")}
	d.key, d.vkey = signer(t)
	s, err := Create(d.path, ledgertest.Origin, options())
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 300)
	publish(t, s, d.key)
	if err := s.Export(d.tiles, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backup(d.copied); err != nil {
		t.Fatal(err)
	}
	fillMore(t, s, 300)
	publish(t, s, d.key)
	if err := s.Export(d.tiles, nil); err != nil {
		t.Fatal(err)
	}
	d.root = mustRoot(t, s, 600)
	fillMore(t, s, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d disaster) restore(t *testing.T, tiles string) (Restored, error) {
	t.Helper()
	return Restore(t.Context(), d.path, d.copied, RestoreOptions{Options: options(), Origin: ledgertest.Origin, LogKeys: []string{d.vkey}, Tiles: tiles})
}

func TestRestore(t *testing.T) {
	remove := func(t *testing.T, d disaster) { mustDo(t, os.Remove(d.path)) }
	for name, test := range map[string]struct {
		lose  func(t *testing.T, d disaster)
		aside bool
	}{
		"missing": {remove, false},
		"empty":   {func(t *testing.T, d disaster) { mustDo(t, os.Truncate(d.path, 0)) }, true},
		"cut":     {func(t *testing.T, d disaster) { mustDo(t, os.Truncate(d.path, 40960)) }, true},
		"garbage": {func(t *testing.T, d disaster) {
			mustDo(t, os.WriteFile(d.path, bytes.Repeat([]byte("x"), 9999), 0o600))
		}, true},
		"an old copy": {func(t *testing.T, d disaster) { copyFile(t, d.copied, d.path) }, true},
		"an entry's bit": {func(t *testing.T, d disaster) {
			s, err := Open(d.path, options())
			mustDo(t, err)
			tamper(t, s, func(tx *bolt.Tx) error { return flipIn(tx, "entries", key64(99), 50) })
			mustDo(t, s.Close())
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisaster(t)
			test.lose(t, d)
			lost, _ := os.ReadFile(d.path)
			if _, err := d.restore(t, ""); !errors.Is(err, ErrNotRestored) {
				t.Errorf("without the tiles: %v", err)
			}
			if now, _ := os.ReadFile(d.path); !bytes.Equal(now, lost) {
				t.Error("a refusal changed the ledger")
			}
			done, err := d.restore(t, d.tiles)
			if err != nil || done.Entries != 600 || done.FromTiles != 300 || (done.Aside != "") != test.aside {
				t.Fatalf("%+v, %v", done, err)
			}
			if test.aside {
				if kept, err := os.ReadFile(done.Aside); err != nil || !bytes.Equal(kept, lost) {
					t.Errorf("the damaged ledger is not what was kept: %v", err)
				}
			}
			s := reopen(t, d.path)
			if err := s.Check(t.Context()); err != nil || mustRoot(t, s, 600) != d.root {
				t.Errorf("another log: %v", err)
			}
			fillMore(t, s, 1)
			publish(t, s, d.key)
		})
	}
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, d *disaster)
		want  error
	}{
		"a whole ledger": {func(t *testing.T, d *disaster) {}, ErrNotRestored},
		"a damaged copy": {func(t *testing.T, d *disaster) {
			s, err := Open(d.copied, Options{noSync: true, guardOf: d.path})
			mustDo(t, err)
			tamper(t, s, func(tx *bolt.Tx) error { return flipIn(tx, "hashes", key64(99), 5) })
			mustDo(t, s.Close())
			mustDo(t, os.Remove(d.path))
		}, ErrDamaged},
		"no copy at all": {func(t *testing.T, d *disaster) {
			mustDo(t, os.Remove(d.path))
			mustDo(t, os.Remove(d.copied))
		}, fs.ErrNotExist},
		"another log's copy": {func(t *testing.T, d *disaster) {
			mustDo(t, os.Remove(d.path))
			mustDo(t, os.Remove(d.copied))
			s, err := Create(d.copied, "elsewhere.test/log", options())
			mustDo(t, err)
			mustDo(t, s.Close())
		}, ErrOtherLog},
		"a forked copy": {func(t *testing.T, d *disaster) {
			mustDo(t, os.Remove(d.path))
			mustDo(t, os.Remove(d.copied))
			s, err := Create(d.copied, ledgertest.Origin, options())
			mustDo(t, err)
			fill(t, s, 300)
			fillMore(t, s, 310)
			mustDo(t, s.Close())
		}, ErrGuard},
		"tiles of one flipped bit": {func(t *testing.T, d *disaster) {
			mustDo(t, os.Remove(d.path))
			flip(t, filepath.Join(d.tiles, "tile/entries/002.p/88"), 300)
		}, ErrNotRestored},
		"tiles that end too early": {func(t *testing.T, d *disaster) {
			s := reopen(t, d.path)
			publish(t, s, d.key)
			mustDo(t, s.Close())
			mustDo(t, os.Remove(d.path))
		}, ErrNotRestored},
		"tiles of another key": {func(t *testing.T, d *disaster) {
			mustDo(t, os.Remove(d.path))
			mustDo(t, os.WriteFile(filepath.Join(d.tiles, "checkpoint"), foreignCheckpoint(t), 0o600))
		}, ErrOtherLog},
		"no guard": {func(t *testing.T, d *disaster) {
			mustDo(t, os.Remove(d.path))
			mustDo(t, os.Remove(GuardPath(d.path)))
		}, ErrGuard},
		"a guard of another key": {func(t *testing.T, d *disaster) {
			mustDo(t, os.Remove(d.path))
			mustDo(t, os.WriteFile(GuardPath(d.path), foreignCheckpoint(t), 0o600))
		}, ErrGuard},
		"a ledger of a newer version": {func(t *testing.T, d *disaster) {
			s, err := Open(d.path, options())
			mustDo(t, err)
			tamper(t, s, func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyFormat, []byte("attestry-ledger/2")) })
			mustDo(t, s.Close())
		}, ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisaster(t)
			test.spoil(t, &d)
			before := files(t, filepath.Dir(d.path))
			if _, err := d.restore(t, d.tiles); !errors.Is(err, test.want) {
				t.Errorf("%v; want %v", err, test.want)
			}
			noDebris(t, filepath.Dir(d.path), before...)
		})
	}
}

// An export that knows more than a guard which was restored with an old copy counts.
func TestRestoreGoesByTheNewerCheckpoint(t *testing.T) {
	d := newDisaster(t)
	mustDo(t, os.Remove(d.path))
	old := filepath.Join(t.TempDir(), "old")
	copyFile(t, d.copied, old)
	s, err := Open(old, Options{noSync: true, ReadOnly: true, guardOf: d.path})
	mustDo(t, err)
	signed, err := s.Checkpoint()
	mustDo(t, err)
	mustDo(t, s.Close())
	mustDo(t, os.WriteFile(GuardPath(d.path), signed, 0o600))
	if done, err := d.restore(t, d.tiles); err != nil || done.Entries != 600 {
		t.Errorf("%+v, %v", done, err)
	}
}
