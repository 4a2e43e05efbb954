package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A commit without an import says again what was said; the first one of all
// commits the empty registry.
func TestCommitWithoutImport(t *testing.T) {
	s := newTestStore(t, testSchema())
	empty := mustCommit(t, s)
	if empty.Number != 1 || empty.Records != 0 || empty.Root.IsZero() || empty.Root.Fr() != emptyModelRoot(t) {
		t.Errorf("the empty registry is %+v", empty)
	}
	again := mustCommit(t, s)
	if again.Number != 2 || again.Root != empty.Root {
		t.Errorf("again it is %+v", again)
	}
	mustImport(t, s, csvFile(testRow("LC-1")))
	full := mustCommit(t, s)
	if still := mustCommit(t, s); still.Root != full.Root || still.Changed != 0 || still.Records != 1 {
		t.Errorf("epoch %+v after %+v", still, full)
	}
	if all, err := s.Epochs(); err != nil || len(all) != 4 || all[0] != empty || all[2] != full {
		t.Errorf("epochs %+v, %v", all, err)
	}
}

func TestCommitTime(t *testing.T) {
	s := newTestStore(t, testSchema())
	zone := time.FixedZone("", 3600)
	e, err := s.Commit(t.Context(), CommitOptions{Time: testTime.Add(999 * time.Millisecond).In(zone)})
	if err != nil || e.Time != testTime {
		t.Errorf("time %v, %v; want %v", e.Time, err, testTime)
	}
	if _, err := s.Commit(t.Context(), CommitOptions{Time: testTime.Add(-time.Second)}); !errors.Is(err, ErrClock) {
		t.Errorf("a time before the last epoch's: %v, want ErrClock", err)
	}
	if all, err := s.Epochs(); err != nil || len(all) != 1 {
		t.Errorf("%d epochs, %v", len(all), err)
	}
}

func TestPublishFailure(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile(testRow("LC-1")))
	before := mustCommit(t, s)
	staged := mustImport(t, s, csvFile(testRow("LC-2")))
	broken := errors.New("the ledger said no")
	var offered Epoch
	_, err := s.Commit(t.Context(), CommitOptions{Time: testTime, Publish: func(e Epoch) error { offered = e; return broken }})
	if !errors.Is(err, broken) || errors.Is(err, ErrUnstored) {
		t.Errorf("error %v, want that of Publish", err)
	}
	if latest, _ := s.Latest(); latest != before {
		t.Errorf("latest is %+v, was %+v", latest, before)
	}
	if got, ok, err := s.Staged(); err != nil || !ok || got != staged {
		t.Errorf("staged is %+v, %v, %v", got, ok, err)
	}
	if _, err := s.Get(1, "LC-1"); err != nil {
		t.Error(err)
	}
	checkState(t, s)
	var published Epoch
	e, err := s.Commit(t.Context(), CommitOptions{Time: testTime, Publish: func(e Epoch) error { published = e; return nil }})
	if err != nil || e != offered || e != published {
		t.Errorf("the second try gives %+v, published %+v, the first offered %+v: %v", e, published, offered, err)
	}
}

