package main

import (
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type registryListCmd struct{}

func (*registryListCmd) Help() string {
	return `Examples:

    attestry registry list
    attestry registry list --json`
}

// registryListing is one registry of list's JSON. Epoch and what follows are those
// of the latest epoch, left out before the first commit.
type registryListing struct {
	Registry   string             `json:"registry"`
	Attributes int                `json:"attributes"`
	Source     string             `json:"derived_from,omitempty"`
	Staged     *registry.Counts   `json:"staged,omitempty"` // an import that waits for its commit
	Epoch      uint64             `json:"epoch,omitempty"`
	Root       *statement.Element `json:"root,omitempty"`
	Records    *int               `json:"records,omitempty"`
	Time       string             `json:"time,omitempty"`
}

func (c *registryListCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		names, err := w.Registries()
		if err != nil {
			return err
		}
		all := []registryListing{}
		for _, name := range names {
			listing, err := listRegistry(w, name)
			if err != nil {
				return err
			}
			all = append(all, listing)
			s, err := w.Registry(name)
			if err != nil {
				return err
			}
			for _, d := range s.Schema().Derived {
				listing, err := listRegistry(w, d.Registry)
				if err != nil {
					return err
				}
				listing.Source = name
				all = append(all, listing)
			}
		}
		if env.JSON {
			return env.PrintJSON(all)
		}
		return printListings(env, all)
	})
}

func listRegistry(w *workspace.Workspace, name string) (registryListing, error) {
	s, err := w.Registry(name)
	if err != nil {
		return registryListing{}, err
	}
	listing := registryListing{Registry: name, Attributes: len(s.Schema().Attributes)}
	if latest, ok := s.Latest(); ok {
		listing.Epoch, listing.Root, listing.Records = latest.Number, &latest.Root, &latest.Records
		listing.Time = statement.FormatTime(latest.Time)
	}
	staged, ok, err := s.Staged()
	if ok {
		listing.Staged = &staged
	}
	return listing, err
}

func printListings(env *cli.Env, all []registryListing) error {
	if len(all) == 0 {
		env.Note("no registries yet: attestry registry create makes one")
	}
	for _, l := range all {
		state := "no epoch yet"
		if l.Epoch != 0 {
			state = "epoch " + cli.Count(l.Epoch) + " of " + l.Time + ", " + cli.Plural(*l.Records, "record")
		}
		if l.Source != "" {
			state += ", derived from " + l.Source
		}
		if l.Staged != nil {
			state += ", an import is staged"
		}
		if err := env.Print("%s: %s", l.Registry, state); err != nil {
			return err
		}
	}
	return nil
}
