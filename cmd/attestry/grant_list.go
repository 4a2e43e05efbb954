package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/workspace"
)

type grantListCmd struct{}

func (*grantListCmd) Help() string {
	return `Lists the grants in the order of the ledger, with where they stand now.

Examples:

    attestry grant list
    attestry grant list --json`
}

// grantListing is one grant of list's JSON. What the document says is left out where the
// workspace does not have it.
type grantListing struct {
	Grant      uint64   `json:"grant"`
	State      string   `json:"state"` // early, live, expired, revoked, void or unknown
	RevokedBy  *uint64  `json:"revoked_by,omitempty"`
	Audience   string   `json:"audience,omitempty"`
	Registries []string `json:"registries"`
	ValidFrom  string   `json:"valid_from,omitempty"`
	ValidUntil string   `json:"valid_until,omitempty"`
}

func (c *grantListCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		grants, err := w.Ledger.Grants(0, math.MaxInt)
		if err != nil {
			return err
		}
		all := []grantListing{}
		for _, status := range grants {
			grant, err := w.Grant(status.Index)
			if err != nil {
				return err
			}
			all = append(all, listGrant(grant, time.Now()))
		}
		if env.JSON {
			return env.PrintJSON(all)
		}
		for _, l := range all {
			if err := env.Print("%s", l); err != nil {
				return err
			}
		}
		return nil
	})
}

func listGrant(g *workspace.Grant, now time.Time) grantListing {
	l := grantListing{Grant: g.Index, State: g.State(now), RevokedBy: g.Revoked, Registries: []string{g.Registry}}
	if d := g.Document; d != nil {
		l.Audience, l.Registries, l.ValidFrom, l.ValidUntil = d.Audience, d.RegistryNames(), d.ValidFrom, d.ValidUntil
	}
	return l
}

// String gives the listing as a line.
func (l grantListing) String() string {
	line := fmt.Sprintf("grant %d: %s", l.Grant, l.State)
	switch l.State {
	case workspace.GrantRevoked:
		line = fmt.Sprintf("grant %d: revoked by entry %d", l.Grant, *l.RevokedBy)
	case workspace.GrantVoid:
		line += ", since the issuer's key was revoked from before it"
	}
	if l.Audience == "" {
		return line + ": the document is not in this workspace"
	}
	return fmt.Sprintf("%s: %s may ask %s until %s", line, l.Audience, strings.Join(l.Registries, ", "), l.ValidUntil)
}
