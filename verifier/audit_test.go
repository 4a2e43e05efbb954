package verifier

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// auditWorld gives an agency with a few proofs, more than one tile of entries and
// two pledges of which one was released.
func auditWorld(t testing.TB) *world {
	w := newWorld(t, "agency.example/log", titleSchema())
	w.bundle(flatRequest(t), tamper{})
	w.bundle(flatRequest(t, "once: mortgage"), tamper{})
	for range ledger.TileWidth {
		w.commit(testTime)
	}
	w.bundle(flatRequest(t), tamper{epoch: -2})
	return w
}

func auditExport(t testing.TB, w *world, trust *Trust, spoil func(dir string)) *Report {
	t.Helper()
	dir := w.export()
	if spoil != nil {
		spoil(dir)
	}
	report, err := Audit(t.Context(), dir, trust, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.OK != (len(report.Problems) == 0) {
		t.Errorf("ok is %v with problems %v", report.OK, report.Problems)
	}
	return report
}

func TestAuditHonest(t *testing.T) {
	w := auditWorld(t)
	dir := w.export()
	var last uint64
	report, err := Audit(t.Context(), dir, w.trust(), func(done, total uint64) {
		if done < last || total != uint64(len(w.entries)) {
			t.Errorf("progress from %d to %d of %d", last, done, total)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK || report.Problems == nil {
		t.Errorf("problems: %v", report.Problems)
	}
	if report.Entries != uint64(len(w.entries)) || report.Proofs != 3 || report.Epochs != uint64(len(w.epochs)) || last != report.Entries {
		t.Errorf("%d entries, %d proofs, %d epochs, progress %d", report.Entries, report.Proofs, report.Epochs, last)
	}
}

func TestAuditEmptyLog(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	w.entries, w.hashes = nil, nil
	// A log of nothing has no last entry, for which a key could be in force.
	if report := auditExport(t, w, w.trust(), nil); report.Entries != 0 || !slices.Equal(checks(report), []string{AuditCheckpoint}) {
		t.Errorf("%+v", report)
	}
}

// checks lists the checks that a report's problems are of, each once.
func checks(r *Report) []string {
	var out []string
	for _, p := range r.Problems {
		out = append(out, p.Check)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestAuditProblems spoils a ledger in one way each, and wants it found.
func TestAuditProblems(t *testing.T) {
	flip := func(path string, at int) func(string) {
		return func(dir string) {
			name := filepath.Join(dir, path)
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			data[at] ^= 1
			if err := os.WriteFile(name, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(path string) func(string) {
		return func(dir string) {
			if err := os.Remove(filepath.Join(dir, path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cases := map[string]struct {
		world func(w *world)
		trust func(t *Trust)
		spoil func(dir string)
		want  []string
	}{
		"a tile changed":            {spoil: flip("tile/0/000", 40), want: []string{AuditTiles}},
		"a partial tile changed":    {spoil: flip("tile/0/001.p/7", 40), want: []string{AuditTiles}},
		"an upper tile changed":     {spoil: flip("tile/1/000.p/1", 3), want: []string{AuditTiles}},
		"a tile missing":            {spoil: remove("tile/0/000"), want: []string{AuditTiles}},
		"a bundle missing":          {spoil: remove("tile/entries/001.p/7"), want: []string{AuditEntries}},
		"a bundle's length changed": {spoil: flip("tile/entries/000", 1), want: []string{AuditEntries}},
		"an entry changed":          {spoil: flip("tile/entries/001.p/7", 60), want: []string{AuditEntries, AuditRoot, AuditRules, AuditTiles}},
		"the size changed":          {spoil: flip("checkpoint", len("agency.example/log\n26")), want: []string{AuditCheckpoint, AuditEntries}},
		"another log pinned": {trust: func(trust *Trust) {
			_, vkey, _ := ledger.NewLogKey("agency.example/log")
			trust.Logs[0].Key = vkey
		}, want: []string{AuditCheckpoint}},
		"issuer not pinned":       {trust: func(trust *Trust) { trust.Registries = nil }, want: []string{AuditIssuer}},
		"another issuer":          {trust: func(trust *Trust) { trust.Registries[0].Issuer[0] ^= 1 }, want: []string{AuditIssuer}},
		"issuer's key ended":      {trust: func(trust *Trust) { trust.Registries[0].Until = index(2) }, want: []string{AuditIssuer}},
		"circuit not pinned":      {trust: func(trust *Trust) { trust.Circuits = nil }, want: []string{AuditCircuit}},
		"circuit of another name": {trust: func(trust *Trust) { trust.Circuits[0].Name = CircuitAbsent }, want: []string{AuditCircuit}},
		"circuit sunset":          {trust: func(trust *Trust) { trust.Circuits[0].Until = index(200) }, want: []string{AuditCircuit}},
		"development not allowed": {trust: func(trust *Trust) { trust.Development = "" }, want: []string{AuditSetup}},
		"a quorum missing": {trust: func(trust *Trust) {
			_, vkey := newWitness(t, "witness.example/1")
			trust.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{vkey}}
		}, want: []string{AuditQuorum}},
		"an entry twice":  {world: func(w *world) { w.addBytes(w.entries[len(w.entries)-1]) }, want: []string{AuditRules}},
		"an unknown type": {world: func(w *world) { w.addBytes([]byte(`{"type":"attestry/gift/v1"}`)) }, want: []string{AuditRules}},
		"a proof of no root": {world: func(w *world) {
			w.bundle(flatRequest(t), tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Root = randomElement(t) }})
		}, want: []string{AuditRules}},
		"a pledge of an old epoch": {world: func(w *world) {
			w.bundle(flatRequest(t, "once: mortgage"), tamper{epoch: -1})
		}, want: []string{AuditRules}},
		"a false proof": {world: func(w *world) {
			b, _ := w.bundle(flatRequest(t), tamper{unlogged: true})
			e := ensure[ledger.Entry](t)(ledger.ParseEntry(b.Facts[0].Proofs[0].Entry)).(*ledger.ProofEntry)
			e.Proof = encodeProof(keys().prove(t, randomElement(t)))
			w.add(e)
		}, want: []string{AuditProof}},
		"a proof of rubbish": {world: func(w *world) {
			b, _ := w.bundle(flatRequest(t), tamper{unlogged: true})
			e := ensure[ledger.Entry](t)(ledger.ParseEntry(b.Facts[0].Proofs[0].Entry)).(*ledger.ProofEntry)
			e.Proof = make([]byte, ProofSize)
			w.add(e)
		}, want: []string{AuditProof}},
	}
	base := auditWorld(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := base.fork(t)
			if c.world != nil {
				c.world(w)
			}
			trust := w.trust()
			if c.trust != nil {
				c.trust(trust)
			}
			report := auditExport(t, w, trust, c.spoil)
			if got := checks(report); !slices.Equal(got, c.want) {
				t.Errorf("problems of %v, want %v: %v", got, c.want, report.Problems)
			}
		})
	}
}

// TestAuditPledgeTwice: one live nullifier for each record and scope.
func TestAuditPledgeTwice(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	same := randomElement(t)
	again := tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Nullifier = same }}
	w.bundle(flatRequest(t, "once: mortgage"), again)
	w.bundle(flatRequest(t, "once: mortgage"), again)
	report := auditExport(t, w, w.trust(), nil)
	if !slices.Equal(checks(report), []string{AuditRules}) || *report.Problems[0].Index != 5 {
		t.Errorf("%v", report.Problems)
	}
}

func TestAuditCannot(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	if _, err := Audit(t.Context(), t.TempDir(), w.trust(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
	dir := w.export()
	if err := os.WriteFile(filepath.Join(dir, "checkpoint"), []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Audit(t.Context(), dir, w.trust(), nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("a checkpoint that is none: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Audit(ctx, w.export(), w.trust(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	if _, err := Audit(t.Context(), w.export(), &Trust{}, nil); !errors.Is(err, ErrBadTrust) {
		t.Errorf("an empty trust file: %v", err)
	}
}

// TestTreeBuilder holds the rebuilt root to x/mod's at every size around a tile's
// edges, two levels up.
func TestTreeBuilder(t *testing.T) {
	var stored storedHashes
	b := &treeBuilder{full: func(ledger.TilePath, []byte) {}}
	const last = 2*ledger.TileWidth + 2
	for n := range int64(last) {
		data := []byte{byte(n), byte(n >> 8)}
		hashes, err := tlog.StoredHashes(n, data, stored)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
		b.add(ledger.LeafHash(data))
		want, err := tlog.TreeHash(n+1, stored)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.finish(); got != want {
			t.Fatalf("size %d: another root than tlog's", n+1)
		}
	}
	empty, err := tlog.TreeHash(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if (&treeBuilder{}).finish() != empty {
		t.Error("the empty tree has another root")
	}
}

func TestProblemsAreBounded(t *testing.T) {
	l := &problemList{}
	for i := range uint64(maxProblems + 7) {
		l.add(&i, AuditProof, statement.ErrBadValue)
	}
	l.add(nil, AuditRoot, statement.ErrBadValue) // not drowned by the others
	list := l.sorted()
	if len(list) != maxProblems+2 || list[0].Check != AuditRoot || list[maxProblems+1].Detail != "7 more problems of this check are not listed" {
		t.Errorf("%d problems listed, the last %v", len(list), list[len(list)-1])
	}
}

func BenchmarkAudit(b *testing.B) {
	w := newWorld(b, "agency.example/log", titleSchema())
	for range 200 {
		w.bundle(flatRequest(b), tamper{})
	}
	dir := w.export()
	start := time.Now()
	n := 0
	for b.Loop() {
		report, err := Audit(b.Context(), dir, w.trust(), nil)
		if err != nil || !report.OK {
			b.Fatal(err, report.Problems)
		}
		n++
	}
	b.ReportMetric(float64(200*n)/time.Since(start).Seconds(), "proofs/s")
}
