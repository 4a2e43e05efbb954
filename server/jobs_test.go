package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// events reads a stream of events to its end, or up to some.
func (x *world) events(url, who, job string, after uint64, most int) (events []api.JobEvent, comments int) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute)
	defer cancel()
	r := must(http.NewRequestWithContext(ctx, "GET", url+"/v1/jobs/"+job+"/events", nil))(x.t)
	r.Header.Set("Authorization", "Bearer "+x.tokens[who])
	if after > 0 {
		r.Header.Set("Last-Event-ID", strconv.FormatUint(after, 10))
	}
	response := must(http.DefaultClient.Do(r))(x.t)
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		x.t.Fatal(response.Status, response.Header)
	}
	var id, name string
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() && (most == 0 || len(events) < most) {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			var e api.JobEvent
			if err := json.Unmarshal([]byte(value), &e); err != nil || fmt.Sprint(e.Number) != id || e.Type != name {
				x.t.Fatalf("%v: %s, id %s, event %s", err, value, id, name)
			}
			events = append(events, e)
		case "":
			if value != "" {
				comments++
			}
		default:
			x.t.Fatalf("a line %q", lines.Text())
		}
	}
	return events, comments
}

func types(events []api.JobEvent) string {
	names := []string{}
	for _, e := range events {
		names = append(names, fmt.Sprintf("%d %s", e.Number, e.Type))
	}
	return strings.Join(names, ", ")
}

// A client sees what happens as it happens, goes on where it was cut off, and has a sign
// of life meanwhile.
func TestJobEvents(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll})
	x.server.limits.heartbeat = 20 * time.Millisecond
	url := x.listen().URL
	r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
	if first, _ := x.events(url, "bank-a", r.Job, 0, 1); types(first) != "1 queued" {
		t.Errorf("%s", types(first))
	}
	type seen struct {
		events   []api.JobEvent
		comments int
	}
	streaming := make(chan seen)
	go func() {
		events, comments := x.events(url, "bank-a", r.Job, 0, 0)
		streaming <- seen{events, comments}
	}()
	time.Sleep(60 * time.Millisecond) // for some heartbeats, of which the test wants one
	x.start()
	whole := <-streaming
	if types(whole.events) != "1 queued, 2 running, 3 saved, 4 done" || whole.comments == 0 {
		t.Errorf("%s, %d comments", types(whole.events), whole.comments)
	}
	for after, wanted := range map[uint64]string{2: "3 saved, 4 done", 4: "", 99: ""} {
		if rest, _ := x.events(url, "agency", r.Job, after, 0); types(rest) != wanted {
			t.Errorf("after %d: %s", after, types(rest))
		}
	}
	x.restart()
	if again, _ := x.events(x.listen().URL, "bank-a", r.Job, 1, 0); types(again) != "2 running, 3 saved, 4 done" {
		t.Errorf("after a restart: %s", types(again))
	}
	wantProblem(t, x.call("bank-a", "GET", "/v1/jobs/"+r.Job+"/events", "", "Last-Event-ID", "x"), CodeMalformed)
}

// A stream ends where the server stops, and so does a request that waits.
func TestWaitingEndsWithTheServer(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll})
	r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
	done := make(chan int, 2)
	go func() { done <- x.call("bank-a", "GET", "/v1/jobs/"+r.Job+"/events", "").StatusCode }()
	go func() { done <- x.call("bank-a", "GET", "/v1/requests/"+r.Id, "", "Prefer", "wait=60").StatusCode }()
	for {
		x.server.waiting.mu.Lock()
		n := x.server.waiting.now
		x.server.waiting.mu.Unlock()
		if n == 2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	close(x.server.stopping)
	if a, b := <-done, <-done; a != 200 || b != 200 {
		t.Error(a, b)
	}
	if len(x.server.waiting.by) != 0 || x.server.waiting.now != 0 {
		t.Errorf("%+v", x.server.waiting.by)
	}
}

// Only so many requests wait, in all and of one organisation.
func TestWaitingIsBounded(t *testing.T) {
	w := waiting{all: 3, each: 2, by: map[string]int{}}
	var ends []func()
	for _, who := range []string{"a", "a"} {
		end, err := w.begin(who)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	if _, err := w.begin("a"); err.(*problem).code != CodeTooManyWaiting || err.(*problem).retry == 0 {
		t.Error(err)
	}
	end, err := w.begin("b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.begin("b"); err.(*problem).code != CodeBusy {
		t.Error(err)
	}
	for _, end := range append(ends, end) {
		end()
	}
	if w.now != 0 || len(w.by) != 0 {
		t.Errorf("%+v", w.by)
	}
}

func TestPreferredWait(t *testing.T) {
	s := &Server{limits: limits{wait: time.Minute}}
	for prefer, wanted := range map[string]time.Duration{
		"": 0, "wait=5": 5 * time.Second, "WAIT = 7": 7 * time.Second, `wait="8"`: 8 * time.Second, "wait=61": time.Minute,
		"wait=99999999999999999999": 0, "wait=-1": 0, "wait": 0, "respond-async, wait=10": 10 * time.Second,
		"wait=3;x=y, wait=4": 3 * time.Second, "waits=3": 0, "wait=1.5": 0,
	} {
		if got := s.preferredWait(prefer); got != wanted {
			t.Errorf("%q: %s, want %s", prefer, got, wanted)
		}
	}
}

// A cancelled job leaves its request to be answered another time, and a withdrawn
// request is not answered.
func TestCancelAndWithdraw(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll})
	r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
	if j := want[api.Job](x, 200, "bank-a", "GET", "/v1/jobs/"+r.Job, ""); j.State != "queued" || j.Position != 1 {
		t.Errorf("%+v", j)
	}
	want[any](x, 204, "agency", "DELETE", "/v1/jobs/"+r.Job, "")
	wantProblem(t, x.call("agency", "DELETE", "/v1/jobs/"+r.Job, ""), CodeWrongState)
	if got := want[api.Request](x, 200, "bank-a", "GET", "/v1/requests/"+r.Id, ""); got.State != "asked" {
		t.Errorf("%+v", got)
	}
	again := want[api.Job](x, 202, "agency", "POST", "/v1/proofs", object("request", `"`+r.Id+`"`))
	if again.Id == r.Job {
		t.Error("the cancelled job again")
	}
	want[any](x, 204, "bank-a", "DELETE", "/v1/requests/"+r.Id, "")
	want[any](x, 204, "bank-a", "DELETE", "/v1/requests/"+r.Id, "")
	if got := want[api.Request](x, 200, "bank-a", "GET", "/v1/requests/"+r.Id, ""); got.State != "withdrawn" {
		t.Errorf("%+v", got)
	}
	wantProblem(t, x.call("bank-a", "GET", "/v1/requests/"+r.Id+"/document", ""), CodeGone)
	x.start()
	// A request that comes later is answered: the withdrawn one was passed over by then.
	x.answeredRequest("bank-b", "registry: titles\naudience: bank-b\n")
	if page := want[api.ProofPage](x, 200, "agency", "GET", "/v1/proofs", ""); len(page.Items) != 1 {
		t.Errorf("%d proofs", len(page.Items))
	}
}
