package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/trace"

	"github.com/attestry/attestry/internal/panics"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/metrics"
)

const (
	headerRequestID = "X-Request-Id"
	maxRequestID    = 64
	noStore         = "no-store"
)

// requestID names the request by the client's id where that is a plain one, so that
// it can be followed through several systems, and else by one of its own.
func requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(headerRequestID)
		if !isRequestID(id) {
			id = strings.ToLower(rand.Text())
		}
		c.Response().Header().Set(headerRequestID, id)
		return next(c)
	}
}

// isRequestID tells whether a client's id can stand in a log line and a URN.
func isRequestID(id string) bool {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._", r)
	}
	return id != "" && len(id) <= maxRequestID && !strings.ContainsFunc(id, func(r rune) bool { return !plain(r) })
}

// accessLog counts and logs each request once it is answered: its route, never its path,
// query, header or body, which may hold private values.
func (s *Server) accessLog(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		defer s.config.Metrics.Begin()()
		if err := next(c); err != nil {
			c.Error(err)
		}
		s.config.Metrics.Request(metrics.Request{Route: routeOf(c), Method: methodOf(c), Status: c.Response().Status, Took: time.Since(start)})
		line := []slog.Attr{
			slog.String("id", c.Response().Header().Get(headerRequestID)),
			slog.String("method", methodOf(c)),
			slog.String("route", routeOf(c)),
			slog.Int("status", c.Response().Status),
			slog.Duration("duration", time.Since(start)),
			slog.Int64("bytes", c.Response().Size),
		}
		if p := access.PrincipalOf(c.Request().Context()); p != nil {
			line = append(line, slog.String("organisation", p.Organisation.ID), slog.String("credential", p.Credential))
		}
		if span := trace.SpanContextFromContext(c.Request().Context()); span.IsSampled() {
			line = append(line, slog.String("trace", span.TraceID().String()))
		}
		s.log.LogAttrs(c.Request().Context(), slog.LevelInfo, "request", line...)
		return nil
	}
}

// methodOf gives the client's method, or "other": a method is any word.
func methodOf(c echo.Context) string {
	known := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace,
	}
	if m := c.Request().Method; slices.Contains(known, m) {
		return m
	}
	return "other"
}

// routeOf gives the pattern that the path matched.
func routeOf(c echo.Context) string {
	if c.Path() == "" {
		return "none"
	}
	return c.Path()
}

// recoverPanics answers 500 for a handler that panics, or cuts the connection where
// it had begun to answer, so that nobody takes the torso for the whole.
func (s *Server) recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if e, ok := v.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(v)
			}
			s.log.Error("panic", "id", c.Response().Header().Get(headerRequestID), "route", routeOf(c),
				"panic", panics.Text(v), "stack", panics.Stack())
			if c.Response().Committed {
				panic(http.ErrAbortHandler)
			}
			err = newProblem(CodeInternal, "the server's log says more under this request's id")
		}()
		return next(c)
	}
}

func typeName(v any) string { return fmt.Sprintf("%T", v) }

// securityHeaders says what no response of this server needs: to be sniffed,
// framed, or to run or load anything. What may be kept says so itself, later.
func securityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", noStore)
		return next(c)
	}
}

// onePath refuses paths that are escaped without need: what a cache keeps for ever
// has one name.
func onePath(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().URL.RawPath != "" {
			return echo.ErrNotFound
		}
		return next(c)
	}
}

// allowedMethods answers OPTIONS, and 405 for every other method that a path does
// not have, with the methods that it has.
func allowedMethods(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		allow, ok := c.Get(echo.ContextKeyHeaderAllow).(string)
		if !ok || allow == "" {
			return next(c)
		}
		c.Response().Header().Set(echo.HeaderAllow, allow)
		if c.Request().Method == http.MethodOptions {
			return c.NoContent(http.StatusNoContent)
		}
		return newProblem(CodeMethodNotAllowed, "the header Allow says which are")
	}
}
