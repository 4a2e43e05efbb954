package server

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/verifier"
)

// falseProof gives a vector's body with a proof that proves nothing.
func falseProof(t *testing.T, body string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, `"proof"`)
	_, rest, _ = strings.Cut(rest, `"`)
	old, _, _ := strings.Cut(rest, `"`)
	raw, err := base64.StdEncoding.DecodeString(old)
	if err != nil || !ok {
		t.Fatal("the body has no proof", err)
	}
	raw[0] ^= 0x40
	return strings.Replace(body, old, base64.StdEncoding.EncodeToString(raw), 1)
}

// from sends a body from an address, through a proxy that is trusted.
func from(h http.Handler, address, path, body string) *http.Response {
	r := request("POST", path, body)
	r.RemoteAddr = "192.0.2.9:1234"
	r.Header.Set("X-Forwarded-For", address)
	return do(h, r)
}

// wasteServer verifies the recorded bundle, and bounds what an address may waste to so small
// a part that a test can spend it.
func wasteServer(t *testing.T, part float64) (*Server, recorded) {
	t.Helper()
	v, _ := readRecorded(t)
	trust := must(verifier.ParseTrust(v.Trust))(t)
	return newTestServer(t, Config{Trust: trust, Waste: part, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}}, testLimits()), v
}

// Who sends what is no good is told to wait before the next body is read, from that address
// alone, and is heard again later. What is good, or an honest no, counts for nothing.
func TestWaste(t *testing.T) {
	s, v := wasteServer(t, 1e-5) // 2 ms at once: a false proof or two
	h := s.Handler()
	good := object("bundle", string(v.Bundle), "request", string(v.Request), "openings", string(v.Openings))
	late := object("bundle", string(v.Bundle), "request", string(v.Request), "openings", string(v.Openings), "at", `"2099-01-01T00:00:00Z"`)
	bad := object("bundle", string(v.Bundle), "request", string(v.Request), "openings", string(v.Openings))
	bad = falseProof(t, bad)
	for range 20 {
		for _, body := range []string{good, late} {
			if r := from(h, "198.51.100.1", "/v1/verify", body); r.StatusCode != http.StatusOK {
				t.Fatal(text(t, r))
			}
		}
	}
	spend := func(address, path, body string, status int) {
		t.Helper()
		for n := 0; ; n++ {
			r := from(h, address, path, body)
			if r.StatusCode == http.StatusTooManyRequests {
				wait := must(strconv.Atoi(r.Header.Get("Retry-After")))(t)
				if wantProblem(t, r, CodeTooManyBad); n == 0 || wait < 1 {
					t.Errorf("after %d, wait %d", n, wait)
				}
				return
			}
			if r.StatusCode != status || n > 1000 {
				t.Fatalf("number %d: %d, %s", n, r.StatusCode, text(t, r))
			}
		}
	}
	spend("198.51.100.1", "/v1/verify", bad, http.StatusOK)
	spend("198.51.100.2", "/v1/verify", good[:len(good)-1], http.StatusBadRequest)
	spend("198.51.100.3", "/v1/verify/batch", `{"items":[`+bad+`]}`, http.StatusOK)
	spend("198.51.100.4", "/v1/verify/batch", `{"items":[{"bundle":{}},{"bundle":{}}]}`, http.StatusOK)
	spend("2001:db8:1:2::3", "/v1/verify", bad, http.StatusOK)
	for address, want := range map[string]int{
		"198.51.100.1": http.StatusTooManyRequests, "2001:db8:1:2::4": http.StatusTooManyRequests,
		"198.51.100.9": http.StatusOK, "2001:db8:1:3::3": http.StatusOK,
	} {
		if r := from(h, address, "/v1/verify", good); r.StatusCode != want {
			t.Errorf("%s: %d, not %d", address, r.StatusCode, want)
		}
	}
	// A client's word of its address is not taken.
	for n := range 10 {
		r := request("POST", "/v1/verify", bad)
		r.RemoteAddr = "198.51.100.7:1"
		r.Header.Set("X-Forwarded-For", "203.0.113."+strconv.Itoa(n))
		do(h, r)
	}
	if s.waste.wait("198.51.100.7", time.Now()) == 0 {
		t.Error("who names other addresses is not bounded")
	}
	// The address of the machine itself may be that of a proxy that nobody named.
	for range 10 {
		if r := from(h, "127.0.0.1", "/v1/verify", bad); r.StatusCode != http.StatusOK {
			t.Fatal(text(t, r))
		}
	}
}

// What was wasted is forgotten at the pace that a client may keep up.
func TestWasteWait(t *testing.T) {
	const address = "198.51.100.1"
	now := time.Unix(0, 0)
	w := newWaste(0.05)
	if wait := w.wait(address, now); wait != 0 {
		t.Errorf("wait %v", wait)
	}
	for range 20 {
		w.add(address, now, 500*time.Millisecond)
	}
	if wait := w.wait(address, now); wait < time.Second || wait > 2*time.Second {
		t.Errorf("after 10 s: wait %v", wait)
	}
	w.add(address, now, time.Second)
	if wait := w.wait(address, now); wait < 19*time.Second || wait > 21*time.Second {
		t.Errorf("after 11 s: wait %v", wait)
	}
	if wait := w.wait(address, now.Add(25*time.Second)); wait != 0 {
		t.Errorf("after 11 s, and 25 later: wait %v", wait)
	}
	w.add(address, now.Add(time.Hour), time.Hour) // one that took long
	if wait := w.wait(address, now.Add(time.Hour)); wait > wasteBurst {
		t.Errorf("after an hour: wait %v", wait)
	}
	none := newWaste(0)
	none.add(address, now, time.Hour)
	if none.wait(address, now) != 0 {
		t.Error("a bound where there is none")
	}
}
