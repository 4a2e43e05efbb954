package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

// trustVariable names the trust file where --trust does not.
const trustVariable = "ATTESTRY_TRUST"

// cosignInterval is how often a server asks witnesses whose cosignatures it lacks.
const cosignInterval = time.Minute

type serveCmd struct {
	Listen     string `default:"127.0.0.1:8080" placeholder:"ADDRESS" help:"Where to listen (${default}); port 0 takes a free one."`
	VerifyOnly bool   `help:"Serve verification alone: no log, and with --trust no workspace."`
	Trust      string `placeholder:"TRUST.json" help:"What to verify against. Default: what trust export would write."`
}

func (*serveCmd) Help() string {
	return `Serves POST /v1/verify, the public log (GET /checkpoint, /tile/…), /openapi.json, /healthz and /readyz until it is interrupted. Requests and failures are logged to stderr, without what they hold. The workspace is in use meanwhile.

Examples:

    attestry serve
    attestry serve --listen :8443 --trust trust.json
    attestry serve --verify-only --trust trust.json`
}

// serveResult is what serve says in JSON when it has begun to listen.
type serveResult struct {
	Listening string `json:"listening"`
}

func (c *serveCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	if c.VerifyOnly {
		trust, err := c.verifyOnlyTrust(env, g)
		if err != nil {
			return err
		}
		return c.serve(ctx, env, server.Config{Trust: trust})
	}
	return g.with(func(w *workspace.Workspace) error {
		warnDevelopment(env, w)
		trust, err := c.trust(env, w)
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
		stop, err := serveControl(ctx, env, w)
		if err != nil {
			return err
		}
		defer stop()
		a, err := authenticator(w)
		if err != nil {
			return err
		}
		return c.serve(ctx, env, server.Config{Trust: trust, Log: w.Ledger, Access: a})
	})
}

// authenticator finds who requests are from by the workspace's directory.
func authenticator(w *workspace.Workspace) (*access.Authenticator, error) {
	d, err := directory(w)
	if err != nil {
		return nil, err
	}
	return access.NewAuthenticator(access.Options{Directory: d})
}

// trust gives the trust file that was named, else the workspace's own.
func (c *serveCmd) trust(env *cli.Env, w *workspace.Workspace) (*verifier.Trust, error) {
	if c.Trust == "" {
		return w.Trust()
	}
	return verifycmd.ReadTrust(env, c.Trust)
}

// verifyOnlyTrust needs a workspace only where no trust file was named.
func (c *serveCmd) verifyOnlyTrust(env *cli.Env, g *globals) (trust *verifier.Trust, err error) {
	if c.Trust == "" {
		c.Trust = os.Getenv(trustVariable)
	}
	if c.Trust != "" {
		return c.trust(env, nil)
	}
	err = g.with(func(w *workspace.Workspace) error {
		trust, err = w.Trust()
		return err
	})
	return trust, err
}

func (c *serveCmd) serve(ctx context.Context, env *cli.Env, config server.Config) error {
	config.Logger = newLogger(env)
	s, err := server.New(config)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return cli.Hint(err, "--listen names another address")
	}
	address := "http://" + l.Addr().String()
	if env.JSON {
		err = env.PrintJSON(serveResult{address})
	} else {
		err = env.Print("listening on %s", address)
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return s.Serve(ctx, l)
}

// newLogger logs to stderr; quiet, it leaves out what went well.
func newLogger(env *cli.Env) *slog.Logger {
	level := slog.LevelInfo
	if env.Quiet {
		level = slog.LevelWarn
	}
	return slog.New(slog.NewTextHandler(env.Err, &slog.HandlerOptions{Level: level}))
}

// startServer serves the demonstration's workspace on a free local port, and gives
// its address and what stops it.
func (d *demo) startServer(ctx context.Context) (address string, stop func() error, err error) {
	s, err := server.New(server.Config{Trust: d.trust, Log: d.w.Ledger})
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
