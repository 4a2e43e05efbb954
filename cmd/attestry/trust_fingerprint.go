package main

import (
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
)

type trustFingerprintCmd struct {
	File string `arg:"" placeholder:"TRUST.json" help:"The trust file; - is standard input."`
}

func (*trustFingerprintCmd) Help() string {
	return `Whoever is given a trust file computes its fingerprint with this and compares it, by telephone for example, with what attestry trust export said where it was made. It depends on what the file says, not on how it is laid out. No workspace is needed.

Examples:

    attestry trust fingerprint trust.json`
}

// trustFingerprintResult is what trust fingerprint says in JSON.
type trustFingerprintResult struct {
	Fingerprint string `json:"fingerprint"`
}

func (c *trustFingerprintCmd) Run(env *cli.Env) error {
	trust, err := verifycmd.ReadTrust(env, c.File)
	if err != nil {
		return err
	}
	fingerprint, err := trust.Fingerprint()
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(trustFingerprintResult{fingerprint})
	}
	return env.Print("%s", fingerprint)
}
