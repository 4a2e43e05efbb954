package client

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/client/api"
)

// FuzzReadEvents: of whatever a server streams, the events that are taken go up, and what
// is no event ends the reading.
func FuzzReadEvents(f *testing.F) {
	for _, seed := range []string{
		"id: 1\nevent: queued\ndata: {\"number\":1,\"type\":\"queued\"}\n\n: alive\n\ndata: {\"number\":2,\"type\":\"done\"}\n\n",
		"data:{\"number\":1}\ndata:{\"number\":1}\n", "data: null\n", ":\n", "data: [", "\x00",
	} {
		f.Add(seed, uint64(0))
	}
	f.Fuzz(func(t *testing.T, text string, after uint64) {
		last := after
		err := readEvents(strings.NewReader(text), after, func(e *api.JobEvent) bool {
			if e.Number <= last {
				t.Fatalf("event %d after %d", e.Number, last)
			}
			last = e.Number
			return e.Type != "done"
		})
		if errors.Is(err, errStopped) && last == after {
			t.Fatal("stopped before there was an event")
		}
	})
}

// FuzzRetryAfter: no header makes a client wait for less than nothing.
func FuzzRetryAfter(f *testing.F) {
	now := time.Unix(1790000000, 0)
	for _, seed := range []string{"", "1", "-1", "1.5", "99999999999999999999", now.Add(time.Hour).UTC().Format(http.TimeFormat), now.Add(-time.Hour).UTC().Format(http.TimeFormat)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := parseRetryAfter(text, now); got < 0 {
			t.Fatalf("%q: %v", text, got)
		}
	})
}
