package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/workspace"
)

var errBackupToStdout = errors.New("a backup is a file of its own, which cannot go to standard output")

type ledgerBackupCmd struct {
	File string `arg:"" placeholder:"FILE" help:"The copy's file, which must not exist."`
}

func (*ledgerBackupCmd) Help() string {
	return `Copies the ledger into a new file of mode 0600. Where attestry serve holds the workspace, it is asked to do so, by a socket in the workspace that its owner alone can open, and goes on serving. The guard (ledger.db.guard) is not part of the copy and must not be: it stays with the workspace, so that an old copy is noticed. A directory that the ledger is exported to after every backup is the other half: with it a restore reaches the last checkpoint.

Examples:

    attestry ledger backup ledger-2026-12-31.db
    attestry ledger export -o export/`
}

// backupResult is what ledger backup says in JSON.
type backupResult struct {
	File    string `json:"file"`
	Entries uint64 `json:"entries"`
}

func (c *ledgerBackupCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	if c.File == cli.Dash {
		return errBackupToStdout
	}
	var entries uint64
	err := g.maintain(func(m *workspace.Maintenance) (err error) {
		entries, err = m.Backup(c.File)
		return err
	})
	if errors.Is(err, workspace.ErrInUse) {
		var through error
		if entries, through = backupThrough(ctx, g.workspaceDir(), c.File); !errors.Is(through, fs.ErrNotExist) {
			err = through
		}
	}
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(backupResult{c.File, entries})
	}
	return env.Print("%s copied to %s", cli.Entries(entries), c.File)
}

// backupThrough has the server of a workspace copy its ledger. It fails with
// [fs.ErrNotExist] where no server listens.
func backupThrough(ctx context.Context, dir, file string) (entries uint64, err error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return 0, err
	}
	var result backupResult
	err = order(ctx, dir, "backup", backupOrder{absolute}, &result)
	return result.Entries, err
}
