package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/attestry/attestry/client"
	"github.com/attestry/attestry/client/api"
	spec "github.com/attestry/attestry/server/api"
)

const (
	testKey = "attestry_k1_canary"
	anID    = "00112233445566778899aabbccddeeff"
)

// seen is a request that a played server got.
type seen struct {
	method, path, authorization, key, prefer, lastEvent, body string
	at                                                        time.Time
}

// played is a server that is played: the answers are given in turn, the last one for ever.
type played struct {
	mu      sync.Mutex
	answers []answer
	seen    []seen
}

// answer is a played server's; with an error there is none.
type answer struct {
	status  int
	body    string
	headers map[string]string
	err     error
}

// RoundTrip implements http.RoundTripper.
func (p *played) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := seen{
		method: r.Method, path: r.URL.Path, authorization: r.Header.Get("Authorization"), key: r.Header.Get("Idempotency-Key"),
		prefer: r.Header.Get("Prefer"), lastEvent: r.Header.Get("Last-Event-ID"), at: time.Now(),
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.body = string(body)
	}
	p.seen = append(p.seen, s)
	a := p.answers[min(len(p.seen), len(p.answers))-1]
	if a.err != nil {
		return nil, a.err
	}
	response := &http.Response{
		StatusCode: a.status, Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}
	response.Header.Set("Content-Type", "application/json")
	for name, value := range a.headers {
		response.Header.Set(name, value)
	}
	return response, nil
}

func problem(status int, code string, headers ...string) answer {
	a := answer{status: status, headers: map[string]string{"Content-Type": "application/problem+json; charset=utf-8"}}
	a.body = fmt.Sprintf(`{"type":"urn:attestry:problem:%s","title":"T","status":%d,"code":%q,"detail":"D","instance":"urn:attestry:request:r"}`, code, status, code)
	for i := 0; i < len(headers); i += 2 {
		a.headers[headers[i]] = headers[i+1]
	}
	return a
}

// play gives a client of a played server.
func play(t *testing.T, answers ...answer) (*client.Client, *played) {
	t.Helper()
	p := &played{answers: answers}
	c, err := client.New("https://registry.example.org", client.Options{Key: testKey, HTTP: &http.Client{Transport: p}})
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

var (
	errReset  = errors.New("connection reset by peer")
	requestAs = func(state string) answer {
		return answer{status: 200, body: `{"id":"` + anID + `","organisation":"bank-a","state":"` + state + `","facts":[],"created":"2026-01-01T00:00:00Z","updated":"2026-01-01T00:00:00Z"}`}
	}
	jobAs = func(state string) answer {
		return answer{status: 202, body: `{"id":"` + anID + `","kind":"answer","organisation":"bank-a","state":"` + state + `","attempt":1,"enqueued":"2026-01-01T00:00:00Z"}`}
	}
	key201 = answer{status: 201, body: `{"key":{"id":"k2","organisation":"bank-a","kind":"secret","state":"valid","created":"2026-01-01T00:00:00Z"},"secret":"s"}`}
)

// What is safe to repeat is repeated, under the same idempotency key and with the same
// body; what is not is sent once.
func TestRepeats(t *testing.T) {
	answerIt := func(ctx context.Context, c *client.Client) error { _, err := c.Answer(ctx, anID); return err }
	read := func(ctx context.Context, c *client.Client) error { _, err := c.Request(ctx, anID); return err }
	newKey := func(ctx context.Context, c *client.Client) error {
		_, err := c.API.CreateKeyWithResponse(ctx, "bank-a", api.NewKey{})
		return err
	}
	stream := func(ctx context.Context, c *client.Client) error {
		body := struct{ io.Reader }{strings.NewReader("parcel\n1\n")} // can be read once
		_, err := c.API.ImportRecordsWithBodyWithResponse(ctx, "titles", &api.ImportRecordsParams{}, "text/csv", body)
		return err
	}
	busy := problem(503, "busy", "Retry-After", "7")
	for name, c := range map[string]struct {
		do       func(context.Context, *client.Client) error
		answers  []answer
		attempts int
		code     string // of the error in the end; "-": one without
		least    time.Duration
	}{
		"a POST whose answer was lost":        {answerIt, []answer{{err: errReset}, jobAs("queued")}, 2, "", 0},
		"a POST that meets its own first try": {answerIt, []answer{{err: errReset}, problem(409, "idempotency_in_progress", "Retry-After", "1"), jobAs("queued")}, 3, "", time.Second},
		"a busy server":                       {answerIt, []answer{busy, busy, jobAs("queued")}, 3, "", 14 * time.Second},
		"a server that stays busy":            {answerIt, []answer{busy}, client.DefaultAttempts, "busy", 21 * time.Second},
		"a server that is away":               {read, []answer{{err: errReset}}, client.DefaultAttempts, "-", 0},
		"a proxy without its server":          {read, []answer{{status: 502, body: "<html>"}, requestAs("asked")}, 2, "", 0},
		"come again tomorrow":                 {read, []answer{problem(429, "too_many_jobs", "Retry-After", "86400")}, 1, "too_many_jobs", 0},
		"a conflict that does not pass":       {answerIt, []answer{problem(409, "wrong_state")}, 1, "wrong_state", 0},
		"no":                                  {read, []answer{problem(404, "not_found")}, 1, "not_found", 0},
		"the server's own fault":              {answerIt, []answer{problem(500, "internal")}, 1, "internal", 0},
		"a secret whose answer was lost":      {newKey, []answer{{err: errReset}, key201}, 1, "-", 0},
		"a stream":                            {stream, []answer{{err: errReset}, jobAs("queued")}, 1, "-", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, p := play(t, c.answers...)
				begin := time.Now()
				err := c.do(t.Context(), server)
				if got := client.CodeOf(err); (err == nil) != (c.code == "") || c.code != "-" && got != c.code {
					t.Errorf("%v", err)
				}
				if len(p.seen) != c.attempts || time.Since(begin) < c.least {
					t.Errorf("%d attempts in %v, want %d in %v at least", len(p.seen), time.Since(begin), c.attempts, c.least)
				}
				for _, s := range p.seen {
					if s.key != p.seen[0].key || s.body != p.seen[0].body || s.authorization != "Bearer "+testKey {
						t.Errorf("%+v and %+v", s, p.seen[0])
					}
				}
			})
		})
	}
}

