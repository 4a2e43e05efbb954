package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

type pledgeSubmitCmd struct {
	File    string `arg:"" placeholder:"FILE" help:"The release that pledge release -o wrote, or the pledge that a holder's prove --pledge wrote; - is standard input."`
	Out     string `short:"o" placeholder:"RECEIPT.json" help:"Of a pledge: where to write the receipt, which makes the holder's bundle complete."`
	Consent bool   `help:"Of a pledge in a scope of the issuer's consent: sign it. The issuer agrees to the pledge of this record, and does not see what was asked of it."`
}

func (*pledgeSubmitCmd) Help() string {
	return `Appends to the ledger of the workspace what was signed or proved elsewhere: the release of a pledge, or a pledge that a record's holder made. The ledger decides: whether the pledge's release key signed the release or, of a forced one, the recovery key of its scope; whether the pledge's proof holds, is of the latest epoch, and the record is not pledged already. Of a pledge the file shows registry, scope, release key and the record's tag in that scope, and nothing of the question or the asker.

What is in the ledger already is not appended again: a receipt that was lost can be had by submitting the pledge once more.

Examples:

    attestry pledge submit release.json
    attestry pledge submit pledge.json -o receipt.json
    attestry pledge submit pledge.json --consent -o receipt.json`
}

func (c *pledgeSubmitCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	if err := cli.Distinct([]cli.Named{{What: "what is submitted", File: c.File}}, []cli.Named{{What: "the receipt", File: c.Out}}); err != nil {
		return err
	}
	document, err := env.ReadFile(c.File)
	if err != nil {
		return err
	}
	entry, err := ledger.ParseEntry(bytes.TrimSpace(document))
	if err != nil {
		return fmt.Errorf("%s: %w", cli.FileName(c.File), err)
	}
	switch e := entry.(type) {
	case *ledger.ReleaseEntry, *ledger.ForcedReleaseEntry:
		if c.Out != "" || c.Consent {
			return fmt.Errorf("-o and --consent go with a pledge, and %s is a release", cli.FileName(c.File))
		}
		return submit(ctx, env, g, []ledger.Entry{entry})
	case *ledger.ProofEntry:
		return c.submitPledge(ctx, env, g, e)
	}
	return fmt.Errorf("%s is of type %s, neither a release nor a pledge", cli.FileName(c.File), entry.Type())
}

// submittedPledge is what pledge submit says of a pledge in JSON.
type submittedPledge struct {
	Registry   string  `json:"registry"`
	Pledge     uint64  `json:"pledge"` // index of its entry
	State      string  `json:"state"`  // live or released
	ReleasedBy *uint64 `json:"released_by,omitempty"`
	Receipt    string  `json:"receipt,omitempty"`
}

func (c *pledgeSubmitCmd) submitPledge(ctx context.Context, env *cli.Env, g *globals, e *ledger.ProofEntry) error {
	var out *cli.Output
	if c.Out != "" {
		var err error
		if out, err = env.Prepare(c.Out, 0o644); err != nil {
			return err
		}
		defer out.Discard()
	}
	result := submittedPledge{Registry: e.Public.Registry, Receipt: c.Out}
	var receipt *verifier.Receipt
	err := g.with(func(w *workspace.Workspace) (err error) {
		if receipt, result.Pledge, err = w.Agency().Submit(ctx, e, c.Consent); err != nil {
			return refused(err)
		}
		result.State, result.ReleasedBy, err = pledgeLife(w, result.Pledge)
		return err
	})
	if err != nil {
		return err
	}
	if out != nil {
		document, err := receipt.Marshal()
		if err == nil {
			err = out.Write(append(document, '\n'))
		}
		if err != nil {
			return cli.Hint(fmt.Errorf("the pledge is entry %d, and its receipt was not written: %w", result.Pledge, err), "submit it again for another receipt")
		}
	}
	return result.print(env)
}

func (s submittedPledge) print(env *cli.Env) error {
	switch {
	case s.Receipt == cli.Dash:
		return nil // stdout has the receipt already
	case env.JSON:
		return env.PrintJSON(s)
	case s.ReleasedBy != nil:
		return env.Print("pledge in %s: entry %d, released by entry %d", s.Registry, s.Pledge, *s.ReleasedBy)
	}
	return env.Print("pledge in %s: entry %d, live", s.Registry, s.Pledge)
}

// refused sorts what the ledger says to a pledge: a second one and a false one are
// refused, and what can be helped comes with a hint.
func refused(err error) error {
	switch {
	case errors.Is(err, prover.ErrPledged), errors.Is(err, ledger.ErrPledged), errors.Is(err, ledger.ErrProofInvalid), errors.Is(err, ledger.ErrForeign):
		return cli.Refuse(err)
	case errors.Is(err, ledger.ErrStaleEpoch):
		return cli.Hint(err, "open the record anew (attestry record open --pledge), for the holder to prove it once more")
	case errors.Is(err, ledger.ErrConsent):
		return cli.Hint(err, "--consent signs a pledge in a scope of the issuer's consent; one of the holder's consent goes without")
	}
	return err
}
