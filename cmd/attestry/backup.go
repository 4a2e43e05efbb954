package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/config"
	"github.com/attestry/attestry/workspace"
)

type backupCmd struct {
	Directory string `arg:"" placeholder:"BACKUP" help:"The backup's directory, which must not exist."`
	Config    string `placeholder:"FILE" help:"A server's configuration file, to be kept with it."`
}

func (*backupCmd) Help() string {
	return `Copies the whole workspace (ledger, registries, keys, circuits, grants, the service's database) into a new directory, as of one moment, with the trust file, a list of digests and a manifest that the log's key signs. Where attestry serve holds the workspace, it is asked to do so, by a socket in the workspace that its owner alone can open, and goes on serving.

What is encrypted at rest is encrypted in the backup. In a workspace that is not, the backup holds every key and record in the clear: whoever reads it is the agency.

The guard (ledger.db.guard) is not part of it and must not be. A directory that the ledger is exported to is the other half: with it, attestry restore reaches the last checkpoint that anybody was shown.

Examples:

    attestry backup /backups/2026-12-31
    attestry backup /backups/2026-12-31 --config /etc/attestry/attestry.yaml
    attestry ledger export -o /srv/log`
}

// workspaceBackupOrder asks for a backup of the workspace.
type workspaceBackupOrder struct {
	Directory string `json:"directory"` // absolute, for a server
	Config    string `json:"config"`    // the content of the configuration file, if any
}

// workspaceBackupResult is what backup says in JSON.
type workspaceBackupResult struct {
	Directory string `json:"directory"`
	Entries   uint64 `json:"entries"`
	Files     int    `json:"files"`
	Bytes     int64  `json:"bytes"`
	Manifest  string `json:"manifest"`
}

// backupConfig is the configuration's name in a backup.
const backupConfig = "attestry.yaml"

func (c *backupCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	if c.Directory == cli.Dash {
		return errBackupToStdout
	}
	o, err := c.order(env, g)
	if err != nil {
		return err
	}
	noteLeftovers(env, "backup", o.Directory)
	var done workspaceBackupResult
	err = g.with(func(w *workspace.Workspace) (err error) {
		done, err = o.carryOut(ctx, w)
		return err
	})
	if err = g.through(ctx, err, "workspace-backup", o, &done); err != nil {
		return cli.Interrupted(err, "there is no backup")
	}
	if env.JSON {
		return env.PrintJSON(done)
	}
	return errors.Join(
		env.Print("%s, %s, %s copied to %s", cli.Entries(done.Entries), cli.Plural(done.Files, "file"), cli.Bytes(done.Bytes), done.Directory),
		env.Print("manifest %s", done.Manifest),
	)
}

func (c *backupCmd) order(env *cli.Env, g *globals) (o workspaceBackupOrder, err error) {
	if o.Directory, err = filepath.Abs(c.Directory); err != nil {
		return o, err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(o.Directory))
	if err != nil {
		return o, err
	}
	o.Directory = filepath.Join(parent, filepath.Base(o.Directory))
	if err := g.Guard(o.Directory); err != nil || c.Config == "" {
		return o, err
	}
	if _, err := config.Read(c.Config, nil, nil); err != nil {
		return o, err // one that serve would not take is no use when it is needed
	}
	content, err := env.ReadFile(c.Config)
	if err == nil && len(content) > maxControlBytes/2 {
		err = fmt.Errorf("%s: %w: over %s", c.Config, cli.ErrTooLarge, cli.Bytes(maxControlBytes/2))
	}
	o.Config = string(content)
	return o, err
}

// carryOut backs a workspace up.
func (o workspaceBackupOrder) carryOut(ctx context.Context, w *workspace.Workspace) (workspaceBackupResult, error) {
	others := map[string][]byte{}
	if o.Config != "" {
		others[backupConfig] = []byte(o.Config)
	}
	done, err := w.Backup(ctx, o.Directory, others)
	return workspaceBackupResult{o.Directory, done.Entries, done.Files, done.Bytes, done.Manifest.Hex()}, err
}
