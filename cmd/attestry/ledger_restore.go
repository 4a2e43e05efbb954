package main

import (
	"context"
	"errors"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/workspace"
)

var errRestoreFromStdin = errors.New("a backup is read from a file, and not from standard input")

type ledgerRestoreCmd struct {
	File      string `arg:"" placeholder:"FILE" help:"The backup."`
	FromTiles string `placeholder:"DIR" help:"A directory that the ledger was exported to, for the entries that the backup lacks."`
}

func (*ledgerRestoreCmd) Help() string {
	return `Puts a backup in the place of a ledger that is missing or damaged. The backup is checked like a ledger. It must contain all that was ever signed, as the guard (ledger.db.guard) says; what it lacks is taken from an export. A ledger that is whole is never replaced, and a damaged one is moved aside, not deleted.

Where neither backup nor export reaches the guard's checkpoint, there are two ways out: find a newer backup or export (any copy of the published files will do, of a mirror or an auditor, too), or start a log under a new origin in a new workspace (attestry init). To go on from an older state under the old origin would be to sign two different logs.

Entries after the last checkpoint and after the backup are lost: who was told of them can tell you.

Examples:

    attestry ledger restore ledger-2026-12-31.db --from-tiles export/`
}

func (c *ledgerRestoreCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	if c.File == cli.Dash {
		return errRestoreFromStdin
	}
	return g.maintain(func(m *workspace.Maintenance) error {
		bar := env.Progress("check the backup")
		done, err := m.Restore(ctx, c.File, c.FromTiles, func(done, total uint64) { bar.Update(int64(done), int64(total)) })
		bar.End()
		if err != nil {
			return cli.Interrupted(err, "nothing was changed")
		}
		if env.JSON {
			return env.PrintJSON(done)
		}
		if done.Aside != "" {
			env.Note("the damaged ledger is now %s", done.Aside)
		}
		return env.Print("%s restored, %s of them from the export", cli.Entries(done.Entries), cli.Count(done.FromTiles))
	})
}
