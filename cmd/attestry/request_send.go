package main

import (
	"context"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
)

type requestSendCmd struct {
	Request string   `arg:"" placeholder:"REQUEST.json" help:"The completed request; - is standard input."`
	Fact    []string `placeholder:"NAME" help:"Only this fact is to be proved there; may be repeated."`
	waiting
}

func (*requestSendCmd) Help() string {
	return `Asks a running server: sends it a request that request new completed with --key or --seal-to, so that the openings can be sealed to you. Says the request's id, which status and fetch take. The same request sent once more is the same request there.

The API key of your organisation is in the file that --api-key names, or in ATTESTRY_API_KEY.

Examples:

    attestry --server https://registry.example.org --api-key bank-a.key request send request.json
    attestry --server https://registry.example.org request send request.json --wait --json`
}

func (c *requestSendCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	r, err := verifycmd.ReadRequest(env, c.Request)
	if err != nil {
		return err
	}
	server, err := g.client(env)
	if err != nil {
		return err
	}
	asked, err := server.Ask(ctx, r, c.Fact...)
	if err != nil {
		return hintProblem(err)
	}
	if c.Wait {
		env.Note("request %s was taken: waiting for the answer", asked.Id)
	}
	// What was taken may have been sent before: its state is that of then.
	if asked, err = c.look(ctx, server, asked.Id); err != nil {
		return hintProblem(err)
	}
	return printRequest(env, asked)
}
