package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
)

type keyCreateCmd struct {
	Organisation string      `arg:"" placeholder:"ORG" help:"Whose key."`
	Role         access.Role `enum:"agency,bank,auditor,operator," default:"" placeholder:"ROLE" help:"Make the organisation with this role where there is none."`
	Scope        []string    `placeholder:"SCOPE" help:"What it is good for; repeat it for more (all that the role may do)."`
	Expires      *span       `placeholder:"90d" help:"When it ceases to count (never by itself)."`
}

func (*keyCreateCmd) Help() string {
	return `Makes an API key and prints it, and nothing else, on standard output: this once, since only a hash is kept. The organisation sends it as Authorization: Bearer KEY. With --json, the document is that of POST /v1/organisations/…/keys, with the organisation if it was made.

Scopes are those of the operations, listed in docs/spec/http.md: requests-write, proofs-read and so on.

Examples:

    attestry key create bank-a --role bank
    attestry key create bank-a --expires 90d
    attestry key create cadastre --scope requests-read --scope jobs-read --json`
}

// keyCreateOrder asks for an API key.
type keyCreateOrder struct {
	Organisation string      `json:"organisation"`
	Role         access.Role `json:"role,omitempty"` // empty: the organisation is there
	Scopes       []string    `json:"scopes,omitempty"`
	Expires      time.Time   `json:"expires,omitzero"`
}

// createdKey is what key create says in JSON.
type createdKey struct {
	api.IssuedKey
	Organisation *api.Organisation `json:"organisation,omitempty"` // made with it
}

func (c *keyCreateCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	o := keyCreateOrder{Organisation: c.Organisation, Role: c.Role, Scopes: c.Scope}
	if c.Expires != nil {
		o.Expires = time.Now().Add(time.Duration(*c.Expires)).UTC().Truncate(time.Second)
	}
	made, err := administer(ctx, g, orderKeyCreate, o)
	if err != nil {
		return err
	}
	if made.Organisation != nil {
		env.Note("organisation %s made, with the role %s", made.Organisation.Id, made.Organisation.Role)
	}
	noteKey(env, made.Key)
	return printSecret(env, made, made.IssuedKey)
}

func (o keyCreateOrder) carryOut(a *administration) (made createdKey, err error) {
	known, err := scopes()
	if err != nil {
		return made, err
	}
	if err := access.CheckScopes(o.Scopes, known); err != nil {
		return made, err
	}
	d, err := directory(a.w)
	if err != nil {
		return made, err
	}
	n := access.NewKey{Organisation: o.Organisation, Scopes: o.Scopes, Expires: o.Expires}
	key, secret, first, err := createKey(d, o.Role, n)
	if err != nil {
		return made, err
	}
	if first {
		shown, err := o.first(a, d)
		if err != nil {
			return made, err
		}
		made.Organisation = &shown
	}
	made.IssuedKey = api.IssuedKey{Key: server.ShowKey(key, time.Now()), Secret: secret}
	return made, a.record("key.created", key.ID)
}

// first tells of the organisation that was made with the key.
func (o keyCreateOrder) first(a *administration, d *access.Directory) (api.Organisation, error) {
	organisation, err := d.Organisation(o.Organisation)
	if err != nil {
		return api.Organisation{}, err
	}
	return server.ShowOrganisation(organisation), a.record("organisation.created", organisation.ID)
}

// createKey makes a key, and its organisation where a role is given and there is none.
func createKey(d *access.Directory, role access.Role, n access.NewKey) (key access.Key, secret string, first bool, err error) {
	if role != "" {
		return d.CreateFirstKey(access.Organisation{ID: n.Organisation, Role: role}, n)
	}
	key, secret, err = d.CreateKey(n)
	if errors.Is(err, access.ErrNotFound) {
		err = fmt.Errorf("%w (--role ROLE makes it with the key)", err)
	}
	return key, secret, false, err
}
