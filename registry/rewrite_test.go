package registry

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/attestry/attestry/internal/atrest"
)

// In the clear, sealed under one data key, then under another one: the store stays what it
// is, with its past and what is staged.
func TestRewrite(t *testing.T) {
	p := formerTwin(t)
	path := filepath.Join(t.TempDir(), "titles.db")
	s, err := create(path, formerSchema(), nil, testSecrets())
	if err != nil {
		t.Fatal(err)
	}
	twin := &pair{titles: s, liens: p.liens, at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	twin.at = twin.at.Add(time.Hour) // that of the liens
	committed, staged := formerSnapshots()
	for _, file := range committed {
		if _, err := twin.commit(t.Context(), s, file); err != nil {
			t.Fatal(err)
		}
	}
	mustImport(t, s, staged)
	closeChecked(t, s)
	ring := atrest.NewRing(nil)
	ring.Enabling = true
	for range 3 {
		key, err := ring.Key()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time there is nothing to do
			if err := Rewrite(t.Context(), path, key); err != nil {
				t.Fatal(err)
			}
			if s, err = OpenSealed(path, key); err != nil {
				t.Fatal(err)
			}
			if s.Key() != key.ID() {
				t.Errorf("under %s, not %s", s.Key(), key.ID())
			}
			compareStores(t, p.titles, s)
			closeChecked(t, s)
		}
		ring.DropEarlier()
		alone, err := ring.Key()
		if err != nil {
			t.Fatal(err)
		}
		if s, err = OpenSealed(path, alone); err != nil {
			t.Fatal(err)
		}
		closeChecked(t, s)
		ring.AddKey()
	}
	ring.DropEarlier()
	last, err := ring.Key()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSealed(path, last); !errors.Is(err, ErrSealed) {
		t.Errorf("with a key that nothing is under: %v", err)
	}
}

// Values of many transactions are copied whole.
func TestRewriteLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.db")
	makeVictim(t, path)
	key := enablingKey(t)
	if err := rewriteFile(t.Context(), path, key, 10_000); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSealed(path, key)
	if err != nil {
		t.Fatal(err)
	}
	if keys := bySubject(t, s, 1, "OH-1"); len(keys) != 300 {
		t.Errorf("%d records of the subject", len(keys))
	}
	closeChecked(t, s)
}

// Who is told to stop leaves the old file alone.
func TestRewriteStopped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.db")
	s, err := Create(path, testSchema())
	if err != nil {
		t.Fatal(err)
	}
	mustImport(t, s, csvFile(testRow("LC-1")))
	mustCommit(t, s)
	closeChecked(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Rewrite(ctx, path, enablingKey(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(path + rewriteEnding); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished file is left: %v", err)
	}
	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	closeChecked(t, s)
}

// The test binary called as "registry.test rewrite-victim STORE RING IDENTITY" encrypts a
// store, and is killed meanwhile.
const rewriteCommand = "rewrite-victim"

func rewriteVictim(store, ring, identity string) error {
	key, err := victimKey(ring, identity)
	if err != nil {
		return err
	}
	return Rewrite(context.Background(), store, key)
}

func victimKey(ring, identity string) (*atrest.Key, error) {
	sealed, err := os.ReadFile(ring)
	if err != nil {
		return nil, err
	}
	i, err := age.ParseX25519Identity(identity)
	if err != nil {
		return nil, err
	}
	r, err := atrest.OpenRing(sealed, i)
	if err != nil {
		return nil, err
	}
	return r.Key()
}

// rewriteKills is how often TestKilledRewrite kills; the full count is
// go test ./registry -run KilledRewrite -args -rewritekills 200.
var rewriteKills = flag.Int("rewritekills", 12, "kills of a rewriting")

// Whoever is killed while a store is written anew has the old file or the new one, whole.
func TestKilledRewrite(t *testing.T) {
	dir := t.TempDir()
	ring := filepath.Join(dir, "data.age")
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	drawn := atrest.NewRing([]string{identity.Recipient().String()})
	drawn.Enabling = true
	sealed, err := drawn.Seal()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ring, sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := victimKey(ring, identity.String())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "r.db")
	inClear, whole, left := makeVictim(t, path), 0, 0
	for i := range *rewriteKills {
		if err := os.WriteFile(path, inClear, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], rewriteCommand, path, ring, identity.String())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i*7%90) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed or done
		if _, err := os.Stat(path + rewriteEnding); err == nil {
			left++
		}
		for range 2 { // as it was left, and when it is finished
			s, err := OpenSealed(path, key)
			if err != nil {
				t.Fatal(err)
			}
			if s.Key() == key.ID() {
				whole++
			}
			if e, ok := s.Latest(); !ok || e.Records != 300 {
				t.Errorf("another epoch: %+v", e)
			}
			closeChecked(t, s)
			if err := Rewrite(t.Context(), path, key); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(path + rewriteEnding); err == nil {
			t.Error("the unfinished file is left for ever")
		}
	}
	t.Logf("%d kills: %d times an unfinished file was left, %d times it was done", *rewriteKills, left, whole-*rewriteKills)
}

// makeVictim makes a store in the clear, and gives its bytes.
func makeVictim(t *testing.T, path string) []byte {
	t.Helper()
	s, err := Create(path, testSchema())
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for i := range 300 {
		rows = append(rows, testRow(fmt.Sprint("LC-", i)))
	}
	mustImport(t, s, csvFile(rows...))
	mustCommit(t, s)
	closeChecked(t, s)
	return readAll(t, path)
}
