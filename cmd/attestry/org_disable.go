package main

import (
	"context"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/api"
)

type orgDisableCmd struct {
	Name string `arg:"" placeholder:"NAME" help:"The organisation's id."`
}

func (*orgDisableCmd) Help() string {
	return `Ends an organisation's access: none of its credentials counts from the next request on, until attestry org enable. What it asked and got stays. There is no deleting: its id is in the audit log, and never another's.

Examples:

    attestry org disable bank-a
    attestry org disable bank-a --json`
}

func (c *orgDisableCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	return orgSwitchOrder{c.Name, true}.run(ctx, env, g)
}

type orgEnableCmd struct {
	Name string `arg:"" placeholder:"NAME" help:"The organisation's id."`
}

func (*orgEnableCmd) Help() string {
	return `Undoes attestry org disable: the organisation's credentials count again, but those that were revoked or have expired.

Examples:

    attestry org enable bank-a
    attestry org enable bank-a --json`
}

func (c *orgEnableCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	return orgSwitchOrder{c.Name, false}.run(ctx, env, g)
}

// orgSwitchOrder asks for an organisation to be let in no more, or again.
type orgSwitchOrder struct {
	ID      string `json:"id"`
	Disable bool   `json:"disable"`
}

func (o orgSwitchOrder) run(ctx context.Context, env *cli.Env, g *globals) error {
	is, err := administer(ctx, g, orderOrgSwitch, o)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(is)
	}
	return orgLine(env, is)
}

func (o orgSwitchOrder) carryOut(a *administration) (api.Organisation, error) {
	d, err := directory(a.w)
	if err != nil {
		return api.Organisation{}, err
	}
	change, action := d.EnableOrganisation, "organisation.enabled"
	if o.Disable {
		change, action = d.DisableOrganisation, "organisation.disabled"
	}
	is, err := change(o.ID)
	if err != nil {
		return api.Organisation{}, err
	}
	return server.ShowOrganisation(is), a.record(action, is.ID)
}
