package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/attestry/attestry/internal/cli"
)

const (
	smallSchema = `
registry: titles
key: parcel
subject: owner
attributes:
  - {name: value, type: int}
  - {name: year, type: int}
`
	smallRecords = `parcel,owner,value,year
LC-1,OH-0001,250000,1978
LC-2,OH-0002,180000,1990
`
	smallQuestion = `
registry: titles
subject: OH-0001
where: [value >= 200000]
reveal: [year]
audience: bank-a
`
)

// answered is a workspace with one answer in it, and the answer's files.
type answered struct{ dir, request, bundle, openings, trust string }

func newAnswered(t *testing.T, schema, records, question string) answered {
	t.Helper()
	dir, files := newWorkspace(t), t.TempDir()
	a := answered{
		dir, filepath.Join(files, "request.json"), filepath.Join(files, "bundle.json"),
		filepath.Join(files, "openings.json"), filepath.Join(files, "trust.json"),
	}
	must(t, dir, "registry", "create", file(t, "schema.yaml", schema))
	must(t, dir, "registry", "import", "titles", file(t, "records.csv", records))
	must(t, dir, "registry", "commit", "titles")
	must(t, dir, "request", "new", file(t, "question.yaml", question), "-o", a.request)
	must(t, dir, "prove", a.request, "-o", a.bundle, "--openings", a.openings)
	must(t, dir, "trust", "export", "-o", a.trust)
	return a
}

// buffer is what a server writes its log to while the test reads it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serve runs attestry serve, gives its address, and stops it with the test or before.
func serve(t *testing.T, log io.Writer, args ...string) (address string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		args := append([]string{"serve", "--listen", "127.0.0.1:0", "--json"}, args...)
		code <- run(ctx, args, cli.Streams{Out: w, Err: log})
		_ = w.Close()
	}()
	out := bufio.NewReader(r)
	var said serveResult
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		t.Fatalf("the server did not start: %v: %v", err, log)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if got := <-code; got != cli.Done {
			t.Errorf("the server ended with exit code %d: %v", got, log)
		}
	})
	t.Cleanup(stop)
	return said.Listening, stop
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	a := newAnswered(t, smallSchema, smallRecords, smallQuestion)
	log := &buffer{}
	address, stop := serve(t, log, "--dir", a.dir)

	body, err := json.Marshal(map[string]json.RawMessage{"bundle": read(t, a.bundle), "request": read(t, a.request), "openings": read(t, a.openings)})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(address+"/v1/verify", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var verdict struct {
		OK     bool              `json:"ok"`
		Checks []json.RawMessage `json:"checks"`
	}
	if err := json.NewDecoder(response.Body).Decode(&verdict); err != nil || !verdict.OK || len(verdict.Checks) == 0 {
		t.Errorf("the verdict is %+v: %v", verdict, err)
	}
	_ = response.Body.Close()

	if code, checkpoint := get(t, address+"/checkpoint"); code != http.StatusOK || !strings.HasPrefix(checkpoint, "registry.example/test\n5\n") {
		t.Errorf("GET /checkpoint gives %d: %s", code, checkpoint)
	}
	for path, want := range map[string]int{
		"/tile/entries/000.p/5": http.StatusOK, "/tile/0/000.p/5": http.StatusOK, "/tile/0/001": http.StatusNotFound,
		"/healthz": http.StatusOK, "/readyz": http.StatusOK, "/openapi.json": http.StatusOK,
	} {
		if code, _ := get(t, address+path); code != want {
			t.Errorf("GET %s gives %d, not %d", path, code, want)
		}
	}

	// The workspace is in use; the server can be asked instead.
	if r := attestry(t, a.dir, "registry", "list"); r.code != cli.Could || !strings.Contains(r.errors, "used by another process") || !strings.Contains(r.errors, "hint: stop that process first") {
		t.Errorf("a second process got exit code %d: %s", r.code, r.errors)
	}
	testVerifyAtServer(t, a, address)

	stop()
	if !strings.Contains(log.String(), "POST") || strings.Contains(log.String(), "OH-0001") || strings.Contains(log.String(), "1978") {
		t.Errorf("the log is\n%s", log)
	}
	must(t, a.dir, "registry", "list")
}

