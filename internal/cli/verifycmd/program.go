package verifycmd

import (
	"context"

	"github.com/attestry/attestry/internal/cli"
)

// Name is the name of the auditor's program.
const Name = "attestry-verify"

const description = "Verify facts about registries, and audit the ledgers that they are in, with the network off."

// program is the auditor's command line.
type program struct {
	cli.Flags
	Verify Verify `cmd:"" help:"Verify a bundle."`
	Audit  Audit  `cmd:"" help:"Audit a whole ledger from its export."`
}

// Help gives the program's detailed help.
func (*program) Help() string {
	return `Examples:

    attestry-verify verify bundle.json --trust trust.json --request request.json --openings openings.json
    attestry-verify audit export/ --trust trust.json`
}

// Main runs the auditor's program and gives its exit code.
func Main(ctx context.Context, args []string, s cli.Streams) int {
	return cli.Main(ctx, Name, description, &program{}, args, s)
}
