package verifier

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// auditProofs is the number of proofs in the ledgers with planted faults:
//
//	go test ./verifier -run 'TestAuditFindsPlanted|TestAuditThroughput' -v -args -audit-proofs 10000
var auditProofs = flag.Int("audit-proofs", 600, "proofs of the ledgers with planted faults")

// newSimWorld gives a world whose circuit's trapdoor is known, so that it makes many
// proofs quickly.
func newSimWorld(t testing.TB) *world {
	t.Helper()
	w := newWorld(t, "agency.example/log", titleSchema())
	w.circuit = &ledger.CircuitEntry{
		Name: CircuitPresent, Version: 1, Circuit: released(CircuitPresent),
		VK: simKey().vk.Marshal(), Setup: ledger.SetupDevelopment,
	}
	w.circuitIndex = w.add(w.circuit)
	return w
}

// simProof gives a proof entry of the latest epoch, a pledge of a nullifier that is
// not zero.
func (w *world) simProof(nullifier statement.Element) *ledger.ProofEntry {
	w.t.Helper()
	epoch := w.epochs[len(w.epochs)-1]
	e := &ledger.ProofEntry{Root: epoch.Root, Q: randomElement(w.t), Nullifier: nullifier, Public: statement.Public{
		Origin: w.origin, Circuit: w.circuit.Circuit, VK: w.circuit.VKHash(), Registry: w.schema.Registry,
		Schema: epoch.Schema, Epoch: ensure[statement.Digest](w.t)(epoch.Identity()),
	}}
	if !nullifier.IsZero() {
		scope, err := statement.ScopeElement("mortgage")
		w.sign(err)
		e.Scope, e.Public.ReleaseKey = statement.Element(scope), &statement.ReleaseKey{1}
		w.sign(e.SignConsent(w.issuer))
	}
	d := ensure[statement.Element](w.t)(e.D())
	e.Proof = simKey().Prove(d.Fr())
	return e
}

// simulate appends proofs, one in ten of them a pledge, with an epoch at every
// hundredth.
func (w *world) simulate(proofs int) {
	w.t.Helper()
	for i := range proofs {
		if i%100 == 99 {
			w.commit(testTime)
		}
		var nullifier statement.Element
		if i%10 == 0 {
			nullifier = randomElement(w.t)
		}
		w.add(w.simProof(nullifier))
	}
}

// TestAuditFindsPlanted plants one fault in the middle of a long ledger that is
// sound otherwise, and wants it named with its index, and nothing else.
func TestAuditFindsPlanted(t *testing.T) {
	base := newSimWorld(t)
	base.simulate(*auditProofs / 2)
	pledged := randomElement(t)
	base.add(base.simProof(pledged))
	base.simulate(*auditProofs/2 - 1)
	base.add(base.simProof(randomElement(t))) // the rest follows on the same epoch
	half := base.fork(t)
	base.simulate(100)
	rest := base.entries[len(half.entries):]
	latest := half.epochs[len(half.epochs)-1]
	follows := func(number canon.Uint64) *ledger.EpochEntry {
		id := ensure[statement.Digest](t)(latest.Identity())
		e := &ledger.EpochEntry{Registry: latest.Registry, Schema: latest.Schema, Number: number, Previous: &id, Time: latest.Time, Root: randomElement(t)}
		half.sign(e.Sign(half.issuer))
		return e
	}
	unsigned := follows(latest.Number + 1)
	unsigned.Signature = make([]byte, len(unsigned.Signature))
	noSignature := rawJSON(t, unsigned)
	cut := strings.Index(string(noSignature), `,"signature":"`)
	noSignature = slices.Concat(noSignature[:cut], noSignature[cut+len(`,"signature":"`)+88+1:])
	bad := half.simProof(statement.Element{})
	bad.Proof = simKey().Prove(randomElement(t).Fr())
	for name, c := range map[string]struct {
		entry       []byte
		check, says string
	}{
		"a bad proof":             {ensure[[]byte](t)(ledger.MarshalEntry(bad)), AuditProof, "the proof does not hold"},
		"a double pledge":         {ensure[[]byte](t)(ledger.MarshalEntry(half.simProof(pledged))), AuditRules, "already pledged"},
		"an unsigned epoch":       {ensure[[]byte](t)(ledger.MarshalEntry(unsigned)), AuditRules, "not signed by the registry's issuer"},
		"no signature at all":     {noSignature, AuditRules, "the signature has 0 bytes"},
		"a predecessor left out":  {ensure[[]byte](t)(ledger.MarshalEntry(follows(latest.Number + 2))), AuditRules, "epoch out of its chain"},
		"nothing, for comparison": {},
	} {
		t.Run(name, func(t *testing.T) {
			w := half.fork(t)
			planted := uint64(len(w.entries))
			if c.entry != nil {
				w.addBytes(c.entry)
			}
			for _, e := range rest {
				w.addBytes(e)
			}
			report, _ := auditWith(t, w.export(), w.trust(), AuditOptions{})
			if c.entry == nil {
				if !report.OK || report.Proofs != uint64(*auditProofs+101) {
					t.Errorf("%d proofs, problems: %v", report.Proofs, report.Problems)
				}
				return
			}
			if len(report.Problems) != 1 {
				t.Fatalf("%d problems: %v", len(report.Problems), report.Problems)
			}
			p := report.Problems[0]
			if p.Index == nil || *p.Index != planted || p.Check != c.check || !strings.Contains(p.Detail, c.says) {
				t.Errorf("planted at %d: %v", planted, p)
			}
		})
	}
}

