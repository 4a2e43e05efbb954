package workspace

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
)

var backups = flag.Int("backups", 5, "how many backups TestBackupOfOneMoment makes")

// restored restores a backup into a new workspace and opens it.
func restored(t *testing.T, o RestoreOptions) (*Workspace, Restoration) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "w")
	done, err := RestoreBackup(t.Context(), dir, o)
	ok(t, err)
	return openedWith(t, dir, o.Unlock), done
}

// refused makes sure that a backup is not restored, and that nothing is left of it.
func refused(t *testing.T, what string, o RestoreOptions, want error) {
	t.Helper()
	parent := t.TempDir()
	if _, err := RestoreBackup(t.Context(), filepath.Join(parent, "w"), o); !errors.Is(err, want) {
		t.Errorf("%s: %v", what, err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("%s: it left %v behind: %v", what, left, err)
	}
}

func TestBackupEncrypted(t *testing.T) {
	w, own, escrow := encrypted(t)
	ok(t, errors.Join(w.Close()))
	w = openedWith(t, w.Dir(), own)
	_, err := w.ServiceDB()
	ok(t, err)
	_, err = w.Publish(t.Context())
	ok(t, err)
	dir := filepath.Join(t.TempDir(), "backup")
	done, err := w.Backup(t.Context(), dir, map[string][]byte{"attestry.yaml": []byte("listen: 127.0.0.1:1\n")})
	ok(t, err)
	all := allFiles(t, dir)
	if len(all) != done.Files+2 || done.Entries != w.Ledger.Size() {
		t.Errorf("%d files are there, of %+v", len(all), done)
	}
	for name, content := range all {
		info, err := os.Stat(name)
		ok(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
		for _, private := range []string{"anna", "attached", issuerPrefix, "PRIVATE+KEY"} {
			if bytes.Contains(content, []byte(private)) {
				t.Errorf("%s shows %q", name, private)
			}
		}
	}
	o := RestoreOptions{From: dir, AcceptRollback: true}
	refused(t, "without a key", o, ErrKeyNeeded)
	for _, unlock := range []Unlock{own, escrow} {
		o.Unlock = unlock
		again, done := restored(t, o)
		if done.Origin != "example.org/test" || len(done.Behind) > 0 {
			t.Errorf("%+v", done)
		}
		works(t, again)
	}
	if _, err := w.Backup(t.Context(), dir, nil); !errors.Is(err, ErrExists) {
		t.Errorf("a second backup over the first: %v", err)
	}
	refused(t, "a log that may have signed more", RestoreOptions{From: dir, Unlock: own}, ErrNewestUnknown)
}

// Every file of a backup counts, and every byte of it.
func TestChangedBackupsAreRefused(t *testing.T) {
	w := titles(t)
	_, err := w.ServiceDB()
	ok(t, err)
	_, err = w.Publish(t.Context())
	ok(t, err)
	dir := filepath.Join(t.TempDir(), "backup")
	_, err = w.Backup(t.Context(), dir, nil)
	ok(t, err)
	o := RestoreOptions{From: dir, AcceptRollback: true}
	for name, content := range allFiles(t, dir) {
		changed := bytes.Clone(content)
		changed[rand.IntN(len(changed))] ^= 1 << rand.IntN(8)
		if bytes.Equal(changed, content) {
			t.Fatal("nothing was changed")
		}
		for what, change := range map[string]func() error{
			"a changed bit": func() error { return os.WriteFile(name, changed, 0o600) },
			"cut off":       func() error { return os.Truncate(name, int64(len(content))-1) },
			"empty":         func() error { return os.Truncate(name, 0) },
			"longer":        func() error { return os.WriteFile(name, append(bytes.Clone(content), 0), 0o600) },
			"missing":       func() error { return os.Remove(name) },
			"a link": func() error {
				return errors.Join(os.Rename(name, name+".elsewhere"), os.Symlink(name+".elsewhere", name))
			},
		} {
			if filepath.Base(name) == backupManifest && what == "a link" {
				continue // its content is what was signed, wherever it is
			}
			ok(t, change())
			refused(t, filepath.Base(name)+": "+what, o, ErrBadBackup)
			ok(t, errors.Join(os.RemoveAll(name+".elsewhere"), os.RemoveAll(name), os.WriteFile(name, content, 0o600)))
		}
	}
	ok(t, os.WriteFile(filepath.Join(dir, backupWorkspace, "more"), nil, 0o600))
	refused(t, "another file", o, ErrBadBackup)
	ok(t, os.Remove(filepath.Join(dir, backupWorkspace, "more")))
	restored(t, o)
}

// Whoever can write the list can not sign it.
func TestBackupOfAnotherListIsRefused(t *testing.T) {
	w := titles(t)
	dir := filepath.Join(t.TempDir(), "backup")
	_, err := w.Backup(t.Context(), dir, nil)
	ok(t, err)
	b := &backup{ctx: t.Context(), dir: filepath.Join(t.TempDir(), "other")}
	ok(t, w.fillBackup(b, nil))
	for i := range b.sums {
		b.sums[i].path = strings.Replace(b.sums[i].path, "keys/log.key", "lock", 1)
	}
	ok(t, os.Rename(filepath.Join(b.dir, backupWorkspace, "keys/log.key"), filepath.Join(b.dir, backupWorkspace, "lock")))
	ok(t, b.finish(w))
	refused(t, "a file that no backup has", RestoreOptions{From: b.dir, AcceptRollback: true}, ErrBadBackup)

	m, signed, err := readManifest(dir)
	ok(t, err)
	forged := *m
	forged.Entries++
	ok(t, os.WriteFile(filepath.Join(dir, backupManifest), bytes.Replace(signed, []byte(m.text()), []byte(forged.text()), 1), 0o600))
	refused(t, "a manifest that nobody signed", RestoreOptions{From: dir, AcceptRollback: true}, ErrBadBackup)
	signed, err = forged.sign(w.Signer)
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(dir, backupManifest), signed, 0o600))
	refused(t, "other entries", RestoreOptions{From: dir, AcceptRollback: true}, ErrBadBackup)
}

