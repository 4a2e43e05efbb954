package main

import (
	"context"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/verifier"
)

type trustUpdateCmd struct {
	Trust string `arg:"" placeholder:"TRUST.json" help:"The trust file that you pin now; - is standard input."`
	Log   string `required:"" placeholder:"EXPORT_DIR" help:"A directory that attestry ledger export wrote, or a mirror of the log."`
	Out   string `short:"o" required:"" placeholder:"NEW.json" help:"Where to write the new trust file."`
}

func (*trustUpdateCmd) Help() string {
	return `Audits the log under the trust file that you pin, and follows from it what the log's own entries show: keys to which a pinned key handed over, in an entry that both signed; keys that were revoked; circuits that are sunset. It adds no registry and no circuit, and never widens what you pin.

What it follows is what the pinned keys signed. Whoever has stolen a key that you still pin can show you a log in which it hands over to theirs: compare the new fingerprint with the agency, as you did with the first one. No workspace is needed.

Examples:

    attestry trust update trust.json --log export -o new-trust.json`
}

// trustUpdateResult is what trust update says in JSON.
type trustUpdateResult struct {
	Trust       string   `json:"trust"`
	Fingerprint string   `json:"fingerprint"`
	Changes     []string `json:"changes"`
}

func (c *trustUpdateCmd) Run(ctx context.Context, env *cli.Env) error {
	pinned, err := verifycmd.ReadTrust(env, c.Trust)
	if err != nil {
		return err
	}
	report, log, err := verifier.AuditLog(ctx, c.Log, pinned, nil)
	if err != nil {
		return err
	}
	if log == nil {
		return cli.Refuse(fmt.Errorf("the ledger in %s does not hold under %s, so nothing was written: %s", c.Log, cli.FileName(c.Trust), report.Problems[0]))
	}
	next, changes, err := log.Update(pinned)
	if err != nil {
		return err
	}
	fingerprint, err := writeTrust(env, c.Out, next)
	if err != nil {
		return err
	}
	env.Note("compare the fingerprint with the agency's, by telephone for example")
	if env.JSON && c.Out != cli.Dash {
		return env.PrintJSON(trustUpdateResult{c.Out, fingerprint, append([]string{}, changes...)})
	}
	return c.print(env, changes, fingerprint)
}

func (c *trustUpdateCmd) print(env *cli.Env, changes []string, fingerprint string) error {
	say := env.Print
	if c.Out == cli.Dash {
		say = func(format string, args ...any) error { env.Note(format, args...); return nil }
	}
	if len(changes) == 0 {
		if err := say("nothing changed"); err != nil {
			return err
		}
	}
	for _, change := range changes {
		if err := say("%s", change); err != nil {
			return err
		}
	}
	return say("fingerprint %s", fingerprint)
}
