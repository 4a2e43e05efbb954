package main

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/internal/config"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/witness"
)

type witnessServeCmd struct {
	Listen string   `default:"127.0.0.1:8090" placeholder:"ADDRESS" help:"Where to listen (${default}); port 0 takes a free one."`
	Log    []string `sep:"none" placeholder:"VKEY" help:"The verifier key of a log to follow; may be repeated."`
	Trust  string   `placeholder:"TRUST.json" help:"A trust file: its logs are followed ($$ATTESTRY_TRUST, without --log)."`
}

func (*witnessServeCmd) Help() string {
	return `Answers POST /add-checkpoint as C2SP tlog-witness says, for the logs whose keys are pinned, until it is interrupted. What it cosigns is on disk before the cosignature leaves. Refusals are logged to stderr with their reason. It needs no workspace; to the internet it belongs behind a proxy that speaks TLS.

Examples:

    attestry witness serve --dir witness --trust trust.json
    attestry witness serve --dir witness --listen :8090 --log example.org/land+5ab8d3c1+Aa1gCGFUT6gJM0mQ8DfE4wBTzJ8Vd0kqvGDmMBpVRy0K`
}

// witnessServeResult is what witness serve says in JSON when it has begun to listen.
type witnessServeResult struct {
	Listening string `json:"listening"`
	Key       string `json:"key"`
}

func (c *witnessServeCmd) Run(ctx context.Context, env *cli.Env, g *globals) (err error) {
	logs, err := c.logs(env)
	if err != nil {
		return err
	}
	w, err := witness.Open(g.witnessDir(), logs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return cli.Hint(err, "--listen names another address")
	}
	address := "http://" + l.Addr().String()
	if env.JSON {
		err = env.PrintJSON(witnessServeResult{address, w.Key()})
	} else {
		err = env.Print("listening on %s as %s", address, w.Key())
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	logger := newLogger(env, config.Default().Log)
	return witness.Serve(ctx, l, w.Handler(logger), logger)
}

// logs gives the logs to follow.
func (c *witnessServeCmd) logs(env *cli.Env) ([]witness.Log, error) {
	var logs []witness.Log
	for _, key := range c.Log {
		logs = append(logs, witness.Log{Key: key})
	}
	if c.Trust == "" && len(logs) == 0 {
		c.Trust = os.Getenv(trustVariable)
	}
	if c.Trust == "" {
		if len(logs) == 0 {
			return nil, cli.Hint(errors.New("no log to follow"), "name its key with --log, or a trust file that pins it with --trust")
		}
		return logs, nil
	}
	trust, err := verifycmd.ReadTrust(env, c.Trust)
	if err != nil {
		return nil, err
	}
	for _, l := range trust.Logs {
		logs = append(logs, witness.Log{Key: l.Key, From: bound(l.From), Until: bound(l.Until)})
	}
	return logs, nil
}

func bound(index *canon.Uint64) *uint64 {
	if index == nil {
		return nil
	}
	n := uint64(*index)
	return &n
}

type witnessStatusCmd struct{}

func (*witnessStatusCmd) Help() string {
	return `Shows the last checkpoint that the witness cosigned of each log: what to hold a log's export or a bundle to. Where a log signed another tree of the same size, that is shown, too, and the exit code is 1: the two checkpoints prove that it has two histories. The witness may be serving meanwhile.

Examples:

    attestry witness status --dir witness
    attestry witness status --dir witness --json`
}

// witnessStatus is one log in what witness status says in JSON. The checkpoints are
// signed by the log.
type witnessStatus struct {
	Origin     string `json:"origin"`
	Size       uint64 `json:"size"`
	Root       string `json:"root"`
	Checkpoint string `json:"checkpoint"`
	Fork       string `json:"fork,omitempty"`
}

// witnessStatusResult is what witness status says in JSON.
type witnessStatusResult struct {
	Logs []witnessStatus `json:"logs"`
}

func (c *witnessStatusCmd) Run(env *cli.Env, g *globals) error {
	seen, err := witness.States(g.witnessDir())
	if err != nil {
		return err
	}
	result := witnessStatusResult{Logs: []witnessStatus{}}
	var forked error
	for _, s := range seen {
		c := s.Checkpoint
		result.Logs = append(result.Logs, witnessStatus{c.Origin, c.Size, c.Root.String(), string(s.Signed), string(s.Fork)})
		if s.Fork != nil {
			forked = errors.Join(forked, errors.New("log "+c.Origin+" signed two histories"))
		}
	}
	if env.JSON {
		err = env.PrintJSON(result)
	} else {
		err = result.print(env)
	}
	return errors.Join(err, cli.Refuse(forked))
}

func (r witnessStatusResult) print(env *cli.Env) error {
	for _, s := range r.Logs {
		if err := env.Print("%s: size %d, root %s", s.Origin, s.Size, s.Root); err != nil {
			return err
		}
		if s.Fork == "" {
			continue
		}
		c, err := ledger.ReadCheckpoint([]byte(s.Fork))
		if err != nil {
			return err
		}
		if err := env.Print("%s: FORKED: it also signed size %d, root %s", s.Origin, c.Size, c.Root); err != nil {
			return err
		}
	}
	return nil
}
