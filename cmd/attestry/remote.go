package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/attestry/attestry/client"
	"github.com/attestry/attestry/client/api"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/verifier"
)

// apiKeyVariable holds the API key where --api-key names no file.
const apiKeyVariable = "ATTESTRY_API_KEY"

var (
	errNoServer = errors.New("which server?")
	// errNoVerdict: a server was asked and gave no verdict.
	errNoVerdict = errors.New("the server gave no verdict")
)

// client makes a client of the server that --server names, with the API key.
func (g *globals) client(env *cli.Env) (*client.Client, error) {
	if g.Server == "" {
		return nil, cli.Hint(errNoServer, "--server URL names it")
	}
	key := os.Getenv(apiKeyVariable)
	if g.APIKey != "" {
		content, err := env.ReadFile(g.APIKey)
		if err != nil {
			return nil, err
		}
		key = string(content)
	}
	c, err := client.New(g.Server, client.Options{Key: strings.TrimSpace(key)})
	switch {
	case errors.Is(err, client.ErrServer):
		return nil, cli.Hint(err, "--server URL names it, https://registry.example.org for example")
	case errors.Is(err, client.ErrPlaintext):
		return nil, cli.Hint(err, "say https")
	}
	return c, err
}

// hintProblem says what to do about what a server refused.
func hintProblem(err error) error {
	switch client.CodeOf(err) {
	case "unauthenticated":
		return cli.Hint(err, "--api-key FILE names the file of your API key, %s holds one; attestry key create makes one at the agency", apiKeyVariable)
	case "incomplete_request":
		return cli.Hint(err, "attestry request new REQUEST.yaml --key FILE completes a request")
	}
	return err
}

// waiting is the flag of commands that can wait for an answer.
type waiting struct {
	Wait bool `help:"Wait until the request is answered or refused."`
}

// look gives a request, and waits for its end if that is wanted.
func (w waiting) look(ctx context.Context, c *client.Client, id string) (*api.Request, error) {
	if w.Wait {
		return c.Answered(ctx, id)
	}
	return c.Request(ctx, id)
}

// printRequest shows how far a request is. Its end is a no where it is no answer.
func printRequest(env *cli.Env, r *api.Request) error {
	if env.JSON {
		if err := env.PrintJSON(r); err != nil {
			return err
		}
	} else if err := env.Print("request %s: %s", r.Id, progressOf(r)); err != nil {
		return err
	}
	switch r.State {
	case api.RequestStateRefused, api.RequestStateWithdrawn, api.RequestStateExpired:
		return cli.Refuse(errors.New("there is no answer, and there will be none"))
	}
	return nil
}

// progressOf says how far a request is, for people.
func progressOf(r *api.Request) string {
	text := string(r.State)
	switch {
	case r.Refusal.Code != "" && r.Refusal.Entry != nil:
		text += ": " + r.Refusal.Code + " since entry " + cli.Count(*r.Refusal.Entry)
	case r.Refusal.Code != "":
		text += ": " + r.Refusal.Code
	case r.Proof != "":
		text += ", attestry fetch has the answer"
	}
	if r.Refusal.Message != "" {
		text += ": " + cli.Plain(r.Refusal.Message)
	}
	return text
}

// verifyAt asks a server for a verdict, under the trust file that the server has.
func verifyAt(ctx context.Context, c *client.Client, f *verifycmd.Files) (*verifier.Verdict, error) {
	verdict, err := c.Verify(ctx, client.Verification{
		Bundle: f.Bundle, Request: f.Request, Openings: f.Openings, Audience: f.Audience, At: f.At,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoVerdict, err)
	}
	return verdict, nil
}