func testVerifyAtServer(t *testing.T, a answered, address string) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	verify := func(args ...string) result {
		return attestry(t, nowhere, append([]string{"--server", address, "verify"}, args...)...)
	}
	if r := verify(a.bundle, "--request", a.request, "--openings", a.openings); r.code != cli.Done || !strings.Contains(r.out, "VERIFIED") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.errors)
	}
	if r := verify(a.bundle, "--audience", "bank-b", "--json"); r.code != cli.No || !strings.Contains(r.out, `"ok": false`) {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.errors)
	}
	if r := verify(a.request); r.code != cli.Could || !strings.Contains(r.errors, "request.json is a request, where a bundle is expected") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.errors)
	}
	if r := verify(a.bundle, "--trust", a.trust); r.code != cli.Could || !strings.Contains(r.errors, "its own trust file") {
		t.Errorf("a trust file that the server does not have: exit code %d: %s%s", r.code, r.out, r.errors)
	}
	t.Setenv(trustVariable, filepath.Join(t.TempDir(), "missing.json"))
	if r := verify(a.bundle, "--json"); r.code != cli.Done || !strings.Contains(r.errors, "warning: ATTESTRY_TRUST counts for nothing") || strings.Contains(r.out, "fingerprint") {
		t.Errorf("a trust file in the environment: exit code %d: %s%s", r.code, r.out, r.errors)
	}
	t.Setenv(trustVariable, "")
	if r := verify(a.bundle, "--request", a.request); r.code != cli.Could || !strings.Contains(r.errors, "the server gave no verdict") {
		t.Errorf("a reveal without openings: exit code %d: %s%s", r.code, r.out, r.errors)
	}
	if r := attestry(t, nowhere, "--server", "http://127.0.0.1:1", "verify", a.bundle); r.code != cli.Could {
		t.Errorf("no server: exit code %d: %s%s", r.code, r.out, r.errors)
	}
}

func TestServeVerifyOnly(t *testing.T) {
	a := newAnswered(t, smallSchema, smallRecords, smallQuestion)
	address, stop := serve(t, &buffer{}, "--dir", filepath.Join(t.TempDir(), "nowhere"), "--verify-only", "--trust", a.trust)
	if code, _ := get(t, address+"/checkpoint"); code != http.StatusNotFound {
		t.Errorf("GET /checkpoint gives %d", code)
	}
	if code, page := get(t, address+"/"); code != http.StatusOK || !strings.Contains(page, "/v1/verify") || strings.Contains(page, "/checkpoint") {
		t.Errorf("GET / gives %d: %s", code, page)
	}
	testVerifyAtServer(t, a, address)
	stop()
	if r := attestry(t, t.TempDir(), "serve", "--verify-only"); r.code != cli.Could {
		t.Errorf("without workspace and trust file: exit code %d", r.code)
	}
	if r := attestry(t, t.TempDir(), "serve", "--verify-only", "--trust", a.bundle); r.code != cli.Could || !strings.Contains(r.errors, "is a bundle, where a trust file is expected") {
		t.Errorf("a bundle for a trust file: exit code %d: %s", r.code, r.errors)
	}
}

// With a collector in the configuration, a server's traces come to it, the last ones when
// it stops.
func TestServeTraces(t *testing.T) {
	var mu sync.Mutex
	var sent bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/v1/traces" {
			_, _ = io.Copy(&sent, r.Body)
		}
	}))
	defer collector.Close()
	settings := file(t, "attestry.yaml", "tracing: {endpoint: \""+collector.URL+"/v1/traces\", sample: 1}")
	dir := newWorkspace(t)
	must(t, dir, "config", "check", settings)
	address, stop := serve(t, io.Discard, "--dir", dir, "--config", settings)
	get(t, address+"/healthz?s3cr3t=1")
	stop()
	mu.Lock()
	defer mu.Unlock()
	for text, want := range map[string]bool{"GET /healthz": true, "attestry": true, "s3cr3t": false} {
		if bytes.Contains(sent.Bytes(), []byte(text)) != want {
			t.Errorf("that the collector has %q is not %v", text, want)
		}
	}
}