// Which POST gets an idempotency key is what the server's document says.
func TestKeysAsDocumented(t *testing.T) {
	doc, err := spec.Document()
	if err != nil {
		t.Fatal(err)
	}
	posts := 0
	for path, item := range doc.Paths.Map() {
		if item.Post == nil {
			continue
		}
		posts++
		documented := false
		for _, p := range item.Post.Parameters {
			documented = documented || p.Value.Name == "Idempotency-Key"
		}
		server, p := play(t, answer{status: 204})
		r, err := http.NewRequest(http.MethodPost, "https://registry.example.org"+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.API.ClientInterface.(*api.Client).Client.Do(r); err != nil {
			t.Fatal(err)
		}
		if got := p.seen[0].key != ""; got != documented {
			t.Errorf("POST %s: a key is sent: %v, is documented: %v", path, got, documented)
		}
	}
	if posts < 10 {
		t.Errorf("%d operations are POST", posts)
	}
}

// Two tries of two processes are one request; another request or other facts are not.
func TestAskingIsOnce(t *testing.T) {
	r, other := aRequest(t, "anna"), aRequest(t, "bert")
	var keys []string
	for _, ask := range []func(*client.Client) error{
		func(c *client.Client) error { _, err := c.Ask(t.Context(), r); return err },
		func(c *client.Client) error { _, err := c.Ask(t.Context(), r); return err },
		func(c *client.Client) error { _, err := c.Ask(t.Context(), r, "title"); return err },
		func(c *client.Client) error { _, err := c.Ask(t.Context(), other); return err },
	} {
		created := requestAs("asked")
		created.status = 201
		c, p := play(t, created)
		if err := ask(c); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, p.seen[0].key)
	}
	if keys[0] != keys[1] || keys[0] == keys[2] || keys[0] == keys[3] || keys[2] == keys[3] {
		t.Error(keys)
	}
}

