package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	loadProgram       = flag.String("load-program", "attestry", "the program whose server TestVerifyFlood and TestVerifyOnlyMemory load: a built one has its own size")
	floodRequests     = flag.Int("flood-requests", 50, "how many requests of each kind TestVerifyFlood sends")
	loadVerifications = flag.Int("load-verifications", 256, "how many bundles TestVerifyOnlyMemory has verified")
)

// loadVectors are what a load is made of: docs/vectors/verifier.json.
type loadVectors struct {
	Trust, Request, Bundle, Openings json.RawMessage
	At                               time.Time
}

func readLoadVectors(t *testing.T) (v loadVectors) {
	t.Helper()
	if err := json.Unmarshal(read(t, "../../docs/vectors/verifier.json"), &v); err != nil {
		t.Fatal(err)
	}
	var bundle bytes.Buffer
	if err := json.Compact(&bundle, v.Bundle); err != nil {
		t.Fatal(err)
	}
	v.Bundle = bundle.Bytes()
	return v
}

// verifyBody writes the body of a verification; the parts in order are members and values.
func (v loadVectors) body(bundle string, parts ...string) string {
	body := `{"at":"` + v.At.Format(time.RFC3339) + `","bundle":` + bundle
	for i := 0; i < len(parts); i += 2 {
		body += `,"` + parts[i] + `":` + parts[i+1]
	}
	return body + "}"
}

// verifier starts a server that verifies alone.
func (v loadVectors) verifier(t *testing.T, args ...string) life {
	t.Helper()
	return startLife(t, *loadProgram, append([]string{"serve", "--verify-only", "--listen", "127.0.0.1:0", "--json", "--trust", file(t, "trust.json", string(v.Trust))}, args...)...)
}

// memory gives the resident size of a process now and at its largest, in MiB.
func (l life) memory(t *testing.T) (now, most float64) {
	t.Helper()
	for line := range strings.Lines(string(read(t, fmt.Sprintf("/proc/%d/status", l.command.Process.Pid)))) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		kib, _ := strconv.ParseFloat(fields[1], 64)
		switch fields[0] {
		case "VmRSS:":
			now = kib / 1024
		case "VmHWM:":
			most = kib / 1024
		}
	}
	return now, most
}

// cpu gives the time that a process has computed, to a hundredth of a second.
func (l life) cpu(t *testing.T) time.Duration {
	t.Helper()
	stat := string(read(t, fmt.Sprintf("/proc/%d/stat", l.command.Process.Pid)))
	_, after, _ := strings.Cut(stat, ") ") // the name may hold anything
	fields := strings.Fields(after)
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100)
}

