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
	circuit, err := prover.LoadCircuit(keys, verifier.CircuitPresent)
	if err != nil {
		return nil, cli.Hint(err, "--keys names a copy of the folder circuits of the agency's workspace; nothing in it is private")
	}
	fact := statement.FlatFact
	if len(c.Fact) == 1 {
		fact = c.Fact[0]
	}
	return file.Prove(ctx, r, fact, key.Secret, circuit)
}
