package main

import (
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/verifier"
)

type trustWitnessCmd struct {
	Trust  string   `arg:"" placeholder:"TRUST.json" help:"The trust file to start from; - is standard input."`
	Keys   []string `arg:"" name:"keys" placeholder:"VKEY" help:"The verifier keys of witnesses (attestry witness key)."`
	Quorum int      `required:"" placeholder:"N" help:"How many of them must have cosigned a checkpoint."`
	Out    string   `short:"o" default:"-" placeholder:"TRUST.json" help:"Where to write your trust file."`
}

func (*trustWitnessCmd) Help() string {
	return `Writes a trust file that asks for the cosignatures of witnesses: from then on a bundle or an export fails whose checkpoints fewer than N of them cosigned. Pin witnesses of people who do not run the log, whose keys you have from themselves: an operator's own protect nobody against it. It takes the place of the witnesses that the file pins so far.

Examples:

    attestry trust witness trust.json witness.bank.example/w1+5ab8d3c1+BK1gCGFUT6gJM0mQ8DfE4wBTzJ8Vd0kqvGDmMBpVRy0K --quorum 1 -o mine.json`
}

func (c *trustWitnessCmd) Run(env *cli.Env) error {
	trust, err := verifycmd.ReadTrust(env, c.Trust)
	if err != nil {
		return err
	}
	trust.Witnesses = &verifier.TrustedWitnesses{Quorum: c.Quorum, Keys: c.Keys}
	fingerprint, err := writeTrust(env, c.Out, trust)
	if err != nil {
		return err
	}
	env.Note("fingerprint %s", fingerprint)
	if env.JSON && c.Out != cli.Dash {
		return env.PrintJSON(trustExportResult{c.Out, fingerprint, trust.Development})
	}
	return nil
}
