package main

import (
	"context"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
)

type orgCreateCmd struct {
	Name     string      `arg:"" placeholder:"NAME" help:"Its id, for ever: a-z, 0-9 and -, beginning with a letter."`
	Role     access.Role `required:"" enum:"agency,bank,auditor,operator" placeholder:"ROLE" help:"agency, bank, auditor or operator."`
	Registry []string    `placeholder:"NAME" help:"A registry that an agency acts for; repeat it for more (all of them)."`
	Audience string      `placeholder:"WHO" help:"The audience that a bank's requests carry (its id)."`
}

func (*orgCreateCmd) Help() string {
	return `Makes an organisation. It has no credential yet: attestry key create makes one. No two banks have one audience.

Examples:

    attestry org create bank-a --role bank --audience bank-a.example
    attestry org create cadastre --role agency --registry titles --registry liens
    attestry org create auditor-a --role auditor --json`
}

// orgCreateOrder asks for an organisation.
type orgCreateOrder struct {
	ID         string      `json:"id"`
	Role       access.Role `json:"role"`
	Registries []string    `json:"registries,omitempty"`
	Audience   string      `json:"audience,omitempty"`
}

func (c *orgCreateCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	o, err := administer(ctx, g, orderOrgCreate, orgCreateOrder{c.Name, c.Role, c.Registry, c.Audience})
	if err != nil {
		return err
	}
	env.Note("it has no key yet: attestry key create %s makes one", o.Id)
	if env.JSON {
		return env.PrintJSON(o)
	}
	return orgLine(env, o)
}

func (o orgCreateOrder) carryOut(a *administration) (api.Organisation, error) {
	d, err := directory(a.w)
	if err != nil {
		return api.Organisation{}, err
	}
	made, err := d.CreateOrganisation(access.Organisation{ID: o.ID, Role: o.Role, Registries: o.Registries, Audience: o.Audience})
	if err != nil {
		return api.Organisation{}, err
	}
	return server.ShowOrganisation(made), a.record("organisation.created", made.ID)
}
