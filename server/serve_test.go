package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/verifier"
)

// serving is a server that runs on a port of its own.
type serving struct {
	url, address string
	stop         context.CancelFunc
	done         chan error
}

func serve(t *testing.T, s *Server) *serving {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := &serving{url: "http://" + l.Addr().String(), address: l.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Serve(ctx, l) }()
	t.Cleanup(cancel)
	return r
}

// wait gives Serve's result, which must come soon.
func (r *serving) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(time.Minute):
		t.Fatal("Serve does not return")
		return nil
	}
}

// slowLog answers when it is told to, and says when it was asked.
type slowLog struct {
	asked   chan struct{}
	release chan struct{}
}

func newSlowLog() slowLog { return slowLog{make(chan struct{}, 10), make(chan struct{})} }

func (s slowLog) Checkpoint() ([]byte, error) { return []byte("checkpoint"), nil }

func (s slowLog) Tile(string) ([]byte, error) {
	s.asked <- struct{}{}
	<-s.release
	return []byte("tile"), nil
}

func TestGracefulStop(t *testing.T) {
	log := newSlowLog()
	r := serve(t, newTestServer(t, Config{Log: log, DrainDelay: 500 * time.Millisecond}, testLimits()))
	answered := make(chan string, 1)
	go func() {
		response, err := http.Get(r.url + "/tile/0/000")
		if err != nil {
			answered <- err.Error()
			return
		}
		body, err := io.ReadAll(response.Body)
		answered <- fmt.Sprintf("%d %s %v", response.StatusCode, body, err)
	}()
	<-log.asked
	if got := must(http.Get(r.url + "/readyz"))(t); got.StatusCode != http.StatusOK {
		t.Errorf("readyz before the stop: %s", got.Status)
	}
	r.stop()
	waitFor(t, "readyz to say no", func() bool {
		got := must(http.Get(r.url + "/readyz"))(t)
		if got.StatusCode == http.StatusOK {
			return false
		}
		wantProblem(t, got, CodeNotReady)
		return true
	})
	waitFor(t, "the listener to close", func() bool {
		c, err := net.Dial("tcp", r.address)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case err := <-r.done:
		t.Fatalf("stopped with a request in flight: %v", err)
	default:
	}
	close(log.release)
	if got := <-answered; got != "200 tile <nil>" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := r.wait(t); err != nil {
		t.Error(err)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestDrainTimeout(t *testing.T) {
	log := newSlowLog()
	defer close(log.release)
	r := serve(t, newTestServer(t, Config{Log: log, DrainTimeout: 50 * time.Millisecond}, testLimits()))
	cut := make(chan error, 1)
	go func() {
		_, err := http.Get(r.url + "/tile/0/000")
		cut <- err
	}()
	<-log.asked
	r.stop()
	if err := r.wait(t); !errors.Is(err, ErrDrain) {
		t.Errorf("%v, want ErrDrain", err)
	}
	if err := <-cut; err == nil {
		t.Error("the request was answered after all")
	}
}

func TestServeFails(t *testing.T) {
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := newTestServer(t, Config{}, testLimits()).Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestSlowHeader: a client that sends its header drop by drop is cut off.
func TestSlowHeader(t *testing.T) {
	l := testLimits()
	l.readHeader = 100 * time.Millisecond
	r := serve(t, newTestServer(t, Config{}, l))
	c := must(net.Dial("tcp", r.address))(t)
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range 100 {
			if _, err := fmt.Fprintf(c, "X-%d: y\r\n", i); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("still connected after a minute")
	}
}

// TestSlowBody: so is one that stops in its body, and it holds no turn meanwhile.
func TestSlowBody(t *testing.T) {
	l := testLimits()
	l.read, l.verifications = 300*time.Millisecond, 1
	r := serve(t, newTestServer(t, Config{}, l))
	c := must(net.Dial("tcp", r.address))(t)
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	other := must(http.Post(r.url+"/v1/verify", "application/json", strings.NewReader("{}")))(t)
	wantProblem(t, other, CodeMalformed)
	response := must(http.ReadResponse(bufio.NewReader(c), nil))(t)
	wantProblem(t, response, CodeTimeout)
}

// TestFraming: a request whose end readers could see at different places is refused, and the
// connection closed, so that nothing of it is taken for a further request.
func TestFraming(t *testing.T) {
	r := serve(t, newTestServer(t, Config{}, testLimits()))
	const next = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for what, framing := range map[string]string{
		"two lengths":            "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		"two lengths in one":     "Content-Length: 2, 3\r\n\r\n{}",
		"a sign":                 "Content-Length: +2\r\n\r\n{}",
		"a negative length":      "Content-Length: -2\r\n\r\n{}",
		"a length in hex":        "Content-Length: 0x2\r\n\r\n{}",
		"a length too large":     "Content-Length: 99999999999999999999\r\n\r\n{}",
		"no length in it":        "Content-Length: \r\n\r\n{}",
		"a space in the name":    "Content-Length : 2\r\n\r\n{}",
		"another coding":         "Transfer-Encoding: gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"two codings":            "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"chunked twice":          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"identity":               "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
		"a chunk without a size": "Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n",
		"a chunk of hex":         "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
		"a chunk too large":      "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
		"a chunk's end missing":  "Transfer-Encoding: chunked\r\n\r\n2\r\n{}2\r\n{}\r\n0\r\n\r\n",
	} {
		t.Run(what, func(t *testing.T) {
			c := must(net.Dial("tcp", r.address))(t)
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			must(io.WriteString(c, "POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+framing+next))(t)
			in := bufio.NewReader(c)
			first := must(http.ReadResponse(in, nil))(t)
			text(t, first)
			if first.StatusCode < 400 || first.StatusCode >= 500 && first.StatusCode != http.StatusNotImplemented {
				t.Errorf("status %d", first.StatusCode)
			}
			if second, err := http.ReadResponse(in, nil); err == nil {
				t.Errorf("what follows is answered: %d", second.StatusCode)
			}
		})
	}
}

// TestLargeHeader: the limit is maxHeaderBytes and the 4 KiB that net/http adds.
func TestLargeHeader(t *testing.T) {
	r := serve(t, newTestServer(t, Config{}, defaultLimits()))
	for size, status := range map[int]int{
		maxHeaderBytes:         http.StatusOK,
		maxHeaderBytes + 3<<10: http.StatusOK,
		maxHeaderBytes + 4<<10: http.StatusRequestHeaderFieldsTooLarge,
		4 * maxHeaderBytes:     http.StatusRequestHeaderFieldsTooLarge,
	} {
		request := must(http.NewRequest("GET", r.url+"/healthz", nil))(t)
		request.Header.Set("X-Long", strings.Repeat("x", size))
		got := must(http.DefaultClient.Do(request))(t)
		if got.StatusCode != status {
			t.Errorf("%d bytes: status %d, want %d", size, got.StatusCode, status)
		}
		_ = got.Body.Close()
	}
}

// TestOverHTTP verifies a bundle over a connection, as a bank does.
func TestOverHTTP(t *testing.T) {
	a := newAgency(t)
	x := a.answer(t)
	r := serve(t, newTestServer(t, Config{Trust: a.trust(), Log: a.store}, defaultLimits()))
	body := object("bundle", x.bundle, "request", x.request, "openings", x.openings)
	for range 3 { // on one connection
		v := verdictOf(t, must(http.Post(r.url+"/v1/verify", "application/json", bytes.NewBufferString(body)))(t))
		if !v.OK {
			t.Errorf("failed: %v", failed(v))
		}
	}
	r.stop()
	if err := r.wait(t); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		err    error
	}{
		"no trust":       {Config{}, ErrConfig},
		"bad trust":      {Config{Trust: &verifier.Trust{}}, verifier.ErrBadTrust},
		"negative delay": {Config{Trust: &verifier.Trust{Format: verifier.TrustFormat}, DrainDelay: -1}, ErrConfig},
		"negative drain": {Config{Trust: &verifier.Trust{Format: verifier.TrustFormat}, DrainTimeout: -1}, ErrConfig},
		"enough":         {Config{Trust: &verifier.Trust{Format: verifier.TrustFormat}}, nil},
	} {
		if s, err := New(c.config); !errors.Is(err, c.err) || (s == nil) == (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
}
