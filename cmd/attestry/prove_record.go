package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// proveRecord answers as a holder does: from the sealed record file, with the
// holder's key and the proving keys, and with no workspace.
func (c *proveCmd) proveRecord(ctx context.Context, env *cli.Env, g *globals, r *statement.Request) (*prover.Answer, error) {
	if c.Holder == "" {
		return nil, errors.New("--record needs --holder, the key that holder keygen wrote")
	}
	key, identity, err := readHolderKey(env, c.Holder)
	if err != nil {
		return nil, err
	}
	sealed, err := env.ReadFile(c.Record)
	if err != nil {
		return nil, err
	}
	file, err := prover.OpenRecordFile(sealed, identity)
	if err != nil {
		return nil, err
	}
	keys := c.Keys
	if keys == "" {
		keys = filepath.Join(g.workspaceDir(), "circuits")
	}
	circuit, err := prover.LoadCircuitWith(keys, verifier.CircuitPresent, prover.LoadOptions{Reference: c.ReferenceProver, Report: g.report, Warn: g.warn})
	if err != nil {
		return nil, cli.Hint(err, "--keys names a copy of the folder circuits of the agency's workspace; nothing in it is private")
	}
	return file.Prove(ctx, r, c.holderFact(), key.Secret, circuit)
}

// holderFact names the one fact that a holder proves.
func (c *proveCmd) holderFact() string {
	if len(c.Fact) == 1 {
		return c.Fact[0]
	}
	return statement.FlatFact
}

// checkPledgeFile wants a place for a holder's pledge, and for nothing else.
func (c *proveCmd) checkPledgeFile(r *statement.Request) error {
	pledges := c.Record != "" && r.NamedFacts()[c.holderFact()].Once != ""
	switch {
	case pledges && c.Pledge == "":
		return cli.Hint(errors.New("the request pledges the record, which counts once the agency's log has it"),
			"say --pledge FILE, and have the agency append that file with attestry pledge submit")
	case !pledges && c.Pledge != "":
		return errors.New("--pledge goes with --record and a fact that pledges the record: an agency logs its pledges itself")
	}
	return nil
}
