package main

import (
	"crypto/rand"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/statement"
)

type requestNewCmd struct {
	Request string `arg:"" placeholder:"REQUEST.yaml" help:"The request in YAML or JSON; - is standard input."`
	Out     string `short:"o" default:"-" placeholder:"REQUEST.json" help:"Where to write the completed request (mode 0600)."`
}

func (*requestNewCmd) Help() string {
	return `Fills in what binds an answer to its asking: an id, a nonce and a seed, at random. The seed lets whoever has it check whose record an answer is about, so the file is for you and the agency alone. No workspace is needed.

A request:

    registry: titles
    subject: OH-0001222
    where:
      - assessed_value >= 200000
      - garage in ["attached", "detached"]
      - sale_price * 100 <= assessed_value * 120
    reveal: [year_built]
    audience: bank-a
    expires: 2026-12-31T00:00:00Z

Examples:

    attestry request new question.yaml -o request.json`
}

// requestNewResult is what request new says in JSON, unless it writes to stdout.
type requestNewResult struct {
	ID      string `json:"id"`
	Request string `json:"request"`
}

func (c *requestNewCmd) Run(env *cli.Env) error {
	r, err := readRequest(env, c.Request)
	if err != nil {
		return err
	}
	if err := r.Fill(rand.Reader); err != nil {
		return err
	}
	document, err := r.JSON()
	if err != nil {
		return err
	}
	if err := env.WriteFile(c.Out, document, 0o600); err != nil || c.Out == cli.Dash {
		return err
	}
	if env.JSON {
		return env.PrintJSON(requestNewResult{r.ID, c.Out})
	}
	return env.Print("request %s in %s", r.ID, c.Out)
}

func readRequest(env *cli.Env, name string) (*statement.Request, error) {
	document, err := env.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r, err := statement.ParseRequest(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cli.FileName(name), err)
	}
	return r, nil
}
