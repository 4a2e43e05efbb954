package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// TestReadAll: a body is read whole, however it comes, and a torso is not taken for one.
func TestReadAll(t *testing.T) {
	for _, size := range []int{0, 1, firstPiece - 1, firstPiece, firstPiece + 1, 5*firstPiece + 3} {
		want := bytes.Repeat([]byte("b"), size)
		for name, r := range map[string]io.Reader{
			"at once": bytes.NewReader(want), "halves": iotest.HalfReader(bytes.NewReader(want)),
			"with its end": iotest.DataErrReader(bytes.NewReader(want)),
		} {
			b, h := newBodies(16*firstPiece), held{}
			got, err := b.readAll(r, &h)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %s: %d bytes, %v", size, name, len(got), err)
			}
			if h.bytes > 2*int64(size) || size > firstPiece && h.bytes < int64(size) {
				t.Errorf("%d bytes take the room of %d", size, h.bytes)
			}
			b.release(&h)
			if !b.room.TryAcquire(16 * firstPiece) {
				t.Error("room is lost")
			}
		}
	}
	for _, cut := range []error{io.ErrUnexpectedEOF, errors.New("cut")} {
		r := io.MultiReader(strings.NewReader("torso"), iotest.ErrReader(cut))
		if _, err := newBodies(1<<20).readAll(r, new(held)); !errors.Is(err, cut) {
			t.Errorf("%v, want %v", err, cut)
		}
	}
}

// TestBodiesFull: bodies that have arrived in part hold their room, and others are sent
// away meanwhile; what was only announced holds none.
func TestBodiesFull(t *testing.T) {
	const all = 16 * firstPiece
	r := serve(t, newTestServer(t, Config{BodyBytes: all}, testLimits()))
	body := "{" + strings.Repeat(" ", firstPiece) + "}"
	post := func() *http.Response {
		return must(http.Post(r.url+"/v1/verify", "application/json", strings.NewReader(body)))(t)
	}
	begin := func(sent int) net.Conn {
		c := must(net.Dial("tcp", r.address))(t)
		t.Cleanup(func() { _ = c.Close() })
		header := "POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 250000\r\n\r\n"
		must(io.WriteString(c, header+strings.Repeat(" ", sent)))(t)
		return c
	}
	for range 100 {
		begin(firstPiece - 1)
	}
	for range 10 {
		wantProblem(t, post(), CodeMalformed)
	}
	holding := begin(all - firstPiece)
	waitFor(t, "the server to be busy", func() bool {
		if answered(holding) { // it found the room of the post before it not given back yet
			holding = begin(all - firstPiece)
		}
		response := post()
		if response.StatusCode != http.StatusServiceUnavailable {
			return false
		}
		wantProblem(t, response, CodeBusy)
		return true
	})
	if err := holding.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "room", func() bool { return post().StatusCode == http.StatusBadRequest })
}

// answered says whether the server has said something to a request that is not complete.
func answered(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	n, _ := c.Read(make([]byte, 1))
	return n > 0
}

// TestReadyChecks: what does not hold is named, and why is the log's alone.
func TestReadyChecks(t *testing.T) {
	why := error(nil)
	logged := &logLines{}
	h := newTestServer(t, Config{Logger: logged.logger(), Ready: []Check{
		{"disk", func(context.Context) error { return why }},
		{"queue", func(context.Context) error { return nil }},
	}}, testLimits()).Handler()
	if r := do(h, request("GET", "/readyz", "")); r.StatusCode != http.StatusOK {
		t.Errorf("ready: %s", r.Status)
	}
	why = errors.New("7 bytes free in /srv")
	p := wantProblem(t, do(h, request("GET", "/readyz", "")), CodeNotReady)
	if p.Detail != "it does not hold: disk" || !strings.Contains(logged.String(), "7 bytes free") {
		t.Errorf("%q; logged %s", p.Detail, logged)
	}
}
