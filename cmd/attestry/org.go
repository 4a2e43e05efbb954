package main

import (
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/server/api"
)

type orgCmds struct {
	Create  orgCreateCmd  `cmd:"" help:"Let an organisation in."`
	List    orgListCmd    `cmd:"" help:"List the organisations."`
	Disable orgDisableCmd `cmd:"" help:"Let an organisation in no more."`
	Enable  orgEnableCmd  `cmd:"" help:"Let a disabled organisation in again."`
	Bind    orgBindCmd    `cmd:"" help:"Take a client certificate for an organisation's."`
	Unbind  orgUnbindCmd  `cmd:"" help:"Take a client certificate for an organisation's no more."`
}

func (*orgCmds) Help() string {
	return `An organisation uses the service of attestry serve with a credential, an API key for example, and may do what its role may: a bank asks, an agency answers, an auditor looks on, an operator manages organisations and keys. The commands work on the workspace or, where attestry serve holds it, through the server, by a socket that the workspace's owner alone can open. What they change is in the service's audit log.

Examples:

    attestry org create bank-a --role bank
    attestry org list
    attestry org disable bank-a`
}

// orgLine says who an organisation is.
func orgLine(env *cli.Env, o api.Organisation) error {
	text := string(o.Role)
	if o.Audience != "" {
		text += " of the audience " + o.Audience
	}
	for i, name := range o.Registries {
		if i == 0 {
			text += " for the registries"
		}
		text += " " + name
	}
	if o.Disabled {
		text += ", disabled"
	}
	return env.Print("%s: %s", o.Id, text)
}
