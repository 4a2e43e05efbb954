package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/witness"
)

// served is a witness that serves.
type served struct {
	dir, url, key string
}

// newServed gives a witness of a workspace's log.
func newServed(t *testing.T, w *Workspace, name string) served {
	t.Helper()
	return serveWitness(t, name, witness.Log{Key: w.logKey})
}

func serveWitness(t *testing.T, name string, logs ...witness.Log) served {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "witness")
	if _, err := witness.Init(dir, name); err != nil {
		t.Fatal(err)
	}
	server, err := witness.Open(dir, logs)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(server.Handler(nil))
	t.Cleanup(func() {
		s.Close()
		_ = server.Close()
	})
	return served{dir, s.URL, server.Key()}
}

func (s served) config() WitnessConfig { return WitnessConfig{s.url, s.key} }

// seen gives the size that the witness has cosigned.
func (s served) seen(t *testing.T) uint64 {
	t.Helper()
	states, err := witness.States(s.dir)
	if err != nil || len(states) != 1 {
		t.Fatalf("%+v, %v", states, err)
	}
	return states[0].Checkpoint.Size
}

// watch collects a workspace's warnings.
func watch(w *Workspace) *[]string {
	said := &[]string{}
	w.Warn = func(format string, args ...any) { *said = append(*said, fmt.Sprintf(format, args...)) }
	return said
}

func add(t *testing.T, w *Workspace, witnesses ...served) {
	t.Helper()
	for _, s := range witnesses {
		if err := w.AddWitness(s.config()); err != nil {
			t.Fatal(err)
		}
	}
}

// copyOf copies a closed workspace, as a backup does.
func copyOf(t *testing.T, w *Workspace) string {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(w.Dir())); err != nil {
		t.Fatal(err)
	}
	return dir
}

