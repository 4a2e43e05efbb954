package main

import (
	"context"
	"errors"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/workspace"
)

type pledgeForceCmd struct {
	Bundle      string  `arg:"" optional:"" placeholder:"BUNDLE.json" help:"The bundle with the pledge; - is standard input."`
	Entry       *uint64 `placeholder:"INDEX" help:"Instead of a bundle: the pledge's entry in the ledger of the workspace."`
	Fact        string  `placeholder:"NAME" help:"Which fact's pledge, where the bundle has several."`
	RecoveryKey string  `required:"" placeholder:"RECOVERY.key" help:"The file of the recovery key that the schema names for the scope."`
	Reason      string  `required:"" placeholder:"TEXT" help:"Why, for everyone to read: it must say nothing of the record or its owner."`
	Out         string  `short:"o" placeholder:"RELEASE.json" help:"Write the signed release here, for the agency to submit, and append nothing."`
}

func (*pledgeForceCmd) Help() string {
	return `Ends a pledge without its release key, by the recovery key that the schema declared for the scope when the pledge was made: when the bank has lost its key, or is gone, or a court says so. The release is an entry of its own kind with its reason, and every verdict and status says that force ended the pledge. A scope without a recovery key has no such way.

Examples:

    attestry pledge force-release bundle.json --recovery-key recovery.key --reason court-order-17/2026
    attestry pledge force-release --entry 12 --recovery-key recovery.key --reason lost-key -o forced.json`
}

func (c *pledgeForceCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	err := cli.Distinct([]cli.Named{{What: "the bundle", File: c.Bundle}, {What: "the recovery key", File: c.RecoveryKey}}, []cli.Named{{What: "the release", File: c.Out}})
	if err != nil {
		return err
	}
	p, err := c.pledge(env, g)
	if err != nil {
		return err
	}
	key, err := workspace.ReadRecoveryKey(c.RecoveryKey)
	if err != nil {
		return err
	}
	e := &ledger.ForcedReleaseEntry{
		Origin: p.entry.Public.Origin, Registry: p.entry.Public.Registry, Nullifier: p.entry.Nullifier,
		Pledge: ledgerIndex(p.index), Leaf: p.leaf, Reason: c.Reason,
	}
	if err := e.Sign(key); err != nil {
		return err
	}
	if c.Out != "" {
		return writeRelease(env, c.Out, e)
	}
	return submit(ctx, env, g, []ledger.Entry{e})
}

// pledge reads the one pledge that is meant.
func (c *pledgeForceCmd) pledge(env *cli.Env, g *globals) (pledge, error) {
	if (c.Bundle == "") == (c.Entry == nil) {
		return pledge{}, errors.New("name either the bundle or --entry")
	}
	if c.Entry != nil {
		return ledgerPledge(g, *c.Entry)
	}
	bundle, err := verifycmd.ReadBundle(env, c.Bundle)
	if err != nil {
		return pledge{}, err
	}
	pledges, err := pledgesOf(bundle, c.Fact)
	switch {
	case err != nil:
		return pledge{}, err
	case len(pledges) > 1:
		return pledge{}, errors.New("the bundle holds several pledges: say which with --fact")
	}
	return pledges[0], nil
}
