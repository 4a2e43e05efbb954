package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
)

var soakRequests = flag.Int("soak-requests", 160, "how many requests TestServeSoak makes")

const (
	soakConnections = 64
	// soakAsked is how many of the calls ask for a proof, one in so many.
	soakAsked = 20
)

// soaked is an answer that a soak has got.
type soaked struct{ request, job, proof, bundle string }

// soak is 64 clients of a bank's, who do at random what a bank does in a day.
type soak struct {
	*testing.T
	life
	token     string
	client    http.Client
	documents []string
	asked     atomic.Int64
	done      atomic.Int64

	mu      sync.Mutex
	ids     []string
	answers []soaked
	took    map[string][]time.Duration
	status  map[string]map[int]int
}

// call makes a call and holds its status to those that may be; 429 and 503 may always be,
// and say when to come again.
func (s *soak) call(name, method, path, body string, header map[string]string, statuses ...int) (int, string) {
	r, err := http.NewRequestWithContext(s.Context(), method, s.address+path, strings.NewReader(body))
	if err != nil {
		s.Error(err)
		return 0, ""
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	start := time.Now()
	response, err := s.client.Do(r)
	if err != nil {
		s.Errorf("%s: %v", name, err)
		return 0, ""
	}
	answer, err := io.ReadAll(response.Body)
	took := time.Since(start)
	_ = response.Body.Close()
	busy := response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable
	if err != nil || busy && response.Header.Get("Retry-After") == "" || !busy && !slices.Contains(statuses, response.StatusCode) {
		s.Errorf("%s: %d %.300s, %v", name, response.StatusCode, answer, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took[name] = append(s.took[name], took)
	if s.status[name] == nil {
		s.status[name] = map[int]int{}
	}
	s.status[name][response.StatusCode]++
	return response.StatusCode, string(answer)
}

// id gives the id of a request that was taken, or one that there is not.
func (s *soak) id() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ids) == 0 {
		return strings.Repeat("0", 32)
	}
	return s.ids[rand.IntN(len(s.ids))]
}

// answer gives an answer, if there is one.
func (s *soak) answer() (soaked, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) == 0 {
		return soaked{}, false
	}
	return s.answers[rand.IntN(len(s.answers))], true
}

// ask sends a request of its own, twice now and then, and waits for some answers.
func (s *soak) ask() {
	n := int(s.asked.Add(1)) - 1
	if n >= len(s.documents) {
		s.call("list requests", "GET", "/v1/requests?limit=50", "", nil, 200)
		return
	}
	key := map[string]string{"Idempotency-Key": fmt.Sprint("soak-", n)}
	status, answer := s.call("ask", "POST", "/v1/requests", s.documents[n], key, 201)
	var r api.Request
	if status != http.StatusCreated || json.Unmarshal([]byte(answer), &r) != nil {
		return
	}
	s.mu.Lock()
	s.ids = append(s.ids, r.Id)
	s.mu.Unlock()
	if n%4 == 0 {
		if status, again := s.call("ask again", "POST", "/v1/requests", s.documents[n], key, 201); status == 201 && !strings.Contains(again, r.Id) {
			s.Errorf("asked again: %s", again)
		}
	}
	if n%4 == 1 {
		s.fetch(r.Id)
	}
}

// fetch waits for an answer and fetches it.
func (s *soak) fetch(id string) {
	_, answer := s.call("wait", "GET", "/v1/requests/"+id, "", map[string]string{"Prefer": "wait=10"}, 200)
	var r api.Request
	if json.Unmarshal([]byte(answer), &r) != nil || r.State != "answered" {
		return
	}
	status, bundle := s.call("bundle", "GET", "/v1/proofs/"+r.Proof+"/bundle", "", nil, 200)
	s.call("openings", "GET", "/v1/proofs/"+r.Proof+"/openings", "", nil, 200, 410)
	if status == http.StatusOK {
		s.mu.Lock()
		s.answers = append(s.answers, soaked{id, r.Job, r.Proof, bundle})
		s.mu.Unlock()
	}
}

// act does one thing that a bank does.
func (s *soak) act() {
	if rand.IntN(soakAsked) == 0 {
		s.ask()
		return
	}
	a, ok := s.answer()
	if !ok {
		s.call("request", "GET", "/v1/requests/"+s.id(), "", nil, 200, 404)
		return
	}
	switch rand.IntN(12) {
	case 0:
		s.call("request", "GET", "/v1/requests/"+s.id(), "", nil, 200)
	case 1:
		s.call("bundle", "GET", "/v1/proofs/"+a.proof+"/bundle", "", nil, 200)
	case 2:
		s.call("openings", "GET", "/v1/proofs/"+a.proof+"/openings", "", nil, 200, 410)
	case 3, 4, 5:
		if status, verdict := s.call("verify", "POST", "/v1/verify", `{"bundle":`+a.bundle+`}`, nil, 200); status == 200 && !strings.Contains(verdict, `"ok":true`) {
			s.Errorf("the verdict is %s", verdict)
		}
	case 6:
		s.call("events", "GET", "/v1/jobs/"+a.job+"/events", "", nil, 200)
	case 7:
		path := []string{"requests?limit=20", "proofs?limit=20", "jobs", "ledger/entries?limit=20", "registries", "registries/titles/epochs", "pledges"}[rand.IntN(7)]
		s.call("lists", "GET", "/v1/"+path, "", nil, 200)
	case 8:
		s.call("checkpoint", "GET", "/checkpoint", "", nil, 200)
	case 9:
		s.call("overview", "GET", "/v1/overview", "", nil, 200)
	case 10:
		s.call("bad body", "POST", "/v1/verify", `{"bundle":{"format":`, nil, 400)
	case 11:
		s.call("acknowledge", "DELETE", "/v1/proofs/"+a.proof+"/openings", "", nil, 204, 410)
	}
}

