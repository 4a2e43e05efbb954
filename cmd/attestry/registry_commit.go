package main

import (
	"context"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type registryCommitCmd struct {
	Name string `arg:"" placeholder:"NAME" help:"The registry."`
}

func (*registryCommitCmd) Help() string {
	return `An epoch is one state of the registry, committed by the root of a Merkle tree over all of its records. The root goes to the ledger, signed; the records stay here. Without an import before it, a commit says that the last epoch is still true.

Examples:

    attestry registry commit titles
    attestry registry commit titles --json`
}

// commitResult is what commit says in JSON.
type commitResult struct {
	Registry string            `json:"registry"`
	Epoch    uint64            `json:"epoch"`
	Root     statement.Element `json:"root"`
	Records  int               `json:"records"`
}

func (c *registryCommitCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		start := time.Now()
		epoch, err := commit(ctx, env, w, c.Name)
		if err != nil {
			return err
		}
		if env.JSON {
			return env.PrintJSON(commitResult{c.Name, epoch.Number, epoch.Root, epoch.Records})
		}
		env.Note("%s changed, in %s", cli.Plural(epoch.Changed, "record"), cli.Duration(time.Since(start)))
		return env.Print("registry %s: epoch %d of %s, root %s", c.Name, epoch.Number, cli.Plural(epoch.Records, "record"), elementText(epoch.Root))
	})
}

func commit(ctx context.Context, env *cli.Env, w *workspace.Workspace, name string) (registry.Epoch, error) {
	bar := env.Progress("commit " + name)
	defer bar.End()
	return w.Commit(ctx, name, func(done, total int) { bar.Update(int64(done), int64(total)) })
}

// elementText gives an element as files hold it: base64.
func elementText(e statement.Element) string {
	text, err := e.MarshalText()
	if err != nil {
		return err.Error()
	}
	return string(text)
}