// TestAuditLocatesFlips flips one bit of each kind of file, and wants to be told where.
func TestAuditLocatesFlips(t *testing.T) {
	w := newSimWorld(t)
	w.simulate(300)
	flipBit := func(t *testing.T, dir, path string, at int) {
		name := filepath.Join(dir, path)
		data := readAll(t, name)
		data[at] ^= 4
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	size := len(w.entries)
	partial := fmt.Sprintf("001.p/%d", size-256)
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  []string // each of one problem
		only  bool     // and there are no others
	}{
		"a tile": {func(t *testing.T, dir string) { flipBit(t, dir, "tile/0/000", 77*32+5) },
			[]string{"tiles: tile/0/000 differs from the entries' hashes in the one of entry 77"}, true},
		"a partial tile": {func(t *testing.T, dir string) { flipBit(t, dir, "tile/0/"+partial, 3*32) },
			[]string{"tiles: tile/0/" + partial + " differs from the entries' hashes in the one of entry 259"}, true},
		"an upper tile": {func(t *testing.T, dir string) { flipBit(t, dir, "tile/1/000.p/1", 31) },
			[]string{"tiles: tile/1/000.p/1 differs from the entries' hashes in the one over entries 0 to 255"}, true},
		"a bundle": {func(t *testing.T, dir string) {
			// A letter of the last proof's base64, the last member but one: the entry stays well formed.
			data := readAll(t, filepath.Join(dir, "tile/entries/000"))
			flipBit(t, dir, "tile/entries/000", strings.LastIndex(string(data), `"proof":"`)+40)
		}, []string{"entry 255: entries: it is not the entry that the signed tree has: tile/entries/000 was changed"}, false},
		"a missing tile": {func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "tile/0/000")) },
			[]string{"tiles: the export's tile/0/000: no such file or directory"}, true},
		"a missing bundle": {func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "tile/entries", partial)) },
			[]string{"entries: the export's tile/entries/" + partial + ": no such file or directory"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := w.export()
			c.spoil(t, dir)
			report, _ := auditWith(t, dir, w.trust(), AuditOptions{})
			var got []string
			for _, p := range report.Problems {
				got = append(got, p.String())
			}
			for _, want := range c.want {
				if !slices.Contains(got, want) {
					t.Errorf("%q is not among %q", want, got)
				}
			}
			if c.only && len(got) != len(c.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestAuditThroughput compares a whole audit with the checking of its proofs alone, in
// batches from their bytes. It fails only where the audit is absurdly slower: the
// figure itself is measured by go run ./benchmarks.
func TestAuditThroughput(t *testing.T) {
	w := newSimWorld(t)
	w.simulate(*auditProofs)
	dir, trust := w.export(), w.trust()
	var proofs [][]byte
	var ds []statement.Element
	for _, data := range w.entries {
		if e, ok := ensure[ledger.Entry](t)(ledger.ParseEntry(data)).(*ledger.ProofEntry); ok {
			proofs, ds = append(proofs, e.Proof), append(ds, ensure[statement.Element](t)(e.D()))
		}
	}
	best := [2]time.Duration{time.Hour, time.Hour}
	for range 3 {
		start := time.Now()
		report, log := auditWith(t, dir, trust, AuditOptions{Temporary: t.TempDir()})
		best[0] = min(best[0], time.Since(start))
		if !report.OK {
			t.Fatal(report.Problems)
		}
		_ = log.Close()
		start = time.Now()
		verifyEncoded(t, proofs, ds)
		best[1] = min(best[1], time.Since(start))
	}
	ratio := best[1].Seconds() / best[0].Seconds()
	t.Logf("%d proofs on %d cores: audit %v, batches alone %v: a ratio of %.2f", len(proofs), runtime.GOMAXPROCS(0), best[0], best[1], ratio)
	if ratio < 0.2 {
		t.Errorf("an audit takes %.1f times as long as its proofs", 1/ratio)
	}
}

// verifyEncoded checks proofs from their bytes as an audit's pool does.
func verifyEncoded(t testing.TB, proofs [][]byte, ds []statement.Element) {
	t.Helper()
	problems := &problemList{}
	pool := startProofPool(problems)
	for i, proof := range proofs {
		pool.add(proofJob{uint64(i), simKey().vk, proof, ds[i]})
	}
	pool.finish()
	if len(problems.list) > 0 {
		t.Fatal(problems.list)
	}
}

// TestAuditLeavesNothing: temporary files are gone after an audit.
func TestAuditLeavesNothing(t *testing.T) {
	w, temporary := newSimWorld(t), t.TempDir()
	w.simulate(20)
	_, log := auditWith(t, w.export(), w.trust(), AuditOptions{Temporary: temporary})
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
