package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRequestID(t *testing.T) {
	h := newTestServer(t, Config{}, testLimits()).Handler()
	seen := map[string]bool{}
	for sent, kept := range map[string]bool{
		"abc-123_X.y":           true,
		strings.Repeat("a", 64): true,
		strings.Repeat("a", 65): false,
		"":                      false,
		"a b":                   false,
		"a\tb":                  false,
		"<script>":              false,
		"id\"}":                 false,
		"naïve":                 false,
	} {
		r := request("GET", "/healthz", "")
		r.Header.Set("X-Request-ID", sent)
		got := do(h, r).Header.Get("X-Request-ID")
		if (got == sent) != kept || len(got) < 10 || seen[got] || !isRequestID(got) {
			t.Errorf("sent %q, got %q", sent, got)
		}
		seen[got] = true
	}
}

// logLine is a line of the access log.
type logLine struct {
	Msg, ID, Method, Route string
	Status                 int
	Bytes, Duration        int64
}

func TestAccessLog(t *testing.T) {
	lines := &logLines{}
	h := newTestServer(t, Config{Logger: lines.logger()}, testLimits()).Handler()
	for _, c := range []struct {
		method, path, body string
		want               logLine
	}{
		{"GET", "/healthz?token=s3cr3t", "", logLine{Method: "GET", Route: "/healthz", Status: 200, Bytes: 16}},
		{"HEAD", "/healthz", "", logLine{Method: "HEAD", Route: "/healthz", Status: 200, Bytes: 16}},
		{"GET", "/tile/0/s3cr3t", "", logLine{Method: "GET", Route: "/tile/:path", Status: 404}},
		{"GET", "/s3cr3t/in/the/path", "", logLine{Method: "GET", Route: "none", Status: 404}},
		{"S3CR3T", "/healthz", "", logLine{Method: "other", Route: "/healthz", Status: 405}},
		{"POST", "/v1/verify", `{"s3cr3t": "s3cr3t"}`, logLine{Method: "POST", Route: "/v1/verify", Status: 400}},
	} {
		r := request(c.method, c.path, c.body)
		r.Header.Set("X-Request-ID", "id-of-this-one")
		r.Header.Set("Authorization", "s3cr3t")
		do(h, r)
		all := strings.Split(strings.TrimSpace(lines.String()), "\n")
		last := all[len(all)-1]
		var got logLine
		if err := json.Unmarshal([]byte(last), &got); err != nil {
			t.Fatal(err)
		}
		if got.Duration <= 0 {
			t.Errorf("%s: no duration", last)
		}
		c.want.Msg, c.want.ID = "request", "id-of-this-one"
		got.Duration = 0
		if c.want.Bytes == 0 {
			got.Bytes = 0
		}
		if got != c.want {
			t.Errorf("%s\ngot  %+v\nwant %+v", last, got, c.want)
		}
	}
	if strings.Contains(strings.ToLower(lines.String()), "s3cr3t") {
		t.Errorf("the log holds what it must not:\n%s", lines)
	}
}

// panickingLog panics with a value that must not be seen.
type panickingLog struct{ value any }

func (p panickingLog) Checkpoint() ([]byte, error) { panic(p.value) }
func (p panickingLog) Tile(string) ([]byte, error) {
	var none []byte
	return none[:len(none)+1][1:], nil // index out of range
}

func TestPanics(t *testing.T) {
	lines := &logLines{}
	s := newTestServer(t, Config{Log: panickingLog{errors.New("s3cr3t")}, Logger: lines.logger()}, testLimits())
	r := request("GET", "/checkpoint", "")
	for _, name := range []string{"Authorization", "Cookie", "X-Request-Id", "If-None-Match"} {
		r.Header.Set(name, "Bearer s3cr3t?")
	}
	p := wantProblem(t, do(s.Handler(), r), CodeInternal)
	if strings.Contains(p.Detail, "s3cr3t") || strings.Contains(lines.String(), "s3cr3t") {
		t.Errorf("a panic's value got out: %s\n%s", p.Detail, lines)
	}
	if !strings.Contains(lines.String(), `"panic":"*errors.errorString"`) || !strings.Contains(lines.String(), "panickingLog.Checkpoint") {
		t.Errorf("the log does not say where: %s", lines)
	}
	wantProblem(t, do(s.Handler(), request("GET", "/tile/0/000", "")), CodeInternal)
	if !strings.Contains(lines.String(), "out of range") {
		t.Errorf("the log does not say what: %s", lines)
	}
}

func TestAbortedResponse(t *testing.T) {
	s := newTestServer(t, Config{Log: panickingLog{http.ErrAbortHandler}}, testLimits())
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("an abort was answered")
		}
	}()
	s.Handler().ServeHTTP(httptest.NewRecorder(), request("GET", "/checkpoint", ""))
}

func TestSecurityHeaders(t *testing.T) {
	h := newTestServer(t, Config{}, testLimits()).Handler()
	for _, path := range []string{"/", "/healthz", "/nothing", "/v1/verify"} {
		r := do(h, request("GET", path, ""))
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store", "X-Request-Id": "",
		} {
			if got := r.Header.Get(name); got == "" || !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s: %q", path, name, got)
			}
		}
		for _, name := range []string{"Server", "X-Powered-By", "Access-Control-Allow-Origin", "Set-Cookie"} {
			if got := r.Header.Get(name); got != "" {
				t.Errorf("%s: %s: %q", path, name, got)
			}
		}
	}
}

func TestPlainText(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 建": "plain é 建", "a\nb\x1b[31m": "a?b?[31m", "\u202eevil\u2028": "?evil?", "\xff": "?",
		strings.Repeat("建", 200): strings.Repeat("建", 133) + "…",
	} {
		if got := plainText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestKinds(t *testing.T) {
	seen := map[Code]bool{}
	for _, k := range kinds() {
		p := newProblem(k.code, "x")
		if seen[k.code] || p.kind != k || k.title == "" || k.status < 400 || (p.retry > 0) != (k.status == 503) {
			t.Errorf("%+v", k)
		}
		seen[k.code] = true
	}
	if newProblem("no such code", "x").code != CodeInternal {
		t.Error("a code that is not in the list is used")
	}
}
