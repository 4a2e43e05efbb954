package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

type proveCmd struct {
	Request  string `arg:"" placeholder:"REQUEST" help:"The request in YAML or JSON; - is standard input."`
	Out      string `short:"o" default:"-" placeholder:"BUNDLE.json" help:"Where to write the bundle, for whoever verifies."`
	Openings string `placeholder:"OPENINGS.json" help:"Where to write the openings, for the asker alone (mode 0600)."`
}

func (*proveCmd) Help() string {
	return `Picks a record that satisfies the request, proves it, verifies the proof, logs it, and writes the bundle: the question and the proofs, and of the record commitments only. The openings let the asker see whose record it is and read the revealed values. A claim that the registry does not bear out cannot be proved: the exit code is 1, the failing conditions are named, and nothing is written.

A request in YAML is completed with a nonce and a seed, which go into the openings; one that attestry request new wrote has them.

Examples:

    attestry prove request.json -o bundle.json --openings openings.json
    attestry prove question.yaml -o bundle.json --openings openings.json --json`
}

// proveResult is what prove says in JSON, unless the bundle goes to stdout.
type proveResult struct {
	Bundle    string       `json:"bundle"`
	Openings  string       `json:"openings,omitempty"`
	Facts     []provedFact `json:"facts"`
	TimingsMS timingsMS    `json:"timings_ms"`
}

// provedFact says what a fact of the bundle rests on.
type provedFact struct {
	Name     string `json:"name"`
	Registry string `json:"registry"`
	Epoch    uint64 `json:"epoch"`
	Proofs   int    `json:"proofs"`
}

// timingsMS are milliseconds.
type timingsMS struct {
	Prove int64 `json:"prove"`
	Log   int64 `json:"log"`
	Total int64 `json:"total"`
}

func (c *proveCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	start := time.Now()
	request, err := readRequest(env, c.Request)
	if err != nil {
		return err
	}
	plain := request.Nonce == nil || request.Seed == nil
	if err := errors.Join(c.checkOutputs(env), request.Fill(rand.Reader)); err != nil {
		return err
	}
	answer, err := answer(ctx, g, request)
	if errors.Is(err, prover.ErrFalse) {
		err = cli.Refuse(err)
	}
	if err != nil {
		return err
	}
	if plain {
		if err := answer.WithRequest(request); err != nil {
			return err
		}
	}
	if err := c.write(env, answer); err != nil {
		return err
	}
	if c.Openings == "" {
		c.warnLost(env, request, plain)
	}
	return c.print(env, answer, time.Since(start))
}

func answer(ctx context.Context, g *globals, r *statement.Request) (answer *prover.Answer, err error) {
	err = g.with(func(w *workspace.Workspace) error {
		answer, err = w.Agency().Answer(ctx, r)
		return err
	})
	return answer, err
}

// checkOutputs finds what would keep the files from being written before a proof
// is logged for nothing.
func (c *proveCmd) checkOutputs(env *cli.Env) error {
	if c.Openings != "" && filepath.Clean(c.Openings) == filepath.Clean(c.Out) {
		return errors.New("the bundle and the openings go to the same place: whoever verifies must not get the openings")
	}
	if c.Openings == "" {
		return env.CheckWritable(c.Out)
	}
	return errors.Join(env.CheckWritable(c.Out), env.CheckWritable(c.Openings))
}

// write writes both files or none: the openings first, because a bundle without
// them looks finished and is not.
func (c *proveCmd) write(env *cli.Env, a *prover.Answer) error {
	bundle, err := a.Bundle.Marshal()
	if err != nil {
		return err
	}
	openings, err := a.Openings.Marshal()
	if err != nil {
		return err
	}
	if c.Openings != "" {
		if err := env.WriteFile(c.Openings, append(openings, '\n'), 0o600); err != nil {
			return err
		}
	}
	if err := env.WriteFile(c.Out, append(bundle, '\n'), 0o644); err != nil {
		if c.Openings != "" && c.Openings != cli.Dash {
			err = errors.Join(err, os.Remove(c.Openings))
		}
		return err
	}
	return nil
}

// warnLost warns where the asker cannot do without the openings that were not written.
func (c *proveCmd) warnLost(env *cli.Env, r *statement.Request, plain bool) {
	for name, f := range r.NamedFacts() {
		if len(f.Reveal) > 0 || plain && (f.Subject != nil || f.Key != nil) {
			env.Warn("without --openings nobody can check what the commitments of %s are to: the openings are lost", name)
			return
		}
	}
}

func (c *proveCmd) print(env *cli.Env, a *prover.Answer, total time.Duration) error {
	if c.Out == cli.Dash || c.Openings == cli.Dash {
		return nil // stdout has a document already
	}
	facts, err := provedFacts(a.Bundle)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(proveResult{c.Out, c.Openings, facts, timingsMS{
			a.Timings.Prove.Milliseconds(), a.Timings.Log.Milliseconds(), total.Milliseconds(),
		}})
	}
	for _, f := range facts {
		if err := env.Print("%s: proved of epoch %d of %s with %s", f.Name, f.Epoch, f.Registry, cli.Plural(f.Proofs, "proof")); err != nil {
			return err
		}
	}
	env.Note("proved in %s, %s in all", cli.Duration(a.Timings.Prove), cli.Duration(total))
	if c.Openings != "" {
		env.Note("%s is for the asker alone", c.Openings)
	}
	return env.Print("bundle in %s", c.Out)
}

func provedFacts(b *verifier.Bundle) ([]provedFact, error) {
	facts := []provedFact{}
	for _, f := range b.Facts {
		entry, err := ledger.ParseEntry(f.Epoch.Entry)
		if err != nil {
			return nil, err
		}
		epoch, ok := entry.(*ledger.EpochEntry)
		if !ok {
			return nil, fmt.Errorf("fact %s: the epoch's entry is of type %s", f.Name, entry.Type())
		}
		facts = append(facts, provedFact{f.Name, epoch.Registry, uint64(epoch.Number), len(f.Proofs)})
	}
	return facts, nil
}
