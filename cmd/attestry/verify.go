package main

import (
	"context"
	"strings"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
)

// verifyCmd is the auditor's verify, which a server can be asked for, too.
type verifyCmd struct{ verifycmd.Verify }

func (c *verifyCmd) Help() string {
	return inAttestry(c.Verify.Help()) + `
    attestry --server https://registry.example.org verify bundle.json --request request.json`
}

func (c *verifyCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	if g.Server == "" {
		return c.Verify.Run(env)
	}
	if c.Trust != "" { // the variable's: beside --server the flag is refused
		env.Warn("%s counts for nothing here: the server verifies against its own trust file", trustVariable)
	}
	files, err := c.Read(env)
	if err != nil {
		return err
	}
	server, err := g.client(env)
	if err != nil {
		return err
	}
	verdict, err := verifyAt(ctx, server, files)
	if err != nil {
		return err
	}
	return verifycmd.Print(env, verdict, "") // under a trust file that only the server has
}

// auditCmd is the auditor's audit.
type auditCmd struct{ verifycmd.Audit }

func (c *auditCmd) Help() string { return inAttestry(c.Audit.Help()) }

// inAttestry gives the help of the auditor's program for this one.
func inAttestry(help string) string { return strings.ReplaceAll(help, "attestry-verify", "attestry") }
