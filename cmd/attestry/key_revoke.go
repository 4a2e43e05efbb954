package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/workspace"
)

type keyRevokeCmd struct {
	Which    string  `arg:"" placeholder:"log|issuer|ID" help:"log, issuer, or the id of a credential (an API key in whole will do, too)."`
	Key      string  `arg:"" optional:"" placeholder:"KEY" help:"The log's or the issuer's public key, as key list shows it."`
	Registry string  `placeholder:"NAME" help:"Which registry's issuer (every registry that had the key)."`
	From     *uint64 `placeholder:"INDEX" help:"The log index from which on nothing counts that the key signed (that at which it was replaced)."`
	Confirm  bool    `help:"Do it although something that is in the log stops counting, or a registry is closed."`
}

func (*keyRevokeCmd) Help() string {
	return `Of an API key, or a certificate that is bound, by its id: ends it at once and for good, also in a running server.

Of a signing key: appends a revocation, which the log's key signs. Rotate the key first: the log's present key cannot be revoked, and revoking the issuer's present key closes its registries for good.

A revocation from an index in the past takes back what the key signed since: proofs that rest on it no longer verify for whoever has the log or an updated trust file. It takes nothing out of the log, and it releases no pledge. Nothing is appended, and what would stop counting is said, unless you --confirm. A registry's schema that stops counting is signed anew by the present key; import and commit then make an epoch that counts.

Examples:

    attestry key revoke 4hx2v6d5cyq3m7aw
    attestry key revoke issuer ejQVC4vIvRvK1JdUrVBHWfQ1+D2u1GnD3zr52SceuvE=
    attestry key revoke issuer ejQVC4vIvRvK1JdUrVBHWfQ1+D2u1GnD3zr52SceuvE= --registry titles --from 120 --confirm`
}

// revocationResult is what key revoke says of one role in JSON.
type revocationResult struct {
	Role     ledger.Role      `json:"role"`
	Registry string           `json:"registry,omitempty"`
	Key      ledger.PublicKey `json:"key"`
	From     uint64           `json:"from"`
	Entry    uint64           `json:"entry"`
	// What stops counting.
	Schemas     int    `json:"schemas"`
	Epochs      int    `json:"epochs"`
	Proofs      int    `json:"proofs"`
	LivePledges int    `json:"live_pledges"`
	Checkpoints uint64 `json:"checkpoints"`
}

func (c *keyRevokeCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	if !isSigning(c.Which) {
		return c.revokeCredential(ctx, env, g)
	}
	if c.Key == "" {
		return fmt.Errorf("the key's public half is missing: attestry key revoke %s KEY, as attestry key list shows it", c.Which)
	}
	key, err := parseKey(c.Key)
	if err != nil {
		return err
	}
	r := workspace.Revocation{Role: ledger.Role(c.Which), Key: key, Registry: c.Registry, From: c.From}
	if r.Role == ledger.RoleLog && c.Registry != "" {
		return errors.New("--registry goes with an issuer's key: the log's is of no registry")
	}
	return g.with(func(w *workspace.Workspace) error {
		if err := c.confirmed(w, r); err != nil {
			return err
		}
		done, err := w.Revoke(ctx, r)
		if err != nil {
			return err
		}
		if _, err := w.Publish(ctx); err != nil {
			return err
		}
		return printRevoked(env, r, done)
	})
}

// confirmed refuses what has consequences, unless they are confirmed.
func (c *keyRevokeCmd) confirmed(w *workspace.Workspace, r workspace.Revocation) error {
	plan, err := w.PlanRevocation(r)
	if err != nil || c.Confirm {
		return err
	}
	var said []string
	for _, one := range plan {
		if one.Voids() {
			said = append(said, fmt.Sprintf("%s: %s", roleName(r.Role, one.Registry), consequences(one)))
		}
	}
	if len(said) == 0 {
		return nil
	}
	return cli.Hint(errors.New("nothing was revoked, since it has consequences: "+strings.Join(said, "; ")), "say --confirm to do it")
}

// consequences says what a revocation takes back.
func consequences(r workspace.Revoked) string {
	var said []string
	count := func(n int, what string) {
		if n > 0 {
			said = append(said, cli.Plural(n, what))
		}
	}
	count(r.Schemas, "schema")
	count(r.Epochs, "epoch")
	count(r.Proofs, "proof")
	if r.LivePledges > 0 {
		said = append(said, fmt.Sprintf("of them %s that lives on until it is released", cli.Plural(r.LivePledges, "pledge")))
	}
	if r.Checkpoints > 0 {
		said = append(said, "checkpoints of "+cli.Plural(r.Checkpoints, "size"))
	}
	text := "nothing stops counting"
	if len(said) > 0 {
		text = "from entry " + cli.Count(r.From) + " on stop counting: " + strings.Join(said, ", ")
	}
	if r.Closes {
		text += "; it is the present key, and the registry is closed for good: rotate it first (attestry key rotate issuer) unless it is lost"
	}
	return text
}

func printRevoked(env *cli.Env, r workspace.Revocation, done []workspace.Revoked) error {
	results := []revocationResult{}
	for _, one := range done {
		results = append(results, revocationResult{
			r.Role, one.Registry, r.Key, one.From, one.Entry, one.Schemas, one.Epochs, one.Proofs, one.LivePledges, one.Checkpoints,
		})
	}
	if env.JSON {
		return env.PrintJSON(results)
	}
	for _, one := range done {
		if err := env.Print("%s: key %s revoked from %d on by entry %d: %s", roleName(r.Role, one.Registry), r.Key, one.From, one.Entry, consequences(one)); err != nil {
			return err
		}
	}
	return nil
}

// keyRevokeOrder asks for a credential to be revoked.
type keyRevokeOrder struct {
	ID string `json:"id"`
}

func (c *keyRevokeCmd) revokeCredential(ctx context.Context, env *cli.Env, g *globals) error {
	if c.Key != "" || c.Registry != "" || c.From != nil || c.Confirm {
		return errors.New("a public key, --registry, --from and --confirm go with log or issuer: a credential is revoked by its id alone, at once")
	}
	id, err := apiKeyID(c.Which)
	if err != nil {
		return err
	}
	k, err := administer(ctx, g, orderKeyRevoke, keyRevokeOrder{id})
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(k)
	}
	return env.Print("%s: %s", k.Organisation, credential(k))
}

func (o keyRevokeOrder) carryOut(a *administration) (api.Key, error) {
	d, err := directory(a.w)
	if err != nil {
		return api.Key{}, err
	}
	k, err := d.RevokeKey(o.ID)
	if err != nil {
		return api.Key{}, err
	}
	return server.ShowKey(k, time.Now()), a.record("key.revoked", k.ID)
}
