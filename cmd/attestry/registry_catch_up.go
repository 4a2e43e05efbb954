package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/workspace"
)

type registryCatchUpCmd struct {
	Name    string `arg:"" placeholder:"NAME" help:"The registry."`
	File    string `arg:"" placeholder:"FILE" help:"The records of the first epoch that is missing: CSV or NDJSON, as for import."`
	Changes bool   `help:"The file is one of changes, as for import --changes."`
	Format  string `enum:",csv,ndjson" default:"" placeholder:"csv|ndjson" help:"The file's format, where its ending does not say it."`
}

func (*registryCatchUpCmd) Help() string {
	return `After a restore, the ledger may have epochs of a registry that the backup has no records of. This makes the first of them anew, of the file that it was imported from: the same records give the same root, which the ledger has. Nothing is published.

Examples:

    attestry registry catch-up titles titles-2026-12-31.csv`
}

// catchUpResult is what registry catch-up says in JSON.
type catchUpResult struct {
	Registry string `json:"registry"`
	Epoch    uint64 `json:"epoch"`
	Last     uint64 `json:"last"`
}

func (c *registryCatchUpCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	file, _, err := env.Open(c.File)
	if err != nil {
		return err
	}
	r := bufio.NewReader(file)
	format, err := formatOf(c.File, c.Format, r)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	done := catchUpResult{Registry: c.Name}
	err = g.with(func(w *workspace.Workspace) (err error) {
		done.Epoch, done.Last, err = w.CatchUp(ctx, c.Name, r, format, c.Changes)
		return err
	})
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%s: %w", cli.FileName(c.File), err)
	}
	if env.JSON {
		return env.PrintJSON(done)
	}
	if done.Epoch < done.Last {
		env.Note("epoch %d is the next one that is missing", done.Epoch+1)
	}
	return env.Print("registry %s: epoch %d of %d", c.Name, done.Epoch, done.Last)
}
