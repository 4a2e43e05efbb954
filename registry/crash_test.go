package registry

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// The test binary is its own victim: called as "registry.test commit-victim STORE
// LEDGER WHERE", it commits the staging and is killed on the way.
const victimCommand = "commit-victim"

func TestMain(m *testing.M) {
	flag.Parse()
	if args := flag.Args(); len(args) == 4 && args[0] == victimCommand {
		if err := commitVictim(args[1], args[2], args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if args := flag.Args(); len(args) == 4 && args[0] == rewriteCommand {
		if err := rewriteVictim(args[1], args[2], args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if args := flag.Args(); len(args) == 4 && args[0] == loadCommand {
		if err := loadVictim(args[1], args[2], args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// commitVictim publishes to a file in place of a ledger. It kills itself where it
// is told to.
func commitVictim(store, ledger, where string) error {
	die := func(at string) {
		if at == where {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal comes
		}
	}
	s, err := Open(store)
	if err != nil {
		return err
	}
	_, err = s.Commit(context.Background(), CommitOptions{
		Time:     testTime.Add(time.Minute),
		Progress: func(int, int) { die("hashing") },
		Publish: func(e Epoch) error {
			die("before the append")
			document, err := json.Marshal(e)
			if err != nil {
				return err
			}
			if err := os.WriteFile(ledger, document, 0o600); err != nil {
				return err
			}
			die("after the append")
			return nil
		},
	})
	die("after the commit")
	return err
}

// victim makes a store with an epoch and a staged import of many rows, some of
// them renumbered.
func victim(t *testing.T) (store, ledger string, before Epoch, staged Counts) {
	dir := t.TempDir()
	store, ledger = filepath.Join(dir, "registry.db"), filepath.Join(dir, "ledger.json")
	s, err := Create(store, renameSchema())
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for i := range 200 {
		rows = append(rows, testRow(fmt.Sprint("LC-", i)))
	}
	mustImport(t, s, renameFile(rows[:150]...))
	before = mustCommit(t, s)
	for i := range 40 { // of the fifty that come for the fifty that leave
		rows[150+i] = append(rows[150+i], rows[i][0])
	}
	staged = mustImport(t, s, renameFile(rows[50:]...))
	closeChecked(t, s)
	return store, ledger, before, staged
}

func runVictim(t *testing.T, killAfter time.Duration, store, ledger, where string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], victimCommand, store, ledger, where)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if killAfter > 0 {
		time.Sleep(killAfter)
		_ = cmd.Process.Kill()
	}
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.Exited()) {
		t.Fatalf("the victim failed: %v", err)
	}
	if err == nil && where != "" {
		t.Fatal("the victim lived")
	}
}

func readLedger(t *testing.T, path string) (e Epoch, ok bool) {
	t.Helper()
	document, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(document) == 0 {
		return e, false
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, &e); err != nil {
		t.Fatal(err)
	}
	return e, true
}

// A commit that is killed leaves the old epoch with its staging or the new one,
// and the ledger's epoch can be caught up with.
func TestKilledCommit(t *testing.T) {
	for where, want := range map[string]struct{ stored, published bool }{
		"hashing":           {false, false},
		"before the append": {false, false},
		"after the append":  {false, true},
		"after the commit":  {true, true},
	} {
		t.Run(where, func(t *testing.T) {
			store, ledger, before, staged := victim(t)
			runVictim(t, 0, store, ledger, where)
			if stored := checkSurvivor(t, store, ledger, before, staged); stored != want.stored {
				t.Errorf("stored: %v, want %v", stored, want.stored)
			}
			if _, published := readLedger(t, ledger); published != want.published {
				t.Errorf("published: %v, want %v", published, want.published)
			}
		})
	}
}

// The same at any moment.
func TestKilledCommitAnywhere(t *testing.T) {
	for delay := 2 * time.Millisecond; delay < 120*time.Millisecond; delay += 17 * time.Millisecond {
		store, ledger, before, staged := victim(t)
		runVictim(t, delay, store, ledger, "")
		checkSurvivor(t, store, ledger, before, staged)
	}
}

// checkSurvivor looks at a store after a kill, then rolls it forward.
func checkSurvivor(t *testing.T, store, ledger string, before Epoch, staged Counts) (stored bool) {
	t.Helper()
	s, err := Open(store)
	if err != nil {
		t.Fatal(err)
	}
	defer closeChecked(t, s)
	checkState(t, s)
	latest, _ := s.Latest()
	counts, waiting, err := s.Staged()
	if err != nil {
		t.Fatal(err)
	}
	published, inLedger := readLedger(t, ledger)
	stored = latest != before
	switch {
	case !stored && (!waiting || counts != staged):
		t.Errorf("the old epoch without its staging: %+v", counts)
	case stored && (waiting || !inLedger || latest != published):
		t.Errorf("epoch %+v, ledger %+v, staged %v", latest, published, waiting)
	}
	if !inLedger {
		return stored
	}
	if err := s.Redo(t.Context(), Epoch{Number: published.Number, Root: published.Root, Time: published.Time}, nil); err != nil {
		t.Fatal(err)
	}
	if latest, _ := s.Latest(); latest != published {
		t.Errorf("caught up to %+v, the ledger has %+v", latest, published)
	}
	return stored
}
