package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/service"
)

func prefixes(t *testing.T, all ...string) (out []netip.Prefix) {
	t.Helper()
	for _, text := range all {
		out = append(out, must(netip.ParsePrefix(text))(t))
	}
	return out
}

func TestAddresses(t *testing.T) {
	proxies := prefixes(t, "10.0.0.0/8", "192.0.2.7/32", "2001:db8:1::/48")
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"203.0.113.1:5", nil, "203.0.113.1"},
		{"[2001:db8::1]:5", nil, "2001:db8::1"},
		// Anybody can send the header.
		{"203.0.113.1:5", []string{"198.51.100.1"}, "203.0.113.1"},
		{"203.0.113.1:5", []string{"10.0.0.1"}, "203.0.113.1"},
		{"203.0.113.1:5", []string{"198.51.100.1", "10.0.0.1"}, "203.0.113.1"},
		{"127.0.0.1:5", []string{"198.51.100.1"}, "127.0.0.1"},
		{"192.168.0.1:5", []string{"198.51.100.1"}, "192.168.0.1"},
		{"[fe80::1%eth0]:5", []string{"198.51.100.1"}, "fe80::1%eth0"},
		// A trusted proxy appends whom it was called by.
		{"10.0.0.1:5", nil, "10.0.0.1"},
		{"10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"[::ffff:10.0.0.1]:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"[2001:db8:1::1]:5", []string{"2001:db8:2::1"}, "2001:db8:2::1"},
		{"10.0.0.1:5", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"1.1.1.1", "198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"10.0.0.9, 198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"garbage, 198.51.100.1"}, "198.51.100.1"},
		// A chain of them: the rightmost that is none.
		{"10.0.0.1:5", []string{"1.1.1.1, 198.51.100.1, 192.0.2.7, 10.2.3.4"}, "198.51.100.1"},
		{"192.0.2.7:5", []string{"1.1.1.1, 192.0.2.8"}, "192.0.2.8"},
		{"10.0.0.1:5", []string{"10.0.0.2, 10.0.0.3"}, "10.0.0.2"},
		// What the proxy itself wrote cannot be read.
		{"10.0.0.1:5", []string{"198.51.100.1, garbage"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{""}, "10.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		for _, v := range c.forwarded {
			r.Header.Add("X-Forwarded-For", v)
		}
		for _, name := range []string{"X-Real-Ip", "Forwarded", "True-Client-Ip"} {
			r.Header.Set(name, "9.9.9.9")
		}
		if got := addresses(proxies)(r); got != c.want {
			t.Errorf("%s, forwarded for %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
		r.RemoteAddr = "10.0.0.1:5"
		if got := addresses(nil)(r); got != "10.0.0.1" {
			t.Errorf("without proxies, forwarded for %q: %s", c.forwarded, got)
		}
	}
}

// Guesses are counted by the address that sent them: no header moves them to another's
// account, and behind a trusted proxy one client's are not its neighbour's.
func TestFailuresByAddress(t *testing.T) {
	x := newWorld(t, service.Config{})
	for what, c := range map[string]struct {
		proxies   []netip.Prefix
		neighbour int // behind the same peer, after the guesser is refused
	}{
		"no proxy is trusted":   {nil, http.StatusTooManyRequests},
		"another one is":        {prefixes(t, "10.9.0.0/16"), http.StatusTooManyRequests},
		"the peer is trusted":   {prefixes(t, "10.1.0.0/16"), http.StatusOK},
		"the peer's network is": {prefixes(t, "10.0.0.0/8"), http.StatusOK},
	} {
		config := x.server.config
		config.TrustedProxies = c.proxies
		config.Access = must(access.NewAuthenticator(access.Options{Directory: config.Directory}))(t)
		handler := newTestServer(t, config, testLimits()).Handler()
		send := func(token, forwarded string) int {
			r := request("GET", "/v1/me", "")
			r.RemoteAddr = "10.1.2.3:4"
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("X-Forwarded-For", forwarded)
			return do(handler, r).StatusCode
		}
		const guess = "attestry_aaaaaaaaaaaaaaaa_0000000000000000000000000000000000000000000000000000000000000000"
		status := 0
		for i := range 100 {
			// The client's own part of the header differs each time.
			if status = send(guess, "198.51.100."+string(rune('0'+i%10))+", 203.0.113.5"); status == http.StatusTooManyRequests {
				break
			}
		}
		if status != http.StatusTooManyRequests {
			t.Errorf("%s: a hundred guesses, and the last got %d", what, status)
		}
		if got := send(x.tokens["bank-a"], "203.0.113.6"); got != c.neighbour {
			t.Errorf("%s: the neighbour got %d, want %d", what, got, c.neighbour)
		}
	}
}
