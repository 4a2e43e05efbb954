package main

import (
	"errors"
	"path/filepath"

	"github.com/consensys/gnark/logger"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
)

type versionCmd struct{}

func (*versionCmd) Help() string {
	return `With a workspace, its circuit keys are shown; without one, the circuits that this version would make keys for.

Examples:

    attestry version
    attestry version --json`
}

// versionResult is what version says in JSON.
type versionResult struct {
	Version  string           `json:"version"`
	Circuits []circuitVersion `json:"circuits"`
}

// circuitVersion is a circuit; vk and setup are left out where there are no keys.
type circuitVersion struct {
	Name    string            `json:"name"`
	Version int               `json:"version"`
	Circuit statement.Digest  `json:"circuit"`
	VK      *statement.Digest `json:"vk,omitempty"`
	Setup   string            `json:"setup,omitempty"`
}

func (c *versionCmd) Run(env *cli.Env, g *globals) error {
	r := versionResult{Version: cli.Version(), Circuits: []circuitVersion{}}
	var err error
	if r.Circuits, err = circuitVersions(g.workspaceDir()); err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(r)
	}
	if err := env.Print("%s %s", env.Program, r.Version); err != nil {
		return err
	}
	for _, v := range r.Circuits {
		setup := "no keys here"
		if v.VK != nil {
			setup = v.Setup + " keys, verifying key " + v.VK.Hex()
		}
		if err := env.Print("circuit %s %d: hash %s, %s", v.Name, v.Version, v.Circuit.Hex(), setup); err != nil {
			return err
		}
	}
	return nil
}

// circuitVersions reads the workspace's key manifest, also while another process
// uses the workspace.
func circuitVersions(dir string) ([]circuitVersion, error) {
	manifest, err := prover.ReadManifest(filepath.Join(dir, "circuits"))
	if errors.Is(err, prover.ErrNoKeys) {
		return ownCircuits()
	}
	if err != nil {
		return nil, err
	}
	all := []circuitVersion{}
	for _, k := range manifest.Circuits {
		all = append(all, circuitVersion{k.Name, k.Version, k.Circuit, &k.VK, string(k.Setup)})
	}
	return all, nil
}

// ownCircuits builds the circuits of this version for their hashes.
func ownCircuits() ([]circuitVersion, error) {
	logger.Disable() // it writes to stdout
	system, err := circuits.Compile(&circuits.Present{})
	if err != nil {
		return nil, err
	}
	return []circuitVersion{{Name: "present", Version: 1, Circuit: circuits.Hash(system)}}, nil
}
