package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// conform holds a response to what the OpenAPI document promises for its status.
func conform(t *testing.T, path, method string, r *http.Response) {
	t.Helper()
	body := text(t, r)
	r.Body = io.NopCloser(strings.NewReader(body))
	if err := conforms(must(api.Document())(t), path, method, r, body); err != nil {
		t.Errorf("%s %s: %v", method, path, err)
	}
}

// conforms tells where a response, of which body was read, is not what a document
// promises for its status.
func conforms(document *openapi3.T, path, method string, r *http.Response, body string) error {
	item := document.Paths.Value(path)
	operation := item.GetOperation(method)
	if operation == nil {
		return errors.New("it is not in the document")
	}
	if operation.Responses.Status(r.StatusCode) == nil && operation.Responses.Default() == nil {
		return fmt.Errorf("status %d is not in the document", r.StatusCode)
	}
	switch contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); contentType {
	case "text/html", "text/event-stream": // which the validator does not read
		return nil
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: httptest.NewRequest(method, path, nil),
			Route:   &routers.Route{Spec: document, Path: path, PathItem: item, Method: method, Operation: operation},
		},
		Status: r.StatusCode, Header: r.Header, Body: io.NopCloser(strings.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: operation.Responses.Default() == nil},
	}
	return openapi3filter.ValidateResponse(context.Background(), input)
}

func TestEndpoints(t *testing.T) {
	a := newAgency(t)
	x := a.answer(t)
	full := newTestServer(t, Config{Trust: a.trust(), Log: a.store}, testLimits()).Handler()
	verifyOnly := newTestServer(t, Config{Trust: a.trust()}, testLimits()).Handler()
	fresh := newTestServer(t, Config{Log: brokenLog{store.ErrNoCheckpoint}}, testLimits()).Handler()
	broken := newTestServer(t, Config{Log: brokenLog{errors.New("disk on fire")}}, testLimits()).Handler()
	for _, c := range []struct {
		handler       http.Handler
		method, route string // as the document has it
		path, body    string
		status        int
		code          Code
	}{
		{full, "GET", "/", "/", "", 200, ""},
		{full, "GET", "/healthz", "/healthz", "", 200, ""},
		{broken, "GET", "/healthz", "/healthz", "", 200, ""},
		{full, "GET", "/readyz", "/readyz", "", 200, ""},
		{verifyOnly, "GET", "/readyz", "/readyz", "", 200, ""},
		{fresh, "GET", "/readyz", "/readyz", "", 200, ""},
		{broken, "GET", "/readyz", "/readyz", "", 503, CodeNotReady},
		{full, "GET", "/openapi.json", "/openapi.json", "", 200, ""},
		{full, "GET", "/checkpoint", "/checkpoint", "", 200, ""},
		{verifyOnly, "GET", "/checkpoint", "/checkpoint", "", 404, CodeNoLog},
		{fresh, "GET", "/checkpoint", "/checkpoint", "", 404, CodeNoCheckpoint},
		{broken, "GET", "/checkpoint", "/checkpoint", "", 500, CodeInternal},
		{full, "GET", "/tile/{path}", "/tile/0/000.p/4", "", 200, ""},
		{full, "GET", "/tile/{path}", "/tile/entries/000.p/4", "", 200, ""},
		{full, "GET", "/tile/{path}", "/tile/entries/000.p/3?anything", "", 200, ""},
		{full, "GET", "/tile/{path}", "/tile/0/000", "", 404, CodeNotFound},
		{full, "GET", "/tile/{path}", "/tile/0/000.p/5", "", 404, CodeNotFound},
		{full, "GET", "/tile/{path}", "/tile/0/0.p/4", "", 404, CodeNotFound},
		{full, "GET", "/tile/{path}", "/tile/0//000.p/4", "", 404, CodeNotFound},
		{full, "GET", "/tile/{path}", "/tile/../ledger.db", "", 404, CodeNotFound},
		{full, "GET", "/tile/{path}", "/tile/0/%3000.p/4", "", 404, CodeNotFound},
		{full, "GET", "/tile/{path}", "/tile/0%2F000.p/4", "", 404, CodeNotFound},
		{full, "GET", "/tile/{path}", "/tile/" + strings.Repeat("x000/", 20) + "000", "", 404, CodeNotFound},
		{verifyOnly, "GET", "/tile/{path}", "/tile/0/000.p/4", "", 404, CodeNoLog},
		{broken, "GET", "/tile/{path}", "/tile/0/000.p/4", "", 500, CodeInternal},
		{full, "POST", "/v1/verify", "/v1/verify", object("bundle", x.bundle), 200, ""},
		{verifyOnly, "POST", "/v1/verify", "/v1/verify", object("bundle", x.bundle, "audience", `"bank-b"`), 200, ""},
		{full, "POST", "/v1/verify", "/v1/verify", "{}", 400, CodeMalformed},
		{full, "GET", "/healthz", "/healthz", "{}", 400, CodeMalformed},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			r := do(c.handler, request(c.method, c.path, c.body))
			conform(t, c.route, c.method, r)
			if r.StatusCode != c.status {
				t.Errorf("status %d, want %d", r.StatusCode, c.status)
			}
			if c.code != "" {
				if p := wantProblem(t, r, c.code); strings.Contains(p.Detail, "fire") {
					t.Error("the problem tells of the server's inside")
				}
			}
		})
	}
}

