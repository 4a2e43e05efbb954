package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/verifier"
)

const comparesConnections = `A server in this process verifies one bundle of an answer again and again over HTTP on the loopback, from so many clients
with a connection each; what the clients cost the processors is in the figures. A client that is told that the server is busy
counts as refused. Beside 64 connections stands the library alone on the same cores, which parses and verifies the same bundle as often from as
many goroutines as there are cores. The curve tells whether many connections cost more than few.`

// measureConnections asks a server to verify, from ever more connections and beside the
// library.
func measureConnections(ctx context.Context, b *bench) error {
	served, err := b.newServed(ctx)
	if err != nil {
		return err
	}
	stop, url, err := serve(ctx, server.Config{Trust: served.trust})
	if err != nil {
		return err
	}
	served.url = url
	return errors.Join(b.byConnections(served), b.besideLibrary(ctx, served), stop())
}

// byConnections draws the curve.
func (b *bench) byConnections(s *served) error {
	rate := plotted{Name: "connections", Title: "Verifications over HTTP", X: "connections", Y: "verifications a second", Series: []series{{Name: "answered"}}}
	slowest := plotted{Name: "connections-latency", Title: "Verifications over HTTP", X: "connections", Y: "milliseconds", Series: []series{{Name: "median"}, {Name: "99 of 100"}}}
	var best, last float64
	for _, connections := range []int{1, 4, 16, 64, 256, 1024} {
		c := &callers{served: s, connections: connections}
		if err := c.run(b.count(512, 4096)); err != nil {
			return err
		}
		at := float64(connections)
		last = c.perSecond()
		best = max(best, last)
		rate.Series[0].Points = append(rate.Series[0].Points, [2]float64{at, last})
		for i, p := range []int{50, 99} {
			slowest.Series[i].Points = append(slowest.Series[i].Points, [2]float64{at, percentile(c.took, p)})
		}
		if c.refused.Load() > 0 {
			b.note("With %d connections, %d of %d calls were told that the server is busy.", connections, c.refused.Load(), len(c.took))
		}
	}
	b.add(
		figure{"server.verify.per_s", best, 0, higher, "bundles verified a second over HTTP, at the best number of connections"},
		figure{"server.verify.ratio_1024", last / best, 0, higher, "the same from 1,024 connections against the best"},
	)
	b.found.Curves = append(b.found.Curves, rate, slowest)
	return nil
}

// besideLibrary holds the server, at 64 connections, to the library on the same cores.
func (b *bench) besideLibrary(ctx context.Context, s *served) error {
	const connections, calls = 64, 512
	v, err := verifier.New(s.trust)
	if err != nil {
		return err
	}
	library := func() error {
		return inParallel(runtime.GOMAXPROCS(0), calls, func(int) error { return s.verify(v) })
	}
	var rates []float64
	over := func() error {
		c := &callers{served: s, connections: connections}
		err := c.run(calls)
		rates = append(rates, c.perSecond())
		return err
	}
	costs, err := interleave(ctx, b.rounds(), library, over)
	if err != nil {
		return err
	}
	rates = rates[1:] // the first round does not count
	slices.Sort(rates)
	alone, served := calls/medianWall(costs[0])*1000, rates[len(rates)/2]
	b.add(figure{"server.verify.ratio", served / alone, 0.8, higher, fmt.Sprintf("bundles a second over HTTP from %d connections, %.0f, against the library's %.0f", connections, served, alone)})
	return nil
}

// served is a bundle, and the server that verifies it.
type served struct {
	url    string
	trust  *verifier.Trust
	bundle []byte
	body   []byte // of a request with the bundle
}

// newServed makes a bundle of an answer.
func (b *bench) newServed(ctx context.Context) (*served, error) {
	c, err := b.theCounty(ctx)
	if err != nil {
		return nil, err
	}
	s := &served{}
	if s.trust, err = c.w.Trust(); err != nil {
		return nil, err
	}
	answer, err := c.w.Agency().Answer(ctx, c.request)
	if err != nil {
		return nil, err
	}
	if s.bundle, err = answer.Bundle.Marshal(); err != nil {
		return nil, err
	}
	s.body = slices.Concat([]byte(`{"bundle":`), s.bundle, []byte("}")) // the very bytes that the library is given
	return s, nil
}

// verify does with the library what a request asks of the server.
func (s *served) verify(v *verifier.Verifier) error {
	bundle, err := verifier.ParseBundle(s.bundle)
	if err != nil {
		return err
	}
	verdict, err := v.Verify(bundle, verifier.Options{At: time.Now()})
	if err == nil && !verdict.OK {
		err = fmt.Errorf("the verdict is not ok: %+v", verdict.Checks)
	}
	return err
}

// serve starts a server, and gives what stops it and its address.
func serve(ctx context.Context, config server.Config) (stop func() error, url string, err error) {
	s, err := server.New(config)
	if err != nil {
		return nil, "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	return func() error { cancel(); return <-done }, "http://" + l.Addr().String(), nil
}

// callers verify from so many connections.
type callers struct {
	*served
	connections int

	took    []time.Duration
	wall    time.Duration
	refused atomic.Int64
}

func (c *callers) run(calls int) error {
	calls = max(calls, 2*c.connections)
	c.took = make([]time.Duration, calls)
	transport := &http.Transport{MaxConnsPerHost: c.connections, MaxIdleConnsPerHost: c.connections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	spent, err := timed(func() error {
		return inParallel(c.connections, calls, func(i int) error {
			start := time.Now()
			err := c.call(client)
			c.took[i] = time.Since(start)
			return err
		})
	})
	c.wall = spent.wall
	return err
}

func (c *callers) call(client *http.Client) error {
	r, err := client.Post(c.url+"/v1/verify", "application/json", bytes.NewReader(c.body))
	if err != nil {
		return err
	}
	document, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return err
	}
	if r.StatusCode == http.StatusServiceUnavailable {
		c.refused.Add(1)
		return nil
	}
	var verdict struct{ OK bool }
	if err := json.Unmarshal(document, &verdict); err != nil || !verdict.OK {
		return fmt.Errorf("%s: %s", r.Status, document)
	}
	return nil
}

func (c *callers) perSecond() float64 {
	return float64(int64(len(c.took))-c.refused.Load()) / c.wall.Seconds()
}
