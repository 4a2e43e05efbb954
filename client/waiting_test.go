package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/attestry/attestry/client"
	"github.com/attestry/attestry/client/api"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

func aRequest(t *testing.T, subject string) *statement.Request {
	t.Helper()
	r, err := statement.ParseRequest([]byte("registry: titles\nsubject: " + subject + "\nwhere: [value >= 200]\naudience: bank-a\n"))
	if err != nil {
		t.Fatal(err)
	}
	r.Nonce, r.Seed = &statement.Nonce{1}, &statement.Seed{2}
	return r
}

// Waiting asks the server to wait, and ends with the request or with the caller's patience.
func TestAnswered(t *testing.T) {
	for end := range map[string]bool{"answered": true, "refused": true, "withdrawn": true, "expired": true, "a state of later": true} {
		synctest.Test(t, func(t *testing.T) {
			c, p := play(t, requestAs("asked"), requestAs("answering"), problem(503, "busy", "Retry-After", "1"), requestAs(end))
			r, err := c.Answered(t.Context(), anID)
			if err != nil || string(r.State) != end || len(p.seen) != 4 || p.seen[0].prefer != "wait=60" {
				t.Errorf("%v, %v after %d requests", r, err, len(p.seen))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c, p := play(t, requestAs("answering")) // a server that does not wait
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Answered(ctx, anID); !errors.Is(err, context.DeadlineExceeded) || len(p.seen) > 600 {
			t.Errorf("%v after %d requests", err, len(p.seen))
		}
	})
}

// events writes a stream of events by their numbers, with what else there may be in one.
func events(types ...string) answer {
	var text strings.Builder
	text.WriteString(": comment\n\n")
	for _, e := range types {
		number, name, _ := strings.Cut(e, " ")
		fmt.Fprintf(&text, "id: %s\nevent: %s\ndata: {\"number\":%s,\"type\":%q,\"at\":\"2026-01-01T00:00:00Z\",\"attempt\":1}\n\n: alive\n\n", number, name, number, name)
	}
	return answer{status: 200, body: text.String(), headers: map[string]string{"Content-Type": "text/event-stream"}}
}

// A stream that breaks off goes on where it was, and ends with the job.
func TestEvents(t *testing.T) {
	cut := events("3 saved")
	cut.body = cut.body[:len(cut.body)-30] // in the middle of its data
	half := events("2 running")
	half.body = half.body[:40]
	for name, c := range map[string]struct {
		after   uint64
		answers []answer
		want    string // the numbers that come
		last    string // the last Last-Event-ID
		fails   bool
	}{
		"in one piece":            {0, []answer{events("1 queued", "2 running", "3 done")}, "1 2 3", "", false},
		"in pieces":               {0, []answer{events("1 queued"), {err: errReset}, events("2 running"), cut, events("3 saved", "4 done")}, "1 2 3 4", "2", false},
		"from the second":         {2, []answer{events("3 failed")}, "3", "2", false},
		"all was told before":     {3, []answer{events(), jobAs200("done")}, "", "", false},
		"nothing comes of it":     {0, []answer{events(), jobAs200("running"), events(), jobAs200("running"), events(), jobAs200("running"), events(), jobAs200("running")}, "", "", true},
		"an event comes again":    {2, []answer{events("2 running")}, "", "2", true},
		"an event that is none":   {0, []answer{{status: 200, body: "data: {\n\n", headers: map[string]string{"Content-Type": "text/event-stream"}}}, "", "", true},
		"half an event":           {1, []answer{half}, "", "", true},
		"a job that is not there": {0, []answer{problem(404, "not_found")}, "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, p := play(t, c.answers...)
				var got []string
				var failed error
				for e, err := range server.Events(t.Context(), anID, c.after) {
					if failed = err; err == nil {
						got = append(got, fmt.Sprint(e.Number))
					}
				}
				if strings.Join(got, " ") != c.want || (failed != nil) != c.fails {
					t.Errorf("%v, %v", got, failed)
				}
				if last := p.seen[len(p.seen)-1].lastEvent; last != c.last {
					t.Errorf("the last event was said to be %q", last)
				}
			})
		})
	}
}

