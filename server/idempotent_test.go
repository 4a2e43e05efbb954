package server

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// sameAnswer holds a second answer to the first.
func sameAnswer(t *testing.T, what string, first, second *http.Response) {
	t.Helper()
	a, b := text(t, first), text(t, second)
	if first.StatusCode != second.StatusCode || a != b || first.Header.Get("Location") != second.Header.Get("Location") ||
		first.Header.Get("Content-Type") != second.Header.Get("Content-Type") {
		t.Errorf("%s: %d, %v: %s\nthe first time: %d, %v: %s", what, second.StatusCode, second.Header, b, first.StatusCode, first.Header, a)
	}
}

func TestIdempotencyKeys(t *testing.T) {
	x := newWorld(t, service.Config{})
	d := ask(t, annasValue)
	const key = "1c1d2b0e-7f5a-4f6e-9d0b-3a0c6b1f9a11"
	send := func(who, path, body string) *http.Response {
		return x.call(who, "POST", path, body, "Idempotency-Key", key)
	}
	first := send("bank-a", "/v1/requests", d.text)
	if first.StatusCode != http.StatusCreated {
		t.Fatal(text(t, first))
	}
	location := first.Header.Get("Location")
	kept := keep(t, first)
	sameAnswer(t, "again", kept(), send("bank-a", "/v1/requests", d.text))
	wantProblem(t, send("bank-a", "/v1/requests", ask(t, annasValue).text), CodeIdempotencyMismatch)
	wantProblem(t, send("bank-a", "/v1/requests?fact=fact", d.text), CodeIdempotencyMismatch)
	x.restart()
	sameAnswer(t, "after a restart", kept(), send("bank-a", "/v1/requests", d.text))
	wantProblem(t, send("bank-a", "/v1/requests", ask(t, annasValue).text), CodeIdempotencyMismatch)
	if page := want[api.RequestPage](x, 200, "bank-a", "GET", "/v1/requests", ""); len(page.Items) != 1 || "/v1/requests/"+page.Items[0].Id != location {
		t.Errorf("%+v", page)
	}
	// Another operation, and another organisation, has keys of its own.
	if r := send("agency", "/v1/proofs", object("request", `"`+location[len("/v1/requests/"):]+`"`)); r.StatusCode != http.StatusAccepted {
		t.Error(text(t, r))
	}
	if r := send("bank-b", "/v1/requests", ask(t, "registry: titles\naudience: bank-b\n").text); r.StatusCode != http.StatusCreated {
		t.Error(text(t, r))
	}
	// A problem is not kept: the same key may come with what is right.
	const other = "another"
	wantProblem(t, x.call("bank-a", "POST", "/v1/requests", ask(t, "registry: ships\naudience: bank-a\n").text, "Idempotency-Key", other), CodeMalformed)
	want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text, "Idempotency-Key", other)
	for _, bad := range []string{" ", "a b", "ä", string(make([]byte, 300))} {
		wantProblem(t, x.call("bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", bad), CodeMalformed)
	}
}

// keep reads a response, so that it can be looked at several times.
func keep(t *testing.T, r *http.Response) func() *http.Response {
	content := text(t, r)
	return func() *http.Response {
		again := *r
		again.Body = body(content)
		return &again
	}
}

// While an operation is being done, its key is taken: one of many at once does it.
func TestIdempotencyConcurrent(t *testing.T) {
	x := newWorld(t, service.Config{})
	d := ask(t, annasValue)
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			r := x.call("bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", "k")
			mu.Lock()
			defer mu.Unlock()
			statuses[r.StatusCode]++
			if r.StatusCode == http.StatusConflict {
				wantProblem(t, r, CodeIdempotencyInProgress)
			}
		})
	}
	all.Wait()
	if statuses[201] == 0 || statuses[201]+statuses[409] != 16 {
		t.Errorf("%v", statuses)
	}
	if page := want[api.RequestPage](x, 200, "bank-a", "GET", "/v1/requests", ""); len(page.Items) != 1 {
		t.Errorf("%d requests", len(page.Items))
	}
}

// While a client waits for what its key stands for, others are told so.
func TestIdempotencyInProgress(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll}) // nothing is run: it waits
	x.server.limits.wait = 400 * time.Millisecond
	d := ask(t, annasValue)
	begun := make(chan *http.Response)
	go func() {
		begun <- x.call("bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", "k", "Prefer", "wait=60")
	}()
	for {
		r := x.call("bank-a", "GET", "/v1/requests?state=answering", "")
		if content := text(t, r); len(content) > 40 {
			break
		}
	}
	wantProblem(t, x.call("bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", "k", "Prefer", "wait=60"), CodeIdempotencyInProgress)
	first := keep(t, <-begun)
	sameAnswer(t, "after it was done", first(), x.call("bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", "k", "Prefer", "wait=60"))
}

