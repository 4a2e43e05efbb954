package verifier

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
	"github.com/attestry/attestry/statement"
)

func auditorKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// auditWith audits an export, and wants the audit to be made.
func auditWith(t testing.TB, dir string, trust *Trust, o AuditOptions) (*Report, *AuditedLog) {
	t.Helper()
	report, log, err := AuditExport(t.Context(), dir, trust, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	if report.OK != (log != nil) || report.OK != (len(report.Problems) == 0) {
		t.Fatalf("ok %v, a log %v, problems %v", report.OK, log != nil, report.Problems)
	}
	return report, log
}

// saveState saves an audited log into a file.
func saveState(t testing.TB, log *AuditedLog, key ed25519.PrivateKey) string {
	t.Helper()
	var out bytes.Buffer
	if err := log.Save(&out, key); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func openSaved(t testing.TB, path string, key ed25519.PrivateKey, trust *Trust) (*AuditedLog, error) {
	t.Helper()
	public := ensure[ledger.PublicKey](t)(ledger.PublicKeyOf(key))
	log, err := OpenAuditedLog(path, public, trust, "")
	t.Cleanup(func() { _ = log.Close() })
	return log, err
}

// savedAudit gives the state that an audit of a world leaves.
func (w *world) savedAudit(key ed25519.PrivateKey) string {
	w.t.Helper()
	_, log := auditWith(w.t, w.export(), w.trust(), AuditOptions{})
	return saveState(w.t, log, key)
}

// TestIncrementalAudit continues audits from every kind of size, each in an export
// without any bundle or tile that new entries do not need, and wants the same report
// and the same state as an audit from the beginning gives.
func TestIncrementalAudit(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	key := auditorKey(t)
	sizes := []int{len(w.entries), 255, 256, 257, 300, 512, 600}
	grow := func(n int) {
		for len(w.entries) < n {
			if len(w.entries)%50 == 7 {
				w.bundle(flatRequest(t, "once: mortgage"), tamper{})
			} else {
				w.commit(testTime)
			}
		}
	}
	var states []string
	for _, size := range sizes {
		grow(size)
		states = append(states, w.savedAudit(key))
	}
	grow(700)
	full := w.export()
	want, log := auditWith(t, full, w.trust(), AuditOptions{})
	wantState := saveState(t, log, key)
	for i, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dir := w.fork(t).export()
			kept := pruneExport(t, dir, uint64(size), 700)
			since, err := openSaved(t, states[i], key, w.trust())
			if err != nil {
				t.Fatal(err)
			}
			got, log := auditWith(t, dir, w.trust(), AuditOptions{Since: since})
			if !got.OK || got.Entries != want.Entries || got.Proofs != want.Proofs || got.Epochs != want.Epochs || *got.Since != uint64(size) {
				t.Fatalf("%+v", got)
			}
			again := saveState(t, log, key)
			if a, b := readAll(t, again), readAll(t, wantState); !bytes.Equal(a, b) {
				t.Errorf("another state of %d bytes than from the beginning, %d", len(a), len(b))
			}
			if kept > (700-size)/ledger.TileWidth+2 {
				t.Errorf("%d bundles were kept for %d entries", kept, 700-size)
			}
		})
	}
}

func readAll(t testing.TB, path string) []byte {
	t.Helper()
	return ensure[[]byte](t)(os.ReadFile(path))
}

// pruneExport removes what lies wholly below an old size: bundles, and tiles that were
// full then. It gives the number of bundles left.
func pruneExport(t testing.TB, dir string, old, size uint64) (bundles int) {
	t.Helper()
	for p := range ledger.TilePaths(size) {
		if p.Width == ledger.TileWidth && (p.Index+1)*ledger.TileWidth <= old>>(ledger.TileHeight*p.Level) {
			if err := os.Remove(filepath.Join(dir, p.String())); err != nil {
				t.Fatal(err)
			}
		} else if p.Entries {
			bundles++
		}
	}
	return bundles
}

// TestIncrementalNothingNew: the same checkpoint again.
func TestIncrementalNothingNew(t *testing.T) {
	w, key := auditWorld(t), auditorKey(t)
	since, err := openSaved(t, w.savedAudit(key), key, w.trust())
	if err != nil {
		t.Fatal(err)
	}
	report, _ := auditWith(t, w.export(), w.trust(), AuditOptions{Since: since})
	if !report.OK || report.Entries != uint64(len(w.entries)) || report.Proofs != 3 {
		t.Errorf("%+v", report)
	}
}

