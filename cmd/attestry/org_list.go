package main

import (
	"context"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/api"
)

type orgListCmd struct{}

func (*orgListCmd) Help() string {
	return `Lists the organisations by their ids.

Examples:

    attestry org list
    attestry org list --json`
}

// orgListOrder asks for all organisations.
type orgListOrder struct{}

func (c *orgListCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	all, err := administer(ctx, g, orderOrgList, orgListOrder{})
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(all)
	}
	if len(all) == 0 {
		env.Note("no organisations yet: attestry org create makes one")
	}
	for _, o := range all {
		if err := orgLine(env, o); err != nil {
			return err
		}
	}
	return nil
}

func (orgListOrder) carryOut(a *administration) ([]api.Organisation, error) {
	all := []api.Organisation{}
	if !a.w.HasService() {
		return all, nil
	}
	d, err := directory(a.w)
	if err != nil {
		return nil, err
	}
	organisations, err := d.Organisations()
	for _, o := range organisations {
		all = append(all, server.ShowOrganisation(o))
	}
	return all, err
}
