package main

import (
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type grantShowCmd struct {
	Grant uint64 `arg:"" placeholder:"INDEX" help:"The index of the grant's entry."`
	Out   string `short:"o" default:"-" placeholder:"GRANT.json" help:"Where to write the document (mode 0600)."`
}

func (*grantShowCmd) Help() string {
	return `Gives the document of a grant, which the ledger does not show.

Examples:

    attestry grant show 12
    attestry grant show 12 -o grant.json`
}

func (c *grantShowCmd) Run(env *cli.Env, g *globals) error {
	var document *statement.Grant
	err := g.with(func(w *workspace.Workspace) (err error) {
		document, err = w.GrantDocument(c.Grant)
		return err
	})
	if err != nil {
		return err
	}
	content, err := document.JSON()
	if err != nil {
		return err
	}
	return env.WriteFile(c.Out, content, 0o600)
}
