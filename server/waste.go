package server

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/verifier"
)

// A bundle costs less to send than to verify, and what is no good costs its sender least:
// false proofs need no prover. So a client is told to wait once it has had the server
// compute for nothing too long. What is good, or an honest no, counts for nothing.

// wasteBurst is the time in which a client may waste on average what it may waste at once.
const wasteBurst = 200 * time.Second

// waste counts, by client, the time for which requests of no good were computed with. It
// is nil where that is not bounded.
type waste struct {
	part  float64 // of a core
	burst int     // microseconds that a client may waste at once
	seen  *access.Clients
}

// newWaste bounds what a client may waste to a part of a core, on average.
func newWaste(part float64) *waste {
	if part == 0 {
		return nil
	}
	burst := int(part * float64(wasteBurst.Microseconds()))
	return &waste{part, burst, access.NewClients(rate.Limit(part*1e6), burst)}
}

// wait says how long a client has to wait before it is heard again; 0: not.
func (w *waste) wait(address string, now time.Time) time.Duration {
	if w == nil {
		return 0
	}
	l, ok := w.seen.Find(address)
	if !ok {
		return 0
	}
	missing := -l.TokensAt(now)
	if missing < 0 {
		return 0
	}
	return max(time.Second, time.Duration(missing/w.part)*time.Microsecond)
}

// add counts what a client has wasted.
func (w *waste) add(address string, now time.Time, wasted time.Duration) {
	if w == nil || wasted < time.Microsecond || isOwn(address) {
		return
	}
	w.seen.Of(address).ReserveN(now, min(int(wasted.Microseconds()), w.burst)) // it may owe
}

// isOwn tells an address of this machine: a proxy's that nobody named, or its owner's.
func isOwn(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.Unmap().IsLoopback()
}

// ofNoGood is where an operation notes which part of it was of no good.
type ofNoGood struct{}

// noteNoGood notes that so many of the items of a request were of no good.
func noteNoGood(ctx context.Context, bad, items int) {
	if part, ok := ctx.Value(ofNoGood{}).(*float64); ok && items > 0 {
		*part = float64(bad) / float64(items)
	}
}

// isNoGood tells what an honest client never sends: a verdict on a proof that proves
// nothing. All other noes come from clocks, keys and what was asked.
func isNoGood(v *verifier.Verdict) bool {
	for _, c := range v.Failures() {
		if c.Check == verifier.CheckProof {
			return true
		}
	}
	return false
}

// worthwhile refuses clients that have wasted too much, before it reads what they send.
func (s *Server) worthwhile(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if wait := s.waste.wait(c.RealIP(), time.Now()); wait > 0 {
			p := newProblem(CodeTooManyBad, "too much of what came from this address was no good")
			p.retry = wait
			return p
		}
		return next(c)
	}
}

// countWaste counts the time that an operation takes of what is no good: a body that is
// malformed, or what it notes itself.
func (s *Server) countWaste(c echo.Context, operate echo.HandlerFunc) error {
	if s.waste == nil {
		return operate(c)
	}
	var part float64
	r := c.Request()
	c.SetRequest(r.WithContext(context.WithValue(r.Context(), ofNoGood{}, &part)))
	start := time.Now()
	err := operate(c)
	now := time.Now()
	if p := (*problem)(nil); errors.As(err, &p) && p.status < http.StatusInternalServerError {
		part = 1
	}
	wasted := time.Duration(part * float64(now.Sub(start)))
	s.waste.add(c.RealIP(), now, wasted)
	s.config.Metrics.Wasted(wasted)
	return err
}
