package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

type proveCmd struct {
	Request  string   `arg:"" placeholder:"REQUEST" help:"The request in YAML or JSON; - is standard input."`
	Out      string   `short:"o" default:"-" placeholder:"BUNDLE.json" help:"Where to write the bundle, for whoever verifies."`
	Fact     []string `placeholder:"NAME" help:"Prove this fact alone, where other agencies prove the rest; may be repeated."`
	Openings string   `placeholder:"OPENINGS.json" help:"Where to write the openings, for the asker alone (mode 0600)."`
	Record   string   `placeholder:"RECORD.age" help:"As the record's holder: the file that the agency sealed with record open."`
	Holder   string   `placeholder:"HOLDER.key" help:"As the record's holder: the key that holder keygen wrote."`
	Pledge   string   `placeholder:"PLEDGE.json" help:"As the record's holder, of a request with once: where to write what the agency appends with pledge submit."`
	Keys     string   `placeholder:"DIR" help:"As the record's holder: a copy of the agency's folder circuits."`

	ReferenceProver bool `help:"Have gnark's own prover make the proofs, and not the engine: it takes three times as long."`
}

func (*proveCmd) Help() string {
	return `Picks a record that satisfies the request, proves it, verifies the proof, logs it, and writes the bundle: the question and the proofs, and of the record commitments only. The openings let the asker see whose record it is and read the revealed values. A claim that the registry does not bear out cannot be proved: the exit code is 1, the failing conditions are named, and nothing is written. That the files can be written is made sure of before anything is proved.

A request in YAML is completed with a nonce and a seed, which go into the openings; one that attestry request new wrote has them.

With --record the holder of a record proves on their own machine, with no workspace: the proof is not logged, so that the agency does not learn of it. A pledge has to be: --pledge names the file that the agency appends (pledge submit). It hides the question. The agency's receipt makes the bundle complete (pledge complete).

Examples:

    attestry prove request.json -o bundle.json --openings openings.json
    attestry prove question.yaml -o bundle.json --openings openings.json --json
    attestry prove request.json --record record.age --holder holder.key --keys circuits -o bundle.json --openings openings.json
    attestry prove request.json --record record.age --holder holder.key --keys circuits --pledge pledge.json -o bundle.json --openings openings.json`
}

// proveResult is what prove says in JSON, unless the bundle goes to stdout.
type proveResult struct {
	Bundle    string       `json:"bundle"`
	Openings  string       `json:"openings,omitempty"`
	Pledge    string       `json:"pledge,omitempty"`
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
	if c.Record == "" && (c.Holder != "" || c.Keys != "") {
		return errors.New("--holder and --keys go with --record: they are for proving as a record's holder")
	}
	outputs, err := c.prepareOutputs(env)
	if err != nil {
		return err
	}
	defer outputs.discard()
	request, err := verifycmd.ReadRequest(env, c.Request)
	if err != nil {
		return err
	}
	plain := request.Nonce == nil || request.Seed == nil || len(request.PledgeFacts()) > 0
	if err := request.Fill(rand.Reader); err != nil {
		return err
	}
	if err := c.checkPledgeFile(request); err != nil {
		return err
	}
	secrets, err := c.drawReleaseSecrets(g.workspaceDir(), request)
	if err != nil {
		return err
	}
	answer, err := c.answer(ctx, env, g, request)
	if isRefusal(err) {
		err = cli.Refuse(err)
	}
	var logged *prover.LoggedError
	if err != nil && !errors.As(err, &logged) {
		return errors.Join(err, c.forget(g.workspaceDir(), secrets))
	}
	if err != nil {
		return cli.Hint(err, "a pledge among them is released with attestry pledge release --entry INDEX")
	}
	if plain {
		if err := answer.WithRequest(request); err != nil {
			return err
		}
		answer.Openings.ReleaseSecrets = secrets
	}
	if err := outputs.write(answer); err != nil {
		return err
	}
	if err := c.forget(g.workspaceDir(), secrets); err != nil {
		return err
	}
	if c.Openings == "" {
		c.warnLost(env, request, plain)
	}
	if err := c.print(env, answer, time.Since(start)); err != nil {
		return fmt.Errorf("%w; the answer is proved and written all the same: %s", err, c.Out)
	}
	return nil
}

// isRefusal tells an answer of no from a failure to answer.
func isRefusal(err error) bool {
	refusals := []error{prover.ErrFalse, prover.ErrPledged, ledger.ErrPledged, prover.ErrNoGrant, statement.ErrNotGranted}
	return slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) })
}

// drawReleaseSecrets gives each pledge that has no release key a fresh one. Its
// secret goes into the openings: without a place for them it would be lost, and the
// record pledged for ever. Until it is there the workspace keeps it.
func (c *proveCmd) drawReleaseSecrets(dir string, r *statement.Request) (map[string]statement.ReleaseSecret, error) {
	secrets := map[string]statement.ReleaseSecret{}
	for _, name := range r.PledgeFacts() {
		if len(c.Fact) > 0 {
			return nil, cli.Hint(fmt.Errorf("fact %s pledges a record, and the request has no release key for it", name),
				"several agencies need the same request: complete it with attestry request new")
		}
		if c.Openings == "" {
			return nil, cli.Hint(fmt.Errorf("fact %s pledges a record, and the request has no release key for it", name),
				"say --openings FILE, where its secret goes, or complete the request with attestry request new")
		}
		secrets[name] = statement.NewReleaseSecret()
		r.SetPledgeKey(name, secrets[name].Public())
		if c.Record != "" {
			continue // nothing is pledged before the secret is in the openings
		}
		if err := workspace.KeepRelease(dir, secrets[name]); err != nil {
			return nil, err
		}
	}
	return secrets, nil
}

// forget drops the kept secrets of pledges that were not made, or that the asker has.
func (c *proveCmd) forget(dir string, secrets map[string]statement.ReleaseSecret) (err error) {
	if c.Record != "" {
		return nil // it kept none
	}
	for _, s := range secrets {
		err = errors.Join(err, workspace.DropRelease(dir, s))
	}
	return err
}

func (c *proveCmd) answer(ctx context.Context, env *cli.Env, g *globals, r *statement.Request) (answer *prover.Answer, err error) {
	if c.Record != "" {
		return c.proveRecord(ctx, env, g, r)
	}
	err = g.with(func(w *workspace.Workspace) error {
		w.ReferenceProver = c.ReferenceProver
		answer, err = w.Agency().Answer(ctx, r, c.Fact...)
		return cli.Interrupted(err, "nothing was changed")
	})
	return answer, err
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
	if c.Out == cli.Dash || c.Openings == cli.Dash || c.Pledge == cli.Dash {
		return nil // stdout has a document already
	}
	facts, err := provedFacts(a.Bundle)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(proveResult{c.Out, c.Openings, c.Pledge, facts, timingsMS{
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
	if c.Pledge != "" {
		env.Note("%s is for the agency: it counts once attestry pledge submit has appended it", c.Pledge)
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
