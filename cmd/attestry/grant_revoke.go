package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/workspace"
)

type grantRevokeCmd struct {
	Grant uint64 `arg:"" placeholder:"INDEX" help:"The index of the grant's entry."`
}

func (*grantRevokeCmd) Help() string {
	return `Appends the end of a grant, signed by the issuer. What was proved before stays granted; nothing more is proved under it, and a proof that comes after it in the ledger fails with whoever verifies against the ledger. It cannot be taken back: issue another grant.

Examples:

    attestry grant revoke 12`
}

// grantRevokeResult is what grant revoke says in JSON.
type grantRevokeResult struct {
	Grant     uint64 `json:"grant"`
	RevokedBy uint64 `json:"revoked_by"`
}

func (c *grantRevokeCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	result := grantRevokeResult{Grant: c.Grant}
	err := g.with(func(w *workspace.Workspace) (err error) {
		if result.RevokedBy, err = w.RevokeGrant(ctx, c.Grant); err != nil {
			return err
		}
		_, err = w.Publish(ctx)
		return err
	})
	if duplicate, ok := errors.AsType[*ledger.DuplicateError](err); ok {
		return fmt.Errorf("grant %d has ended: entry %d revoked it", c.Grant, duplicate.Index)
	}
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(result)
	}
	return env.Print("grant %d revoked by entry %d", result.Grant, result.RevokedBy)
}