// run has so many calls made.
func (s *soak) run(calls int) {
	end := s.done.Load() + int64(calls)
	var all sync.WaitGroup
	for range soakConnections {
		all.Go(func() {
			for s.done.Add(1) <= end && !s.Failed() {
				s.act()
			}
		})
	}
	all.Wait()
	s.done.Store(end)
}

// goroutines gives how many the server has, and the bytes of its heap, when it is idle.
func goroutines(t *testing.T, private string) (n int, heap float64) {
	t.Helper()
	response, err := http.Get(private + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		number, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "go_goroutines":
			n = int(number)
		case "go_memstats_heap_inuse_bytes":
			heap = number / (1 << 20)
		}
	}
	return n, heap
}

// anonymous gives a process's memory that no file stands behind, in MiB.
func (l life) anonymous(t *testing.T) float64 {
	t.Helper()
	found := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(read(t, fmt.Sprintf("/proc/%d/status", l.command.Process.Pid)))
	if found == nil {
		t.Skip("this system does not say what is anonymous memory")
	}
	kib, _ := strconv.ParseFloat(string(found[1]), 64)
	return kib / 1024
}

// TestServeSoak has 64 connections make a bank's calls of every kind, good ones and bad ones,
// for as long as it is told. The server's memory and goroutines do not grow with their number.
// With -v it says how long each kind took.
func TestServeSoak(t *testing.T) {
	dir := newWorkspace(t)
	must(t, dir, "registry", "create", file(t, "schema.yaml", canarySchema))
	must(t, dir, "registry", "import", "titles", file(t, "records.csv", canaryRecords))
	must(t, dir, "registry", "commit", "titles")
	s := &soak{T: t, took: map[string][]time.Duration{}, status: map[string]map[int]int{}}
	s.token = newKey(t, dir, access.Organisation{ID: "bank-a", Role: access.RoleBank, Audience: "audience-kanari-d44"})
	question := file(t, "question.yaml", canaryQuestion)
	s.documents = make([]string, *soakRequests/soakAsked)
	for i := range s.documents {
		s.documents[i] = must(t, dir, "request", "new", question, "--seal-to", "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq").out
	}
	s.life = newLife(t, dir, file(t, "attestry.yaml", "answer: {automatic: all}\nbudget: {questions: 0}\nprivate: {listen: \"127.0.0.1:0\"}\n"))
	transport := &http.Transport{MaxConnsPerHost: soakConnections, MaxIdleConnsPerHost: soakConnections}
	s.client.Transport = transport
	s.ask()
	s.fetch(s.id())
	transport.CloseIdleConnections()
	before, _ := goroutines(t, s.private)
	var memory []float64
	for range 5 {
		s.run(*soakRequests / 5)
		memory = append(memory, s.anonymous(t))
	}
	transport.CloseIdleConnections()
	after := before + 1
	var heap float64
	await(t, "goroutines that end", func() bool {
		after, heap = goroutines(t, s.private)
		return after <= before+2 // timers of the runtime and of bbolt come and go
	})
	t.Logf("goroutines: %d before, %d after; anonymous memory after each fifth, MiB: %.0f; heap in use at the end %.0f MiB", before, after, memory, heap)
	if grown := memory[4] - memory[0]; grown > 64 {
		t.Errorf("the memory has grown by %.0f MiB", grown)
	}
	t.Log(s.table())
	s.kill()
	_ = s.command.Wait()
}

// table lists how long each kind of call took, and how it was answered.
func (s *soak) table() string {
	var out bytes.Buffer
	total := 0
	for _, name := range slices.Sorted(maps.Keys(s.took)) {
		took := s.took[name]
		slices.Sort(took)
		total += len(took)
		at := func(percent int) time.Duration { return took[(len(took)-1)*percent/100].Round(100 * time.Microsecond) }
		fmt.Fprintf(&out, "\n%-14s %6d calls, p50 %8s, p99 %8s, by status %v", name, len(took), at(50), at(99), s.status[name])
	}
	return fmt.Sprintf("%d calls over %d connections%s", total, soakConnections, out.String())
}
