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
	"sync/atomic"
	"time"

	"github.com/attestry/attestry/server"
)

const comparesConnections = `A server in this process verifies one bundle of an answer again and again over HTTP on the loopback, from so many clients
with a connection each; what the clients cost the processors is in the figures. A client that is told that the server is busy
counts as refused. Nothing is compared: the curve tells whether many connections cost more than few.`

// measureConnections asks a server to verify from ever more connections.
func measureConnections(ctx context.Context, b *bench) error {
	body, config, err := b.verifyBody(ctx)
	if err != nil {
		return err
	}
	stop, url, err := serve(ctx, config)
	if err != nil {
		return err
	}
	rate := plotted{Name: "connections", Title: "Verifications over HTTP", X: "connections", Y: "verifications a second", Series: []series{{Name: "answered"}}}
	slowest := plotted{Name: "connections-latency", Title: "Verifications over HTTP", X: "connections", Y: "milliseconds", Series: []series{{Name: "median"}, {Name: "99 of 100"}}}
	var best float64
	for _, connections := range []int{1, 4, 16, 64, 256, 1024} {
		c := &callers{url: url, body: body, connections: connections}
		if err := c.run(b.count(512, 4096)); err != nil {
			return errors.Join(err, stop())
		}
		at := float64(connections)
		best = max(best, c.perSecond())
		rate.Series[0].Points = append(rate.Series[0].Points, [2]float64{at, c.perSecond()})
		for i, p := range []int{50, 99} {
			slowest.Series[i].Points = append(slowest.Series[i].Points, [2]float64{at, percentile(c.took, p)})
		}
		if c.refused.Load() > 0 {
			b.note("With %d connections, %d of %d calls were told that the server is busy.", connections, c.refused.Load(), len(c.took))
		}
	}
	most := rate.Series[0].Points[len(rate.Series[0].Points)-1]
	b.add(
		figure{"connections.verify.per_s", best, 0, higher, "bundles verified a second over HTTP, at the best number of connections, clients in the same process"},
		figure{"connections.verify.ratio_1024", most[1] / best, 0, higher, "the same from 1,024 connections against the best"},
	)
	b.found.Curves = append(b.found.Curves, rate, slowest)
	return stop()
}

// verifyBody gives a body that asks to verify an answer's bundle, and a server that will.
func (b *bench) verifyBody(ctx context.Context) ([]byte, server.Config, error) {
	c, err := b.theCounty(ctx)
	if err != nil {
		return nil, server.Config{}, err
	}
	trust, err := c.w.Trust()
	if err != nil {
		return nil, server.Config{}, err
	}
	answer, err := c.w.Agency().Answer(ctx, c.request)
	if err != nil {
		return nil, server.Config{}, err
	}
	bundle, err := answer.Bundle.Marshal()
	if err != nil {
		return nil, server.Config{}, err
	}
	body, err := json.Marshal(map[string]json.RawMessage{"bundle": bundle})
	return body, server.Config{Trust: trust}, err
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
	url         string
	body        []byte
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
