package server

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/verifier"
)

// logLines collects what a server logs.
type logLines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logLines) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(l, nil)) }

// testLimits are short enough to be waited for.
func testLimits() limits {
	l := defaultLimits()
	l.body = 256 << 10
	l.queue = 20 * time.Millisecond
	return l
}

func newTestServer(t testing.TB, c Config, l limits) *Server {
	t.Helper()
	if c.Trust == nil {
		c.Trust = &verifier.Trust{Format: verifier.TrustFormat}
	}
	if c.Now == nil {
		c.Now = func() time.Time { return verifyAt }
	}
	return must(newServer(c, l))(t)
}

// request is a request of a test; a body is sent as JSON.
func request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, path, nil)
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func do(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t testing.TB, r *http.Response) string {
	t.Helper()
	defer func() { _ = r.Body.Close() }()
	return string(must(io.ReadAll(r.Body))(t))
}

// wantProblem holds a response to RFC 9457 and to a code.
func wantProblem(t testing.TB, r *http.Response, code Code) api.Problem {
	t.Helper()
	body := text(t, r)
	var p api.Problem
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("status %d, %s: %v: %.300s", r.StatusCode, r.Header.Get("Content-Type"), err, body)
	}
	want := newProblem(code, "").kind
	if p.Code != string(code) || p.Status != r.StatusCode || r.StatusCode != want.status || p.Title != want.title {
		t.Errorf("status %d, %+v; want %+v", r.StatusCode, p, want)
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := r.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q: a cache would keep the problem", got)
	}
	if p.Type != "urn:attestry:problem:"+p.Code || p.Instance != "urn:attestry:request:"+r.Header.Get("X-Request-Id") {
		t.Errorf("type %q, instance %q", p.Type, p.Instance)
	}
	if p.Detail == "" {
		t.Error("no detail")
	}
	if p.Code != string(CodeIdempotencyInProgress) && (r.Header.Get("Retry-After") != "") != (p.Status == 503 || p.Status == 429) {
		t.Errorf("Retry-After %q with status %d", r.Header.Get("Retry-After"), p.Status)
	}
	return p
}

// body is a response's body.
func body(content string) io.ReadCloser { return io.NopCloser(strings.NewReader(content)) }
