package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/workspace"
)

type initCmd struct {
	recipientFlag
	Origin string `placeholder:"NAME" help:"The log's name for ever, like example.org/land-registry. Default: a random one."`
}

func (*initCmd) Help() string {
	return `Makes the directory of an agency: an empty ledger, the keys that sign it, and development keys of the circuits. Whoever makes development keys can forge proofs with them, so a verifier must allow them, and every verdict warns.

With --encrypt-to, everything private is encrypted where it is stored (attestry at-rest --help).

Examples:

    attestry init
    attestry init --encrypt-to at-rest.pub --encrypt-to escrow.pub --at-rest-key at-rest.key
    attestry init --dir /srv/land-registry --origin registry.example.org/land`
}

// initResult is what init says in JSON.
type initResult struct {
	Dir      string               `json:"dir"`
	Origin   string               `json:"origin"`
	Circuits []prover.CircuitKeys `json:"circuits"`
}

func (c *initCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	dir := g.workspaceDir()
	noteLeftovers(env, "init or restore", dir)
	recipients, err := c.recipients(env)
	if err != nil {
		return err
	}
	err = workspace.Init(ctx, dir, workspace.InitOptions{
		Origin: c.Origin, Report: func(what string) { env.Note("making %s", what) },
		Recipients: recipients, Unlock: g.unlock,
	})
	if err != nil {
		return cli.Interrupted(hintOpen(err), "no workspace was made")
	}
	return g.with(func(w *workspace.Workspace) error {
		warnDevelopment(env, w)
		r := initResult{dir, w.Ledger.Origin(), w.Circuits()}
		if env.JSON {
			return env.PrintJSON(r)
		}
		return env.Print("workspace %s, log %s", r.Dir, r.Origin)
	})
}

// noteLeftovers names what a command that was killed left beside the directory that it was
// making. Another one may be at work in it, so that removing it is for a person to do.
func noteLeftovers(env *cli.Env, command, dir string) {
	parent, name := filepath.Split(filepath.Clean(dir))
	if parent == "" {
		parent = "."
	}
	files, err := os.ReadDir(parent)
	if err != nil {
		return // there is no directory yet, or init will say what is wrong with it
	}
	for _, f := range files {
		if f.IsDir() && strings.HasPrefix(f.Name(), "."+name+".partial-") {
			env.Note("an attestry %s that did not finish left %s: remove it, unless that is still running", command, filepath.Join(parent, f.Name()))
		}
	}
}

// warnDevelopment warns where a circuit's keys are development keys.
func warnDevelopment(env *cli.Env, w *workspace.Workspace) {
	for _, c := range w.Circuits() {
		if c.Setup == ledger.SetupDevelopment {
			env.Warn("the keys of the circuit %s are development keys: whoever made them can forge proofs", c.Name)
		}
	}
}
