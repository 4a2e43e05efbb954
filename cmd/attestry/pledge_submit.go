package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
)

type pledgeSubmitCmd struct {
	Release string `arg:"" placeholder:"RELEASE.json" help:"The release that pledge release -o wrote; - is standard input."`
}

func (*pledgeSubmitCmd) Help() string {
	return `Appends a signed release to the ledger of the workspace. The ledger decides whether the pledge's release key signed it.

Examples:

    attestry pledge submit release.json`
}

func (c *pledgeSubmitCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	document, err := env.ReadFile(c.Release)
	if err != nil {
		return err
	}
	entry, err := ledger.ParseEntry(bytes.TrimSpace(document))
	if err != nil {
		return fmt.Errorf("%s: %w", cli.FileName(c.Release), err)
	}
	release, ok := entry.(*ledger.ReleaseEntry)
	if !ok {
		return fmt.Errorf("%s is of type %s, not a release", cli.FileName(c.Release), entry.Type())
	}
	return submit(ctx, env, g, []*ledger.ReleaseEntry{release})
}
