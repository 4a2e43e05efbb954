package main

import (
	"context"

	"github.com/attestry/attestry/client/api"
	"github.com/attestry/attestry/internal/cli"
)

type statusCmd struct {
	ID string `arg:"" optional:"" placeholder:"REQUEST" help:"A request's id, as request send says it; without it, the latest requests."`
	waiting
}

func (*statusCmd) Help() string {
	return `Shows how far a request is that was sent to a server. The exit code is 1 where it has come to its end without an answer.

Examples:

    attestry --server https://registry.example.org --api-key bank-a.key status 4f0c7a52b9e84d0f9c1f3f6f0f6c2a1b --wait
    attestry --server https://registry.example.org status --json`
}

func (c *statusCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	server, err := g.client(env)
	if err != nil {
		return err
	}
	if c.ID != "" {
		r, err := c.look(ctx, server, c.ID)
		if err != nil {
			return hintProblem(err)
		}
		return printRequest(env, r)
	}
	page, err := server.API.ListRequestsWithResponse(ctx, &api.ListRequestsParams{})
	if err != nil {
		return hintProblem(err)
	}
	if env.JSON {
		return env.PrintJSON(page.JSON200)
	}
	for _, r := range page.JSON200.Items {
		if err := env.Print("request %s: %s", r.Id, progressOf(&r)); err != nil {
			return err
		}
	}
	return nil
}
