package main

import (
	"context"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
)

type orgBindCmd struct {
	Name        string   `arg:"" placeholder:"NAME" help:"The organisation's id."`
	Certificate string   `required:"" placeholder:"FILE" help:"The client's certificate (PEM), without its private key."`
	BySubject   bool     `help:"Bind the subject: every certificate of exactly this subject is the organisation's."`
	Scope       []string `placeholder:"SCOPE" help:"What it is good for; repeat it for more (all that the role may do)."`
	Expires     *span    `placeholder:"90d" help:"When the binding ceases to count (never by itself)."`
}

func (*orgBindCmd) Help() string {
	return `Makes a client certificate a credential of an organisation, for a server that speaks TLS and names authorities of clients (tls.client_ca). By default its public key is bound: this certificate counts, and a later one for the same key. With --by-subject every certificate of the same subject does that one of the authorities issues. Certificates expire by themselves; attestry key list shows what is bound.

Examples:

    attestry org bind bank-a --certificate bank-a.pem
    attestry org bind bank-a --certificate bank-a.pem --by-subject --expires 365d
    attestry org bind bank-a --certificate bank-a.pem --scope requests-read --json`
}

// orgBindOrder asks for a certificate to be bound.
type orgBindOrder struct {
	Organisation string    `json:"organisation"`
	Certificate  string    `json:"certificate"` // PEM
	BySubject    bool      `json:"by_subject,omitempty"`
	Scopes       []string  `json:"scopes,omitempty"`
	Expires      time.Time `json:"expires,omitzero"`
}

func (c *orgBindCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	text, err := env.ReadFile(c.Certificate)
	if err != nil {
		return err
	}
	if _, err := access.ParseCertificate(text); err != nil { // before it goes anywhere: it may be the private key
		return err
	}
	o := orgBindOrder{Organisation: c.Name, Certificate: string(text), BySubject: c.BySubject, Scopes: c.Scope}
	if c.Expires != nil {
		o.Expires = time.Now().Add(time.Duration(*c.Expires)).UTC().Truncate(time.Second)
	}
	k, err := administer(ctx, g, orderOrgBind, o)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(k)
	}
	return env.Print("%s: %s", k.Organisation, credential(k))
}

func (o orgBindOrder) carryOut(a *administration) (api.Key, error) {
	known, err := scopes()
	if err != nil {
		return api.Key{}, err
	}
	if err := access.CheckScopes(o.Scopes, known); err != nil {
		return api.Key{}, err
	}
	certificate, err := access.ParseCertificate([]byte(o.Certificate))
	if err != nil {
		return api.Key{}, err
	}
	d, err := directory(a.w)
	if err != nil {
		return api.Key{}, err
	}
	kind := access.KindCertificate
	if o.BySubject {
		kind = access.KindSubject
	}
	k, err := d.BindCertificate(access.NewKey{Organisation: o.Organisation, Scopes: o.Scopes, Expires: o.Expires}, kind, certificate)
	if err != nil {
		return api.Key{}, err
	}
	return server.ShowKey(k, time.Now()), a.record("certificate.bound", k.ID)
}

type orgUnbindCmd struct {
	Name        string `arg:"" placeholder:"NAME" help:"The organisation's id."`
	Certificate string `required:"" placeholder:"FILE" help:"The client's certificate (PEM)."`
}

func (*orgUnbindCmd) Help() string {
	return `Ends what makes a client certificate an organisation's, by its public key and by its subject, at once and for good, also in a running server. attestry key revoke does the same by the credential's id, without the file.

Examples:

    attestry org unbind bank-a --certificate bank-a.pem
    attestry org unbind bank-a --certificate bank-a.pem --json`
}

// orgUnbindOrder asks for a certificate to be bound no more.
type orgUnbindOrder struct {
	Organisation string `json:"organisation"`
	Certificate  string `json:"certificate"` // PEM
}

func (c *orgUnbindCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	text, err := env.ReadFile(c.Certificate)
	if err != nil {
		return err
	}
	if _, err := access.ParseCertificate(text); err != nil {
		return err
	}
	ended, err := administer(ctx, g, orderOrgUnbind, orgUnbindOrder{c.Name, string(text)})
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(ended)
	}
	for _, k := range ended {
		if err := env.Print("%s: %s", k.Organisation, credential(k)); err != nil {
			return err
		}
	}
	return nil
}

func (o orgUnbindOrder) carryOut(a *administration) (ended []api.Key, err error) {
	certificate, err := access.ParseCertificate([]byte(o.Certificate))
	if err != nil {
		return nil, err
	}
	d, err := directory(a.w)
	if err != nil {
		return nil, err
	}
	keys, err := d.UnbindCertificate(o.Organisation, certificate)
	for _, k := range keys {
		ended = append(ended, server.ShowKey(k, time.Now()))
		if err := a.record("key.revoked", k.ID); err != nil {
			return ended, err
		}
	}
	return ended, err
}
