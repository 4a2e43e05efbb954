package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// waitQueued waits until so many calls are in the queue.
func waitQueued(t *testing.T, s *Store, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.group.mu.Lock()
		queued := len(s.group.queue)
		s.group.mu.Unlock()
		if queued == n {
			return
		}
	}
	t.Fatalf("never %d calls in the queue", n)
}

// outcome is what an Append gave.
type outcome struct {
	indexes []uint64
	err     error
}

// start appends in another goroutine.
func start(ctx context.Context, s *Store, entries ...ledger.Entry) chan outcome {
	done := make(chan outcome, 1)
	go func() {
		indexes, err := s.Append(ctx, entries...)
		done <- outcome{indexes, err}
	}()
	return done
}

func txID(t *testing.T, s *Store) (id int) {
	t.Helper()
	if err := s.db.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

// holdWriter keeps a first call in its transaction, so that the next ones queue.
func holdWriter(t *testing.T, s *Store, first ledger.Entry) (release func() outcome) {
	t.Helper()
	s.mu.Lock()
	done := start(t.Context(), s, first)
	waitLeader(t, s)
	return func() outcome {
		s.mu.Unlock()
		return <-done
	}
}

func waitLeader(t *testing.T, s *Store) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if len(s.group.lead) == 1 {
			waitQueued(t, s, 0)
			return
		}
	}
	t.Fatal("nobody leads")
}

