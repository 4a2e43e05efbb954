package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/attestry/attestry/server/metrics"
)

func TestMetrics(t *testing.T) {
	a := newAgency(t)
	x := a.answer(t)
	m := metrics.New()
	logged := &logLines{}
	h := newTestServer(t, Config{Trust: a.trust(), Log: a.store, Metrics: m, Logger: logged.logger()}, testLimits()).Handler()
	everything := object("bundle", x.bundle, "request", x.request, "openings", x.openings, "audience", `"bank-a"`)
	do(h, request("POST", "/v1/verify", everything))
	do(h, request("POST", "/v1/verify", object("bundle", x.bundle, "audience", `"bank-b"`)))
	do(h, request("POST", "/v1/verify", object("bundle", x.bundle, "request", x.request)))
	do(h, request("POST", "/v1/verify", "no JSON"))
	do(h, request("POST", "/v1/verify/batch", batchOf(everything, everything)))
	do(h, request("GET", "/tile/0/000.p/4", ""))
	for i := range 50 { // which anybody can make up
		do(h, request("GET", fmt.Sprintf("/tile/0/%03d", i), ""))
		do(h, request("GET", fmt.Sprintf("/%s-%d", askedSubject, i), ""))
		do(h, request(fmt.Sprintf("METHOD%d", i), "/v1/verify", ""))
	}
	private := NewPrivate(m, false)
	got := text(t, do(private, request("GET", "/metrics", "")))
	for _, line := range []string{
		`attestry_http_requests_total{method="POST",route="/v1/verify",status="200"} 2`,
		`attestry_http_requests_total{method="POST",route="/v1/verify",status="400"} 2`,
		`attestry_http_requests_total{method="POST",route="/v1/verify/batch",status="200"} 1`,
		`attestry_http_requests_total{method="GET",route="none",status="404"} 50`,
		`attestry_http_requests_total{method="other",route="/v1/verify",status="405"} 50`,
		`attestry_http_problems_total{code="malformed"} 1`,
		`attestry_http_problems_total{code="cannot_check"} 1`,
		`attestry_verifications_total{verdict="yes"} 3`,
		`attestry_verifications_total{verdict="no"} 1`,
		`attestry_verifications_total{verdict="error"} 1`,
	} {
		if !strings.Contains(got, "\n"+line) {
			t.Errorf("no line %s", line)
		}
	}
	if n := strings.Count(got, "\nattestry_http_requests_total{"); n > 10 {
		t.Errorf("%d kinds of requests", n)
	}
	for _, private := range []string{askedSubject, revealedValue, "bank-a", "METHOD", x.bundle[20:60]} {
		if strings.Contains(got, private) || strings.Contains(logged.String(), private) {
			t.Errorf("metrics or log hold %q", private)
		}
	}
}

// TestPrivate: what is private is on the private listener alone, and profiles only where
// they are wanted.
func TestPrivate(t *testing.T) {
	m := metrics.New()
	public := newTestServer(t, Config{Metrics: m}, testLimits()).Handler()
	for path, want := range map[string]struct{ plain, profiles int }{
		"/metrics": {200, 200}, "/debug/pprof/": {404, 200}, "/debug/pprof/cmdline": {404, 200}, "/debug/pprof/heap": {404, 200},
		"/healthz": {404, 404}, "/v1/verify": {404, 404}, "/debug/vars": {404, 404},
	} {
		if got := do(NewPrivate(m, false), request("GET", path, "")).StatusCode; got != want.plain {
			t.Errorf("%s without profiles: %d", path, got)
		}
		if got := do(NewPrivate(m, true), request("GET", path, "")).StatusCode; got != want.profiles {
			t.Errorf("%s with profiles: %d", path, got)
		}
		if path != "/healthz" && path != "/v1/verify" {
			wantProblem(t, do(public, request("GET", path, "")), CodeNotFound)
		}
	}
}

func TestServePrivate(t *testing.T) {
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	log := &logLines{}
	go func() { done <- ServePrivate(ctx, l, NewPrivate(metrics.New(), true), log.logger()) }()
	response := must(http.Get("http://" + l.Addr().String() + "/metrics"))(t)
	if body := text(t, response); response.StatusCode != http.StatusOK || !strings.Contains(body, "go_goroutines") {
		t.Errorf("%s: %.100s", response.Status, body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := ServePrivate(t.Context(), l, httptest.NewServer(nil).Config.Handler, log.logger()); err == nil {
		t.Error("a closed listener is no error")
	}
}
