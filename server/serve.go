package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
)

// Serve answers requests on a listener, which it closes, until ctx ends. Then
// /readyz says no, for DrainDelay at least, and what would make a job is sent away;
// after that new connections are refused, and requests in flight have DrainTimeout to
// finish, after which they are cut off and Serve fails with [ErrDrain].
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	// Requests outlive ctx: its end begins the stop and must not be their end.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := s.httpServer(base)
	failed := make(chan error, 1)
	go func() { failed <- s.accept(server, l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	return s.drain(base, server)
}

// accept serves a listener's connections, over TLS where that is configured.
func (s *Server) accept(server *http.Server, l net.Listener) error {
	if s.config.TLS == nil {
		return server.Serve(l)
	}
	return server.ServeTLS(l, "", "")
}

func (s *Server) httpServer(base context.Context) *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.limits.readHeader,
		ReadTimeout:       s.limits.read,
		WriteTimeout:      s.limits.write,
		IdleTimeout:       s.limits.idle,
		MaxHeaderBytes:    s.limits.header,
		TLSConfig:         s.config.TLS,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
}

// drain stops the server as Serve says. base is the context of its requests.
func (s *Server) drain(base context.Context, server *http.Server) error {
	if !s.draining.Swap(true) {
		close(s.stopping)
	}
	s.log.Info("stopping", "delay", s.config.DrainDelay, "timeout", s.config.DrainTimeout)
	time.Sleep(s.config.DrainDelay)
	deadline, cancel := context.WithTimeout(base, s.config.DrainTimeout)
	defer cancel()
	err := server.Shutdown(deadline)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(fmt.Errorf("%w: after %s", ErrDrain, s.config.DrainTimeout), server.Close())
	}
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	s.log.Info("stopped")
	return nil
}

// makesJobs tells the operations that come to a job of the queue.
func makesJobs(operation string) bool {
	return slices.Contains([]string{"CreateRequest", "CreateProof", "CreateEpoch"}, operation)
}

// whileServing sends away what would make a job once the server stops: it would wait for
// the next start, and another server may do it now. The queue takes up no job any more. An
// answer that is kept for an idempotency key is given all the same.
func (s *Server) whileServing(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if s.draining.Load() {
			return newProblem(CodeNotReady, "the server is stopping, and takes no jobs")
		}
		return next(c)
	}
}