// Calls that share a transaction are each decided on their own, in the order in which
// they came, and leave what they would have left one by one.
func TestGroupedCallsAreDecidedAlone(t *testing.T) {
	s := newStore(t)
	fill(t, s, 4)
	all := entries(t)
	circuit, epoch := all[1].(*ledger.CircuitEntry), all[3].(*ledger.EpochEntry)
	proof := func(question string) *ledger.ProofEntry { return ledgertest.ProofEntry(t, circuit, epoch, question) }
	pledge := func(record, question string) *ledger.ProofEntry {
		return ledgertest.PledgeEntry(t, circuit, epoch, ledgertest.ScopeHolder, record, question, "issuer")
	}
	bad := proof("bad")
	bad.Proof[0] ^= 1
	calls := []struct {
		entries []ledger.Entry
		want    error
	}{
		{[]ledger.Entry{proof("a")}, nil},
		{[]ledger.Entry{bad}, ledger.ErrProofInvalid},
		{[]ledger.Entry{proof("b"), proof("c")}, nil},
		{[]ledger.Entry{pledge("r1", "d"), bad}, ledger.ErrProofInvalid}, // r1 stays free
		{[]ledger.Entry{pledge("r1", "e")}, nil},
		{[]ledger.Entry{pledge("r1", "f")}, ledger.ErrPledged},
		{[]ledger.Entry{proof("a")}, ledger.ErrDuplicate},
		{[]ledger.Entry{proof("g"), proof("g")}, ledger.ErrDuplicate},
		{[]ledger.Entry{proof("g")}, nil},
	}
	first := proof("first")
	before := txID(t, s)
	release := holdWriter(t, s, first)
	var outcomes []chan outcome
	for i, c := range calls {
		outcomes = append(outcomes, start(t.Context(), s, c.entries...))
		waitQueued(t, s, i+1)
	}
	if got := release(); got.err != nil {
		t.Fatal(got.err)
	}
	model, err := Create(filepath.Join(t.TempDir(), "model.db"), ledgertest.Origin, options())
	if err != nil {
		t.Fatal(err)
	}
	closeAndExamine(t, model)
	fill(t, model, 4)
	if _, err := model.Append(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for i, c := range calls {
		got := <-outcomes[i]
		indexes, err := model.Append(t.Context(), c.entries...)
		if !errors.Is(got.err, c.want) || fmt.Sprint(got.err) != fmt.Sprint(err) || !slices.Equal(got.indexes, indexes) {
			t.Errorf("call %d: %v, %v; alone %v, %v", i, got.indexes, got.err, indexes, err)
		}
	}
	if diff := cmp.Diff(content(t, model), content(t, s)); diff != "" {
		t.Errorf("together they left something else than one by one: %s", diff)
	}
	if n := txID(t, s) - before; n != 2 {
		t.Errorf("%d transactions, not 2", n)
	}
}

// A call that gives up while it waits is not appended; one that a leader has taken is
// either refused and absent, or reported and there.
func TestGroupedCallGivesUp(t *testing.T) {
	s := newStore(t)
	fill(t, s, 4)
	all := entries(t)
	proof := func(question string) ledger.Entry {
		return ledgertest.ProofEntry(t, all[1].(*ledger.CircuitEntry), all[2].(*ledger.EpochEntry), question)
	}
	release := holdWriter(t, s, proof("first"))
	ctx, cancel := context.WithCancel(t.Context())
	waiting, patient := start(ctx, s, proof("gives up")), start(t.Context(), s, proof("waits"))
	waitQueued(t, s, 2)
	cancel()
	if got := <-waiting; !errors.Is(got.err, context.Canceled) {
		t.Errorf("%v; want Canceled, at once", got.err)
	}
	if got := release(); got.err != nil {
		t.Error(got.err)
	}
	if got := <-patient; got.err != nil || got.indexes[0] != 5 {
		t.Errorf("the other call: %v, %v", got.indexes, got.err)
	}
	if s.Size() != 6 {
		t.Errorf("%d entries; want 6", s.Size())
	}
	// Its context ends between the queue and the transaction.
	s.mu.Lock()
	ctx, cancel = context.WithCancel(t.Context())
	taken := start(ctx, s, proof("taken"))
	waitLeader(t, s)
	cancel()
	s.mu.Unlock()
	if got := <-taken; (got.err == nil) != (s.Size() == 7) {
		t.Errorf("reported %v, and there are %d entries", got.err, s.Size())
	}
}

// A transaction that cannot be written fails its calls, and the log stays as it was.
func TestGroupOfADamagedTree(t *testing.T) {
	s := newStore(t)
	fill(t, s, 5)
	tamper(t, s, func(tx *bolt.Tx) error { return tx.Bucket(bucketHashes).Delete(key64(7)) }) // entry 4's
	before := content(t, s)
	all := entries(t)
	release := holdWriter(t, s, all[5])
	others := []chan outcome{start(t.Context(), s, all[6]), start(t.Context(), s, all[9], all[10])}
	waitQueued(t, s, 2)
	if got := release(); !errors.Is(got.err, ErrDamaged) {
		t.Errorf("%v; want ErrDamaged", got.err)
	}
	for _, done := range others {
		if got := <-done; got.err == nil {
			t.Error("appended to a damaged tree")
		}
	}
	if diff := cmp.Diff(before, content(t, s)); diff != "" {
		t.Errorf("the log has changed: %s", diff)
	}
}

// A fault of the program in one call is not the end of all appends.
func TestPanicInOneCall(t *testing.T) {
	s := newStore(t)
	all := entries(t)
	panics := true
	s.rules.Verify = func(e *ledger.ProofEntry, c *ledger.CircuitEntry) error {
		if panics {
			panic("a fault")
		}
		return ledgertest.Verify(e, c)
	}
	mustPanic := func(entries ...ledger.Entry) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = s.Append(t.Context(), entries...)
	}
	mustPanic(all[:5]...) // in the transaction: its circuit is not known before
	if s.Size() != 0 {
		t.Errorf("%d entries", s.Size())
	}
	fill(t, s, 4)
	mustPanic(all[4]) // ahead of it
	panics = false
	if _, err := s.Append(t.Context(), all[4]); err != nil {
		t.Error(err)
	}
}

// The proof of an entry is checked once, ahead of the transaction, and again where
// another circuit entry turns out to be the one that counts.
func TestProofsAreCheckedOnce(t *testing.T) {
	s := newStore(t)
	all := entries(t)
	checks := 0
	s.rules.Verify = func(e *ledger.ProofEntry, c *ledger.CircuitEntry) error {
		checks++
		return ledgertest.Verify(e, c)
	}
	fill(t, s, 4)
	if _, err := s.Append(t.Context(), all[4]); err != nil || checks != 1 {
		t.Errorf("%d checks, %v", checks, err)
	}
	if _, err := s.Append(t.Context(), all[4]); !errors.Is(err, ledger.ErrDuplicate) || checks != 1 {
		t.Errorf("a duplicate: %d checks, %v", checks, err)
	}
}
