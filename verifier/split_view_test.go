package verifier

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/statement"
)

// TestOtherTree: an audited log and a bundle of another tree of it, all of whose own
// entries are the same: the checkpoints alone show that there are two.
func TestOtherTree(t *testing.T) {
	w := auditWorld(t)
	one, two := w.fork(t), w.fork(t)
	for _, f := range []*world{one, two} {
		f.bundle(flatRequest(t), tamper{}) // a proof of its own
	}
	_, log, err := AuditLog(t.Context(), one.export(), w.trust(), nil)
	if err != nil || log == nil {
		t.Fatal(err)
	}
	r := flatRequest(t)
	for name, c := range map[string]struct {
		of   *world
		want []string
	}{"its beginning": {w, nil}, "itself": {one, nil}, "a fork": {two, []string{CheckInclusion}}} {
		b, openings := c.of.bundle(r, tamper{unlogged: true})
		v, err := Verify(b, Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		if got := outcomes(t, v); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v failed, want %v", name, got, c.want)
		}
		if found := find(t, v, CheckInclusion); c.want != nil && (found.RestsOn != OnAudit || !strings.Contains(found.Observed, "two logs")) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestRootAt(t *testing.T) {
	w := auditWorld(t)
	dir := w.export()
	_, log, err := AuditLog(t.Context(), dir, w.trust(), nil)
	if err != nil || log == nil {
		t.Fatal(err)
	}
	size := uint64(len(w.entries))
	for _, n := range []uint64{0, 1, 2, 3, 255, 256, 257, size - 1, size} {
		want, err := tlog.TreeHash(int64(n), w.hashes)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := log.rootAt(n); err != nil || got != want {
			t.Errorf("size %d: %s, %v; want %s", n, got, err, want)
		}
	}
	if _, err := log.rootAt(size + 1); err == nil {
		t.Error("a root beyond the log")
	}
	// Changed after the audit, the directory gives no other root.
	name := filepath.Join(dir, "tile", "0", "000")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[0] ^= 1
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if root, err := log.rootAt(3); err == nil {
		t.Errorf("a changed tile gives %s", root)
	}
}

// TestSplitViews: two banks put side by side what they were shown.
func TestSplitViews(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	one, two := w.fork(t), w.fork(t)
	shown := func(name string, w *world) Shown {
		b, _ := w.bundle(flatRequest(t), tamper{})
		checkpoints, err := b.Checkpoints()
		if err != nil || len(checkpoints) != 1 {
			t.Fatalf("%d checkpoints, %v", len(checkpoints), err)
		}
		return Shown{name, checkpoints}
	}
	a, b, c := shown("a", one), shown("b", two), shown("c", one)
	views, err := SplitViews(w.trust(), a, c, a)
	if err != nil || len(views) != 0 {
		t.Errorf("one log at two sizes: %v, %v", views, err)
	}
	views, err = SplitViews(w.trust(), a, c, b)
	if err != nil || len(views) != 1 || views[0].Names != [2]string{"a", "b"} || views[0].Size != 5 || views[0].Roots[0] == views[0].Roots[1] {
		t.Fatalf("a fork: %+v, %v", views, err)
	}
	if !strings.Contains(views[0].String(), "split view: log agency.example/log signed two trees of size 5") {
		t.Errorf("%s", views[0])
	}
	// Only the log's own signature is evidence against it.
	forged := newWorld(t, "agency.example/log", titleSchema())
	if _, err := SplitViews(w.trust(), a, Shown{"forged", [][]byte{forged.checkpoint()}}); err == nil {
		t.Error("a checkpoint of another key is evidence")
	}
	if _, err := SplitViews(w.trust(), a, Shown{"rubbish", [][]byte{[]byte("rubbish")}}); !errors.Is(err, ErrMalformed) {
		t.Errorf("rubbish: %v", err)
	}
	if _, err := SplitViews(nil, a); !errors.Is(err, ErrBadTrust) {
		t.Errorf("no trust file: %v", err)
	}
	bad := &Bundle{Facts: []Fact{{Name: statement.FlatFact, Circuit: Logged{Inclusion: "x"}}}}
	if _, err := bad.Checkpoints(); !errors.Is(err, ErrMalformed) {
		t.Errorf("a bundle of rubbish: %v", err)
	}
}
