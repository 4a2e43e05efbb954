package main

import (
	"context"
	"errors"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/workspace"
)

type restoreCmd struct {
	Backup         string `arg:"" placeholder:"BACKUP" help:"The backup's directory."`
	FromTiles      string `placeholder:"DIR" help:"The newest directory that the ledger was exported to, for the entries that the backup lacks."`
	Checkpoint     string `placeholder:"FILE" help:"The newest checkpoint that is known of the log: its guard, or a mirror's or an auditor's copy."`
	AcceptRollback bool   `help:"Give up what the log signed after the backup, whoever saw it."`
	DryRun         bool   `help:"Check the backup, and leave nothing behind."`
}

func (*restoreCmd) Help() string {
	return `Makes the workspace (--dir), which must not exist or be empty, of a backup. Before it is put in its place every file is held to the list of digests, the list to the manifest, the manifest to the log's key, the ledger to its entries, and each registry to the ledger.

The backup does not know what the log has signed since. Say it with --from-tiles, which brings the ledger forward as well, or with --checkpoint, which the ledger must reach. With --accept-rollback the log forgets what came after the backup, and signs something else in its place: witnesses refuse it, and whoever has a newer checkpoint, bundle or saved audit sees that it was rewritten.

Examples:

    attestry restore /backups/2026-12-31 --dry-run --from-tiles /srv/log
    attestry restore /backups/2026-12-31 --from-tiles /srv/log --dir /var/lib/attestry/data`
}

// restoreResult is what restore says in JSON.
type restoreResult struct {
	Dir         string    `json:"dir"`
	Origin      string    `json:"origin"`
	Made        time.Time `json:"made"`
	Entries     uint64    `json:"entries"`
	FromTiles   uint64    `json:"from_tiles"`
	Fingerprint string    `json:"fingerprint"`
	Behind      []string  `json:"behind"`
}

func (c *restoreCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	dir := g.workspaceDir()
	noteLeftovers(env, "init or restore", dir)
	bar := env.Progress("check the ledger")
	done, err := workspace.RestoreBackup(ctx, dir, workspace.RestoreOptions{
		From: c.Backup, Unlock: g.unlock, Tiles: c.FromTiles, Checkpoint: c.Checkpoint, AcceptRollback: c.AcceptRollback, DryRun: c.DryRun,
		Progress: func(done, total uint64) { bar.Update(int64(done), int64(total)) },
	})
	bar.End()
	if errors.Is(err, workspace.ErrNewestUnknown) {
		return cli.Hint(err, "name the newest export (--from-tiles DIR) or checkpoint (--checkpoint FILE), or give up what came after it (--accept-rollback)")
	}
	if errors.Is(err, workspace.ErrBadKey) {
		err = cli.Hint(err, "the backup is from before a rotation of keys: take one from after it")
	}
	if err != nil {
		return cli.Interrupted(hintOpen(err), "no workspace was made")
	}
	for _, name := range done.Behind {
		env.Warn("the ledger has an epoch of registry %s that the backup has no records of: attestry registry catch-up %s FILE", name, name)
	}
	r := restoreResult{dir, done.Origin, done.Made, done.Entries, done.FromTiles, done.Trust, append([]string{}, done.Behind...)}
	if env.JSON {
		return env.PrintJSON(r)
	}
	what := "restored"
	if c.DryRun {
		what = "would be restored"
	}
	return errors.Join(
		env.Print("log %s, backup of %s: %s %s, %s of them from the export", r.Origin, r.Made.Format(time.RFC3339), cli.Entries(r.Entries), what, cli.Count(r.FromTiles)),
		env.Print("trust file %s", r.Fingerprint),
	)
}
