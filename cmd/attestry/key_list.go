package main

import (
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/workspace"
)

type keyListCmd struct{}

func (*keyListCmd) Help() string {
	return `Lists public keys, the present one of each role last.

Examples:

    attestry key list
    attestry key list --json`
}

// keyListing is one key of key list's JSON. Until is the entry that replaced it,
// revoked the index from which nothing counts that it signed.
type keyListing struct {
	Role      ledger.Role      `json:"role"`
	Registry  string           `json:"registry,omitempty"`
	Key       ledger.PublicKey `json:"key"`
	From      uint64           `json:"from"`
	Until     *uint64          `json:"until,omitempty"`
	Revoked   *uint64          `json:"revoked,omitempty"`
	RevokedBy *uint64          `json:"revoked_by,omitempty"`
}

func (c *keyListCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		all, err := keyListings(w)
		if err != nil {
			return err
		}
		if env.JSON {
			return env.PrintJSON(all)
		}
		for _, l := range all {
			if err := env.Print("%s: %s, %s", roleName(l.Role, l.Registry), l.Key, l.state()); err != nil {
				return err
			}
		}
		return nil
	})
}

func keyListings(w *workspace.Workspace) ([]keyListing, error) {
	keys, err := w.LogKeys()
	if err != nil {
		return nil, err
	}
	all := listKeys(ledger.RoleLog, "", keys)
	names, err := w.Issued()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if keys, err = w.Ledger.IssuerKeys(name); err != nil {
			return nil, err
		}
		all = append(all, listKeys(ledger.RoleIssuer, name, keys)...)
	}
	return all, nil
}

func listKeys(role ledger.Role, registry string, keys []ledger.KeySpan) (all []keyListing) {
	for _, k := range keys {
		l := keyListing{Role: role, Registry: registry, Key: k.Key, From: k.From, Until: k.Until, Revoked: k.Revoked}
		if k.Revoked != nil {
			l.RevokedBy = &k.RevokedBy
		}
		all = append(all, l)
	}
	return all
}

func (l keyListing) state() string {
	text := "in force"
	if l.Until != nil {
		text = fmt.Sprintf("replaced by entry %d", *l.Until)
	}
	if l.Revoked != nil {
		text += fmt.Sprintf(", revoked from %d on by entry %d", *l.Revoked, *l.RevokedBy)
	}
	if l.Until == nil && l.Revoked != nil {
		text = fmt.Sprintf("revoked from %d on by entry %d, and the registry closed", *l.Revoked, *l.RevokedBy)
	}
	return text
}
