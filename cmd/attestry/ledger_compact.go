package main

import (
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/workspace"
)

type ledgerCompactCmd struct{}

func (*ledgerCompactCmd) Help() string {
	return `Writes the ledger's file anew, without the room that it has no use for. The new file is compared with the old one before it takes its place. Needs room for both.

Examples:

    attestry ledger compact`
}

// compactResult is what ledger compact says in JSON.
type compactResult struct {
	Before int64 `json:"bytes_before"`
	After  int64 `json:"bytes_after"`
}

func (c *ledgerCompactCmd) Run(env *cli.Env, g *globals) error {
	return g.maintain(func(m *workspace.Maintenance) error {
		before, after, err := m.Compact()
		if err != nil {
			return err
		}
		if env.JSON {
			return env.PrintJSON(compactResult{before, after})
		}
		return env.Print("the ledger's file has %s, where it had %s", cli.Bytes(after), cli.Bytes(before))
	})
}
