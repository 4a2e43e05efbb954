package main

import (
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

type trustExportCmd struct {
	Out string `short:"o" default:"-" placeholder:"TRUST.json" help:"Where to write the trust file."`
}

func (*trustExportCmd) Help() string {
	return `A trust file is what a verifier pins beforehand: the log's key, who signs which registry, the circuits with their keys. Whoever gets it should compare its fingerprint (attestry trust fingerprint) with you over another channel, by telephone for example.

Examples:

    attestry trust export -o trust.json`
}

// trustExportResult is what trust export says in JSON, unless it writes to stdout.
type trustExportResult struct {
	Trust       string `json:"trust"`
	Fingerprint string `json:"fingerprint"`
	Development string `json:"development,omitempty"`
}

func (c *trustExportCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		trust, err := w.Trust()
		if err != nil {
			return err
		}
		fingerprint, err := writeTrust(env, c.Out, trust)
		if err != nil {
			return err
		}
		warnDevelopment(env, w)
		env.Note("fingerprint %s", fingerprint)
		if env.JSON && c.Out != cli.Dash {
			return env.PrintJSON(trustExportResult{c.Out, fingerprint, trust.Development})
		}
		return nil
	})
}

// writeTrust writes a trust file, and gives its fingerprint.
func writeTrust(env *cli.Env, name string, trust *verifier.Trust) (fingerprint string, err error) {
	document, err := trust.Marshal()
	if err != nil {
		return "", err
	}
	if fingerprint, err = trust.Fingerprint(); err != nil {
		return "", err
	}
	return fingerprint, env.WriteFile(name, document, 0o644)
}
