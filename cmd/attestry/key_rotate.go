package main

import (
	"context"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/workspace"
)

type keyRotateCmd struct {
	Role ledger.Role `arg:"" enum:"log,issuer" help:"log or issuer."`
}

func (*keyRotateCmd) Help() string {
	return `Makes a new key, appends the rotation, which both keys sign, and puts the new key in the place of the old one, of which only the public half is kept. The issuer's key is one for all registries of the workspace: each gets its entry, all at once. What the old key signed stays valid.

Verifiers follow with attestry trust update, or pin what attestry trust export writes from now on. Destroy the copies of the old key; if somebody else may have one, revoke it.

Examples:

    attestry key rotate issuer
    attestry key rotate log --json`
}

// rotationResult is what key rotate says in JSON.
type rotationResult struct {
	Role       ledger.Role      `json:"role"`
	Registries []string         `json:"registries,omitempty"`
	Old        ledger.PublicKey `json:"old"`
	New        ledger.PublicKey `json:"new"`
	Entries    []uint64         `json:"entries"`
}

func (c *keyRotateCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		r, err := rotateKey(ctx, w, c.Role)
		if err != nil {
			return err
		}
		env.Note("verifiers follow with attestry trust update, or pin what attestry trust export writes now")
		if env.JSON {
			return env.PrintJSON(rotationResult{r.Role, r.Registries, r.Old, r.New, r.Entries})
		}
		if c.Role == ledger.RoleLog {
			return env.Print("log: key %s replaces %s by entry %d", r.New, r.Old, r.Entries[0])
		}
		for i, name := range r.Registries {
			if err := env.Print("%s: key %s replaces %s by entry %d", roleName(r.Role, name), r.New, r.Old, r.Entries[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func rotateKey(ctx context.Context, w *workspace.Workspace, role ledger.Role) (*workspace.Rotation, error) {
	rotate := w.RotateIssuer
	if role == ledger.RoleLog {
		rotate = w.RotateLog
	}
	r, err := rotate(ctx)
	if err != nil {
		return nil, err
	}
	_, err = w.Publish(ctx) // of the log's: with both signatures, so that witnesses of the old key follow
	return r, err
}
