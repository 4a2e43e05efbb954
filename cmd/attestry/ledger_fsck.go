package main

import (
	"context"
	"errors"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/workspace"
)

type ledgerFsckCmd struct{}

func (*ledgerFsckCmd) Help() string {
	return `Rebuilds the tree and the state from the entries and compares them with what is stored: the database's pages, every hash, every rule, every proof, the last checkpoint and its guard. The exit code is 1 when something differs.

Examples:

    attestry ledger fsck`
}

// fsckResult is what fsck says in JSON.
type fsckResult struct {
	OK      bool   `json:"ok"`
	Entries uint64 `json:"entries"`
	Problem string `json:"problem,omitempty"`
}

func (c *ledgerFsckCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		found := w.Ledger.Check(ctx)
		if found != nil && !errors.Is(found, store.ErrDamaged) && !errors.Is(found, store.ErrGuard) {
			return found
		}
		r := fsckResult{OK: found == nil, Entries: w.Ledger.Size()}
		if found != nil {
			r.Problem = found.Error()
		}
		if env.JSON {
			return errors.Join(env.PrintJSON(r), cli.Refuse(found))
		}
		if found != nil {
			return cli.Refuse(found)
		}
		return env.Print("the ledger is whole: %s", cli.Entries(r.Entries))
	})
}
