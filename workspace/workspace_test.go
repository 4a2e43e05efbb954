package workspace

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/prover/provertest"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// fresh is a workspace that TestMain makes once; tests work on copies of it.
var fresh string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "attestry-workspace-test-*")
	if err != nil {
		panic(err)
	}
	fresh = filepath.Join(dir, "w")
	if err := Init(context.Background(), fresh, InitOptions{Origin: "example.org/test"}); err != nil {
		panic(err)
	}
	if err := provertest.ShareTables(filepath.Join(fresh, circuitsDir), dir); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

func open(t *testing.T) *Workspace {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "w")
	if err := os.CopyFS(dir, os.DirFS(fresh)); err != nil {
		t.Fatal(err)
	}
	return reopen(t, dir)
}

func reopen(t *testing.T, dir string) *Workspace {
	t.Helper()
	w, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

var schema = &statement.Schema{
	Registry: "titles", Key: "parcel", Subject: "owner",
	Attributes: []statement.Attribute{
		{Name: "value", Type: statement.Int}, {Name: "price", Type: statement.Int}, {Name: "garage", Type: statement.Text},
	},
}

const rows = "parcel,owner,value,price,garage\n" +
	"P1,anna,100,90,attached\nP2,anna,300,310,none\nP3,bert,500,400,detached\n"

func load(t *testing.T, w *Workspace, csv string) registry.Counts {
	t.Helper()
	s, err := w.Registry("titles")
	if err != nil {
		t.Fatal(err)
	}
	counts, err := s.Import(t.Context(), strings.NewReader(csv), registry.CSV, nil)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func titles(t *testing.T) *Workspace {
	t.Helper()
	w := open(t)
	if err := w.CreateRegistry(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	load(t, w, rows)
	if _, err := w.Commit(t.Context(), "titles", nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func request(t *testing.T, text string) *statement.Request {
	t.Helper()
	r, err := statement.ParseRequest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Fill(rand.Reader); err != nil {
		t.Fatal(err)
	}
	return r
}

func verify(t *testing.T, w *Workspace, r *statement.Request, a *prover.Answer) *verifier.Verdict {
	t.Helper()
	trust, err := w.Trust()
	if err != nil {
		t.Fatal(err)
	}
	document, err := a.Bundle.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := verifier.ParseBundle(document)
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.Verify(bundle, verifier.Options{Trust: trust, Request: r, Openings: a.Openings})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAnswer(t *testing.T) {
	w := titles(t)
	for name, text := range map[string]string{
		"any record": "registry: titles\n",
		"by key":     "registry: titles\nkey: P2\nwhere: [value >= 300, price > value]\naudience: bank-a\nexpires: 2099-01-01T00:00:00Z\n",
		"by subject": "registry: titles\nsubject: anna\nwhere: ['garage in [\"attached\", \"detached\"]', 'price * 100 <= value * 120']\nreveal: [value]\n",
		"an epoch":   "registry: titles\nas_of: 1\nsubject: bert\n",
		"split":      "registry: titles\nkey: P3\nsubject: bert\nwhere: [value >= 1, value >= 2, value >= 3, value >= 4, value >= 5, value >= 6, value >= 7, value >= 8, value >= 9, value != 7, value != 8]\nreveal: [garage, price]\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, text)
			a, err := w.Agency().Answer(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if v := verify(t, w, r, a); !v.OK {
				t.Errorf("the verdict: %+v", v.Checks)
			}
			if name == "split" && a.Timings.Proofs < 2 {
				t.Errorf("%d proofs", a.Timings.Proofs)
			}
		})
	}
}

// A false claim is not proved, says which condition fails of which record, and
// leaves no entry.
func TestAnswerFalse(t *testing.T) {
	w := titles(t)
	size := w.Ledger.Size()
	for text, want := range map[string]string{
		"registry: titles\nkey: P2\nwhere: [value >= 301]\n":                `record "P2" fails "value >= 301"`,
		"registry: titles\nkey: P9\n":                                       `no record with the key "P9"`,
		"registry: titles\nkey: P2\nsubject: bert\n":                        `record "P2" has another subject`,
		"registry: titles\nsubject: anna\nwhere: [value >= 301]\n":          `the subject has 2 records`,
		"registry: titles\nsubject: bert\nwhere: [value >= 501]\n":          `one record, "P3", and it fails "value >= 501"`,
		"registry: titles\nsubject: carl\n":                                 `the subject has no record`,
		"registry: titles\nwhere: [value >= 501, 'garage == \"detached\"']": `none satisfies`,
	} {
		_, err := w.Agency().Answer(t.Context(), request(t, text))
		if !errors.Is(err, prover.ErrFalse) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		} else if strings.Contains(err.Error(), "310") || strings.Contains(err.Error(), "attached") {
			t.Errorf("%q: the error shows the record: %v", text, err)
		}
	}
	if w.Ledger.Size() != size {
		t.Errorf("the ledger grew from %d to %d entries", size, w.Ledger.Size())
	}
}

func TestAnswerNotProvable(t *testing.T) {
	w := titles(t)
	if _, err := w.Agency().Answer(t.Context(), request(t, "registry: titles\nas_of: 7\n")); !errors.Is(err, prover.ErrNoEpoch) {
		t.Errorf("an epoch to come: %v", err)
	}
	size := w.Ledger.Size()
	for text, want := range map[string]error{
		"registry: titles\nexpires: 2020-01-01T00:00:00Z\n": statement.ErrBadRequest,
		"registry: titles\nas_of: 2099-01-01T00:00:00Z\n":   prover.ErrNoEpoch,
		"registry: titles\nmax_age: 1ns\n":                  prover.ErrNoEpoch,
		"registry: nope\n":                                  prover.ErrNoRegistry,
	} {
		if _, err := w.Agency().Answer(t.Context(), request(t, text)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	if w.Ledger.Size() != size {
		t.Error("a refused request left an entry")
	}
}

// A past epoch can be proved about when newer ones exist.
func TestPastEpoch(t *testing.T) {
	w := titles(t)
	counts := load(t, w, strings.Replace(rows, "P2,anna,300", "P2,carl,300", 1))
	if counts.Updated != 1 || counts.Unchanged != 2 {
		t.Errorf("counts %+v", counts)
	}
	if _, err := w.Commit(t.Context(), "titles", nil); err != nil {
		t.Fatal(err)
	}
	for text, provable := range map[string]bool{
		"registry: titles\nkey: P2\nsubject: anna\nas_of: 1\n":      true,
		"registry: titles\nkey: P2\nsubject: anna\nas_of: 2\n":      false,
		"registry: titles\nkey: P2\nsubject: carl\nas_of: latest\n": true,
	} {
		r := request(t, text)
		a, err := w.Agency().Answer(t.Context(), r)
		if provable != (err == nil) || (err != nil && !errors.Is(err, prover.ErrFalse)) {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && !verify(t, w, r, a).OK {
			t.Errorf("%q: does not verify", text)
		}
	}
}

func TestOneProcessAtATime(t *testing.T) {
	w := open(t)
	if _, err := Open(w.Dir()); !errors.Is(err, ErrInUse) {
		t.Errorf("a second opener: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	reopen(t, w.Dir())
}

func TestNotAWorkspace(t *testing.T) {
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNotWorkspace) {
		t.Errorf("an empty directory: %v", err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Init(t.Context(), full, InitOptions{}); !errors.Is(err, ErrExists) {
		t.Errorf("init over files: %v", err)
	}
}

// The process ends between the ledger's epoch entry and the registry's own commit:
// the next start is at the new epoch, with the root that the ledger has.
func TestCommitInterrupted(t *testing.T) {
	w := titles(t)
	load(t, w, rows+"P4,carl,1,1,none\n")
	s, err := w.Registry("titles")
	if err != nil {
		t.Fatal(err)
	}
	interrupted := errors.New("interrupted")
	_, err = s.Commit(t.Context(), registry.CommitOptions{Time: time.Now(), Publish: func(e registry.Epoch) error {
		if err := w.publish(t.Context(), "titles", e); err != nil {
			return err
		}
		return interrupted
	}})
	if !errors.Is(err, interrupted) {
		t.Fatal(err)
	}
	if latest, _ := s.Latest(); latest.Number != 1 {
		t.Fatalf("the registry is at epoch %d", latest.Number)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again := reopen(t, w.Dir())
	if s, err = again.Registry("titles"); err != nil {
		t.Fatal(err)
	}
	latest, _ := s.Latest()
	_, entry, _, err := again.Ledger.LatestEpoch("titles")
	if err != nil || latest.Number != 2 || latest.Records != 4 || latest.Root != entry.Root {
		t.Errorf("after the restart: epoch %d of %d records, %v", latest.Number, latest.Records, err)
	}
}

func TestCreateRegistryInterrupted(t *testing.T) {
	w := open(t)
	path, err := w.registryPath("titles")
	if err != nil {
		t.Fatal(err)
	}
	s, err := registry.Create(path+".new", schema) // and no entry: the process ended
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	w = reopen(t, w.Dir())
	if err := w.CreateRegistry(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	if err := w.CreateRegistry(t.Context(), schema); !errors.Is(err, ErrExists) {
		t.Errorf("created twice: %v", err)
	}
	// the entry is there, the rename is not
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".new"); err != nil {
		t.Fatal(err)
	}
	w = reopen(t, w.Dir())
	if names, err := w.Registries(); err != nil || fmt.Sprint(names) != "[titles]" {
		t.Errorf("registries %v, %v", names, err)
	}
}

func TestPrivateFiles(t *testing.T) {
	err := filepath.WalkDir(fresh, func(path string, _ os.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, ".vk") {
			return err
		}
		info, err := os.Stat(path) // of the tables, and not of the links to them
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
