package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/workspace"
)

type ledgerFsckCmd struct{}

func (*ledgerFsckCmd) Help() string {
	return `Rebuilds the tree and the state from the entries and compares them with what is stored: the database's pages, every hash, every rule, signature and proof, the state of every nullifier, the last checkpoint and its guard. Says what is damaged, and up to which entry the log is sound. The exit code is 1 when something differs. Needs room beside the ledger for a temporary file of about its size.

Examples:

    attestry ledger fsck
    attestry ledger fsck --json`
}

// fsckResult is what fsck says in JSON.
type fsckResult struct {
	OK bool `json:"ok"`
	store.Report
	Problem string `json:"problem,omitempty"` // all findings in one text
}

func (c *ledgerFsckCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	return g.maintain(func(m *workspace.Maintenance) error {
		bar := env.Progress("fsck")
		report, err := m.Fsck(ctx, func(done, total uint64) { bar.Update(int64(done), int64(total)) })
		bar.End()
		if errors.Is(err, store.ErrDamaged) { // it cannot even be opened
			return cli.Hint(cli.Refuse(err), "attestry ledger restore FILE puts a backup in its place")
		}
		if err != nil {
			return err
		}
		found := report.Err()
		if env.JSON {
			r := fsckResult{OK: found == nil, Report: *report}
			if found != nil {
				r.Problem = found.Error()
			}
			return errors.Join(env.PrintJSON(r), cli.Refuse(found))
		}
		if found == nil {
			return env.Print("the ledger is whole: %s", cli.Entries(report.Entries))
		}
		return c.printFindings(env, report)
	})
}

func (c *ledgerFsckCmd) printFindings(env *cli.Env, r *store.Report) error {
	for _, f := range r.Findings {
		if err := env.Print("%s: %s", f.Part, f.Problem); err != nil {
			return err
		}
	}
	if r.More {
		if err := env.Print("and more that is not listed"); err != nil {
			return err
		}
	}
	if !r.StateCompared {
		if err := env.Print("the rules' state was not compared, since entries are damaged"); err != nil {
			return err
		}
	}
	if err := env.Print("sound up to entry: %s of %s", cli.Count(r.Sound), cli.Count(r.Entries)); err != nil {
		return err
	}
	found := fmt.Errorf("%w: %s, of which the first is: %w", store.ErrDamaged, cli.Plural(uint64(len(r.Findings)), "finding"), r.First())
	return cli.Hint(cli.Refuse(found), "attestry ledger restore FILE puts a backup in its place, and keeps the damaged file")
}
