package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/attestry/attestry/server/access"
)

// waiting bounds how many requests wait for something to happen, in all and of one
// organisation.
type waiting struct {
	mu        sync.Mutex
	all, each int
	now       int
	by        map[string]int
}

// begin lets an organisation's request wait, and gives what ends its waiting.
func (w *waiting) begin(organisation string) (end func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.by[organisation] >= w.each:
		p := newProblem(CodeTooManyWaiting, "an organisation has at most %d", w.each)
		p.retry = retryAfter
		return nil, p
	case w.now >= w.all:
		return nil, newProblem(CodeBusy, "too many requests wait for something")
	}
	w.now++
	w.by[organisation]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.now--
		if w.by[organisation]--; w.by[organisation] == 0 {
			delete(w.by, organisation)
		}
	}, nil
}

// preferredWait reads wait=N from a Prefer header (RFC 7240): how long the client would
// have its request wait. Preferences that are not understood are passed over.
func (s *Server) preferredWait(prefer string) time.Duration {
	for preference := range strings.SplitSeq(prefer, ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		if err != nil {
			return 0
		}
		return min(time.Duration(seconds)*time.Second, s.limits.wait)
	}
	return 0
}

// applied is what Preference-Applied says of a wait.
func applied(wait time.Duration) *string {
	if wait == 0 {
		return nil
	}
	text := "wait=" + strconv.Itoa(int(wait/time.Second))
	return &text
}

// wait prepares a request to wait: the connection's deadlines are put off, and the
// context ends where the server stops. Where nobody is to wait it does nothing.
func (s *Server) wait(ctx context.Context, wait time.Duration) (waits context.Context, end func(), err error) {
	if wait == 0 {
		return ctx, func() {}, nil
	}
	done, err := s.waiting.begin(access.PrincipalOf(ctx).Organisation.ID)
	if err != nil {
		return nil, nil, err
	}
	putOff(ctx, wait+s.limits.write)
	ctx, cancel := context.WithCancel(ctx)
	stop := make(chan struct{})
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-stop:
		}
	}()
	return ctx, func() { close(stop); cancel(); done() }, nil
}

// controllerKey is the context's key for the connection's deadlines.
type controllerKey struct{}

// withDeadlines lets handlers put off the connection's deadlines.
func withDeadlines(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		controller := http.NewResponseController(c.Response().Writer)
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), controllerKey{}, controller)))
		return next(c)
	}
}

// putOff lets a response take longer. The deadline for reading goes: when it passes,
// net/http takes the client for gone.
func putOff(ctx context.Context, by time.Duration) {
	if c, ok := ctx.Value(controllerKey{}).(*http.ResponseController); ok {
		_ = c.SetReadDeadline(time.Time{}) // a writer without deadlines is a test's
		_ = c.SetWriteDeadline(time.Now().Add(by))
	}
}
