package witness

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

const origin = "log.example/a"

// log is a log in memory, whose key signs what it is told to.
type log struct {
	t      testing.TB
	signer note.Signer
	vkey   string
	size   int64
	hashes []tlog.Hash
}

func newLog(t testing.TB, name string) *log {
	t.Helper()
	skey, vkey, err := ledger.NewLogKey(name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return &log{t: t, signer: signer, vkey: vkey}
}

// ReadHashes implements tlog.HashReader.
func (l *log) ReadHashes(indexes []int64) (out []tlog.Hash, err error) {
	for _, i := range indexes {
		out = append(out, l.hashes[i])
	}
	return out, nil
}

// grow appends n entries of a text.
func (l *log) grow(n int, text string) *log {
	for range n {
		hashes, err := tlog.StoredHashes(l.size, fmt.Appendf(nil, "%s %d", text, l.size), l)
		if err != nil {
			l.t.Fatal(err)
		}
		l.hashes = append(l.hashes, hashes...)
		l.size++
	}
	return l
}

// fork gives a log of its own with the same key and history.
func (l *log) fork() *log {
	out := *l
	out.hashes = append([]tlog.Hash{}, l.hashes...)
	return &out
}

func (l *log) checkpoint(size int64) ledger.Checkpoint {
	root, err := tlog.TreeHash(size, l)
	if err != nil {
		l.t.Fatal(err)
	}
	return ledger.Checkpoint{Origin: l.signer.Name(), Size: uint64(size), Root: root}
}

func (l *log) signed() []byte {
	out, err := ledger.SignCheckpoint(l.checkpoint(l.size), l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// Consistency implements Tree.
func (l *log) Consistency(from, to uint64) (tlog.TreeProof, error) {
	if from == 0 {
		return nil, nil
	}
	return tlog.ProveTree(int64(to), int64(from), l)
}

// request gives the body that submits the log's present tree.
func (l *log) request(old int64) []byte {
	proof, err := l.Consistency(uint64(old), uint64(l.size))
	if err != nil {
		l.t.Fatal(err)
	}
	r := Request{OldSize: uint64(old), Proof: proof, Checkpoint: l.signed()}
	return r.Marshal()
}

// newWitness gives a witness that follows logs, and its directory.
func newWitness(t testing.TB, logs ...*log) (*Witness, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "witness")
	if _, err := Init(dir, "witness.example/w1"); err != nil {
		t.Fatal(err)
	}
	return openWitness(t, dir, logs...), dir
}

func openWitness(t testing.TB, dir string, logs ...*log) *Witness {
	t.Helper()
	var follow []Log
	for _, l := range logs {
		follow = append(follow, Log{Key: l.vkey})
	}
	w, err := Open(dir, follow)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func serve(t testing.TB, w *Witness) string {
	return serveWith(t, w.Handler(nil))
}

// reply is an HTTP answer.
type reply struct {
	status      int
	contentType string
	body        string
}

func post(t testing.TB, url string, body []byte) reply {
	t.Helper()
	r, err := http.Post(url+AddPath, "text/plain", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	return reply{r.StatusCode, r.Header.Get("Content-Type"), string(data)}
}

// cosigned holds an answer to a cosignature of a witness on the log's present tree.
func cosigned(t testing.TB, l *log, w *Witness, r reply) {
	t.Helper()
	if r.status != http.StatusOK {
		t.Fatalf("%+v", r)
	}
	key, err := ledger.ParseWitnessKey(w.Key())
	if err != nil {
		t.Fatal(err)
	}
	line, err := key.Cosignature(l.checkpoint(l.size), []byte(r.body))
	if err != nil || line != r.body || strings.Count(line, "\n") != 1 {
		t.Fatalf("%q, %v", r.body, err)
	}
}

// serveWith serves a handler and gives its address.
func serveWith(t testing.TB, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// statuses collects the statuses of answers.
type statuses struct {
	mu   sync.Mutex
	list []int
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// record gives a handler whose answers are collected.
func (s *statuses) record(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := &statusWriter{rw, http.StatusOK}
		h.ServeHTTP(w, r)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.list = append(s.list, w.status)
	})
}