// brokenLog fails.
type brokenLog struct{ err error }

func (b brokenLog) Checkpoint() ([]byte, error) { return nil, b.err }
func (b brokenLog) Tile(string) ([]byte, error) { return nil, b.err }

func TestNothingElse(t *testing.T) {
	a := newAgency(t)
	h := newTestServer(t, Config{Trust: a.trust(), Log: a.store}, testLimits()).Handler()
	for _, path := range []string{
		"/v1", "/v1/", "/v1/verify/", "//v1/verify", "/V1/verify", "/checkpoint/", "/tile", "/tile/", "/favicon.ico",
		"/healthz/live", "/openapi.yaml", "/metrics", "/debug/pprof/", "/%68ealthz", "/ledger.db", "/v1/verif%79",
	} {
		wantProblem(t, do(h, request("GET", path, "")), CodeNotFound)
	}
}

func TestMethods(t *testing.T) {
	a := newAgency(t)
	h := newTestServer(t, Config{Trust: a.trust(), Log: a.store}, testLimits()).Handler()
	paths := map[string][]string{
		"/v1/verify": {"OPTIONS", "POST"},
		"/":          {"GET", "HEAD", "OPTIONS"}, "/checkpoint": {"GET", "HEAD", "OPTIONS"}, "/healthz": {"GET", "HEAD", "OPTIONS"},
		"/readyz": {"GET", "HEAD", "OPTIONS"}, "/openapi.json": {"GET", "HEAD", "OPTIONS"}, "/tile/0/000.p/3": {"GET", "HEAD", "OPTIONS"},
	}
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "BREW"}
	for path, allowed := range paths {
		for _, method := range methods {
			r := do(h, request(method, path, ""))
			if slices.Contains(allowed, method) {
				if r.StatusCode == http.StatusMethodNotAllowed || r.StatusCode == http.StatusNotFound {
					t.Errorf("%s %s: status %d", method, path, r.StatusCode)
				}
				continue
			}
			wantProblem(t, r, CodeMethodNotAllowed)
			got := strings.Split(r.Header.Get("Allow"), ", ")
			slices.Sort(got)
			if !slices.Equal(got, allowed) {
				t.Errorf("%s %s: Allow %v, want %v", method, path, got, allowed)
			}
		}
	}
}

func TestHead(t *testing.T) {
	a := newAgency(t)
	server := httptest.NewServer(newTestServer(t, Config{Trust: a.trust(), Log: a.store}, testLimits()).Handler())
	defer server.Close()
	for _, path := range []string{"/", "/checkpoint", "/tile/entries/000.p/3", "/openapi.json", "/nothing"} {
		get := must(http.Get(server.URL + path))(t)
		head := must(http.Head(server.URL + path))(t)
		body := text(t, get)
		if got := text(t, head); got != "" {
			t.Errorf("HEAD %s has a body", path)
		}
		if head.StatusCode != get.StatusCode || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") || head.Header.Get("ETag") != get.Header.Get("ETag") {
			t.Errorf("HEAD %s: %v, GET: %v", path, head.Header, get.Header)
		}
		if head.ContentLength >= 0 && head.ContentLength != int64(len(body)) {
			t.Errorf("HEAD %s: Content-Length %d, GET has %d bytes", path, head.ContentLength, len(body))
		}
	}
}