// An operation that a crash interrupted is done again under its key and makes the same
// thing, whether it had made it or not.
func TestIdempotencyCrash(t *testing.T) {
	for _, made := range []bool{false, true} {
		x := newWorld(t, service.Config{Automatic: service.AutomaticAll})
		d := ask(t, annasValue)
		bank := &access.Principal{Organisation: must(x.server.config.Directory.Organisation("bank-a"))(t)}
		o, replay, err := x.service.Begin(bank, "CreateRequest", "k", "/v1/requests", "", "application/json", d.text)
		if err != nil || replay != nil {
			t.Fatal(replay, err)
		}
		id := ""
		if made {
			id = must(x.service.Ask(o.Context(t.Context()), bank, []byte(d.text), nil))(t).ID
		}
		wantProblem(t, x.call("bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", "k"), CodeIdempotencyInProgress)
		x.restart()
		x.start()
		r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", "k", "Prefer", "wait=60")
		if r.State != "answered" || made && r.Id != id {
			t.Errorf("%+v, want %s", r, id)
		}
		if page := want[api.ProofPage](x, 200, "bank-a", "GET", "/v1/proofs", ""); len(page.Items) != 1 {
			t.Errorf("%d proofs", len(page.Items))
		}
	}
}

// A key is its organisation's: whoever else sends it, with the same body or another, before
// and after a restart, gets an answer of its own and nothing of the first.
func TestIdempotencyKeyOfAnother(t *testing.T) {
	x := newWorld(t, service.Config{})
	d, key := ask(t, annasValue), []string{"Idempotency-Key", "k"}
	made := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", d.text, key...)
	own := want[api.Request](x, 201, "bank-b", "POST", "/v1/requests", ask(t, "registry: titles\naudience: bank-b\n").text, key...)
	if own.Id == made.Id {
		t.Errorf("both made %s", own.Id)
	}
	hook := want[api.IssuedWebhook](x, 200, "bank-a", "PUT", "/v1/webhook", `{"url":"https://bank.example/"}`, key...)
	for range 2 {
		for _, who := range []string{"bank-b", "agency", "operator", "auditor", ""} {
			for _, path := range []string{"/v1/requests", "/v1/proofs", "/v1/organisations", "/v1/grants"} {
				content := text(t, x.call(who, "POST", path, d.text, key...))
				if strings.Contains(content, made.Id) {
					t.Errorf("%s %s: %s", who, path, content)
				}
			}
		}
		if other := want[api.IssuedWebhook](x, 200, "bank-b", "PUT", "/v1/webhook", `{"url":"https://bank.example/"}`, key...); other.Secret == hook.Secret {
			t.Error("two organisations have one webhook's secret")
		}
		x.restart()
	}
	// Nor is it another credential's that the organisation may use for less.
	_, token, err := x.server.config.Directory.CreateKey(access.NewKey{Organisation: "bank-a", Scopes: []string{"requests-read"}})
	if err != nil {
		t.Fatal(err)
	}
	x.tokens["narrow"] = token
	wantProblem(t, x.call("narrow", "POST", "/v1/requests", d.text, key...), CodeForbidden)
}

// Of many bodies at once under one key, one is taken.
func TestIdempotencyConcurrentBodies(t *testing.T) {
	x := newWorld(t, service.Config{})
	statuses := make([]int, 12)
	var all sync.WaitGroup
	for i := range statuses {
		d := ask(t, annasValue)
		all.Go(func() {
			r := x.call("bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", "k")
			if statuses[i] = r.StatusCode; statuses[i] == http.StatusUnprocessableEntity {
				wantProblem(t, r, CodeIdempotencyMismatch)
			}
		})
	}
	all.Wait()
	counts := map[int]int{}
	for _, status := range statuses {
		counts[status]++
	}
	if counts[201] != 1 || counts[201]+counts[422] != len(statuses) {
		t.Errorf("%v", counts)
	}
	if page := want[api.RequestPage](x, 200, "bank-a", "GET", "/v1/requests", ""); len(page.Items) != 1 {
		t.Errorf("%d requests", len(page.Items))
	}
}

// An operation of which nothing came leaves nothing, and does not end what is kept under its
// key later.
func TestIdempotencyForgets(t *testing.T) {
	now := time.Now()
	x := newWorld(t, service.Config{Automatic: service.AutomaticNone, Now: func() time.Time { return now }})
	rows := func(bucket string) (n int) {
		t.Helper()
		err := must(x.w.ServiceDB())(t).View(func(tx *bbolt.Tx) error {
			n = tx.Bucket([]byte(bucket)).Stats().KeyN
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const key, day = "a-key", 24 * time.Hour
	due := rows("service.due")
	for range 20 {
		wantProblem(t, x.call("bank-a", "POST", "/v1/requests", ask(t, "registry: ships\naudience: bank-a\n").text, "Idempotency-Key", key), CodeMalformed)
	}
	if n := rows("service.due") - due; n != 0 || rows("service.idempotency") != 0 {
		t.Errorf("%d rows are due, %d answers are kept, of operations that came to nothing", n, rows("service.idempotency"))
	}
	now = now.Add(3 * day)
	d := ask(t, annasValue)
	first := keep(t, x.call("bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", key))
	for _, later := range []struct {
		after time.Duration
		kept  int
	}{{5 * day, 1}, {3 * day, 0}} {
		now = now.Add(later.after)
		if err := x.service.Sweep(); err != nil {
			t.Fatal(err)
		}
		if n := rows("service.idempotency"); n != later.kept {
			t.Errorf("%d answers are kept %v later, not %d", n, later.after, later.kept)
		}
		if later.kept > 0 {
			sameAnswer(t, "later", first(), x.call("bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", key))
		}
	}
}
