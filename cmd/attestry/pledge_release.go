package main

import (
	"context"
	"errors"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

type pledgeReleaseCmd struct {
	Bundle   string `arg:"" placeholder:"BUNDLE.json" help:"The bundle with the pledge; - is standard input."`
	Openings string `placeholder:"OPENINGS.json" help:"The asker's openings, where they hold the release secret."`
	Fact     string `placeholder:"NAME" help:"Which fact's pledge, where the bundle has several (all of them)."`
	Out      string `short:"o" placeholder:"RELEASE.json" help:"Write the signed release here, for the agency to submit, and append nothing."`
}

func (*pledgeReleaseCmd) Help() string {
	return `Signs the end of a pledge with its release key and appends it to the ledger of the workspace. The secret comes from the openings, if prove drew it, and else from release.key in --dir, from which request new derived it. With -o the release is only signed and written: the bank's part, which needs no workspace; the agency appends it with pledge submit.

Examples:

    attestry pledge release bundle.json --openings openings.json
    attestry --dir bank pledge release bundle.json -o release.json`
}

// releaseResult is what pledge release and submit say in JSON.
type releaseResult struct {
	Registry string `json:"registry"`
	Pledge   uint64 `json:"pledge"`
	Release  uint64 `json:"release"`
}

func (c *pledgeReleaseCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	err := cli.Distinct([]cli.Named{{What: "the bundle", File: c.Bundle}, {What: "the openings", File: c.Openings}}, []cli.Named{{What: "the release", File: c.Out}})
	if err != nil {
		return err
	}
	bundle, err := verifycmd.ReadBundle(env, c.Bundle)
	if err != nil {
		return err
	}
	openings, err := c.openings(env)
	if err != nil {
		return err
	}
	pledges, err := pledgesOf(bundle, c.Fact)
	if err != nil {
		return err
	}
	var releases []*ledger.ReleaseEntry
	for _, p := range pledges {
		e, err := p.release(openings, g.workspaceDir())
		if err != nil {
			return err
		}
		releases = append(releases, e)
	}
	if c.Out != "" {
		return c.write(env, releases)
	}
	return submit(ctx, env, g, releases)
}

func (c *pledgeReleaseCmd) openings(env *cli.Env) (*verifier.Openings, error) {
	if c.Openings == "" {
		return nil, nil
	}
	return verifycmd.ReadOpenings(env, c.Openings)
}

func (c *pledgeReleaseCmd) write(env *cli.Env, releases []*ledger.ReleaseEntry) error {
	if len(releases) > 1 {
		return errors.New("the bundle holds several pledges: say which with --fact")
	}
	document, err := ledger.MarshalEntry(releases[0])
	if err != nil {
		return err
	}
	return env.WriteFile(c.Out, append(document, '\n'), 0o644)
}

func ledgerIndex(i uint64) canon.Uint64 { return canon.Uint64(i) }

// submit appends releases. One that is in the ledger already is no error: the
// pledge is released.
func submit(ctx context.Context, env *cli.Env, g *globals, releases []*ledger.ReleaseEntry) error {
	return g.with(func(w *workspace.Workspace) error {
		for _, e := range releases {
			index, err := appendRelease(ctx, w, e)
			if err != nil {
				return err
			}
			result := releaseResult{e.Registry, uint64(e.Pledge), index}
			if env.JSON {
				err = env.PrintJSON(result)
			} else {
				err = env.Print("pledge of entry %d in %s: released by entry %d", result.Pledge, result.Registry, result.Release)
			}
			if err != nil {
				return err
			}
		}
		_, err := w.Ledger.PublishCheckpoint(w.Signer)
		return err
	})
}

func appendRelease(ctx context.Context, w *workspace.Workspace, e *ledger.ReleaseEntry) (uint64, error) {
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