// TestIncrementalProblems continues the audit of a log that is not what it was.
func TestIncrementalProblems(t *testing.T) {
	base, key := auditWorld(t), auditorKey(t)
	base.commit(testTime)
	state := base.savedAudit(key)
	size := len(base.entries)
	// rewritten gives a log that differs from an index on and has its entries signed.
	rewritten := func(t *testing.T, from, to int) *world {
		w := base.fork(t)
		w.entries = w.entries[:from]
		w.hashes = w.hashes[:0:0]
		entries := w.entries
		w.entries = nil
		for _, e := range entries {
			w.addBytes(e)
		}
		for len(w.entries) < to {
			w.addBytes([]byte(fmt.Sprintf(`{"type":"attestry/gift/v1","n":%d}`, len(w.entries))))
		}
		return w
	}
	cases := map[string]struct {
		world func(t *testing.T) *world
		trust func(*Trust)
		spoil func(t *testing.T, dir string)
		want  []string
		says  string
	}{
		"rewritten far below": {
			world: func(t *testing.T) *world { return rewritten(t, 10, size+5) },
			want:  []string{AuditConsistency, AuditRoot, AuditRules, AuditTiles}, says: "the log was rewritten below entry",
		},
		"rewritten in the last bundle": {
			world: func(t *testing.T) *world { return rewritten(t, size-2, size+5) },
			want:  []string{AuditConsistency, AuditRoot, AuditRules, AuditTiles}, says: "another entry than the one that was audited before",
		},
		"rewritten at the same size": {
			world: func(t *testing.T) *world { return rewritten(t, 10, size) },
			want:  []string{AuditConsistency, AuditRoot, AuditTiles}, says: "the log was rewritten below entry",
		},
		"shrunk": {
			world: func(t *testing.T) *world { return rewritten(t, size-1, size-1) },
			want:  []string{AuditConsistency}, says: "shrunk",
		},
		"a new entry is wrong": {
			world: func(t *testing.T) *world {
				w := base.fork(t)
				w.addBytes([]byte(`{"type":"attestry/gift/v1"}`))
				return w
			}, want: []string{AuditRules},
		},
		"a statement of before again": {
			world: func(t *testing.T) *world {
				w := base.fork(t)
				w.addBytes(w.entries[4]) // the first proof
				return w
			}, want: []string{AuditRules}, says: "already in the log: entry 4",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := c.world(t)
			dir := w.export()
			since, err := openSaved(t, state, key, w.trust())
			if err != nil {
				t.Fatal(err)
			}
			report, _ := auditWith(t, dir, w.trust(), AuditOptions{Since: since})
			if got := checks(report); !slices.Equal(got, c.want) {
				t.Errorf("problems of %v, want %v: %v", got, c.want, report.Problems)
			}
			if !slices.ContainsFunc(report.Problems, func(p Problem) bool { return strings.Contains(p.Detail, c.says) }) {
				t.Errorf("no problem says %q: %v", c.says, report.Problems)
			}
		})
	}
}