// grow appends a registry's schema.
func grow(w *Workspace, t *testing.T, name string) error {
	t.Helper()
	return w.CreateRegistry(t.Context(), &statement.Schema{
		Registry: name, Key: "parcel", Attributes: []statement.Attribute{{Name: "value", Type: statement.Int}},
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWitnessed: a bundle, the log and its export carry what the witnesses cosigned,
// and a bank's quorum counts it.
func TestWitnessed(t *testing.T) {
	w := titles(t)
	first, second := newServed(t, w, "witness.example/1"), newServed(t, w, "witness.example/2")
	add(t, w, first, second)
	if info, err := os.Stat(filepath.Join(w.Dir(), witnessesFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	w = reopened(t, w)
	said := watch(w)
	r := request(t, "registry: titles\nkey: P3\naudience: bank-a\n")
	a, err := w.Agency().Answer(t.Context(), r)
	must(t, err)
	if len(*said) > 0 {
		t.Errorf("warnings: %q", *said)
	}
	verdict := func(quorum int, keys ...string) *verifier.Verdict {
		trust, err := w.Trust()
		must(t, err)
		if trust.Witnesses != nil {
			t.Fatal("the operator's witnesses are in the trust file")
		}
		if quorum > 0 {
			trust.Witnesses = &verifier.TrustedWitnesses{Quorum: quorum, Keys: keys}
		}
		v, err := verifier.Verify(a.Bundle, verifier.Options{Trust: trust, Request: r, Openings: a.Openings})
		must(t, err)
		return v
	}
	for name, v := range map[string]*verifier.Verdict{
		"nobody": verdict(0), "one": verdict(1, first.key), "both": verdict(2, first.key, second.key),
	} {
		if !v.OK {
			t.Errorf("pinning %s: %+v", name, v.Failures())
		}
	}
	stranger := newServed(t, w, "witness.example/3")
	if v := verdict(2, first.key, stranger.key); v.OK || v.Failures()[0].Check != verifier.CheckQuorum {
		t.Errorf("a quorum that is not met: %+v", v.Failures())
	}
	export := filepath.Join(t.TempDir(), "export")
	must(t, w.Ledger.Export(export, nil))
	trust, err := w.Trust()
	must(t, err)
	trust.Witnesses = &verifier.TrustedWitnesses{Quorum: 2, Keys: []string{first.key, second.key}}
	if report, err := verifier.Audit(t.Context(), export, trust, nil); err != nil || !report.OK {
		t.Errorf("the audit: %+v, %v", report, err)
	}
	// Nothing new is nothing to ask.
	must(t, os.RemoveAll(filepath.Join(first.dir, "logs")))
	signed, err := w.Publish(t.Context())
	if kept, keptErr := w.Ledger.Checkpoint(); err != nil || keptErr != nil || !slices.Equal(signed, kept) || strings.Count(string(signed), "\n— ") != 3 {
		t.Errorf("%q, %v", signed, err)
	}
}

func reopened(t *testing.T, w *Workspace) *Workspace {
	t.Helper()
	must(t, w.Close())
	return reopen(t, w.Dir())
}

// TestWitnessDown: the checkpoint goes out with fewer cosignatures, soon.
func TestWitnessDown(t *testing.T) {
	w := open(t)
	up := newServed(t, w, "witness.example/up")
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	gone := newServed(t, w, "witness.example/gone")
	foreign := serveWitness(t, "witness.example/foreign") // which follows no log
	add(t, w, up, gone, foreign)
	must(t, w.AddWitness(WitnessConfig{slow.URL, newServed(t, w, "witness.example/slow").key}))
	for _, p := range w.witnesses.peers {
		if p.Key.Name() == "witness.example/gone" {
			p.URL = "http://127.0.0.1:1"
		}
	}
	said := watch(w)
	start := time.Now()
	must(t, grow(w, t, "first"))
	signed, err := w.Publish(t.Context())
	must(t, err)
	if took := time.Since(start); took > witnessPatience+2*time.Second {
		t.Errorf("it took %s", took)
	}
	if !strings.Contains(string(signed), "— witness.example/up ") || strings.Count(string(signed), "\n— ") != 2 || up.seen(t) != 3 {
		t.Errorf("%q", signed)
	}
	all := strings.Join(*said, "\n")
	for _, name := range []string{"slow", "gone", "foreign"} {
		if !strings.Contains(all, "witness witness.example/"+name+": ") {
			t.Errorf("nothing is said of %s: %s", name, all)
		}
	}
}

// TestGuardFirst: what a witness is sent is in the guard by then, and in no other way
// signed: a crash leaves no checkpoint that somebody has and the log forgot.
func TestGuardFirst(t *testing.T) {
	w := titles(t)
	s := newServed(t, w, "witness.example/1")
	sent := 0
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		request, c, err := witness.ParseRequest(body)
		guard, readErr := os.ReadFile(store.GuardPath(w.Ledger.Path()))
		if err != nil || c.Size > 0 && (readErr != nil || !bytes.HasPrefix(request.Checkpoint, guard)) {
			t.Errorf("sent %q, the guard has %q: %v, %v", body, guard, err, readErr)
		}
		sent++
		answer, err := http.Post(s.url+witness.AddPath, "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		rw.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(rw, answer.Body)
	}))
	defer front.Close()
	must(t, w.AddWitness(WitnessConfig{front.URL, s.key}))
	w = reopened(t, w)
	for i := range 3 {
		must(t, grow(w, t, fmt.Sprint("r", i)))
		if _, err := w.Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if sent < 4 || s.seen(t) != w.Ledger.Size() {
		t.Errorf("sent %d, seen %d of %d", sent, s.seen(t), w.Ledger.Size())
	}
}

// TestKeepCosigned: a server gets the cosignature of a witness that comes back.
func TestKeepCosigned(t *testing.T) {
	w := open(t)
	s := newServed(t, w, "witness.example/1")
	add(t, w, s)
	peer := w.witnesses.peers[0]
	peer.URL = "http://127.0.0.1:1"
	said := watch(w)
	bare, err := w.Publish(t.Context())
	must(t, err)
	if len(*said) != 1 || strings.Contains(string(bare), "— witness.example/1 ") {
		t.Fatalf("%q, %q", bare, *said)
	}
	peer.URL, peer.down = s.url, time.Time{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.KeepCosigned(ctx, 10*time.Millisecond)
	}()
	for range 500 {
		signed, err := w.Ledger.Checkpoint()
		must(t, err)
		if strings.Contains(string(signed), "— witness.example/1 ") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	<-done
	if signed, err := w.Ledger.Checkpoint(); err != nil || !strings.HasPrefix(string(signed), string(bare)+"— witness.example/1 ") {
		t.Errorf("%q, %v", signed, err)
	}
}

// TestForkedCopies: two logs go on from one backup. The witness cosigns the first
// one; the second refuses to grow, and says why.
func TestForkedCopies(t *testing.T) {
	a := titles(t)
	s := newServed(t, a, "witness.example/1")
	add(t, a, s)
	_, err := a.Publish(t.Context())
	must(t, err)
	dir := copyOf(t, a)
	a = reopen(t, a.Dir())
	must(t, grow(a, t, "first"))
	_, err = a.Publish(t.Context())
	must(t, err)
	if s.seen(t) != 5 {
		t.Fatalf("the witness has seen %d", s.seen(t))
	}
	b := reopen(t, dir)
	err = grow(b, t, "second")
	if !errors.Is(err, store.ErrGuard) || !errors.Is(err, witness.ErrBetrayed) || !strings.Contains(err.Error(), "witness.example/1: the witness has cosigned 5 entries of this log, which has 4 here") {
		t.Errorf("growth: %v", err)
	}
	if _, err := b.Publish(t.Context()); !errors.Is(err, witness.ErrBetrayed) {
		t.Errorf("publication: %v", err)
	}
	if b.Ledger.Size() != 4 || s.seen(t) != 5 {
		t.Errorf("sizes %d, %d", b.Ledger.Size(), s.seen(t))
	}
	if _, _, err := b.Ledger.Schema("titles"); err != nil {
		t.Errorf("reading: %v", err)
	}
}

// TestForkWhileOpen: both copies asked their witnesses before either grew. The one
// that publishes second learns of it then, at the same size and at a larger one.
func TestForkWhileOpen(t *testing.T) {
	for name, more := range map[string]int{"the same size": 1, "larger": 3} {
		t.Run(name, func(t *testing.T) {
			a := titles(t)
			s := newServed(t, a, "witness.example/1")
			add(t, a, s)
			_, err := a.Publish(t.Context())
			must(t, err)
			b := reopen(t, copyOf(t, a))
			a = reopen(t, a.Dir())
			for i := range more {
				must(t, grow(b, t, fmt.Sprint("b", i)))
			}
			must(t, grow(a, t, "a"))
			_, err = a.Publish(t.Context())
			must(t, err)
			if _, err := b.Publish(t.Context()); !errors.Is(err, witness.ErrBetrayed) || !errors.Is(err, store.ErrGuard) {
				t.Errorf("the second one: %v", err)
			}
			if err := grow(b, t, "late"); !errors.Is(err, witness.ErrBetrayed) {
				t.Errorf("it grows on: %v", err)
			}
			if s.seen(t) != 5 {
				t.Errorf("the witness has seen %d", s.seen(t))
			}
		})
	}
}

// TestNeverSigned: a copy from before the log signed anything is found out, too.
func TestNeverSigned(t *testing.T) {
	a := open(t)
	s := newServed(t, a, "witness.example/1")
	add(t, a, s)
	dir := copyOf(t, a)
	a = reopen(t, a.Dir())
	must(t, grow(a, t, "first"))
	_, err := a.Publish(t.Context())
	must(t, err)
	b := reopen(t, dir)
	if err := grow(b, t, "second"); !errors.Is(err, witness.ErrBetrayed) {
		t.Errorf("%v", err)
	}
	if signed, err := b.Ledger.LastSigned(); err != nil || signed != nil {
		t.Errorf("it signed %q, %v", signed, err)
	}
}

// TestBroughtForward: a log restored from an old copy and brought up to what the
// witness saw goes on.
func TestBroughtForward(t *testing.T) {
	a := titles(t)
	s := newServed(t, a, "witness.example/1")
	add(t, a, s)
	_, err := a.Publish(t.Context())
	must(t, err)
	dir := copyOf(t, a)
	a = reopen(t, a.Dir())
	must(t, grow(a, t, "first"))
	_, err = a.Publish(t.Context())
	must(t, err)
	entry, err := a.Ledger.Entry(4)
	must(t, err)
	l, err := store.Open(filepath.Join(dir, ledgerFile), store.Options{})
	must(t, err)
	_, err = l.AppendEncoded(t.Context(), entry)
	must(t, errors.Join(err, l.Close()))
	b := reopen(t, dir)
	said := watch(b)
	must(t, grow(b, t, "second"))
	signed, err := b.Publish(t.Context())
	if err != nil || s.seen(t) != 6 || !strings.Contains(string(signed), "— witness.example/1 ") {
		t.Errorf("%q, %v, %q", signed, err, *said)
	}
}

func TestWitnessList(t *testing.T) {
	w := open(t)
	s := newServed(t, w, "witness.example/1")
	add(t, w, s)
	log, err := ledger.LogPublicKey(w.logKey)
	must(t, err)
	own, err := note.NewEd25519VerifierKey("witness.example/own", log[:])
	must(t, err)
	key, err := ledger.ParseWitnessKey(s.key)
	must(t, err)
	renamed, err := note.NewEd25519VerifierKey("witness.example/2", key.Public)
	must(t, err)
	issuer, err := ledger.PublicKeyOf(w.issuer)
	must(t, err)
	issuers, err := note.NewEd25519VerifierKey("witness.example/issuer", issuer[:])
	must(t, err)
	for name, c := range map[string]WitnessConfig{
		"twice": s.config(), "the log's key": {s.url, own}, "one key, two names": {s.url, renamed}, "the issuer's key": {s.url, issuers},
		"no URL": {"witness.example", newServed(t, w, "witness.example/9").key}, "no key": {s.url, "key"},
	} {
		if err := w.AddWitness(c); !errors.Is(err, ErrBadWitness) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w = reopened(t, w)
	if got := w.Witnesses(); !slices.Equal(got, []WitnessConfig{s.config()}) {
		t.Errorf("%+v", got)
	}
	if err := w.RemoveWitness("witness.example/2"); !errors.Is(err, ErrNoWitness) {
		t.Errorf("%v", err)
	}
	must(t, w.RemoveWitness("witness.example/1"))
	if w = reopened(t, w); len(w.Witnesses()) != 0 {
		t.Errorf("%+v", w.Witnesses())
	}
	must(t, w.Close())
	for name, bad := range map[string]string{
		"rubbish": "x", "another format": `{"format":"attestry/witnesses/v2","witnesses":[]}`, "an unknown member": `{"format":"attestry/witnesses/v1","witnesses":[],"more":1}`,
		"null": `{"format":"attestry/witnesses/v1","witnesses":null}`, "a bad key": `{"format":"attestry/witnesses/v1","witnesses":[{"key":"k","url":"https://w.example"}]}`,
	} {
		must(t, os.WriteFile(filepath.Join(w.Dir(), witnessesFile), []byte(bad), 0o600))
		if _, err := Open(w.Dir()); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
