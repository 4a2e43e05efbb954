package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

type pledgeReleaseCmd struct {
	Bundle   string  `arg:"" optional:"" placeholder:"BUNDLE.json" help:"The bundle with the pledge; - is standard input."`
	Entry    *uint64 `placeholder:"INDEX" help:"Instead of a bundle that was lost: the pledge's entry in the ledger of the workspace."`
	Request  string  `placeholder:"REQUEST.json" help:"With --entry: the completed request, from which the release key was derived."`
	Openings string  `placeholder:"OPENINGS.json" help:"The asker's openings, where they hold the release secret."`
	Fact     string  `placeholder:"NAME" help:"Which fact's pledge, where the bundle has several (all of them)."`
	Out      string  `short:"o" placeholder:"RELEASE.json" help:"Write the signed release here, for the agency to submit, and append nothing."`
}

func (*pledgeReleaseCmd) Help() string {
	return `Signs the end of a pledge with its release key and appends it to the ledger of the workspace. The secret comes from the openings, if prove drew it, and else from release.key in --dir, from which request new derived it. A pledge whose bundle was lost is released by its --entry: with the request that its key was derived from, or the secret that prove kept in the workspace. With -o the release is only signed and written: the bank's part, which needs no workspace; the agency appends it with pledge submit.

Examples:

    attestry pledge release bundle.json --openings openings.json
    attestry --dir bank pledge release bundle.json -o release.json
    attestry pledge release --entry 12 --request request.json`
}

// releaseResult is what pledge release and submit say in JSON.
type releaseResult struct {
	Registry string `json:"registry"`
	Pledge   uint64 `json:"pledge"`
	Release  uint64 `json:"release"`
	Forced   bool   `json:"forced,omitempty"`
}

func (c *pledgeReleaseCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	err := cli.Distinct([]cli.Named{{What: "the bundle", File: c.Bundle}, {What: "the openings", File: c.Openings}}, []cli.Named{{What: "the release", File: c.Out}})
	if err != nil {
		return err
	}
	openings, err := c.openings(env)
	if err != nil {
		return err
	}
	pledges, err := c.pledges(env, g)
	if err != nil {
		return err
	}
	var releases []ledger.Entry
	for _, p := range pledges {
		e, err := p.release(openings, g.workspaceDir())
		if err != nil {
			return err
		}
		releases = append(releases, e)
	}
	if c.Out != "" {
		if len(releases) > 1 {
			return errors.New("the bundle holds several pledges: say which with --fact")
		}
		return writeRelease(env, c.Out, releases[0])
	}
	return submit(ctx, env, g, releases)
}

// pledges reads the pledges to release, from the bundle or the ledger.
func (c *pledgeReleaseCmd) pledges(env *cli.Env, g *globals) ([]pledge, error) {
	if (c.Bundle == "") == (c.Entry == nil) {
		return nil, errors.New("name either the bundle or --entry")
	}
	if c.Entry != nil {
		return c.ledgerPledge(env, g)
	}
	bundle, err := verifycmd.ReadBundle(env, c.Bundle)
	if err != nil {
		return nil, err
	}
	return pledgesOf(bundle, c.Fact)
}

// ledgerPledge reads a pledge from the ledger. The request, where one is given, tells
// the nonce and the fact that its release key was derived from.
func (c *pledgeReleaseCmd) ledgerPledge(env *cli.Env, g *globals) ([]pledge, error) {
	p, err := ledgerPledge(g, *c.Entry)
	if err != nil || c.Request == "" {
		return []pledge{p}, err
	}
	r, err := verifycmd.ReadRequest(env, c.Request)
	if err != nil {
		return nil, err
	}
	for _, name := range r.FactNames() {
		if key := r.PledgeKey(name); key != nil && *key == *p.entry.Public.ReleaseKey && r.Nonce != nil {
			p.fact.Name, p.fact.Context.Nonce = name, *r.Nonce
			return []pledge{p}, nil
		}
	}
	return nil, fmt.Errorf("the pledge of entry %d is not of this request", p.index)
}

// ledgerPledge reads the pledge of an entry from the ledger of the workspace.
func ledgerPledge(g *globals, index uint64) (pledge, error) {
	p := pledge{index: index}
	err := g.with(func(w *workspace.Workspace) error {
		data, err := w.Ledger.Entry(p.index)
		if err != nil {
			return err
		}
		entry, err := ledger.ParseEntry(data)
		if err != nil {
			return err
		}
		var ok bool
		if p.entry, ok = entry.(*ledger.ProofEntry); !ok || !p.entry.IsPledge() {
			return fmt.Errorf("entry %d is no pledge", p.index)
		}
		p.leaf = statement.Digest(ledger.LeafHash(data))
		return nil
	})
	return p, err
}

func (c *pledgeReleaseCmd) openings(env *cli.Env) (*verifier.Openings, error) {
	if c.Openings == "" {
		return nil, nil
	}
	return verifycmd.ReadOpenings(env, c.Openings)
}

func writeRelease(env *cli.Env, name string, release ledger.Entry) error {
	document, err := ledger.MarshalEntry(release)
	if err != nil {
		return err
	}
	return env.WriteFile(name, append(document, '\n'), 0o644)
}

func ledgerIndex(i uint64) canon.Uint64 { return canon.Uint64(i) }

// submit appends releases. One that is in the ledger already is no error: the
// pledge is released.
func submit(ctx context.Context, env *cli.Env, g *globals, releases []ledger.Entry) error {
	return g.with(func(w *workspace.Workspace) error {
		for _, e := range releases {
			index, err := appendRelease(ctx, w, e)
			if err != nil {
				return err
			}
			if err := printRelease(env, w, e, index); err != nil {
				return err
			}
		}
		_, err := w.Publish(ctx)
		return err
	})
}

// printRelease says what ended the pledge: where the release came too late, another one.
func printRelease(env *cli.Env, w *workspace.Workspace, e ledger.Entry, index uint64) error {
	result := releaseResult{Release: index}
	switch e := e.(type) {
	case *ledger.ReleaseEntry:
		result.Registry, result.Pledge = e.Registry, uint64(e.Pledge)
	case *ledger.ForcedReleaseEntry:
		result.Registry, result.Pledge = e.Registry, uint64(e.Pledge)
	}
	status, err := w.Ledger.Pledge(result.Pledge)
	if err != nil {
		return err
	}
	how := "released"
	if result.Forced = status.Forced; status.Forced {
		how = "released by force"
	}
	if env.JSON {
		return env.PrintJSON(result)
	}
	return env.Print("pledge of entry %d in %s: %s by entry %d", result.Pledge, result.Registry, how, result.Release)
}

func appendRelease(ctx context.Context, w *workspace.Workspace, e ledger.Entry) (uint64, error) {
	indexes, err := w.Ledger.Append(ctx, e)
	var duplicate *ledger.DuplicateError
	switch {
	case errors.As(err, &duplicate):
		return duplicate.Index, nil
	case errors.Is(err, ledger.ErrRelease), errors.Is(err, ledger.ErrBadSignature), errors.Is(err, ledger.ErrForeign):
		return 0, cli.Refuse(err)
	case err != nil:
		return 0, err
	}
	return indexes[0], nil
}
