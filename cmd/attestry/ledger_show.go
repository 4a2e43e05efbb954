package main

import (
	"encoding/json"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/workspace"
)

type ledgerShowCmd struct {
	Index uint64 `arg:"" placeholder:"INDEX" help:"The entry's index, from 0."`
}

func (*ledgerShowCmd) Help() string {
	return `Shows an entry as everybody may see it.

Examples:

    attestry ledger show 0
    attestry ledger show 3 --json`
}

// ledgerShowResult is what ledger show says in JSON.
type ledgerShowResult struct {
	Index uint64          `json:"index"`
	Entry json.RawMessage `json:"entry"`
}

func (c *ledgerShowCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		entry, err := w.Ledger.Entry(c.Index)
		if err != nil {
			return err
		}
		if env.JSON {
			return env.PrintJSON(ledgerShowResult{c.Index, entry})
		}
		return env.PrintJSON(json.RawMessage(entry))
	})
}