// TestSavedStateRefused changes a saved state in one way each.
func TestSavedStateRefused(t *testing.T) {
	w, key := auditWorld(t), auditorKey(t)
	path := w.savedAudit(key)
	good := readAll(t, path)
	if _, err := openSaved(t, path, key, w.trust()); err != nil {
		t.Fatal(err)
	}
	header := bytes.IndexByte(good, '\n') + 1
	rows := header + bytes.IndexByte(good[header:], '\n') + 1
	cases := map[string][]byte{
		"empty":            {},
		"another version":  bytes.Replace(good, []byte("/v1\n"), []byte("/v2\n"), 1),
		"no rows":          slices.Concat(good[:rows], good[len(good)-ed25519.SignatureSize:]),
		"a trailing byte":  append(slices.Clone(good), 0),
		"the last byte":    good[:len(good)-1],
		"only a signature": good[len(good)-ed25519.SignatureSize:],
		"another spelling": bytes.Replace(good, []byte(`{"checkpoint":`), []byte(`{ "checkpoint":`), 1),
		"fewer proofs":     bytes.Replace(good, []byte(`"proofs":"3"`), []byte(`"proofs":"2"`), 1),
	}
	for i := 0; i < len(good); i += 1 + len(good)/97 {
		changed := slices.Clone(good)
		changed[i] ^= 1
		cases[fmt.Sprintf("byte %d", i)] = changed
		cases[fmt.Sprintf("cut at %d", i)] = good[:i]
	}
	for name, data := range cases {
		if bytes.Equal(data, good) {
			t.Fatalf("%s: nothing is changed", name)
		}
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := openSaved(t, path, key, w.trust()); !errors.Is(err, ErrBadState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		key   ed25519.PrivateKey
		trust func(*Trust)
		says  string
	}{
		"another key":        {auditorKey(t), nil, "signed by the key"},
		"another trust file": {key, func(trust *Trust) { trust.Development = "" }, "another trust file"},
	} {
		trust := w.trust()
		if c.trust != nil {
			c.trust(trust)
		}
		if _, err := openSaved(t, path, c.key, trust); !errors.Is(err, ErrBadState) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := newWorld(t, "other.example/log", titleSchema())
	trust := w.trust(other)
	_, log := auditWith(t, w.export(), trust, AuditOptions{})
	if _, _, err := AuditExport(t.Context(), other.export(), trust, AuditOptions{Since: log}); !errors.Is(err, ErrBadState) {
		t.Errorf("another log: %v", err)
	}
}

// TestStateResigned: what its key holder signs is still held to the tree and the
// format: nobody's mistake becomes an audit.
func TestStateResigned(t *testing.T) {
	w, key := auditWorld(t), auditorKey(t)
	_, log := auditWith(t, w.export(), w.trust(), AuditOptions{})
	for name, change := range map[string]func(l *AuditedLog){
		"another edge":  func(l *AuditedLog) { l.edge[0][0][0] ^= 1 },
		"a level less":  func(l *AuditedLog) { l.edge = l.edge[:1] },
		"a level more":  func(l *AuditedLog) { l.edge = append(l.edge, l.edge[0][:0]) },
		"no checkpoint": func(l *AuditedLog) { l.signed = []byte("hello") },
	} {
		changed := *log
		changed.edge = [][]tlog.Hash{slices.Clone(log.edge[0]), log.edge[1]}
		change(&changed)
		if _, err := openSaved(t, saveState(t, &changed, key), key, w.trust()); !errors.Is(err, ErrBadState) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerifyBySavedState: a saved audit tells a verdict what an export would.
func TestVerifyBySavedState(t *testing.T) {
	w, key := newWorld(t, "agency.example/log", titleSchema()), auditorKey(t)
	r := flatRequest(t, "once: mortgage")
	b, openings := w.bundle(r, tamper{})
	live := w.savedAudit(key)
	w.commit(testTime)
	newer := w.savedAudit(key)
	for _, c := range []struct {
		state, live string
		asOf        Outcome
	}{{live, "live at size 5", Pass}, {newer, "live at size 6", Warn}} {
		log, err := openSaved(t, c.state, key, w.trust())
		if err != nil {
			t.Fatal(err)
		}
		v, err := Verify(b, Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		if got := find(t, v, CheckNullifier); got.RestsOn != OnAudit || !strings.Contains(got.Observed, c.live) {
			t.Errorf("%+v", got)
		}
		if got := find(t, v, CheckAsOf); got.RestsOn != OnAudit || got.Outcome != c.asOf {
			t.Errorf("%+v", got)
		}
	}
}

// fixedState gives a small audited log that is the same in every process.
func fixedState(t testing.TB) (*AuditedLog, ed25519.PrivateKey, *Trust) {
	t.Helper()
	skey, vkey := ledgertest.LogKey(t)
	signer := ensure[note.Signer](t)(note.NewSigner(skey))
	b := &treeBuilder{full: func(ledger.TilePath, []byte) {}}
	for i := range byte(3) {
		b.add(ledger.LeafHash([]byte{i}))
	}
	c := ledger.Checkpoint{Origin: ledgertest.Origin, Size: 3, Root: b.finish()}
	trust := &Trust{Format: TrustFormat, Logs: []TrustedLog{{Key: vkey}}, Registries: []TrustedRegistry{}, Circuits: []TrustedCircuit{}}
	state := ledger.NewSpillState("")
	for i, table := range ledger.Tables() {
		if err := state.Put(table, []byte{byte(i)}, []byte("value")); err != nil {
			t.Fatal(err)
		}
	}
	return &AuditedLog{
		signed: ensure[[]byte](t)(ledger.SignCheckpoint(c, signer)), checkpoint: c, state: state, edge: b.edge(),
		trust: ensure[statement.Digest](t)(statement.HashJSON(TrustFormat, trust)), proofs: 1, epochs: 1,
	}, ledgertest.Key("auditor"), trust
}

// FuzzOpenAuditedLog signs whatever it is given: what is read is what would be written.
func FuzzOpenAuditedLog(f *testing.F) {
	log, key, trust := fixedState(f)
	public := ensure[ledger.PublicKey](f)(ledger.PublicKeyOf(key))
	good := readAll(f, saveState(f, log, key))
	f.Add(good[:len(good)-ed25519.SignatureSize])
	f.Fuzz(func(t *testing.T, body []byte) {
		hash := sha256.Sum256(body)
		data := append(slices.Clone(body), ed25519.Sign(key, ensure[[]byte](t)(stateMessage(hash[:])))...)
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		log, err := OpenAuditedLog(path, public, trust, "")
		if err != nil {
			if bytes.Equal(data, good) || !errors.Is(err, ErrBadState) {
				t.Fatal(err)
			}
			return
		}
		var again bytes.Buffer
		if err := errors.Join(log.Save(&again, key), log.Close()); err != nil || !bytes.Equal(again.Bytes(), data) {
			t.Fatalf("reads back as other bytes: %v", err)
		}
	})
}
