package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

const registry = "lucas-titles"

// options are those of every test: the stand-in for a proof's check.
func options() Options { return Options{Verify: ledgertest.Verify, noSync: true} }

// newStore makes a log that is closed and examined at the test's end.
func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := Create(filepath.Join(t.TempDir(), "ledger.db"), ledgertest.Origin, options())
	if err != nil {
		t.Fatal(err)
	}
	closeAndExamine(t, s)
	return s
}

// reopen opens an existing log that is closed and examined at the test's end.
func reopen(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path, options())
	if err != nil {
		t.Fatal(err)
	}
	closeAndExamine(t, s)
	return s
}

// closeAndExamine closes a log at the test's end and holds its file to bbolt's own check.
func closeAndExamine(t *testing.T, s *Store) {
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		examine(t, s.path)
	})
}

func examine(t testing.TB, path string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout})
	if err != nil {
		t.Errorf("examine %s: %v", path, err)
		return
	}
	err = db.View(func(tx *bolt.Tx) error { return checkPages(tx) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Errorf("examine %s: %v", path, err)
	}
}

// signer makes the log's key.
func signer(t testing.TB) (note.Signer, string) {
	t.Helper()
	skey, vkey, err := ledger.NewLogKey(ledgertest.Origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

// entries gives the entries of the tests' log.
func entries(t testing.TB) []ledger.Entry {
	t.Helper()
	var out []ledger.Entry
	for _, e := range ledgertest.Log(t) {
		out = append(out, e.Entry)
	}
	return out
}

// fill appends the tests' log and as many further proofs as make n entries.
func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	all := entries(t)
	for i := range n - len(all) {
		all = append(all, ledgertest.ProofEntry(t, all[1].(*ledger.CircuitEntry), all[2].(*ledger.EpochEntry), fmt.Sprint("further ", i)))
	}
	if _, err := s.Append(t.Context(), all[:n]...); err != nil {
		t.Fatal(err)
	}
}

// publish publishes a checkpoint.
func publish(t testing.TB, s *Store, signer note.Signer) []byte {
	t.Helper()
	signed, err := s.PublishCheckpoint(signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// content gives every key and value of the database, to see what a call changed.
func content(t testing.TB, s *Store) []string {
	t.Helper()
	var rows []string
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
			return bucket.ForEach(func(key, value []byte) error {
				rows = append(rows, fmt.Sprintf("%s %x %x", name, key, value))
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// tamper changes a closed-over log's database behind its back.
func tamper(t *testing.T, s *Store, f func(tx *bolt.Tx) error) {
	t.Helper()
	if err := s.db.Update(f); err != nil {
		t.Fatal(err)
	}
}

// files lists a directory's files, by their path within it.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, relErr := filepath.Rel(dir, path)
			out, err = append(out, filepath.ToSlash(name)), relErr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}
