package server

import (
	"net/http"
	"testing"
	"time"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// A server that stops takes no job any more, gives what it has given before, and answers
// everything else until its listener closes.
func TestDrainTakesNoJobs(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll})
	x.server.config.DrainDelay = time.Hour // until the test ends
	r := serve(t, x.server)
	orders := []struct {
		who, path, body, key string
	}{
		{"bank-a", "/v1/requests", ask(t, annasValue).text, "key-request"},
		{"agency", "/v1/proofs", `{"request": ` + ask(t, annasValue).text + `}`, "key-proof"},
		{"agency", "/v1/registries/titles/epochs", "", "key-epoch"},
	}
	send := func(i int, key string) *http.Response {
		return x.call(orders[i].who, "POST", orders[i].path, orders[i].body, "Idempotency-Key", key)
	}
	first := map[int]string{}
	for i, order := range orders {
		response := send(i, order.key)
		if response.StatusCode/100 != 2 {
			t.Fatalf("%s: %s: %s", order.path, response.Status, text(t, response))
		}
		first[i] = text(t, response)
	}
	before := x.queue.Stats()

	r.stop()
	waitFor(t, "readyz to say no", func() bool {
		return do(x.server.Handler(), request("GET", "/readyz", "")).StatusCode == http.StatusServiceUnavailable
	})
	for i, order := range orders {
		response := send(i, "another-key")
		if response.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", order.path)
		}
		if p := wantProblem(t, response, CodeNotReady); p.Detail != "the server is stopping, and takes no jobs" {
			t.Errorf("%s: %q", order.path, p.Detail)
		}
		if again := send(i, order.key); again.StatusCode/100 != 2 || text(t, again) != first[i] {
			t.Errorf("%s: the answer that was kept: %s", order.path, again.Status)
		}
	}
	for kind, stats := range x.queue.Stats() {
		if stats != before[kind] {
			t.Errorf("%s: %+v, before the stop %+v", kind, stats, before[kind])
		}
	}
	if jobs := want[api.JobPage](x, 200, "agency", "GET", "/v1/jobs", ""); len(jobs.Items) != 3 {
		t.Errorf("%d jobs", len(jobs.Items))
	}
	wantProblem(t, do(x.server.Handler(), request("POST", "/v1/verify", `{"bundle": {}}`)), CodeMalformed)
}
