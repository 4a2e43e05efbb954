package main

import (
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type circuitCmds struct {
	List   circuitListCmd   `cmd:"" help:"List the circuits and their keys."`
	Sunset circuitSunsetCmd `cmd:"" help:"End the use of a circuit: no new proof counts under it."`
}

func (*circuitCmds) Help() string {
	return `Examples:

    attestry circuit list
    attestry circuit sunset present --vk 3f2a91c4`
}

type circuitListCmd struct{}

func (*circuitListCmd) Help() string {
	return `Lists the circuits of the workspace: the hash of each constraint system, the SHA-256 of its verifying key, how the keys were made, and whether the circuit is in use or sunset.

Examples:

    attestry circuit list
    attestry circuit list --json`
}

// circuitListing is one circuit of circuit list's JSON.
type circuitListing struct {
	Name    string           `json:"name"`
	Version int              `json:"version"`
	Circuit statement.Digest `json:"circuit"`
	VK      statement.Digest `json:"vk"`
	Setup   string           `json:"setup"`
	Status  string           `json:"status"` // in use or sunset
	Sunset  *uint64          `json:"sunset,omitempty"`
}

const (
	circuitInUse  = "in use"
	circuitSunset = "sunset"
)

func (c *circuitListCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		all, err := circuitListings(w)
		if err != nil {
			return err
		}
		if env.JSON {
			return env.PrintJSON(all)
		}
		for _, l := range all {
			state := l.Status
			if l.Sunset != nil {
				state = fmt.Sprintf("sunset by entry %d: no proof from there on counts", *l.Sunset)
			}
			if err := env.Print("%s %d: %s, %s keys, circuit %s, verifying key %s", l.Name, l.Version, state, l.Setup, l.Circuit.Hex(), l.VK.Hex()); err != nil {
				return err
			}
		}
		return nil
	})
}

func circuitListings(w *workspace.Workspace) ([]circuitListing, error) {
	all := []circuitListing{}
	for _, k := range w.Circuits() {
		sunset, err := w.Ledger.Sunset(k.Circuit, k.VK)
		if err != nil {
			return nil, err
		}
		l := circuitListing{k.Name, k.Version, k.Circuit, k.VK, string(k.Setup), circuitInUse, sunset}
		if sunset != nil {
			l.Status = circuitSunset
		}
		all = append(all, l)
	}
	return all, nil
}
