package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/workspace"
)

type keyRevokeCmd struct {
	Role     ledger.Role `arg:"" enum:"log,issuer" help:"log or issuer."`
	Key      string      `arg:"" placeholder:"KEY" help:"The public key, as key list shows it."`
	Registry string      `placeholder:"NAME" help:"Which registry's issuer (every registry that had the key)."`
	From     *uint64     `placeholder:"INDEX" help:"The log index from which on nothing counts that the key signed (that at which it was replaced)."`
	Confirm  bool        `help:"Do it although something that is in the log stops counting, or a registry is closed."`
}

func (*keyRevokeCmd) Help() string {
	return `Appends a revocation, which the log's key signs. Rotate the key first: the log's present key cannot be revoked, and revoking the issuer's present key closes its registries for good.

A revocation from an index in the past takes back what the key signed since: proofs that rest on it no longer verify for whoever has the log or an updated trust file. It takes nothing out of the log, and it releases no pledge. Nothing is appended, and what would stop counting is said, unless you --confirm. A registry's schema that stops counting is signed anew by the present key; import and commit then make an epoch that counts.

Examples:

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
	key, err := parseKey(c.Key)
	if err != nil {
		return err
	}
	if c.Role == ledger.RoleLog && c.Registry != "" {
		return errors.New("--registry goes with an issuer's key: the log's is of no registry")
	}
	r := workspace.Revocation{Role: c.Role, Key: key, Registry: c.Registry, From: c.From}
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
		return c.print(env, key, done)
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

func (c *keyRevokeCmd) print(env *cli.Env, key ledger.PublicKey, done []workspace.Revoked) error {
	results := []revocationResult{}
	for _, one := range done {
		results = append(results, revocationResult{
			c.Role, one.Registry, key, one.From, one.Entry, one.Schemas, one.Epochs, one.Proofs, one.LivePledges, one.Checkpoints,
		})
	}
	if env.JSON {
		return env.PrintJSON(results)
	}
	for _, one := range done {
		if err := env.Print("%s: key %s revoked from %d on by entry %d: %s", roleName(c.Role, one.Registry), key, one.From, one.Entry, consequences(one)); err != nil {
			return err
		}
	}
	return nil
}
