package server

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/tracing"
	"github.com/attestry/attestry/verifier"
)

// Server answers the HTTP interface. It is safe for concurrent use.
type Server struct {
	config   Config
	limits   limits
	log      *slog.Logger
	now      func() time.Time
	tracer   trace.Tracer
	verifier atomic.Pointer[verifier.Verifier]
	slots    slots
	bodies   bodies
	waste    *waste
	waiting  waiting
	stopping chan struct{} // closed when the server begins to stop
	draining atomic.Bool
	pages    pages
	scopes   []string // that a key can be narrowed to
	handler  http.Handler
}

// New makes a server. It fails with [ErrConfig], and with verifier.ErrBadTrust
// where the trust file cannot be used.
func New(c Config) (*Server, error) { return newServer(c, defaultLimits()) }

func newServer(c Config, l limits) (*Server, error) {
	switch {
	case c.DrainDelay < 0 || c.DrainTimeout < 0:
		return nil, fmt.Errorf("%w: a negative time to drain", ErrConfig)
	case c.Verifications < 0 || c.BodyBytes < 0:
		return nil, fmt.Errorf("%w: a negative limit", ErrConfig)
	case !(c.Waste >= 0 && c.Waste <= 1):
		return nil, fmt.Errorf("%w: a part of a core is from 0 to 1", ErrConfig)
	case (c.Service == nil) != (c.Access == nil), (c.Service == nil) != (c.Directory == nil):
		return nil, fmt.Errorf("%w: a service, its directory and who may use it go together", ErrConfig)
	}
	s := &Server{config: c, limits: l, log: c.Logger, now: c.Now, slots: make(slots, cmp.Or(c.Verifications, l.verifications)), stopping: make(chan struct{})}
	s.waste = newWaste(c.Waste)
	s.bodies = newBodies(cmp.Or(c.BodyBytes, DefaultBodyBytes))
	s.waiting = waiting{all: l.waiting, each: l.waitingEach, by: map[string]int{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.tracer = c.Tracer; s.tracer == nil {
		s.tracer = tracing.Tracer(nil)
	}
	if s.config.DrainTimeout == 0 {
		s.config.DrainTimeout = DefaultDrainTimeout
	}
	if err := s.SetTrust(c.Trust); err != nil {
		return nil, err
	}
	document, err := api.Document()
	if err != nil {
		return nil, err
	}
	if s.pages, err = newPages(document, c); err != nil {
		return nil, err
	}
	if s.scopes, err = access.Scopes(document); err != nil {
		return nil, err
	}
	if s.handler, err = s.newRouter(document); err != nil {
		return nil, err
	}
	return s, nil
}

// SetTrust replaces the trust file that bundles are verified against, for example
// after a workspace got another registry. Verifications in progress keep the old one.
func (s *Server) SetTrust(t *verifier.Trust) error {
	if t == nil {
		return fmt.Errorf("%w: no trust file to verify against", ErrConfig)
	}
	v, err := verifier.New(t)
	if err != nil {
		return err
	}
	s.verifier.Store(v)
	return nil
}

// Handler gives the interface as an HTTP handler. The caller's HTTP server sets the
// timeouts; see [Server.Serve].
func (s *Server) Handler() http.Handler { return s.handler }
