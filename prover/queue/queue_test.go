package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// result is what echo gives for a payload.
func result(payload []byte) string { return "result of " + string(payload) }

// echo is a handler that does nothing else.
func echo(_ context.Context, t *Task) ([]byte, error) { return []byte(result(t.Job.Payload)), nil }

func TestRun(t *testing.T) {
	b := fresh(t, Options{})
	first, err := b.Enqueue(t.Context(), job("a"))
	if err != nil || first.State != Queued || first.Position != 1 || string(first.Payload) != "payload of a" {
		t.Fatalf("%+v, %v", first, err)
	}
	start(t, b, echo)
	got := await(t, b, "a")
	if got.State != Done || string(got.Result) != result([]byte("payload of a")) || got.Attempt != 1 || got.Payload != nil || got.Position != 0 {
		t.Errorf("%+v", got)
	}
	if got.Enqueued.After(got.Started) || got.Started.After(got.Finished) || got.Finished.IsZero() {
		t.Errorf("instants out of order: %+v", got)
	}
	if got := events(t, b, "a"); !slices.Equal(got, []EventType{EventQueued, EventRunning, EventDone}) {
		t.Errorf("events %v", got)
	}
}

func TestEnqueueTwice(t *testing.T) {
	b := fresh(t, Options{Pool: Pool{Jobs: 1}})
	enqueue(t, b, job("a"), job("a"))
	other := job("a")
	other.Payload = []byte("another")
	if _, err := b.Enqueue(t.Context(), other); !errors.Is(err, ErrConflict) {
		t.Errorf("another payload: %v", err)
	}
	other = job("a")
	other.Organisation = "bank-b"
	if _, err := b.Enqueue(t.Context(), other); !errors.Is(err, ErrConflict) {
		t.Errorf("another organisation: %v", err)
	}
	start(t, b, echo)
	await(t, b, "a")
	again, err := b.Enqueue(t.Context(), job("a"))
	if err != nil || again.State != Done || len(again.Result) == 0 {
		t.Errorf("after its end: %+v, %v", again, err)
	}
	// Sealed payloads differ each time: the fingerprint says whether they are the same.
	sealed := New{ID: "s", Organisation: "bank-a", Kind: "proof", Payload: []byte("sealed 1"), Fingerprint: []byte("f")}
	enqueue(t, b, sealed)
	sealed.Payload = []byte("sealed 2")
	enqueue(t, b, sealed)
	sealed.Fingerprint = []byte("g")
	if _, err := b.Enqueue(t.Context(), sealed); !errors.Is(err, ErrConflict) {
		t.Errorf("another fingerprint: %v", err)
	}
}

func TestEnqueueRefuses(t *testing.T) {
	b := fresh(t, Options{})
	for name, n := range map[string]New{
		"no id":           {Organisation: "bank-a", Kind: "proof"},
		"an id's letters": {ID: "a/b", Organisation: "bank-a", Kind: "proof"},
		"a long id":       {ID: strings.Repeat("a", 65), Organisation: "bank-a", Kind: "proof"},
		"no organisation": {ID: "a", Kind: "proof"},
		"an organisation": {ID: "a", Organisation: "Bank A", Kind: "proof"},
		"no kind":         {ID: "a", Organisation: "bank-a"},
		"a payload":       {ID: "a", Organisation: "bank-a", Kind: "proof", Payload: make([]byte, MaxPayloadBytes+1)},
	} {
		if _, err := b.Enqueue(t.Context(), n); !errors.Is(err, ErrBadJob) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Get(t.Context(), "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such job: %v", err)
	}
	if err := b.Cancel(t.Context(), "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such job: %v", err)
	}
	if _, err := b.Wait(t.Context(), "a", 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such job: %v", err)
	}
}

func TestList(t *testing.T) {
	b := fresh(t, Options{})
	for i := range 25 {
		n := job(fmt.Sprintf("j%02d", i))
		n.Organisation = []string{"bank", "bank-a", "bank-b"}[i%3]
		n.Kind = []string{"proof", "commit"}[i%2]
		enqueue(t, b, n)
	}
	if err := b.Cancel(t.Context(), "j12"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		filter Filter
		want   func(i int) bool
	}{
		"all":             {Filter{Limit: 10}, func(int) bool { return true }},
		"an organisation": {Filter{Organisation: "bank", Limit: 2}, func(i int) bool { return i%3 == 0 }},
		"another":         {Filter{Organisation: "bank-b"}, func(i int) bool { return i%3 == 2 }},
		"a stranger":      {Filter{Organisation: "bank-c"}, func(i int) bool { return false }},
		"a kind":          {Filter{Kind: "commit", Limit: 5}, func(i int) bool { return i%2 == 1 }},
		"a state":         {Filter{State: Cancelled}, func(i int) bool { return i == 12 }},
		"both":            {Filter{Organisation: "bank-a", Kind: "proof", State: Queued, Limit: 1}, func(i int) bool { return i%3 == 1 && i%2 == 0 }},
	} {
		var want, got []string
		for i := 24; i >= 0; i-- {
			if c.want(i) {
				want = append(want, fmt.Sprintf("j%02d", i))
			}
		}
		for more := true; more; more = c.filter.After != "" {
			page, next, err := b.List(t.Context(), c.filter)
			if err != nil || c.filter.Limit > 0 && len(page) > c.filter.Limit {
				t.Fatalf("%s: %d jobs, %v", name, len(page), err)
			}
			for _, j := range page {
				got = append(got, j.ID)
				if j.Payload != nil || j.State == Queued && j.Position == 0 {
					t.Errorf("%s: %+v", name, j)
				}
			}
			c.filter.After = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", name, got, want)
		}
	}
	for _, f := range []Filter{{After: "x"}, {After: "-1"}, {State: "odd"}, {Limit: -1}} {
		if _, _, err := b.List(t.Context(), f); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}