// A log that has signed more than a backup has is brought forward, or refused.
func TestRestoreReachesWhatWasSigned(t *testing.T) {
	w := titles(t)
	_, err := w.Publish(t.Context())
	ok(t, err)
	backup, tiles := filepath.Join(t.TempDir(), "backup"), t.TempDir()
	_, err = w.Backup(t.Context(), backup, nil)
	ok(t, err)
	_, err = w.Commit(t.Context(), "titles", nil) // with the root of the last one
	ok(t, err)
	load(t, w, rows+"P4,carl,1,2,none\n")
	_, err = w.Commit(t.Context(), "titles", nil)
	ok(t, err)
	_, err = w.Publish(t.Context())
	ok(t, err)
	ok(t, w.Ledger.Export(tiles, nil))
	guard := store.GuardPath(filepath.Join(w.Dir(), ledgerFile))

	refused(t, "below the guard", RestoreOptions{From: backup, Checkpoint: guard}, store.ErrNotRestored)
	for what, o := range map[string]RestoreOptions{
		"an export": {From: backup, Tiles: tiles}, "both": {From: backup, Tiles: tiles, Checkpoint: guard},
	} {
		again, done := restored(t, o)
		if done.Entries != w.Ledger.Size() || done.FromTiles != 2 || len(done.Behind) != 1 {
			t.Errorf("%s: %+v", what, done)
		}
		if _, _, err := again.CatchUp(t.Context(), "titles", strings.NewReader(rows), registry.CSV, false); !errors.Is(err, ErrOtherRecords) {
			t.Errorf("%s: the records of the epoch before: %v", what, err)
		}
		records, changes := rows+"P4,carl,1,2,none\n", o.Tiles == ""
		if changes {
			records = strings.SplitAfter(rows, "\n")[0] + "P4,carl,1,2,none\n"
			records = strings.Replace(strings.ReplaceAll(records, "\n", ",put\n"), ",put", ","+registry.ChangeColumn, 1)
		}
		at, last, err := again.CatchUp(t.Context(), "titles", strings.NewReader(records), registry.CSV, changes)
		if err != nil || at != 3 || last != 3 {
			t.Errorf("%s: at epoch %d of %d: %v", what, at, last, err)
		}
		if _, err := again.Publish(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		works(t, again)
	}
}

// Backups that are made while registries are made, filled and committed, and while the
// ledger grows, can all be restored: none has an epoch without its records, or a
// registry's entry without its secrets.
func TestBackupOfOneMoment(t *testing.T) {
	w := titles(t)
	_, err := w.ServiceDB()
	ok(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	working.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			s, err := w.Registry("titles")
			if err == nil {
				_, err = s.Import(t.Context(), strings.NewReader(fmt.Sprintf("%sP4,carl,%d,2,none\n", rows, i)), registry.CSV, nil)
			}
			if err == nil {
				_, err = w.Commit(t.Context(), "titles", nil)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	working.Go(func() {
		for i := 0; ctx.Err() == nil && i < 50; i++ {
			more := *schema
			more.Registry = fmt.Sprint("more-", i)
			if err := w.CreateRegistry(t.Context(), &more); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range *backups {
		dir := filepath.Join(t.TempDir(), "backup")
		_, err := w.Backup(t.Context(), dir, nil)
		ok(t, err)
		again, done := restored(t, RestoreOptions{From: dir, AcceptRollback: true})
		if len(done.Behind) > 0 {
			t.Errorf("behind: %v", done.Behind)
		}
		logged, err := again.Ledger.Registries()
		ok(t, err)
		names, err := again.Registries()
		ok(t, err)
		if fmt.Sprint(logged) != fmt.Sprint(names) {
			t.Errorf("the ledger has %v, and there are %v", logged, names)
		}
		works(t, again)
		ok(t, again.Close())
	}
}

func TestBackupOfAnEmptyWorkspace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backup")
	_, err := open(t).Backup(t.Context(), dir, nil)
	ok(t, err)
	again, _ := restored(t, RestoreOptions{From: dir, AcceptRollback: true})
	ok(t, again.CreateRegistry(t.Context(), schema))
}

func TestCancelledBackupLeavesNothing(t *testing.T) {
	w := titles(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	parent := t.TempDir()
	if _, err := w.Backup(ctx, filepath.Join(parent, "backup"), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	if _, err := w.Backup(t.Context(), filepath.Join(parent, "no", "backup"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzParseManifest(f *testing.F) {
	m := manifest{Origin: "example.org/test", Made: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), Entries: 6, Sums: statement.Digest{1}}
	f.Add(m.text())
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseManifest(text); err == nil && m.text() != text {
			t.Errorf("%q becomes %q", text, m.text())
		} else if err != nil && !errors.Is(err, ErrBadBackup) {
			t.Error(err)
		}
	})
}

func FuzzParseSums(f *testing.F) {
	f.Add(formatSums([]sum{{"trust.json", statement.Digest{1}}, {"workspace/keys/log.key", statement.Digest{2}}}))
	f.Fuzz(func(t *testing.T, list []byte) {
		sums, err := parseSums(list)
		if err != nil {
			if !errors.Is(err, ErrBadBackup) {
				t.Error(err)
			}
			return
		}
		if !bytes.Equal(formatSums(sums), list) {
			t.Errorf("%q becomes %q", list, formatSums(sums))
		}
		for _, s := range sums {
			if !filepath.IsLocal(filepath.FromSlash(s.path)) {
				t.Errorf("%q leads out of the backup", s.path)
			}
		}
	})
}
