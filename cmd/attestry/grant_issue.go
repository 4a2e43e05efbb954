package main

import (
	"context"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type grantIssueCmd struct {
	Grant string `arg:"" placeholder:"GRANT.yaml" help:"The grant in YAML or JSON; - is standard input."`
	Out   string `short:"o" default:"-" placeholder:"GRANT.json" help:"Where to write the document, for the grantee (mode 0600)."`
}

func (*grantIssueCmd) Help() string {
	return `Gives the grant a fresh blind, keeps its document in the workspace and appends the entry with its digest. The document is for the grantee: it goes into the bundles that answer them, and whoever has it can see that the entry is of it.

A grant:

    audience: bank-a
    purposes: [mortgage underwriting]      # what a request's purpose may be, word for word
    valid_from: 2026-01-01T00:00:00Z       # optional
    valid_until: 2027-01-01T00:00:00Z
    registries:
      titles:
        attributes: [assessed_value]       # in conditions, on either side
        reveal: [year_built]               # opened to the asker
        scopes: [mortgage]                 # pledges
        any_record: true                   # also questions that name neither key nor subject
      liens:
        exists: true                       # whether there is a record
        absent: true                       # whether there is none

Examples:

    attestry grant issue grant.yaml -o grant.json
    attestry grant issue grant.yaml -o grant.json --json`
}

// grantIssueResult is what grant issue says in JSON, unless the document goes to stdout.
type grantIssueResult struct {
	Grant    uint64 `json:"grant"` // index of its entry
	Document string `json:"document"`
}

func (c *grantIssueCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	if err := cli.Distinct([]cli.Named{{What: "the grant", File: c.Grant}}, []cli.Named{{What: "the document", File: c.Out}}); err != nil {
		return err
	}
	content, err := env.ReadFile(c.Grant)
	if err != nil {
		return err
	}
	wanted, err := statement.ParseGrant(content)
	if err != nil {
		return fmt.Errorf("%s: %w", cli.FileName(c.Grant), err)
	}
	if wanted.Blind != nil {
		return cli.Hint(fmt.Errorf("%s was issued already: it has a blind", cli.FileName(c.Grant)), "take the blind out to issue the like of it anew")
	}
	out, err := env.Prepare(c.Out, 0o600)
	if err != nil {
		return err
	}
	defer out.Discard()
	var index uint64
	err = g.with(func(w *workspace.Workspace) error {
		if wanted, index, err = w.IssueGrant(ctx, wanted); err != nil {
			return err
		}
		_, err = w.Publish(ctx)
		return err
	})
	if err != nil {
		return err
	}
	document, err := wanted.JSON()
	if err == nil {
		err = out.Write(document)
	}
	if err != nil {
		return cli.Hint(fmt.Errorf("the grant is entry %d, and its document was not written: %w", index, err), "attestry grant show %d gives it", index)
	}
	switch {
	case c.Out == cli.Dash:
		env.Note("grant %d for %s", index, wanted.Audience)
		return nil
	case env.JSON:
		return env.PrintJSON(grantIssueResult{index, c.Out})
	}
	return env.Print("grant %d for %s in %s", index, wanted.Audience, c.Out)
}
