package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

func TestPublishCheckpoint(t *testing.T) {
	s := newStore(t)
	key, vkey := signer(t)
	if _, err := s.Checkpoint(); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("before the first: %v", err)
	}
	for _, n := range []int{0, 4, 11} {
		if n > 0 {
			if _, err := s.Append(t.Context(), entries(t)[s.Size():n]...); err != nil {
				t.Fatal(err)
			}
		}
		signed := publish(t, s, key)
		c, err := ledger.OpenCheckpoint(signed, vkey)
		if err != nil || c.Size != uint64(n) || c.Root != mustRoot(t, s, uint64(n)) {
			t.Fatalf("%d entries: %+v, %v", n, c, err)
		}
		stored, err := s.Checkpoint()
		if err != nil || !bytes.Equal(stored, signed) {
			t.Errorf("stored %q, %v", stored, err)
		}
		guard, err := os.ReadFile(GuardPath(s.Path()))
		if err != nil || !bytes.Equal(guard, signed) {
			t.Errorf("guard %q, %v", guard, err)
		}
		if again := publish(t, s, key); !bytes.Equal(again, signed) {
			t.Errorf("a second one of the same tree differs: %q", again)
		}
	}
	info, err := os.Stat(GuardPath(s.Path()))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("guard: mode %v, %v", info.Mode(), err)
	}
}

func TestPublishByAnotherKey(t *testing.T) {
	s := newStore(t)
	skey, _, err := ledger.NewLogKey("elsewhere.test/log")
	if err != nil {
		t.Fatal(err)
	}
	other, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PublishCheckpoint(other); !errors.Is(err, ledger.ErrBadKey) {
		t.Errorf("%v; want ErrBadKey", err)
	}
}

// copyFile stands for a backup and its restoration.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// refusesToGrow checks that a log can be read, but neither signs nor grows.
func refusesToGrow(t *testing.T, s *Store, key note.Signer, next ledger.Entry) {
	t.Helper()
	size := s.Size()
	if _, err := s.PublishCheckpoint(key); !errors.Is(err, ErrGuard) {
		t.Errorf("publish: %v; want ErrGuard", err)
	}
	if _, err := s.Append(t.Context(), next); !errors.Is(err, ErrGuard) || s.Size() != size {
		t.Errorf("append: %v; want ErrGuard", err)
	}
	if err := s.Check(t.Context()); !errors.Is(err, ErrGuard) {
		t.Errorf("check: %v; want ErrGuard", err)
	}
	if _, err := s.Entry(0); err != nil {
		t.Errorf("read: %v", err)
	}
}

// published11 gives the path of a closed log of 11 published entries, and a copy of
// it from when it had 8, also published.
func published11(t *testing.T) (path, backup string, key note.Signer) {
	t.Helper()
	dir := t.TempDir()
	path, backup = filepath.Join(dir, "ledger.db"), filepath.Join(dir, "backup.db")
	key, _ = signer(t)
	s, err := Create(path, ledgertest.Origin, options())
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 8)
	publish(t, s, key)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copyFile(t, path, backup)
	if s, err = Open(path, options()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), entries(t)[8:]...); err != nil {
		t.Fatal(err)
	}
	publish(t, s, key)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, backup, key
}

func TestGuardRefusesAnOldCopy(t *testing.T) {
	path, backup, key := published11(t)
	copyFile(t, backup, path)
	refusesToGrow(t, reopen(t, path), key, entries(t)[8])
}

