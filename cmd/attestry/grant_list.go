package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
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
		grants, err := w.Ledger.Grants()
		if err != nil {
			return err
		}
		all := []grantListing{}
		for _, status := range grants {
			listing, err := listGrant(w, status, time.Now())
			if err != nil {
				return err
			}
			all = append(all, listing)
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

func listGrant(w *workspace.Workspace, status ledger.GrantStatus, now time.Time) (grantListing, error) {
	l := grantListing{Grant: status.Index, RevokedBy: status.Revoked, Registries: []string{status.Registry}}
	document, err := w.GrantDocument(status.Index)
	switch {
	case errors.Is(err, prover.ErrNoGrant):
	case err != nil:
		return l, err
	default:
		l.Audience, l.Registries = document.Audience, document.RegistryNames()
		l.ValidFrom, l.ValidUntil = document.ValidFrom, document.ValidUntil
	}
	l.State = grantState(status, document, statement.FormatTime(now))
	return l, nil
}

func grantState(status ledger.GrantStatus, document *statement.Grant, now string) string {
	switch {
	case status.Void != nil:
		return "void"
	case status.Revoked != nil:
		return "revoked"
	case document == nil:
		return "unknown"
	case now >= document.ValidUntil: // in this format the order of texts is that of instants
		return "expired"
	case now < document.ValidFrom:
		return "early"
	}
	return "live"
}

// String gives the listing as a line.
func (l grantListing) String() string {
	line := fmt.Sprintf("grant %d: %s", l.Grant, l.State)
	switch l.State {
	case "revoked":
		line = fmt.Sprintf("grant %d: revoked by entry %d", l.Grant, *l.RevokedBy)
	case "void":
		line += ", since the issuer's key was revoked from before it"
	}
	if l.Audience == "" {
		return line + ": the document is not in this workspace"
	}
	return fmt.Sprintf("%s: %s may ask %s until %s", line, l.Audience, strings.Join(l.Registries, ", "), l.ValidUntil)
}
