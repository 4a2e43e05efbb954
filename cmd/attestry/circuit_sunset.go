package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/workspace"
)

type circuitSunsetCmd struct {
	Name    string `arg:"" placeholder:"NAME" help:"The circuit: present or absent."`
	VK      string `name:"vk" placeholder:"HEX" help:"Which verifying key: the first digits of its SHA-256, as circuit list shows it."`
	Confirm bool   `help:"Do it although no other circuit of the name is in use, so that nothing of its kind can be proved any more."`
}

func (*circuitSunsetCmd) Help() string {
	return `Appends a sunset, which the log's key signs. Proofs before it stay valid; the ledger takes none after it, and proofs that were not logged no longer count for whoever has the log or an updated trust file, since nothing shows when they were made. A sunset cannot be taken back.

Examples:

    attestry circuit sunset present --vk 3f2a91c4
    attestry circuit sunset absent --confirm`
}

func (c *circuitSunsetCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		l, err := c.find(w)
		if err != nil {
			return err
		}
		index, err := w.Sunset(ctx, l.Circuit, l.VK)
		if duplicate, ok := errors.AsType[*ledger.DuplicateError](err); ok {
			index, err = duplicate.Index, nil // it is what was asked for
		}
		if err != nil {
			return err
		}
		if _, err := w.Publish(ctx); err != nil {
			return err
		}
		l.Status, l.Sunset = circuitSunset, &index
		if env.JSON {
			return env.PrintJSON(l)
		}
		return env.Print("%s %d with verifying key %s: sunset by entry %d", l.Name, l.Version, l.VK.Hex(), index)
	})
}

// find gives the one circuit that is meant.
func (c *circuitSunsetCmd) find(w *workspace.Workspace) (l circuitListing, err error) {
	all, err := circuitListings(w)
	if err != nil {
		return l, err
	}
	var meant, inUse []circuitListing
	for _, l := range all {
		if l.Name != c.Name {
			continue
		}
		if l.Status == circuitInUse {
			inUse = append(inUse, l)
		}
		if strings.HasPrefix(l.VK.Hex(), strings.ToLower(c.VK)) {
			meant = append(meant, l)
		}
	}
	if len(meant) > 1 && c.VK == "" {
		meant = slices.DeleteFunc(meant, func(l circuitListing) bool { return l.Status == circuitSunset })
	}
	switch {
	case len(meant) == 0:
		return l, fmt.Errorf("no such circuit %s (attestry circuit list shows those there are)", c.Name)
	case len(meant) > 1:
		return l, fmt.Errorf("%d circuits are %s: say which with --vk", len(meant), c.Name)
	case meant[0].Status == circuitInUse && len(inUse) == 1 && !c.Confirm:
		return l, cli.Hint(fmt.Errorf("%s %d is the only circuit of its name in use: after its sunset nothing of its kind can be proved here", c.Name, meant[0].Version), "say --confirm to do it")
	}
	return meant[0], nil
}
