package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
	"github.com/attestry/attestry/statement"
)

func TestCreateAndOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if _, err := Open(path, options()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open what is not there: %v", err)
	}
	// With fsync, as users run it.
	s, err := Create(path, ledgertest.Origin, Options{Verify: ledgertest.Verify})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), entries(t)...); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if _, err := Create(path, ledgertest.Origin, options()); !errors.Is(err, ErrExists) {
		t.Errorf("create over it: %v; want ErrExists", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := files(t, filepath.Dir(path)), []string{"ledger.db"}; !slices.Equal(got, want) {
		t.Errorf("files %v; want %v", got, want)
	}
	again := reopen(t, path)
	if again.Size() != uint64(len(entries(t))) || again.Origin() != ledgertest.Origin {
		t.Errorf("%d entries of %s", again.Size(), again.Origin())
	}
	if err := again.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := Create(filepath.Join(t.TempDir(), "x.db"), "a b", options()); !errors.Is(err, ledger.ErrBadKey) {
		t.Errorf("an origin with a space: %v", err)
	}
}

func TestOpenedTwice(t *testing.T) {
	s := newStore(t)
	for name, opts := range map[string]Options{"writer": options(), "reader": {ReadOnly: true}} {
		start := time.Now()
		if _, err := Open(s.Path(), opts); !errors.Is(err, ErrLocked) {
			t.Errorf("a second %s: %v; want ErrLocked", name, err)
		}
		if waited := time.Since(start); waited > 10*lockTimeout {
			t.Errorf("a second %s waited %v", name, waited)
		}
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	s, err := Create(path, ledgertest.Origin, options())
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 11)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	key, _ := signer(t)
	for range 2 { // two readers at once
		r, err := Open(path, Options{ReadOnly: true, Verify: ledgertest.Verify})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}()
		if _, err := r.Append(t.Context(), ledgertest.CircuitEntry("other")); !errors.Is(err, ErrReadOnly) {
			t.Errorf("append: %v; want ErrReadOnly", err)
		}
		if _, err := r.PublishCheckpoint(key); !errors.Is(err, ErrReadOnly) {
			t.Errorf("publish: %v; want ErrReadOnly", err)
		}
		if err := r.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := Create(filepath.Join(t.TempDir(), "x.db"), ledgertest.Origin, Options{ReadOnly: true}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("create: %v; want ErrReadOnly", err)
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	database := func(name string, f func(tx *bolt.Tx) error) string {
		path := filepath.Join(dir, name)
		db, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(f), db.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, path := range []string{
		write("empty", nil),
		write("text", []byte("not a database")),
		write("long text", bytes.Repeat([]byte("not a database\n"), 4096)),
		database("another database", func(tx *bolt.Tx) error { return nil }),
		database("another format", func(tx *bolt.Tx) error {
			if err := initialise(tx, ledgertest.Origin); err != nil {
				return err
			}
			return tx.Bucket(bucketMeta).Put(keyFormat, []byte("attestry-ledger/2"))
		}),
		database("a bucket missing", func(tx *bolt.Tx) error {
			if err := initialise(tx, ledgertest.Origin); err != nil {
				return err
			}
			return tx.DeleteBucket([]byte(ledger.TableRegistries))
		}),
	} {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, options()); !errors.Is(err, ErrNotLedger) {
			t.Errorf("%s: %v; want ErrNotLedger", path, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s was changed: %v", path, err)
		}
	}
}

func TestAppendGivesIndexes(t *testing.T) {
	s := newStore(t)
	all := entries(t)
	indexes, err := s.Append(t.Context(), all[:4]...)
	if err != nil || !slices.Equal(indexes, []uint64{0, 1, 2, 3}) {
		t.Fatalf("%v, %v", indexes, err)
	}
	indexes, err = s.Append(t.Context(), all[4])
	if err != nil || !slices.Equal(indexes, []uint64{4}) {
		t.Fatalf("%v, %v", indexes, err)
	}
	for i, e := range all[:5] {
		data, err := s.Entry(uint64(i))
		if err != nil || !bytes.Equal(data, ledgertest.Marshal(t, e)) {
			t.Errorf("entry %d: %s, %v", i, data, err)
		}
	}
	if _, err := s.Entry(5); !errors.Is(err, ErrNotFound) {
		t.Errorf("entry 5: %v", err)
	}
	if indexes, err := s.Append(t.Context()); err != nil || len(indexes) != 0 {
		t.Errorf("append nothing: %v, %v", indexes, err)
	}
}

// Wherever in a batch an entry is refused, nothing of the batch is left.
func TestAppendIsAllOrNothing(t *testing.T) {
	all := entries(t)
	bad := *all[4].(*ledger.ProofEntry)
	bad.Q = ledgertest.Element("a question that the proof does not answer")
	for at := 4; at <= len(all); at++ {
		s := newStore(t)
		fill(t, s, 3)
		before, root := content(t, s), mustRoot(t, s, 3)
		batch := slices.Insert(slices.Clone(all[3:]), at-3, ledger.Entry(&bad))
		if _, err := s.Append(t.Context(), batch...); !errors.Is(err, ledger.ErrProofInvalid) {
			t.Fatalf("bad entry at %d: %v; want ErrProofInvalid", at, err)
		}
		if diff := cmp.Diff(before, content(t, s)); diff != "" || s.Size() != 3 || mustRoot(t, s, 3) != root {
			t.Fatalf("bad entry at %d: the refusal changed the log: %s", at, diff)
		}
		if _, err := s.Append(t.Context(), all[3:]...); err != nil {
			t.Fatalf("the good entries afterwards: %v", err)
		}
	}
}

func mustRoot(t *testing.T, s *Store, size uint64) [32]byte {
	t.Helper()
	root, err := s.Root(size)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestAppendCancelled(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, entries(t)...); !errors.Is(err, context.Canceled) || s.Size() != 0 {
		t.Errorf("%d entries, %v", s.Size(), err)
	}
}

func TestAppendDuplicate(t *testing.T) {
	s := newStore(t)
	fill(t, s, 11)
	before := content(t, s)
	for i, e := range entries(t) {
		if i == 9 || i == 7 { // releases: a second one names the first
			continue
		}
		_, err := s.Append(t.Context(), e)
		d, ok := errors.AsType[*DuplicateError](err)
		if !ok || d.Index != uint64(i) || !errors.Is(err, ledger.ErrDuplicate) {
			t.Errorf("entry %d again: %v", i, err)
		}
	}
	if diff := cmp.Diff(before, content(t, s)); diff != "" {
		t.Errorf("a resubmission changed the log: %s", diff)
	}
}

func TestAppendWithoutVerifier(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	s, err := Create(path, ledgertest.Origin, Options{noSync: true})
	if err != nil {
		t.Fatal(err)
	}
	closeAndExamine(t, s)
	if _, err := s.Append(t.Context(), entries(t)[:5]...); !errors.Is(err, ledger.ErrNoVerifier) {
		t.Errorf("%v; want ErrNoVerifier", err)
	}
}

func TestConcurrentAppends(t *testing.T) {
	s := newStore(t)
	all := entries(t)
	fill(t, s, 4)
	errs := make(chan error)
	const n = 8
	for i := range n {
		go func() {
			e := ledgertest.ProofEntry(t, all[1].(*ledger.CircuitEntry), all[2].(*ledger.EpochEntry), string(rune('a'+i)))
			_, err := s.Append(t.Context(), e)
			if _, readErr := s.Root(s.Size()); err == nil {
				err = readErr
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if s.Size() != 4+n {
		t.Errorf("%d entries; want %d", s.Size(), 4+n)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLookups(t *testing.T) {
	s := newStore(t)
	fill(t, s, 11)
	all := entries(t)
	second := all[3].(*ledger.EpochEntry)
	identity := ledgertest.Identity(t, second)
	at, err := statement.ParseTime(second.Time)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, index uint64, want uint64, got ledger.Entry, err error) {
		t.Helper()
		if err != nil || index != want || !cmp.Equal(got, all[want]) {
			t.Errorf("%s: entry %d, %v; want entry %d", name, index, err, want)
		}
	}
	index, epoch, id, err := s.LatestEpoch(registry)
	check("LatestEpoch", index, 3, epoch, err)
	if id != identity {
		t.Error("LatestEpoch gives another identity")
	}
	index, epoch, _, err = s.Epoch(registry, 1)
	check("Epoch", index, 2, epoch, err)
	index, epoch, err = s.EpochByIdentity(identity)
	check("EpochByIdentity", index, 3, epoch, err)
	index, epoch, _, err = s.EpochAt(registry, at.Add(-time.Second))
	check("EpochAt just before", index, 2, epoch, err)
	index, epoch, _, err = s.EpochAt(registry, at.Add(time.Second/2))
	check("EpochAt", index, 3, epoch, err)
	index, schema, err := s.Schema(registry)
	check("Schema", index, 10, schema, err)
	index, schema, err = s.SchemaByIdentity(second.Schema)
	check("SchemaByIdentity", index, 0, schema, err)
	circuit := all[1].(*ledger.CircuitEntry)
	index, found, err := s.Circuit(circuit.Circuit, circuit.VKHash())
	check("Circuit", index, 1, found, err)
	d, err := all[4].(*ledger.ProofEntry).D()
	if err != nil {
		t.Fatal(err)
	}
	index, proof, err := s.Proof(d)
	check("Proof", index, 4, proof, err)
	tenancy := all[6].(*ledger.ProofEntry)
	if index, err := s.LivePledge(registry, tenancy.Scope, tenancy.Nullifier); err != nil || index != 6 {
		t.Errorf("LivePledge: %d, %v", index, err)
	}
	if status, err := s.Pledge(5); err != nil || status.Live || status.Released != 7 {
		t.Errorf("Pledge: %+v, %v", status, err)
	}
	if names, err := s.Registries(); err != nil || !slices.Equal(names, []string{registry}) {
		t.Errorf("Registries: %v, %v", names, err)
	}
}

func TestLookupsOfWhatIsNotThere(t *testing.T) {
	s := newStore(t)
	fill(t, s, 2)
	errs := map[string]error{}
	_, _, _, errs["LatestEpoch without an epoch"] = s.LatestEpoch(registry)
	_, _, _, errs["LatestEpoch"] = s.LatestEpoch("elsewhere")
	_, _, _, errs["Epoch"] = s.Epoch(registry, 1)
	_, _, errs["EpochByIdentity"] = s.EpochByIdentity(statement.Digest{})
	_, _, _, errs["EpochAt"] = s.EpochAt(registry, time.Now())
	_, _, errs["Schema"] = s.Schema("elsewhere")
	_, _, errs["SchemaByIdentity"] = s.SchemaByIdentity(statement.Digest{})
	_, _, errs["Circuit"] = s.Circuit(statement.Digest{}, statement.Digest{})
	_, _, errs["Proof"] = s.Proof(statement.Element{})
	_, errs["Pledge"] = s.Pledge(0)
	_, errs["LivePledge"] = s.LivePledge(registry, statement.Element{}, statement.Element{})
	_, errs["Root"] = s.Root(3)
	_, errs["Consistency"] = s.Consistency(1, 3)
	_, errs["Consistency backwards"] = s.Consistency(2, 1)
	for name, err := range errs {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v; want ErrNotFound", name, err)
		}
	}
}

func TestClosed(t *testing.T) {
	s, err := Create(filepath.Join(t.TempDir(), "ledger.db"), ledgertest.Origin, options())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	key, _ := signer(t)
	errs := map[string]error{"Check": s.Check(t.Context()), "Export": s.Export(t.TempDir(), nil)}
	_, errs["Entry"] = s.Entry(0)
	_, errs["Append"] = s.Append(t.Context(), ledgertest.CircuitEntry("c"))
	_, errs["PublishCheckpoint"] = s.PublishCheckpoint(key)
	for name, err := range errs {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v; want ErrClosed", name, err)
		}
	}
}
