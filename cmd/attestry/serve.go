package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/internal/config"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

// trustVariable names the trust file where --trust does not.
const trustVariable = "ATTESTRY_TRUST"

// auditorKeyVariable is audit's.
const auditorKeyVariable = "ATTESTRY_AUDITOR_KEY"

// cosignInterval is how often a server asks witnesses whose cosignatures it lacks.
const cosignInterval = time.Minute

type serveCmd struct {
	Config     string `placeholder:"FILE" help:"A configuration file; attestry config example shows one. Flags win over it."`
	Listen     string `placeholder:"ADDRESS" help:"Where to listen (127.0.0.1:8080); port 0 takes a free one."`
	VerifyOnly bool   `help:"Serve verification alone: no log, and with --trust no workspace."`
	Trust      string `placeholder:"TRUST.json" help:"What to verify against. Default: what trust export would write."`
	TLSCert    string `name:"tls-cert" placeholder:"FILE" help:"Speak TLS, with this certificate's chain (PEM); read again when it changes."`
	TLSKey     string `name:"tls-key" placeholder:"FILE" help:"The certificate's private key (PEM), mode 0600."`
	ClientCA   string `name:"tls-client-ca" placeholder:"FILE" help:"Who may issue clients' certificates (PEM): mutual TLS for clients that have one."`
}

func (*serveCmd) Help() string {
	return `Serves POST /v1/verify, the public log (GET /checkpoint, /tile/…), /openapi.json, /healthz and /readyz until it is interrupted. Requests and failures are logged to stderr, without what they hold. The workspace is in use meanwhile. Metrics and profiles are on a second, private listener, if the configuration names one.

Examples:

    attestry serve
    attestry serve --listen :8443 --tls-cert server.crt --tls-key server.key
    attestry serve --verify-only --trust trust.json
    attestry serve --config /etc/attestry/attestry.yaml`
}

func (c *serveCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	settings, err := c.read(env, g)
	if err != nil {
		return err
	}
	s, err := newService(env, settings)
	if err != nil {
		return err
	}
	if err := s.openTracing(ctx); err != nil {
		return err
	}
	defer s.closeTracing()
	if settings.VerifyOnly {
		return c.verifyOnly(ctx, env, g, s)
	}
	return g.with(func(w *workspace.Workspace) error { return s.serveWorkspace(ctx, w) })
}

// read reads the configuration under the command line's flags, and takes the workspace's
// directory from it.
func (c *serveCmd) read(env *cli.Env, g *globals) (config.Config, error) {
	flags := map[string]string{}
	for path, value := range map[string]string{
		"dir": g.Dir, "listen": c.Listen, "trust": c.Trust, "tls.cert": c.TLSCert, "tls.key": c.TLSKey, "tls.client_ca": c.ClientCA,
	} {
		if value != "" {
			flags[path] = value
		}
	}
	if c.VerifyOnly {
		flags["verify_only"] = "true"
	}
	settings, err := config.Read(c.Config, os.Environ(), flags)
	if err != nil {
		return settings, cli.Hint(err, "attestry config check FILE checks a file; attestry config example shows one")
	}
	warnSettings(env, settings)
	g.Dir, g.configured = settings.Dir, settings.AtRest
	return settings, nil
}

// warnSettings says what is seldom meant.
func warnSettings(env *cli.Env, c config.Config) {
	for _, w := range c.Warnings() {
		env.Warn("%s", w)
	}
	known := []string{dirVariable, trustVariable, apiKeyVariable, auditorKeyVariable, keyVariable, keyCommandVariable, c.AtRest.Env}
	if names := config.Strangers(os.Environ(), known...); len(names) > 0 {
		env.Warn("no setting has the environment variable %s", strings.Join(names, ", "))
	}
}

// verifyOnly serves verification alone. It needs a workspace only where no trust file was
// named.
func (c *serveCmd) verifyOnly(ctx context.Context, env *cli.Env, g *globals, s *service) error {
	if s.settings.Trust != "" {
		trust, err := verifycmd.ReadTrust(env, s.settings.Trust)
		if err != nil {
			return err
		}
		return s.run(ctx, server.Config{Trust: trust})
	}
	var trust *verifier.Trust
	err := g.with(func(w *workspace.Workspace) (err error) {
		trust, err = w.Trust()
		return err
	})
	if err != nil {
		return err
	}
	return s.run(ctx, server.Config{Trust: trust})
}

// serveWorkspace serves all that there is.
func (s *service) serveWorkspace(ctx context.Context, w *workspace.Workspace) error {
	w.ReferenceProver = s.settings.Prover.Reference
	warnDevelopment(s.env, w)
	trust, err := s.trust(w)
	if err != nil {
		return err
	}
	if _, err := w.Publish(ctx); err != nil {
		return err
	}
	var cosigning sync.WaitGroup
	defer cosigning.Wait() // before the workspace is closed
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cosigning.Go(func() { w.KeepCosigned(ctx, cosignInterval) })
	c := server.Config{Trust: trust, Log: w.Ledger, Ready: s.readiness(w)}
	failing, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	working, err := s.serveOrganisations(failing, w, &c, fail)
	if err != nil {
		return err
	}
	defer working()
	defer cancel()
	stop, err := serveControl(ctx, s.env, w, &administration{w: w, service: c.Service})
	if err != nil {
		return err
	}
	defer stop()
	s.watch(w)
	err = s.run(failing, c)
	if cause := context.Cause(failing); ctx.Err() == nil && cause != nil {
		err = errors.Join(cause, err)
	}
	return err
}

// trust gives the trust file that was named, else the workspace's own.
func (s *service) trust(w *workspace.Workspace) (*verifier.Trust, error) {
	if s.settings.Trust == "" {
		return w.Trust()
	}
	return verifycmd.ReadTrust(s.env, s.settings.Trust)
}

// startServer serves the demonstration's workspace on a free local port, and gives
// its address and what stops it.
func (d *demo) startServer(ctx context.Context) (address string, stop func() error, err error) {
	s, err := server.New(server.Config{Trust: d.trust, Log: d.w.Ledger})
	if err != nil {
		return "", nil, err
	}
	l, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	stop = func() error {
		cancel()
		return <-done
	}
	return "http://" + l.Addr().String(), stop, nil
}
