package main

import (
	"context"
	"errors"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type keyRotateCmd struct {
	Which   string `arg:"" placeholder:"log|issuer|ID" help:"log, issuer, or the id of an API key."`
	Overlap *span  `placeholder:"24h" help:"How long the old API key counts beside the new one (24h; not beyond its own end)."`
}

func (*keyRotateCmd) Help() string {
	return `Of an API key: makes a new one of the same organisation and scopes, to live as long as the old one was to, and prints it, and nothing else, on standard output, this once. The old key counts for --overlap still, so that nothing is refused while the new one is put in its place. If somebody else has the old one, revoke it.

Of a signing key: makes a new key, appends the rotation, which both keys sign, and puts the new key in the place of the old one, of which only the public half is kept. The issuer's key is one for all registries of the workspace: each gets its entry, all at once. What the old key signed stays valid.

Verifiers follow with attestry trust update, or pin what attestry trust export writes from now on. Destroy the copies of the old key; if somebody else may have one, revoke it.

Examples:

    attestry key rotate 4hx2v6d5cyq3m7aw --overlap 7d
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
	if !isSigning(c.Which) {
		return c.rotateAPIKey(ctx, env, g)
	}
	if c.Overlap != nil {
		return errors.New("--overlap goes with an API key: what a signing key signed before its rotation stays valid")
	}
	role := ledger.Role(c.Which)
	return g.with(func(w *workspace.Workspace) error {
		r, err := rotateKey(ctx, w, role)
		if err != nil {
			return err
		}
		env.Note("verifiers follow with attestry trust update, or pin what attestry trust export writes now")
		if env.JSON {
			return env.PrintJSON(rotationResult{r.Role, r.Registries, r.Old, r.New, r.Entries})
		}
		if role == ledger.RoleLog {
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

// defaultOverlap is time to put a new key where the old one is.
const defaultOverlap = span(24 * time.Hour)

// keyRotateOrder asks for an API key in the place of another.
type keyRotateOrder struct {
	ID      string `json:"id"`
	Overlap int64  `json:"overlap"` // seconds
}

// rotatedKey is what key rotate says of an API key in JSON.
type rotatedKey struct {
	api.IssuedKey
	Old api.Key `json:"old"`
}

func (c *keyRotateCmd) rotateAPIKey(ctx context.Context, env *cli.Env, g *globals) error {
	id, err := apiKeyID(c.Which)
	if err != nil {
		return err
	}
	overlap := defaultOverlap
	if c.Overlap != nil {
		overlap = *c.Overlap
	}
	r, err := administer(ctx, g, orderKeyRotate, keyRotateOrder{id, int64(time.Duration(overlap).Seconds())})
	if err != nil {
		return err
	}
	noteKey(env, r.Key)
	env.Note("%s, which it replaces, counts until %s", r.Old.Id, statement.FormatTime(r.Old.Expires))
	return printSecret(env, r, r.IssuedKey)
}

func (o keyRotateOrder) carryOut(a *administration) (r rotatedKey, err error) {
	d, err := directory(a.w)
	if err != nil {
		return r, err
	}
	key, secret, err := d.RotateKey(o.ID, time.Duration(o.Overlap)*time.Second)
	if err != nil {
		return r, err
	}
	old, err := d.Key(o.ID)
	if err != nil {
		return r, err
	}
	now := time.Now()
	r = rotatedKey{api.IssuedKey{Key: server.ShowKey(key, now), Secret: secret}, server.ShowKey(old, now)}
	return r, a.record("key.rotated", key.ID)
}
