// Attestry-verify verifies attestry's bundles and audits its ledgers. It needs no
// network, no database and nothing of the agency that it checks: a bundle or an
// export, and the trust file with what its user pinned beforehand.
package main

import (
	"os"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
)

func main() {
	ctx, stop := cli.Interruptible()
	code := verifycmd.Main(ctx, os.Args[1:], cli.Standard())
	stop()
	os.Exit(code)
}
