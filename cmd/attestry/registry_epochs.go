package main

import (
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type registryEpochsCmd struct {
	Name string `arg:"" placeholder:"NAME" help:"The registry."`
}

func (*registryEpochsCmd) Help() string {
	return `Examples:

    attestry registry epochs titles
    attestry registry epochs titles --json`
}

// epochListing is one epoch of epochs' JSON.
type epochListing struct {
	Epoch   uint64            `json:"epoch"`
	Time    string            `json:"time"`
	Root    statement.Element `json:"root"`
	Records int               `json:"records"`
	Changed int               `json:"changed"` // records inserted, updated or deleted by it
}

func (c *registryEpochsCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		s, err := w.Registry(c.Name)
		if err != nil {
			return err
		}
		epochs, err := s.Epochs()
		if err != nil {
			return err
		}
		all := []epochListing{}
		for _, e := range epochs {
			all = append(all, epochListing{e.Number, statement.FormatTime(e.Time), e.Root, e.Records, e.Changed})
		}
		if env.JSON {
			return env.PrintJSON(all)
		}
		return c.print(env, all)
	})
}

func (c *registryEpochsCmd) print(env *cli.Env, all []epochListing) error {
	if len(all) == 0 {
		env.Note("no epochs yet: attestry registry commit %s makes one", c.Name)
	}
	for _, e := range all {
		err := env.Print("epoch %d of %s: %s, %s changed, root %s", e.Epoch, e.Time, cli.Plural(e.Records, "record"), cli.Count(e.Changed), elementText(e.Root))
		if err != nil {
			return err
		}
	}
	return nil
}
