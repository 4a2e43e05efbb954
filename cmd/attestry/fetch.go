package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"filippo.io/age"

	"github.com/attestry/attestry/client"
	"github.com/attestry/attestry/client/api"
	"github.com/attestry/attestry/internal/cli"
)

type fetchCmd struct {
	ID          string `arg:"" placeholder:"REQUEST" help:"The request's id, as request send says it."`
	Out         string `short:"o" required:"" placeholder:"BUNDLE.json" help:"Where to write the bundle."`
	Openings    string `placeholder:"OPENINGS.json" help:"Where to write the openings, opened (mode 0600)."`
	Key         string `placeholder:"FILE" help:"The file of the identity that they are sealed to, as request new --key or age-keygen wrote it."`
	Acknowledge bool   `help:"Have the server forget the openings, and whom the request was about, once they are written."`
	waiting
}

func (*fetchCmd) Help() string {
	return `Fetches the answer to a request that was sent to a server: the bundle, and with --openings and --key what it needs to be read. Verify them with your own trust file: that a server gave them says nothing.

Examples:

    attestry --server https://registry.example.org --api-key bank-a.key fetch 4f0c7a52b9e84d0f9c1f3f6f0f6c2a1b -o bundle.json --openings openings.json --key bank.key
    attestry --server https://registry.example.org fetch 4f0c7a52b9e84d0f9c1f3f6f0f6c2a1b -o bundle.json --wait`
}

// fetchResult is what fetch says in JSON.
type fetchResult struct {
	Request  string `json:"request"`
	Proof    string `json:"proof"`
	Bundle   string `json:"bundle"`
	Openings string `json:"openings,omitempty"`
}

func (c *fetchCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	out, identities, err := c.prepare(env)
	if err != nil {
		return err
	}
	defer out.discard()
	server, err := g.client(env)
	if err != nil {
		return err
	}
	r, err := c.look(ctx, server, c.ID)
	if err != nil {
		return hintProblem(err)
	}
	if r.State != api.RequestStateAnswered {
		return errors.Join(printRequest(env, r), notAnswered(r))
	}
	if err := c.fetch(ctx, server, r.Proof, out, identities); err != nil {
		return hintProblem(err)
	}
	if c.Out == cli.Dash || c.Openings == cli.Dash {
		return nil
	}
	if env.JSON {
		return env.PrintJSON(fetchResult{r.Id, r.Proof, c.Out, c.Openings})
	}
	return env.Print("bundle in %s: it says nothing until attestry verify says so", c.Out)
}

// notAnswered is the error of a request that may yet be answered.
func notAnswered(r *api.Request) error {
	if r.State == api.RequestStateAsked || r.State == api.RequestStateAnswering {
		return cli.Hint(fmt.Errorf("request %s is not answered yet", r.Id), "--wait waits for the answer")
	}
	return nil
}

// prepare makes ready where the answer goes, and reads the identities before anything is
// fetched.
func (c *fetchCmd) prepare(env *cli.Env) (*outputs, []age.Identity, error) {
	if (c.Openings == "") != (c.Key == "") {
		return nil, nil, errors.New("--openings and --key go together: a server gives the openings sealed")
	}
	if c.Acknowledge && c.Openings == "" {
		return nil, nil, errors.New("--acknowledge goes with --openings: what the server forgets nobody can fetch again")
	}
	if c.Openings != "" && filepath.Clean(c.Openings) == filepath.Clean(c.Out) {
		return nil, nil, errSamePlace
	}
	err := cli.Distinct([]cli.Named{{What: "the key", File: c.Key}}, []cli.Named{{What: "the bundle", File: c.Out}, {What: "the openings", File: c.Openings}})
	if err != nil {
		return nil, nil, err
	}
	var identities []age.Identity
	o := &outputs{}
	if c.Openings != "" {
		if identities, err = readIdentities(env, c.Key); err != nil {
			return nil, nil, err
		}
		if o.openings, err = env.Prepare(c.Openings, 0o600); err != nil {
			return nil, nil, err
		}
	}
	if o.bundle, err = env.Prepare(c.Out, 0o644); err != nil {
		o.discard()
		return nil, nil, err
	}
	return o, identities, nil
}

// fetch writes all files or none.
func (c *fetchCmd) fetch(ctx context.Context, server *client.Client, proof string, out *outputs, identities []age.Identity) error {
	b, err := server.Bundle(ctx, proof)
	if err != nil {
		return err
	}
	bundle, err := b.Marshal()
	if err != nil {
		return err
	}
	if out.openings == nil {
		return out.bundle.Write(append(bundle, '\n'))
	}
	opened, err := server.Openings(ctx, proof, identities...)
	if err != nil {
		return err
	}
	openings, err := opened.Marshal()
	if err != nil {
		return err
	}
	if err := out.writeBoth(append(bundle, '\n'), append(openings, '\n')); err != nil {
		return err
	}
	if !c.Acknowledge {
		return nil
	}
	return server.Acknowledge(ctx, proof)
}

// writeBoth writes the openings and the bundle, in this order: a bundle without them looks
// finished and is not.
func (o *outputs) writeBoth(bundle, openings []byte) error {
	if err := o.openings.Write(openings); err != nil {
		return err
	}
	if err := o.bundle.Write(bundle); err != nil {
		return errors.Join(err, o.openings.Remove())
	}
	return nil
}