func TestCommitStops(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile(testRow("LC-1")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Commit(ctx, CommitOptions{Time: testTime, Publish: func(Epoch) error { t.Error("published"); return nil }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	last := 0
	if _, err := s.Commit(t.Context(), CommitOptions{Time: testTime, Progress: func(done, total int) {
		if last = done; total != 11 { // two leaves and nine nodes
			t.Errorf("%d hashes in all, want 11", total)
		}
	}}); err != nil || last != 11 {
		t.Errorf("progress ended at %d: %v", last, err)
	}
}

func TestRedo(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile(testRow("LC-1")))
	first := mustCommit(t, s)
	mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-2")))
	var inLedger Epoch
	lost := errors.New("the process ended")
	if _, err := s.Commit(t.Context(), CommitOptions{Time: testTime.Add(time.Hour), Publish: func(e Epoch) error { inLedger = e; return lost }}); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	otherRoot, gap := inLedger, inLedger
	otherRoot.Root = first.Root
	gap.Number++
	otherPast := first
	otherPast.Root = inLedger.Root
	for name, e := range map[string]Epoch{"another root": otherRoot, "a gap": gap, "another past": otherPast, "epoch 0": {}} {
		if err := s.Redo(t.Context(), e, nil); !errors.Is(err, ErrDiverged) {
			t.Errorf("%s: %v, want ErrDiverged", name, err)
		}
	}
	if latest, _ := s.Latest(); latest != first {
		t.Errorf("a refused redo left %+v", latest)
	}
	asKnown := Epoch{Number: inLedger.Number, Root: inLedger.Root, Time: inLedger.Time}
	for range 2 { // the second one finds it done
		if err := s.Redo(t.Context(), asKnown, nil); err != nil {
			t.Fatal(err)
		}
		if latest, _ := s.Latest(); latest != inLedger {
			t.Errorf("redone as %+v, was %+v", latest, inLedger)
		}
	}
	if _, ok, _ := s.Staged(); ok {
		t.Error("the staging is still there")
	}
}

// A file that cannot grow after the epoch was published: the error says so, and
// Redo catches up.
func TestUnstored(t *testing.T) {
	s := newTestStore(t, testSchema())
	var rows [][]string
	for i := range 2000 {
		rows = append(rows, testRow(fmt.Sprint("LC-", i)))
	}
	mustImport(t, s, csvFile(rows...))
	var published Epoch
	_, err := s.Commit(t.Context(), CommitOptions{Time: testTime, Publish: func(e Epoch) error {
		published = e
		s.db.MaxSize = 1
		return nil
	}})
	if !errors.Is(err, ErrUnstored) {
		t.Fatalf("error %v, want ErrUnstored", err)
	}
	if _, ok := s.Latest(); ok {
		t.Error("there is an epoch all the same")
	}
	s.db.MaxSize = 0
	if err := s.Redo(t.Context(), published, nil); err != nil {
		t.Fatal(err)
	}
	if latest, _ := s.Latest(); latest != published {
		t.Errorf("caught up to %+v, published %+v", latest, published)
	}
}

// Redo after another import cannot give the ledger's root, and says so.
func TestRedoOfAnotherImport(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile(testRow("LC-1")))
	var inLedger Epoch
	_, _ = s.Commit(t.Context(), CommitOptions{Time: testTime, Publish: func(e Epoch) error { inLedger = e; return context.Canceled }})
	mustImport(t, s, csvFile(testRow("LC-2")))
	if err := s.Redo(t.Context(), inLedger, nil); !errors.Is(err, ErrDiverged) {
		t.Errorf("error %v, want ErrDiverged", err)
	}
	mustImport(t, s, csvFile(testRow("LC-1")))
	if err := s.Redo(t.Context(), inLedger, nil); err != nil {
		t.Errorf("with the right file again: %v", err)
	}
}

func TestReadingRefuses(t *testing.T) {
	s := newTestStore(t, testSchema())
	if err := s.Check(t.Context(), strings.NewReader(csvFile()), CSV, nil); !errors.Is(err, ErrNoEpoch) {
		t.Errorf("checking before the first commit: %v", err)
	}
	changed := testRow("LC-1")
	changed[3] = "7"
	mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-2")))
	mustCommit(t, s)
	mustImport(t, s, csvFile(changed))
	mustCommit(t, s)
	old, err := s.Get(1, "LC-1")
	if err != nil {
		t.Fatal(err)
	}
	gone, err := s.Get(1, "LC-2")
	if err != nil {
		t.Fatal(err)
	}
	odd := *old
	odd.Values = nil
	for name, c := range map[string]struct {
		epoch  uint64
		record *Record
		want   error
	}{
		"old values":    {2, old, ErrNoRecord},
		"a deleted one": {2, gone, ErrNoRecord},
		"the sentinel":  {2, &Record{Values: old.Values}, ErrNoRecord},
		"no position":   {2, &Record{Position: 1 << 40, Values: old.Values}, ErrNoRecord},
		"no values":     {1, &odd, ErrNoRecord},
		"no epoch":      {3, old, ErrNoEpoch},
		"epoch 0":       {0, old, ErrNoEpoch},
	} {
		if _, err := s.Open(c.epoch, c.record); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := s.Get(3, "LC-1"); !errors.Is(err, ErrNoEpoch) {
		t.Errorf("a record of no epoch: %v", err)
	}
	if _, err := s.Epoch(3); !errors.Is(err, ErrNoEpoch) {
		t.Errorf("no epoch: %v", err)
	}
	stop := errors.New("stop")
	if err := s.Scan(1, func(*Record) (bool, error) { return true, stop }); !errors.Is(err, stop) {
		t.Errorf("a scan that fails: %v", err)
	}
	calls := 0
	if err := s.Scan(1, func(*Record) (bool, error) { calls++; return false, nil }); err != nil || calls != 1 {
		t.Errorf("a scan that stops: %d calls, %v", calls, err)
	}
}

func emptyModelRoot(t *testing.T) (root [4]uint64) {
	m := newModel(testSchema(), testSecrets())
	if _, err := m.commit(nil, nil); err != nil {
		t.Fatal(err)
	}
	return m.root()
}
