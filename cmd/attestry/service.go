package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/net/netutil"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/config"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/metrics"
	"github.com/attestry/attestry/server/tracing"
	"github.com/attestry/attestry/server/transport"
)

// service is a server with what it needs around it, as its configuration says.
type service struct {
	env      *cli.Env
	settings config.Config
	log      *slog.Logger
	metrics  *metrics.Metrics         // nil where nobody can ask for them
	tls      *transport.TLS           // nil where it speaks plain HTTP
	traces   *sdktrace.TracerProvider // nil where nobody is told
}

func newService(env *cli.Env, settings config.Config) (s *service, err error) {
	s = &service{env: env, settings: settings, log: newLogger(env, settings.Log)}
	if settings.Private.Listen != "" {
		s.metrics = metrics.New()
	}
	s.tls, err = openTLS(settings.TLS, s.log)
	return s, err
}

// openTracing begins to send traces, where the configuration says where to.
func (s *service) openTracing(ctx context.Context) (err error) {
	c := s.settings.Tracing
	if c.Endpoint == "" {
		return nil
	}
	s.traces, err = tracing.Open(ctx, tracing.Config{
		Endpoint: c.Endpoint, Sample: c.Sample, Version: cli.Version(),
		Failed: func(err error) { s.log.Warn("traces are not taken", "error", err.Error()) },
	})
	return err
}

// tracer makes the spans of what is served; nil: there are none.
func (s *service) tracer() trace.Tracer {
	if s.traces == nil {
		return nil
	}
	return tracing.Tracer(s.traces)
}

// tracesEnd is how long a server that stops waits for its last traces to be taken.
const tracesEnd = 5 * time.Second

// closeTracing sends what is left.
func (s *service) closeTracing() {
	if s.traces == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tracesEnd)
	defer cancel()
	if err := s.traces.Shutdown(ctx); err != nil {
		s.log.Warn("the last traces are not taken", "error", err.Error())
	}
}

// newLogger logs to stderr; quiet, it leaves out what went well.
func newLogger(env *cli.Env, c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // the names are slog's
	if env.Quiet {
		level = max(level, slog.LevelWarn)
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == config.FormatJSON {
		return slog.New(slog.NewJSONHandler(env.Err, options))
	}
	return slog.New(slog.NewTextHandler(env.Err, options))
}

// serveResult is what serve says in JSON when it has begun to listen.
type serveResult struct {
	Listening string `json:"listening"`
	Private   string `json:"private,omitempty"`
}

// run serves until ctx ends. What c leaves out of the settings is added.
func (s *service) run(ctx context.Context, c server.Config) error {
	c.Logger, c.Metrics, c.Tracer = s.log, s.metrics, s.tracer()
	c.TrustedProxies = s.settings.Proxies()
	c.Verifications, c.BodyBytes = s.settings.Limits.Verifications, int64(s.settings.Limits.BodyMiB)<<20
	c.Waste = s.settings.Limits.Waste
	c.DrainDelay, c.DrainTimeout = s.settings.Drain.Delay, s.settings.Drain.Timeout
	s.secure(&c)
	public, err := server.New(c)
	if err != nil {
		return err
	}
	l, err := s.listen(ctx)
	if err != nil {
		return err
	}
	// The private listener goes on until the public one has stopped: a drain is when it is
	// looked at.
	private, stop := context.WithCancel(context.WithoutCancel(ctx))
	var serving sync.WaitGroup
	defer serving.Wait()
	defer stop()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	if s.tls != nil {
		serving.Go(func() { s.tls.Watch(private) })
	}
	if l.private != nil {
		serving.Go(func() {
			if err := server.ServePrivate(private, l.private, server.NewPrivate(s.metrics, s.settings.Private.Pprof), s.log); err != nil {
				fail(fmt.Errorf("the private listener: %w", err))
			}
		})
	}
	if err := s.say(l); err != nil {
		return errors.Join(err, l.public.Close())
	}
	err = public.Serve(ctx, l.public)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// listeners are where a service is reached.
type listeners struct{ public, private net.Listener }

// listen opens the listeners, both or none.
func (s *service) listen(ctx context.Context) (l listeners, err error) {
	if l.public, err = listen(ctx, s.settings.Listen); err != nil {
		return l, cli.Hint(err, "--listen names another address")
	}
	l.public = netutil.LimitListener(l.public, s.settings.Limits.Connections)
	if s.settings.Private.Listen == "" {
		return l, nil
	}
	if l.private, err = listen(ctx, s.settings.Private.Listen); err != nil {
		return l, errors.Join(cli.Hint(err, "private.listen names another address"), l.public.Close())
	}
	return l, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}

// say says where it listens.
func (s *service) say(l listeners) error {
	said := serveResult{Listening: "http://" + l.public.Addr().String()}
	if s.tls != nil {
		said.Listening = "https://" + l.public.Addr().String()
	}
	if l.private != nil {
		said.Private = "http://" + l.private.Addr().String()
	}
	if s.env.JSON {
		return s.env.PrintJSON(said)
	}
	err := s.env.Print("listening on %s", said.Listening)
	if l.private != nil {
		err = errors.Join(err, s.env.Print("private on %s", said.Private))
	}
	return err
}
