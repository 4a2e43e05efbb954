package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type keyListCmd struct {
	Organisation string `arg:"" optional:"" placeholder:"ORG" help:"List this organisation's credentials alone."`
}

func (*keyListCmd) Help() string {
	return `Lists public keys, the present one of each role last, and then the credentials of the organisations: their ids and never their secrets. In JSON, what has a role is a signing key, and what has an id a credential.

Examples:

    attestry key list
    attestry key list bank-a
    attestry key list --json`
}

// keyListOrder asks for all keys, or for an organisation's.
type keyListOrder struct {
	Organisation string `json:"organisation,omitempty"`
}

// keyLists are all keys.
type keyLists struct {
	Signing     []keyListing `json:"signing"`
	Credentials []api.Key    `json:"credentials"`
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

func (c *keyListCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	all, err := administer(ctx, g, orderKeyList, keyListOrder{c.Organisation})
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(all.document())
	}
	for _, l := range all.Signing {
		if err := env.Print("%s: %s, %s", roleName(l.Role, l.Registry), l.Key, l.state()); err != nil {
			return err
		}
	}
	for _, k := range all.Credentials {
		if err := env.Print("%s: %s", k.Organisation, credential(k)); err != nil {
			return err
		}
	}
	return nil
}

// document is one list of all.
func (k keyLists) document() []any {
	all := []any{}
	for _, l := range k.Signing {
		all = append(all, l)
	}
	for _, c := range k.Credentials {
		all = append(all, c)
	}
	return all
}

func (o keyListOrder) carryOut(a *administration) (all keyLists, err error) {
	if o.Organisation == "" {
		if all.Signing, err = keyListings(a.w); err != nil {
			return all, err
		}
		if !a.w.HasService() {
			return all, nil
		}
	}
	d, err := directory(a.w)
	if err != nil {
		return all, err
	}
	keys, err := d.Keys(o.Organisation)
	for _, k := range keys {
		all.Credentials = append(all.Credentials, server.ShowKey(k, time.Now()))
	}
	return all, err
}

// credential says what an organisation's credential is.
func credential(k api.Key) string {
	text := k.Id
	if k.Kind != api.KeyKind(access.KindSecret) {
		text += ", " + string(k.Kind)
	}
	text += ", " + string(k.State)
	if k.State == api.KeyStateValid && !k.Expires.IsZero() {
		text += " until " + statement.FormatTime(k.Expires)
	}
	if k.ReplacedBy != "" {
		text += ", replaced by " + k.ReplacedBy
	}
	if len(k.Scopes) > 0 {
		text += ", for " + strings.Join(k.Scopes, " ")
	}
	if k.LastUsed.IsZero() {
		return text + ", never used"
	}
	return text + ", last used in the hour after " + statement.FormatTime(k.LastUsed)
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