// A redirection gets neither the key nor the question.
func TestRedirectionIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308} {
		c, p := play(t, answer{status: status, headers: map[string]string{"Location": "https://evil.example.org/"}})
		_, err := c.Ask(t.Context(), aRequest(t, "anna"))
		var problem *client.Problem
		if !errors.As(err, &problem) || problem.Status != status || len(p.seen) != 1 {
			t.Errorf("%d: %v after %d requests", status, err, len(p.seen))
		}
	}
}

func TestNew(t *testing.T) {
	for server, want := range map[string]error{
		"https://registry.example.org":       nil,
		"https://registry.example.org:8443/": nil,
		"http://127.0.0.1:8080":              nil,
		"http://[::1]:8080":                  nil,
		"http://localhost:8080":              nil,
		"http://registry.example.org":        client.ErrPlaintext,
		"http://127.0.0.1.example.org":       client.ErrPlaintext,
		"http://10.0.0.1":                    client.ErrPlaintext,
		"registry.example.org":               client.ErrServer,
		"ftp://registry.example.org":         client.ErrServer,
		"https://":                           client.ErrServer,
		"https://user:word@example.org":      client.ErrServer,
		"https://example.org/?a=b":           client.ErrServer,
		"https://example.org/#a":             client.ErrServer,
		"https://exa mple.org":               client.ErrServer,
	} {
		if _, err := client.New(server, client.Options{Key: testKey}); !errors.Is(err, want) || err != nil && strings.Contains(err.Error(), "word") {
			t.Errorf("%s: %v, want %v", server, err, want)
		}
	}
	if _, err := client.New("http://registry.example.org", client.Options{}); err != nil {
		t.Errorf("without a key: %v", err)
	}
	if _, err := client.New("http://registry.example.org", client.Options{Key: testKey, AllowPlaintext: true}); err != nil {
		t.Error(err)
	}
}

// No verb shows the key.
func TestKeyIsNotShown(t *testing.T) {
	c, _ := play(t, requestAs("asked"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		text := fmt.Sprintf(verb, c) + fmt.Sprintf(verb, c.API.ClientInterface) + fmt.Sprintf(verb, c.API.ClientInterface.(*api.Client).Client)
		if strings.Contains(text, testKey) {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}

// Whatever is no success is a problem, as good as it can be read.
func TestProblems(t *testing.T) {
	long := problem(400, "malformed")
	long.body = `{"code":"malformed","title":"` + strings.Repeat("x", 1<<20) + `"}`
	for name, c := range map[string]struct {
		answer answer
		want   client.Problem
	}{
		"a problem":    {problem(422, "wrong_audience"), client.Problem{Status: 422, Code: "wrong_audience", Title: "T", Detail: "D", Instance: "urn:attestry:request:r"}},
		"its time":     {problem(429, "too_many_jobs", "Retry-After", "3600"), client.Problem{Status: 429, Code: "too_many_jobs", Title: "T", Detail: "D", Instance: "urn:attestry:request:r", RetryAfter: time.Hour}},
		"no code":      {answer{status: 403, body: `{"title":"x"}`, headers: map[string]string{"Content-Type": "application/problem+json"}}, client.Problem{Status: 403, Title: "403 Forbidden"}},
		"no problem":   {answer{status: 403, body: "<html>"}, client.Problem{Status: 403, Title: "403 Forbidden"}},
		"an early one": {answer{status: 103}, client.Problem{Status: 103, Title: "103 Early Hints"}},
		"a long one":   {long, client.Problem{Status: 400, Title: "400 Bad Request"}},
		"a bad time":   {problem(429, "busy", "Retry-After", "-1"), client.Problem{Status: 429, Code: "busy", Title: "T", Detail: "D", Instance: "urn:attestry:request:r"}},
	} {
		server, _ := play(t, c.answer)
		_, err := server.Request(t.Context(), anID)
		var got *client.Problem
		if !errors.As(err, &got) || *got != c.want {
			t.Errorf("%s: %#v (%v)", name, got, err)
		}
	}
	server, _ := play(t, answer{status: 200, body: "<html>", headers: map[string]string{"Content-Type": "text/html"}})
	if _, err := server.Request(t.Context(), anID); err == nil || client.CodeOf(err) != "" {
		t.Errorf("a success that is none: %v", err)
	}
}