func ownCPU(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sender sends one request on a connection of its own and gives the status.
type sender interface {
	send() (int, error)
	io.Closer
}

// ordinary sends as a program does that uses the standard library.
type ordinary struct {
	url, mediaType, body string
	forwarded            string // for which address, as a proxy says; empty: its own
	client               http.Client
}

func (o *ordinary) send() (int, error) {
	q, err := http.NewRequest("POST", o.url, strings.NewReader(o.body))
	if err != nil {
		return 0, err
	}
	q.Header.Set("Content-Type", o.mediaType)
	if o.forwarded != "" {
		q.Header.Set("X-Forwarded-For", o.forwarded)
	}
	r, err := o.client.Do(q)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return r.StatusCode, err
}

func (o *ordinary) Close() error { o.client.CloseIdleConnections(); return nil }

// flooder sends the same bytes again and again, and does nothing with the answers.
type flooder struct {
	address string
	request []byte
	c       net.Conn
	in      *bufio.Reader
}

func (f *flooder) send() (int, error) {
	if f.c == nil {
		c, err := net.Dial("tcp", f.address)
		if err != nil {
			return 0, err
		}
		f.c, f.in = c, bufio.NewReader(c)
	}
	_, _ = f.c.Write(f.request) // a server may answer and close before it has all
	return f.answer()
}

func (f *flooder) answer() (status int, err error) {
	r, err := http.ReadResponse(f.in, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	if r.Close {
		err = f.Close()
	}
	return r.StatusCode, err
}

func (f *flooder) Close() error {
	if f.c == nil {
		return nil
	}
	err := f.c.Close()
	f.c = nil
	return err
}

// flood sends so many requests on several connections, and counts the statuses.
func flood(t *testing.T, connections, n int, connect func() sender) map[int]int {
	t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var mu sync.Mutex
	statuses := map[int]int{}
	var sending sync.WaitGroup
	for range connections {
		sending.Go(func() {
			s := connect()
			defer func() { _ = s.Close() }()
			for left.Add(-1) >= 0 {
				status, err := s.send()
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	return statuses
}

// bad is a kind of request that is not to be answered with a verdict, or not with yes.
type bad struct {
	name, path, mediaType, body string
	status                      int
}

func badRequests(t *testing.T, v loadVectors) []bad {
	bundle := string(v.Bundle)
	const verify, batch, text = "/v1/verify", "/v1/verify/batch", "application/json"
	filler := strings.Repeat("x", 1<<20)
	return []bad{
		{"a path that there is not", "/v1/verifi", text, v.body(bundle), 404},
		{"another media type", verify, "text/plain", v.body(bundle), 415},
		{"no JSON", verify, text, "{", 400},
		{"no bundle", verify, text, "{}", 400},
		{"cut off", verify, text, v.body(bundle)[:len(bundle)], 400},
		{"an unknown member at the end", verify, text, v.body(bundle, "more", "1"), 400},
		{"a bundle of tomorrow", verify, text, v.body(strings.Replace(bundle, "bundle/v1", "bundle/v2", 1)), 400},
		{"a point in another encoding", verify, text, v.body(changeProof(t, bundle, 0x80)), 200},
		{"a false proof", verify, text, v.body(changeProof(t, bundle, 0x40)), 200},
		{"openings that are none", verify, text, v.body(bundle, "openings", `{"facts":[]}`), 400},
		{"an abyss", verify, text, v.body(`{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}"), 400},
		{"a mebibyte in a string", verify, text, v.body(`"` + filler + `"`), 400},
		{"a mebibyte of members", verify, text, v.body("{" + strings.Repeat(`"a":0,`, 1<<20/6) + `"b":0}`), 400},
		{"four mebibytes", verify, text, strings.Repeat(filler, 4), 413},
		{"a batch of nothing", batch, text, `{"items":[]}`, 400},
		{"a batch of 128 empty bundles", batch, text, `{"items":[` + strings.Repeat(`{"bundle":{}},`, 127) + `{"bundle":{}}]}`, 200},
	}
}

// changeProof changes the first byte of a bundle's proof.
func changeProof(t *testing.T, bundle string, mask byte) string {
	t.Helper()
	_, rest, ok := strings.Cut(bundle, `"proof":"`)
	old, _, _ := strings.Cut(rest, `"`)
	raw, err := base64.StdEncoding.DecodeString(old)
	if err != nil || !ok {
		t.Fatal("the bundle has no proof", err)
	}
	raw[0] ^= mask
	return strings.Replace(bundle, old, base64.StdEncoding.EncodeToString(raw), 1)
}

// TestVerifyFlood sends what is no good to a server that verifies alone, of each kind as
// fast as it goes, and finds the server answering as before. With -v it says what a
// request cost the processors, of the server and of two senders: one that uses the
// standard library, and one that has the bytes ready and does nothing else.
func TestVerifyFlood(t *testing.T) {
	v := readLoadVectors(t)
	l := v.verifier(t)
	good := &ordinary{url: l.address + "/v1/verify", mediaType: "application/json", body: v.body(string(v.Bundle))}
	if status, err := good.send(); status != http.StatusOK || err != nil {
		t.Fatal(status, err)
	}
	t.Logf("%-34s %8s %12s %12s %12s %7s", "CPU µs per request", "bytes", "server", "library", "bytes ready", "ratio")
	for _, b := range badRequests(t, v) {
		t.Run(b.name, func(t *testing.T) {
			n := *floodRequests
			if len(b.body) > 1<<16 {
				n = max(n/10, 1)
			}
			server, library := l.loaded(t, n, b.status, func() sender {
				return &ordinary{url: l.address + b.path, mediaType: b.mediaType, body: b.body}
			})
			again, ready := l.loaded(t, n, b.status, func() sender { return b.flooder(l.address) })
			server = (server + again) / 2
			t.Logf("%-34s %8d %12.1f %12.1f %12.1f %7.2f", b.name, len(b.body), server, library, ready, server/library)
		})
	}
	if status, err := good.send(); status != http.StatusOK || err != nil {
		t.Errorf("after the floods: %d, %v", status, err)
	}
	l.end(t)
}

// TestVerifyFloodIsBounded goes on with what is no good until the server hears no more from
// the address, and finds that it hears others. With -v it says what a request costs then.
func TestVerifyFloodIsBounded(t *testing.T) {
	v := readLoadVectors(t)
	l := v.verifier(t, "--config", file(t, "attestry.yaml", "{trusted_proxies: [127.0.0.1/32], limits: {waste: 1e-5}}"))
	t.Logf("%-34s %8s %12s %12s %7s", "CPU µs per request", "bytes", "server", "library", "ratio")
	for i, b := range badRequests(t, v) {
		if b.status != http.StatusOK && b.name != "cut off" {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			connect := func() sender {
				return &ordinary{url: l.address + b.path, mediaType: b.mediaType, body: b.body, forwarded: fmt.Sprint("198.51.100.", i)}
			}
			spend := connect()
			for n, status := 0, b.status; status != http.StatusTooManyRequests; n++ {
				var err error
				if status, err = spend.send(); err != nil || n > 1000 {
					t.Fatalf("request %d: status %d, %v", n, status, err)
				}
			}
			_ = spend.Close()
			server, library := l.loaded(t, *floodRequests, http.StatusTooManyRequests, connect)
			t.Logf("%-34s %8d %12.1f %12.1f %7.2f", b.name, len(b.body), server, library, server/library)
		})
	}
	good := &ordinary{url: l.address + "/v1/verify", mediaType: "application/json", body: v.body(string(v.Bundle)), forwarded: "203.0.113.1"}
	if status, err := good.send(); status != http.StatusOK || err != nil {
		t.Errorf("another address: %d, %v", status, err)
	}
	l.end(t)
}

// flooder gives a sender of a request's bytes.
func (b bad) flooder(address string) *flooder {
	address = strings.TrimPrefix(address, "http://")
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", b.path, address, b.mediaType, len(b.body))
	return &flooder{address: address, request: []byte(head + b.body)}
}

// loaded floods a server, wants one status, and gives the CPU time of a request in
// microseconds: the server's and the sender's.
func (l life) loaded(t *testing.T, n, status int, connect func() sender) (server, sent float64) {
	t.Helper()
	server, sent = l.cpu(t).Seconds(), ownCPU(t).Seconds()
	if got := flood(t, 4, n, connect); got[status] != n {
		t.Errorf("statuses %v, not %d alone", got, status)
	}
	each := 1e6 / float64(n)
	return (l.cpu(t).Seconds() - server) * each, (ownCPU(t).Seconds() - sent) * each
}

// end stops a server, which has to end well.
func (l life) end(t *testing.T) {
	t.Helper()
	if err := l.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := l.command.Wait(); err != nil {
		t.Error(err)
	}
}

// TestVerifyOnlyMemory has bundles verified by 64 connections and says, with -v, what
// memory the server has taken: at its start, and at the most since.
func TestVerifyOnlyMemory(t *testing.T) {
	v := readLoadVectors(t)
	l := v.verifier(t)
	start, _ := l.memory(t)
	statuses := flood(t, 64, *loadVerifications, func() sender {
		return bad{path: "/v1/verify", mediaType: "application/json", body: v.body(string(v.Bundle))}.flooder(l.address)
	})
	if statuses[http.StatusOK]+statuses[http.StatusServiceUnavailable] != *loadVerifications || statuses[http.StatusOK] == 0 {
		t.Errorf("statuses %v", statuses)
	}
	now, most := l.memory(t)
	t.Logf("%.1f MiB at the start, %.1f MiB after %d verifications, %.1f MiB at the most", start, now, statuses[http.StatusOK], most)
	if most > maxVerifierMiB {
		t.Errorf("it took %.1f MiB, over %d", most, maxVerifierMiB)
	}
	l.end(t)
}

// maxVerifierMiB bounds the resident memory of a server that verifies alone: "a few
// tens", with room for the tests' own program, whose code is larger.
const maxVerifierMiB = 128