func TestConditional(t *testing.T) {
	a := newAgency(t)
	h := newTestServer(t, Config{Trust: a.trust(), Log: a.store}, testLimits()).Handler()
	for _, path := range []string{"/checkpoint", "/openapi.json"} {
		first := do(h, request("GET", path, ""))
		tag := first.Header.Get("ETag")
		if len(tag) < 10 || first.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: ETag %q, Cache-Control %q", path, tag, first.Header.Get("Cache-Control"))
		}
		for header, status := range map[string]int{
			tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, strings.Trim(tag, `"`): 200, "": 200,
		} {
			r := request("GET", path, "")
			r.Header.Set("If-None-Match", header)
			got := do(h, r)
			if got.StatusCode != status {
				t.Errorf("%s with If-None-Match %s: status %d, want %d", path, header, got.StatusCode, status)
			}
			conform(t, path, "GET", got)
			if body := text(t, got); status == 304 && (body != "" || got.Header.Get("ETag") != tag || got.Header.Get("Content-Type") != "") {
				t.Errorf("%s: 304 with %q, %v", path, body, got.Header)
			}
		}
	}
	before := do(h, request("GET", "/checkpoint", "")).Header.Get("ETag")
	a.answer(t) // the log grows
	if after := do(h, request("GET", "/checkpoint", "")).Header.Get("ETag"); after == before {
		t.Error("another checkpoint with the same ETag")
	}
}

func TestOpenAPIDocument(t *testing.T) {
	x := newWorld(t, service.Config{})
	served := text(t, x.call("", "GET", "/openapi.json", ""))
	if strings.Contains(served, "x-go-") {
		t.Error("it holds what only the generator reads")
	}
	var document struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(served), &document); err != nil || document.OpenAPI != "3.1.0" || len(document.Paths) < 40 {
		t.Errorf("%v, OpenAPI %q with %d paths", err, document.OpenAPI, len(document.Paths))
	}
	fresh := newTestServer(t, Config{Log: brokenLog{store.ErrNoCheckpoint}}, testLimits()).Handler()
	verifyOnly := newTestServer(t, Config{}, testLimits()).Handler()
	index, ofLog, ofVerifyOnly := text(t, x.call("", "GET", "/", "")), text(t, do(fresh, request("GET", "/", ""))), text(t, do(verifyOnly, request("GET", "/", "")))
	page := string(must(os.ReadFile("../docs/spec/http.md"))(t))
	for path, methods := range document.Paths {
		for method, operation := range methods {
			restricted := strings.Contains(string(operation), `"x-roles"`)
			isLog := path == "/checkpoint" || path == "/tile/{path}"
			line := "<tr><td>" + strings.ToUpper(method) + "<td><code>" + path + "</code>"
			if !strings.Contains(index, line) || strings.Contains(ofLog, line) == restricted || strings.Contains(ofVerifyOnly, line) == (restricted || isLog) {
				t.Errorf("an index page is wrong about %s %s", method, path)
			}
			if row := "| `" + strings.ToUpper(method) + " " + path + "` |"; restricted && !strings.Contains(page, row) {
				t.Errorf("docs/spec/http.md does not have the row %s", row)
			}
		}
	}
	if strings.Contains(ofVerifyOnly, "publishes the log") {
		t.Error("a server without a log says that it publishes one")
	}
}

// TestCodesAreDocumented: docs/spec/http.md has a row for each code with its status,
// in the list's order, and no other.
func TestCodesAreDocumented(t *testing.T) {
	page := must(os.ReadFile("../docs/spec/http.md"))(t)
	_, table, ok := bytes.Cut(page, []byte("| code | status |"))
	if !ok {
		t.Fatal("no table of codes")
	}
	table, _, _ = bytes.Cut(table, []byte("\n\n"))
	var rows []string
	for row := range strings.SplitSeq(string(table), "\n| `") {
		cells := strings.Split(row, "|")
		if len(cells) > 2 && strings.HasSuffix(strings.TrimSpace(cells[0]), "`") {
			rows = append(rows, strings.TrimSpace(strings.TrimRight(strings.TrimSpace(cells[0]), "`"))+strings.TrimRight(cells[1], " "))
		}
	}
	var want []string
	for _, k := range kinds() {
		want = append(want, string(k.code)+" "+strconv.Itoa(k.status))
	}
	if !slices.Equal(rows, want) {
		t.Errorf("documented %q\nwant       %q", rows, want)
	}
}
