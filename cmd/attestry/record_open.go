package main

import (
	"context"
	"fmt"

	"filippo.io/age"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/workspace"
)

type recordCmds struct {
	Open recordOpenCmd `cmd:"" help:"Seal a record's opening to its holder."`
}

func (*recordCmds) Help() string {
	return `Examples:

    attestry record open titles LC-00042 --to age1... -o record.age`
}

type recordOpenCmd struct {
	Registry string `arg:"" placeholder:"NAME" help:"The registry."`
	Key      string `arg:"" placeholder:"KEY" help:"The record's key."`
	To       string `required:"" placeholder:"RECIPIENT" help:"The holder's recipient, as holder keygen printed it."`
	Pledge   bool   `help:"Put in the record's serial, so that the holder can pledge it. Whoever has it recognises all pledges of the record, later ones too."`
	Out      string `short:"o" required:"" placeholder:"RECORD.age" help:"Where to write the sealed file."`
}

func (*recordOpenCmd) Help() string {
	return `Writes the opening of one record at the latest epoch, encrypted with age to its holder: the record, its leaf and its path, and the ledger's entries that it rests on. The holder proves with it (prove --record) and needs the agency no more, until the record changes. The file names no neighbour, and is of no use to a later owner's values.

With --pledge it has the record's serial, too, which a pledge needs and which never changes: a past holder who has it can tell from the ledger whenever the record is pledged, so leave it out for those who do not pledge.

The holder also needs the proving keys: the folder circuits of the workspace, which holds nothing private.

Examples:

    attestry record open titles LC-00042 --to age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq -o record.age
    attestry record open titles LC-00042 --to age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq --pledge -o record.age`
}

func (c *recordOpenCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	recipient, err := age.ParseX25519Recipient(c.To)
	if err != nil {
		return fmt.Errorf("--to: not a recipient that holder keygen printed")
	}
	var sealed []byte
	err = g.with(func(w *workspace.Workspace) error {
		file, err := w.Agency().OpenRecord(ctx, c.Registry, c.Key, c.Pledge)
		if err != nil {
			return err
		}
		sealed, err = file.Seal(recipient)
		return err
	})
	if err != nil {
		return err
	}
	if err := env.WriteFile(c.Out, sealed, 0o600); err != nil || c.Out == cli.Dash {
		return err
	}
	return env.Print("record sealed to its holder in %s", c.Out)
}
