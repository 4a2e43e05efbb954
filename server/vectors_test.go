package server

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attestry/attestry/verifier"
)

// recorded are the parts of docs/vectors/verifier.json that a server is sent.
type recorded struct {
	Trust                     json.RawMessage
	At                        time.Time
	Request, Bundle, Openings json.RawMessage
	Verdict                   []struct {
		Check, Fact string
		Outcome     verifier.Outcome
		RestsOn     verifier.RestsOn `json:"rests_on"`
	}
}

func readRecorded(t testing.TB) (recorded, http.Handler) {
	t.Helper()
	var v recorded
	if err := json.Unmarshal(must(os.ReadFile("../docs/vectors/verifier.json"))(t), &v); err != nil {
		t.Fatal(err)
	}
	c := Config{Trust: must(verifier.ParseTrust(v.Trust))(t), Now: func() time.Time { return v.At }}
	return v, newTestServer(t, c, testLimits()).Handler()
}

// TestRecordedBundle: the endpoint gives the verdict that is written down.
func TestRecordedBundle(t *testing.T) {
	v, h := readRecorded(t)
	got := verdictOf(t, do(h, request("POST", "/v1/verify", object("bundle", string(v.Bundle), "request", string(v.Request), "openings", string(v.Openings)))))
	if len(v.Verdict) == 0 || !got.OK {
		t.Errorf("%d checks written down; failed: %v", len(v.Verdict), failed(got))
	}
	var want, have [][4]string
	for _, c := range v.Verdict {
		want = append(want, [4]string{c.Check, c.Fact, string(c.Outcome), string(c.RestsOn)})
	}
	for _, c := range got.Checks {
		have = append(have, [4]string{c.Check, c.Fact, string(c.Outcome), string(c.RestsOn)})
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzVerify replaces a piece of a good body by other bytes; with the empty body,
// the other bytes are the body. It never panics, never fails as the server's fault,
// and never says yes to a changed bundle.
func FuzzVerify(f *testing.F) {
	v, h := readRecorded(f)
	bundle := object("bundle", string(v.Bundle))
	bodies := []string{
		"",
		bundle,
		object("bundle", string(v.Bundle), "request", string(v.Request), "openings", string(v.Openings), "audience", `"bank-a"`, "at", `"2026-08-01T12:00:00Z"`),
	}
	for _, with := range []string{`{"bundle": {}, "bundle": {}}`, `{"bundle": {`, `[]`, `{"bundle": {}} x`, `{"at": 1, "bundle": {"a": [[1e400]]}}`} {
		f.Add(uint8(0), uint16(0), uint8(0), []byte(with))
	}
	f.Add(uint8(1), uint16(100), uint8(1), []byte("A"))
	f.Add(uint8(1), uint16(5), uint8(0), []byte(" \n"))
	f.Add(uint8(2), uint16(2), uint8(6), []byte("request"))
	f.Fuzz(func(t *testing.T, which uint8, at uint16, cut uint8, with []byte) {
		whole := bodies[int(which)%len(bodies)]
		from := min(int(at), len(whole))
		body := whole[:from] + string(with) + whole[min(from+int(cut), len(whole)):]
		r := request("POST", "/v1/verify", body)
		r.Header.Set("Content-Type", "application/json")
		response := do(h, r)
		switch response.StatusCode {
		case http.StatusOK:
			if verdict := verdictOf(t, response); verdict.OK && !sameBundle(body, v.Bundle) {
				t.Errorf("yes to a changed bundle: %q at %d for %d bytes", with, from, cut)
			}
		case http.StatusBadRequest:
		case http.StatusRequestEntityTooLarge:
			if int64(len(body)) <= testLimits().body {
				t.Errorf("%d bytes are too many", len(body))
			}
		default:
			t.Errorf("status %d: %s", response.StatusCode, text(t, response))
		}
	})
}

// sameBundle tells whether a body has an equal JSON document for its bundle.
func sameBundle(body string, bundle []byte) bool {
	var got struct{ Bundle any }
	var want any
	return json.Unmarshal([]byte(body), &got) == nil && json.Unmarshal(bundle, &want) == nil && cmp.Equal(got.Bundle, want)
}