func jobAs200(state string) answer {
	a := jobAs(state)
	a.status = 200
	return a
}

// Who has seen enough stops.
func TestEventsStop(t *testing.T) {
	c, p := play(t, events("1 queued", "2 running"))
	for e := range c.Events(t.Context(), anID, 0) {
		if e.Number == 1 {
			break
		}
	}
	if len(p.seen) != 1 {
		t.Error(p.seen)
	}
}

func TestEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := play(t, jobAs200("queued"), jobAs200("running"), jobAs200("failed"))
		j, err := c.Ended(t.Context(), anID)
		if err != nil || j.State != api.JobStateFailed || len(p.seen) != 3 {
			t.Errorf("%v, %v", j, err)
		}
	})
}

// What unseals is openings, of a size that they have, and sealed to the key.
func TestUnseal(t *testing.T) {
	mine, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	seal := func(plain string) []byte {
		var sealed bytes.Buffer
		w, err := age.Encrypt(&sealed, mine.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(plain)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return sealed.Bytes()
	}
	const openings = `{"facts":{},"format":"attestry/openings/v1"}`
	if plain, err := client.Unseal(seal(openings), mine); err != nil || string(plain) != openings {
		t.Errorf("%s, %v", plain, err)
	}
	good := seal(openings)
	for name, sealed := range map[string][]byte{
		"nothing": {}, "no age file": []byte(openings), "cut off": good[:len(good)-1], "changed": append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1),
		"no openings": seal("canary"), "too large": seal(strings.Repeat("canary ", 1<<18)), "with more behind": append(bytes.Clone(good), 'x'),
	} {
		if _, err := client.Unseal(sealed, mine); !errors.Is(err, client.ErrSealed) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.Unseal(good, other); !errors.Is(err, client.ErrSealed) {
		t.Errorf("another key: %v", err)
	}
}

// A server is not sent what releases a pledge, and what it answers is a verdict.
func TestVerify(t *testing.T) {
	data, err := os.ReadFile("../docs/vectors/verifier.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct{ Bundle, Openings json.RawMessage }
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	c, _ := play(t, answer{status: 200, body: string(vectors.Bundle)})
	bundle, err := c.Bundle(t.Context(), anID)
	if err != nil {
		t.Fatal(err)
	}
	openings, err := verifier.ParseOpenings(vectors.Openings)
	if err != nil {
		t.Fatal(err)
	}
	openings.ReleaseSecrets = map[string]statement.ReleaseSecret{"fact": {7}}
	verdict := answer{status: 200, body: `{"ok":true,"checks":[{"check":"proof","outcome":"pass","expected":"","observed":"","rests_on":"computed"}]}`}
	c, p := play(t, answer{err: errReset}, verdict)
	v := client.Verification{Bundle: bundle, Openings: openings, Audience: "bank-a", At: time.Unix(1790000000, 0)}
	if got, err := c.Verify(t.Context(), v); err != nil || !got.OK {
		t.Errorf("%v, %v", got, err)
	}
	last := p.seen[len(p.seen)-1]
	if len(p.seen) != 2 || last.key != "" || strings.Contains(last.body, "release_secret") || !strings.Contains(last.body, `"at":"2026-09-21T`) {
		t.Errorf("%+v", p.seen)
	}
	for _, none := range []string{`{}`, `{"ok":true,"checks":[]}`, `null`, `{"ok":true`} {
		c, _ := play(t, answer{status: 200, body: none})
		if got, err := c.Verify(t.Context(), v); err == nil {
			t.Errorf("%s is taken for %v", none, got)
		}
	}
	c, _ = play(t, answer{status: 200, body: `{"format":"attestry/bundle/v1"}`})
	if _, err := c.Bundle(t.Context(), anID); !errors.Is(err, verifier.ErrMalformed) {
		t.Errorf("a bundle that is none: %v", err)
	}
}
