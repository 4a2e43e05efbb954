package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	// Derived gives the roots of the registries that derive from this one.
	Derived map[string]statement.Element `json:"derived,omitempty"`
}

func (c *registryCommitCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		if err := c.checkStaged(env, w); err != nil {
			return err
		}
		start := time.Now()
		epoch, err := commit(ctx, env, w, c.Name)
		if err != nil {
			return err
		}
		result := commitResult{Registry: c.Name, Epoch: epoch.Number, Root: epoch.Root, Records: epoch.Records}
		if epoch.Derivation != nil {
			result.Derived = epoch.Derivation.Roots
		}
		if env.JSON {
			return env.PrintJSON(result)
		}
		for _, name := range slices.Sorted(maps.Keys(result.Derived)) {
			env.Note("registry %s was derived, root %s", name, elementText(result.Derived[name]))
		}
		env.Note("%s changed, in %s", cli.Plural(epoch.Changed, "record"), cli.Duration(time.Since(start)))
		return env.Print("registry %s: epoch %d of %s, root %s", c.Name, epoch.Number, cli.Plural(epoch.Records, "record"), elementText(epoch.Root))
	})
}

// errNothingStaged says that an epoch would be one of no records that anybody named.
var errNothingStaged = errors.New("nothing was ever imported: there is nothing to commit")

// checkStaged refuses a first epoch of nothing. A later one says that the last one is
// still true, which is worth a remark.
func (c *registryCommitCmd) checkStaged(env *cli.Env, w *workspace.Workspace) error {
	s, err := w.Registry(c.Name)
	if err != nil {
		return err
	}
	_, staged, err := s.Staged()
	if err != nil || staged {
		return err
	}
	latest, ok := s.Latest()
	if !ok {
		return cli.Hint(fmt.Errorf("registry %s: %w", c.Name, errNothingStaged), "attestry registry import %s FILE stages its records", c.Name)
	}
	env.Note("nothing is staged: the new epoch says that epoch %d is still true", latest.Number)
	return nil
}

func commit(ctx context.Context, env *cli.Env, w *workspace.Workspace, name string) (registry.Epoch, error) {
	bar := env.Progress("commit " + name)
	defer bar.End()
	epoch, err := w.Commit(ctx, name, func(done, total int) { bar.Update(int64(done), int64(total)) })
	return epoch, cli.Interrupted(err, "nothing was changed")
}

// elementText gives an element as files hold it: base64.
func elementText(e statement.Element) string {
	text, err := e.MarshalText()
	if err != nil {
		return err.Error()
	}
	return string(text)
}
