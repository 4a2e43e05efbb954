package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestMediaTypes(t *testing.T) {
	h := newTestServer(t, Config{}, testLimits()).Handler()
	for contentType, code := range map[string]Code{
		"application/json":                       CodeMalformed, // it is read, and {} is no bundle
		"application/json; charset=utf-8":        CodeMalformed,
		"application/json;charset=UTF-8":         CodeMalformed,
		"Application/JSON":                       CodeMalformed,
		"":                                       CodeUnsupportedMedia,
		"text/plain":                             CodeUnsupportedMedia,
		"application/x-www-form-urlencoded":      CodeUnsupportedMedia,
		"application/json; charset=utf-16":       CodeUnsupportedMedia,
		"application/json; profile=x":            CodeUnsupportedMedia,
		"application/problem+json":               CodeUnsupportedMedia,
		"application/json, application/json":     CodeUnsupportedMedia,
		"application/json; charset=\"unfinished": CodeUnsupportedMedia,
	} {
		r := request("POST", "/v1/verify", "{}")
		r.Header.Set("Content-Type", contentType)
		wantProblem(t, do(h, r), code)
	}
	r := request("POST", "/v1/verify", "{}")
	r.Header.Add("Content-Type", "text/plain")
	wantProblem(t, do(h, r), CodeUnsupportedMedia)
}

func TestCompressedBody(t *testing.T) {
	h := newTestServer(t, Config{}, testLimits()).Handler()
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := w.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, encoding := range []string{"gzip", "x-gzip", "GZIP", "deflate", "br", "zstd", "compress", "identity", "gzip, gzip", "none", ""} {
		r := request("POST", "/v1/verify", bomb.String())
		r.Header["Content-Encoding"] = []string{encoding}
		wantProblem(t, do(h, r), CodeUnsupportedMedia)
	}
	wantProblem(t, do(h, request("POST", "/v1/verify", bomb.String())), CodeMalformed) // and nobody guesses
}

// endless is a body without end or length.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestTooLarge(t *testing.T) {
	l := testLimits()
	h := newTestServer(t, Config{}, l).Handler()
	for size, code := range map[int64]Code{l.body: CodeMalformed, l.body + 1: CodeTooLarge} {
		wantProblem(t, do(h, request("POST", "/v1/verify", strings.Repeat(" ", int(size)))), code)
	}
	body := &endless{}
	r := httptest.NewRequest("POST", "/v1/verify", body)
	r.Header.Set("Content-Type", "application/json")
	wantProblem(t, do(h, r), CodeTooLarge)
	if body.read > 2*int(l.body) {
		t.Errorf("%d bytes read of a body that may have %d", body.read, l.body)
	}
	said := httptest.NewRequest("POST", "/v1/verify", strings.NewReader("{}"))
	said.Header.Set("Content-Type", "application/json")
	said.ContentLength = 1 << 40
	wantProblem(t, do(h, said), CodeTooLarge)
}

// TestDefaultBodyLimit: the limit is 2 MiB, as documented.
func TestDefaultBodyLimit(t *testing.T) {
	h := newTestServer(t, Config{}, defaultLimits()).Handler()
	wantProblem(t, do(h, request("POST", "/v1/verify", strings.Repeat(" ", 2<<20))), CodeMalformed)
	wantProblem(t, do(h, request("POST", "/v1/verify", strings.Repeat(" ", 2<<20+1))), CodeTooLarge)
}

func TestBodyCutShort(t *testing.T) {
	h := newTestServer(t, Config{}, testLimits()).Handler()
	r := httptest.NewRequest("POST", "/v1/verify", io.MultiReader(strings.NewReader(`{"bundle":`), failing{io.ErrUnexpectedEOF}))
	r.Header.Set("Content-Type", "application/json")
	wantProblem(t, do(h, r), CodeMalformed)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestBusy: over the bound, requests wait a little and are then sent away; none of
// the others is disturbed.
func TestBusy(t *testing.T) {
	l := testLimits()
	l.verifications = 1
	s := newTestServer(t, Config{}, l)
	s.slots <- struct{}{} // a long verification
	start := time.Now()
	wantProblem(t, do(s.Handler(), request("POST", "/v1/verify", "{}")), CodeBusy)
	if waited := time.Since(start); waited < l.queue {
		t.Errorf("sent away after %s", waited)
	}
	if r := do(s.Handler(), request("GET", "/healthz", "")); r.StatusCode != http.StatusOK {
		t.Errorf("healthz: %s", r.Status)
	}
}

// TestTurn: a request whose turn comes in time is served, and gives it back.
func TestTurn(t *testing.T) {
	l := testLimits()
	l.verifications, l.queue = 1, time.Minute
	s := newTestServer(t, Config{}, l)
	s.slots <- struct{}{}
	go func() {
		time.Sleep(10 * time.Millisecond)
		<-s.slots
	}()
	wantProblem(t, do(s.Handler(), request("POST", "/v1/verify", "{}")), CodeMalformed)
	if len(s.slots) != 0 {
		t.Error("a slot was not given back")
	}
}
