package main

import (
	"context"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/workspace"
)

type ledgerExportCmd struct {
	Out string `short:"o" required:"" placeholder:"DIR" help:"The directory; one that holds an earlier export is brought up to date."`
}

func (*ledgerExportCmd) Help() string {
	return `Signs a checkpoint of all entries and writes the log as C2SP tlog-tiles: checkpoint, tile/… and tile/entries/…. It holds no record, no question and no answer: it is fit for everybody to see, and attestry-verify audit replays it. The directory is new, empty or an earlier export, and outside of a workspace.

Examples:

    attestry ledger export -o export/
    attestry-verify audit export/ --trust trust.json`
}

// ledgerExportResult is what ledger export says in JSON.
type ledgerExportResult struct {
	Dir     string `json:"dir"`
	Origin  string `json:"origin"`
	Entries uint64 `json:"entries"`
}

func (c *ledgerExportCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	if err := checkExportDir(c.Out); err != nil {
		return err
	}
	return g.with(func(w *workspace.Workspace) error {
		if _, err := w.Publish(ctx); err != nil {
			return err
		}
		bar := env.Progress("export")
		err := w.Ledger.Export(c.Out, func(done, total int) { bar.Update(int64(done), int64(total)) })
		bar.End()
		if err != nil {
			return err
		}
		signed, err := w.Ledger.Checkpoint()
		if err != nil {
			return err
		}
		checkpoint, err := ledger.ReadCheckpoint(signed)
		if err != nil {
			return err
		}
		r := ledgerExportResult{c.Out, checkpoint.Origin, checkpoint.Size}
		if env.JSON {
			return env.PrintJSON(r)
		}
		return env.Print("%s of %s in %s", cli.Entries(r.Entries), r.Origin, r.Dir)
	})
}
