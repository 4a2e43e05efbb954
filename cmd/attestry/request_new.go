package main

import (
	"crypto/rand"
	"errors"

	"filippo.io/age"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type requestNewCmd struct {
	Request string `arg:"" placeholder:"REQUEST.yaml" help:"The request in YAML or JSON; - is standard input."`
	Out     string `short:"o" default:"-" placeholder:"REQUEST.json" help:"Where to write the completed request (mode 0600)."`
	SealTo  string `xor:"seal" placeholder:"RECIPIENT" help:"Have a server seal the openings to this age recipient, age1…"`
	Key     string `xor:"seal" placeholder:"FILE" help:"Have a server seal the openings to the age identity in this file, which is made where there is none (mode 0600)."`
}

func (*requestNewCmd) Help() string {
	return `Fills in what binds an answer to its asking: an id, a nonce and a seed, at random. The seed lets whoever has it check whose record an answer is about, so the file is for you and the agency alone. No workspace is needed.

A request that pledges a record (once: SCOPE) also gets a release key of its own for each pledge, derived from release.key in --dir, which is made at the first one: keep that file, pledges are released with it.

A server gives openings to nobody in the clear, but seals them with age to a recipient that the request names: --key makes one or takes yours, and attestry openings open, or age -d -i, opens them. A request that is answered by attestry prove needs none.

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

    attestry request new question.yaml -o request.json
    attestry request new question.yaml --key bank.key -o request.json
    attestry request new question.yaml --seal-to age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq -o request.json`
}

// requestNewResult is what request new says in JSON, unless it writes to stdout.
type requestNewResult struct {
	ID      string `json:"id"`
	Request string `json:"request"`
}

func (c *requestNewCmd) Run(env *cli.Env, g *globals) error {
	err := cli.Distinct([]cli.Named{{What: "the request", File: c.Request}, {What: "the key", File: c.Key}}, []cli.Named{{What: "the completed request", File: c.Out}})
	if err != nil {
		return err
	}
	r, err := verifycmd.ReadRequest(env, c.Request)
	if err != nil {
		return err
	}
	out, err := env.Prepare(c.Out, 0o600)
	if err != nil {
		return err
	}
	defer out.Discard()
	if err := c.seal(env, r); err != nil {
		return err
	}
	if err := errors.Join(r.Fill(rand.Reader), deriveReleaseKeys(env, g.workspaceDir(), r)); err != nil {
		return err
	}
	document, err := r.JSON()
	if err != nil {
		return err
	}
	if err := out.Write(document); err != nil || c.Out == cli.Dash {
		return err
	}
	if env.JSON {
		return env.PrintJSON(requestNewResult{r.ID, c.Out})
	}
	return env.Print("request %s in %s", r.ID, c.Out)
}

// seal puts in whom openings are sealed to.
func (c *requestNewCmd) seal(env *cli.Env, r *statement.Request) error {
	to := c.SealTo
	if c.Key != "" {
		recipient, made, err := makeSealingKey(env, c.Key)
		if err != nil {
			return err
		}
		if made {
			env.Note("made %s: keep it, openings are sealed to it", c.Key)
		}
		to = recipient
	}
	if to == "" {
		return nil
	}
	if _, err := age.ParseX25519Recipient(to); err != nil {
		return errors.New("--seal-to: not an age recipient, age1… (age-keygen or request new --key makes one)")
	}
	if r.SealTo != "" && r.SealTo != to {
		return errors.New("the request names another recipient to seal to already")
	}
	r.SealTo = to
	return nil
}

// deriveReleaseKeys gives each pledge of a request its release key, under the
// bank's master secret, which is made at the first one.
func deriveReleaseKeys(env *cli.Env, dir string, r *statement.Request) error {
	names := r.PledgeFacts()
	if len(names) == 0 {
		return nil
	}
	master, made, err := workspace.MakeReleaseMaster(dir)
	if err != nil {
		return err
	}
	if made {
		env.Note("made %s/release.key: keep it, pledges are released with it", dir)
	}
	for _, name := range names {
		r.SetPledgeKey(name, statement.DeriveReleaseSecret(master, *r.Nonce, name).Public())
	}
	return nil
}
