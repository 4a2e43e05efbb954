package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/workspace"
)

type keyRecoveryCmd struct {
	Out string `short:"o" required:"" placeholder:"RECOVERY.key" help:"Where to write the key (mode 0600)."`
}

func (*keyRecoveryCmd) Help() string {
	return `Makes a recovery key. Its public half goes into the scopes of a schema, as recovery: KEY; whoever has the file can then end any pledge in that scope without its release key, for everyone to see (attestry pledge force-release). Keep it away from the agency's machine: a court or an ombudsman may hold it. A pledge keeps the recovery key that its scope had when it was made.

Examples:

    attestry key recovery -o recovery.key
    attestry key recovery -o recovery.key --json`
}

// recoveryResult is what key recovery says in JSON.
type recoveryResult struct {
	Recovery ledger.PublicKey `json:"recovery"`
}

func (c *keyRecoveryCmd) Run(env *cli.Env) error {
	if _, err := os.Lstat(c.Out); c.Out != cli.Dash && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: a key that is written over is lost", c.Out)
	}
	content, public, err := workspace.NewRecoveryKey()
	if err != nil {
		return err
	}
	if err := env.WriteFile(c.Out, content, 0o600); err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(recoveryResult{public})
	}
	return env.Print("recovery: %s", public)
}
