package verifier

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// bundleDir writes bundles into a directory.
func bundleDir(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func marshalBundle(t testing.TB, b *Bundle) []byte {
	t.Helper()
	return ensure[[]byte](t)(b.Marshal())
}

func TestAuditBundles(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	other := newWorld(t, "other.example/log", titleSchema())
	plain, _ := w.bundle(flatRequest(t), tamper{})
	pledge, _ := w.bundle(flatRequest(t, "once: mortgage"), tamper{})
	unlogged, _ := w.bundle(flatRequest(t), tamper{unlogged: true})
	foreign, _ := other.bundle(flatRequest(t), tamper{})
	expired, _ := w.bundle(flatRequest(t), tamper{context: func(c *statement.Context) { c.Expires = "2001-01-01T00:00:00Z" }})
	old := w.fork(t)
	later, _ := old.bundle(flatRequest(t), tamper{})
	dir := bundleDir(t, map[string][]byte{
		"plain.json": marshalBundle(t, plain), "pledge.json": marshalBundle(t, pledge), "unlogged.json": marshalBundle(t, unlogged),
		"foreign.json": marshalBundle(t, foreign), "expired.json": marshalBundle(t, expired), "later.json": marshalBundle(t, later),
		"openings.json": []byte(`{"format":"attestry/openings/v1"}`), "notes.txt": []byte("hello"), "broken.json": []byte("{"),
	})
	report, _ := auditWith(t, w.export(), w.trust(other), AuditOptions{Bundles: dir})
	got := report.Bundles
	if !report.OK || got == nil {
		t.Fatalf("%+v", report)
	}
	want := BundleReport{Bundles: 5, Proofs: 3, Unlogged: 1, Later: 1, OtherLogs: []string{"foreign.json"}, NotBundles: []string{"broken.json", "openings.json"}}
	if got.Bundles != want.Bundles || got.Proofs != want.Proofs || got.Unlogged != want.Unlogged || got.Later != want.Later ||
		!slices.Equal(got.OtherLogs, want.OtherLogs) || !slices.Equal(got.NotBundles, want.NotBundles) {
		t.Errorf("%+v, want %+v", *got, want)
	}
}

// TestAuditBundleProblems gives the audit one bundle that is not what it seems.
func TestAuditBundleProblems(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	good, _ := w.bundle(flatRequest(t), tamper{})
	index := uint64(len(w.entries) - 1)
	pledge, _ := w.bundle(flatRequest(t, "once: mortgage"), tamper{})
	another, _ := w.bundle(flatRequest(t), tamper{})
	fork := w.fork(t)
	for name, c := range map[string]struct {
		bundle func(t *testing.T, b *Bundle)
		of     *Bundle
		says   string
		at     *uint64
	}{
		"another question": {func(_ *testing.T, b *Bundle) {
			b.Facts[0].Proofs[0].Question = another.Facts[0].Proofs[0].Question
			b.Facts[0].Proofs[0].Question.Holder = !b.Facts[0].Proofs[0].Question.Holder
		}, good, "question: proof 0: its statement hides another question", &index},
		"another output":   {func(t *testing.T, b *Bundle) { b.Facts[0].Proofs[0].Outputs[0] = randomElement(t) }, good, "question: proof 0: its statement hides", &index},
		"another blind":    {func(t *testing.T, b *Bundle) { b.Facts[0].Proofs[0].Blind = randomElement(t) }, good, "question: proof 0: its statement hides", &index},
		"another audience": {func(_ *testing.T, b *Bundle) { b.Facts[0].Context.Audience = "bank-b" }, good, "question: proof 0: its statement hides", &index},
		"a proof of the same statement, not logged": {func(t *testing.T, b *Bundle) {
			e := ensure[ledger.Entry](t)(ledger.ParseEntry(b.Facts[0].Proofs[0].Entry)).(*ledger.ProofEntry)
			e.Proof = encodeProof(keys().prove(t, ensure[statement.Element](t)(e.D())))
			b.Facts[0].Proofs[0].Entry = ensure[[]byte](t)(ledger.MarshalEntry(e))
		}, good, "proof 0 is not entry", &index},
		"unlogged pledge": {func(_ *testing.T, b *Bundle) { b.Facts[0].Proofs[0].Inclusion = "" }, pledge, "inclusion: proof 0 is not logged", nil},
		"a fork of the log": {func(t *testing.T, b *Bundle) {
			forked, _ := fork.bundle(flatRequest(t), tamper{})
			w.commit(testTime) // the log goes on otherwise
			*b = *forked
		}, good, "had another root at size", nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := &Bundle{}
			if err := json.Unmarshal(marshalBundle(t, c.of), b); err != nil {
				t.Fatal(err)
			}
			c.bundle(t, b)
			report, _ := auditWith(t, w.export(), w.trust(), AuditOptions{Bundles: bundleDir(t, map[string][]byte{"b.json": marshalBundle(t, b)})})
			if report.OK || !slices.Equal(checks(report), []string{AuditBundle}) {
				t.Fatalf("problems: %v", report.Problems)
			}
			found := slices.IndexFunc(report.Problems, func(p Problem) bool { return strings.Contains(p.Detail, c.says) })
			if found < 0 {
				t.Fatalf("no problem says %q: %v", c.says, report.Problems)
			}
			if p := report.Problems[found]; c.at != nil && (p.Index == nil || *p.Index != *c.at) {
				t.Errorf("not of entry %d: %v", *c.at, p)
			}
		})
	}
	if _, _, err := AuditExport(t.Context(), w.export(), w.trust(), AuditOptions{Bundles: filepath.Join(t.TempDir(), "none")}); !os.IsNotExist(err) && !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no such directory: %v", err)
	}
}

// TestAuditBundlesOfPrunedExport: where the old entries are gone, the statement at the
// proof's index still decides.
func TestAuditBundlesOfPrunedExport(t *testing.T) {
	w, key := newWorld(t, "agency.example/log", titleSchema()), auditorKey(t)
	b, _ := w.bundle(flatRequest(t), tamper{})
	for len(w.entries) < 300 {
		w.commit(testTime)
	}
	state := w.savedAudit(key)
	w.commit(testTime)
	dir := w.export()
	pruneExport(t, dir, 300, 301)
	since := ensure[*AuditedLog](t)(openSaved(t, state, key, w.trust()))
	report, _ := auditWith(t, dir, w.trust(), AuditOptions{Since: since, Bundles: bundleDir(t, map[string][]byte{"b.json": marshalBundle(t, b)})})
	if !report.OK || report.Bundles.Proofs != 1 {
		t.Errorf("%+v", report)
	}
}

// TestAuditBundlesNeedTheLog: of a log that could not be replayed nothing is said about
// bundles, least of all that there are two logs.
func TestAuditBundlesNeedTheLog(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	b, _ := w.bundle(flatRequest(t), tamper{})
	dir := w.export()
	if err := os.RemoveAll(filepath.Join(dir, "tile", "entries")); err != nil {
		t.Fatal(err)
	}
	report, _ := auditWith(t, dir, w.trust(), AuditOptions{Bundles: bundleDir(t, map[string][]byte{"b.json": marshalBundle(t, b)})})
	var bundles []string
	for _, p := range report.Problems {
		if p.Check == AuditBundle {
			bundles = append(bundles, p.Detail)
		}
	}
	if len(bundles) != 1 || !strings.Contains(bundles[0], "not checked") || report.Bundles != nil {
		t.Errorf("%v", report.Problems)
	}
}