// A log that grew otherwise from the same beginning has other entries at the
// indexes that were signed for.
func TestGuardRefusesAForkedLog(t *testing.T) {
	path, _, key := published11(t)
	fork, err := Create(filepath.Join(t.TempDir(), "fork.db"), ledgertest.Origin, options())
	if err != nil {
		t.Fatal(err)
	}
	all := entries(t)
	fill(t, fork, 8)
	for _, question := range []string{"a", "b", "c", "d"} {
		e := ledgertest.ProofEntry(t, all[1].(*ledger.CircuitEntry), all[2].(*ledger.EpochEntry), question)
		if _, err := fork.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := fork.Close(); err != nil {
		t.Fatal(err)
	}
	copyFile(t, fork.Path(), path)
	refusesToGrow(t, reopen(t, path), key, all[8])
}

func TestGuardFileMissingOrForeign(t *testing.T) {
	for name, content := range map[string][]byte{"missing": nil, "empty": {}, "garbage": []byte("garbage\n"), "foreign": foreignCheckpoint(t)} {
		path, _, key := published11(t)
		if err := os.Remove(GuardPath(path)); err != nil {
			t.Fatal(err)
		}
		if content != nil {
			if err := os.WriteFile(GuardPath(path), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(name, func(t *testing.T) {
			refusesToGrow(t, reopen(t, path), key, ledgertest.CircuitEntry("other"))
		})
	}
}

func foreignCheckpoint(t *testing.T) []byte {
	t.Helper()
	skey, _, err := ledger.NewLogKey("elsewhere.test/log")
	if err != nil {
		t.Fatal(err)
	}
	other, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: "elsewhere.test/log", Size: 1}, other)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// A guard that changes while the log is open is seen at the next publication.
func TestGuardIsReadAgain(t *testing.T) {
	path, _, key := published11(t)
	newer, err := os.ReadFile(GuardPath(path))
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	fill(t, s, 8)
	publish(t, s, key)
	if err := os.WriteFile(GuardPath(s.Path()), newer, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PublishCheckpoint(key); !errors.Is(err, ErrGuard) {
		t.Errorf("%v; want ErrGuard", err)
	}
}

// A crash between the guard and the database leaves the guard ahead of the
// database's checkpoint, and the log goes on.
func TestGuardAheadOfTheStoredCheckpoint(t *testing.T) {
	path, _, key := published11(t)
	s := reopen(t, path)
	all := entries(t)
	e := ledgertest.ProofEntry(t, all[1].(*ledger.CircuitEntry), all[2].(*ledger.EpochEntry), "last")
	if _, err := s.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	signed, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: s.Origin(), Size: 12, Root: mustRoot(t, s, 12)}, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.writeGuard(signed); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := reopen(t, path)
	if got := publish(t, again, key); !bytes.Equal(got, signed) {
		t.Errorf("published %q", got)
	}
}

func TestCreateBesideAGuardIsRefused(t *testing.T) {
	path, _, _ := published11(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, ledgertest.Origin, options()); !errors.Is(err, ErrExists) {
		t.Errorf("%v; want ErrExists", err)
	}
}

func TestProve(t *testing.T) {
	s := newStore(t)
	key, vkey := signer(t)
	if _, err := s.Prove(0, nil); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("without a checkpoint: %v", err)
	}
	fill(t, s, 7)
	early := publish(t, s, key)
	if _, err := s.Append(t.Context(), entries(t)[7:]...); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prove(7, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("an entry above the checkpoint: %v", err)
	}
	publish(t, s, key)
	for index := range s.Size() {
		for name, signed := range map[string][]byte{"early": early, "last": nil} {
			inclusion, err := s.Prove(index, signed)
			if name == "early" && index >= 7 {
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("entry %d at the early checkpoint: %v", index, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			data, err := s.Entry(index)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := ledger.ParseInclusion(ledger.FormatInclusion(inclusion))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parsed.Verify(data, vkey); err != nil {
				t.Errorf("entry %d at the %s checkpoint: %v", index, name, err)
			}
		}
	}
	if _, err := s.Prove(0, foreignCheckpoint(t)); !errors.Is(err, ErrOtherLog) {
		t.Errorf("another log's checkpoint: %v", err)
	}
	forked, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: s.Origin(), Size: 5}, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prove(0, forked); !errors.Is(err, ErrOtherLog) {
		t.Errorf("a forked checkpoint: %v", err)
	}
}

func TestConsistency(t *testing.T) {
	s := newStore(t)
	fill(t, s, 20)
	for to := range uint64(21) {
		for from := range to + 1 {
			path, err := s.Consistency(from, to)
			if err != nil {
				t.Fatal(err)
			}
			oldRoot, newRoot := mustRoot(t, s, from), mustRoot(t, s, to)
			raw := make([][]byte, len(path))
			for i := range path {
				raw[i] = path[i][:]
			}
			if err := proof.VerifyConsistency(rfc6962.DefaultHasher, from, to, raw, oldRoot[:], newRoot[:]); err != nil {
				t.Errorf("from %d to %d: %v", from, to, err)
			}
			if from == 0 {
				continue
			}
			if err := tlog.CheckTree(path, int64(to), newRoot, int64(from), oldRoot); err != nil {
				t.Errorf("from %d to %d: %v", from, to, err)
			}
		}
	}
}
