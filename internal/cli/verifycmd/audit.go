package verifycmd

import (
	"context"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/verifier"
)

// Audit is the command audit.
type Audit struct {
	Export string `arg:"" name:"export-dir" placeholder:"EXPORT_DIR" help:"A directory that attestry ledger export wrote, or a mirror of the log."`
	Trust  string `env:"ATTESTRY_TRUST" placeholder:"TRUST.json" help:"What you pin: log, issuers, circuits."`
}

// Help gives the command's detailed help.
func (*Audit) Help() string {
	return `Replays the whole ledger with the network off: every entry's place in the signed tree, every rule of the log, every signature and every proof. The exit code is 0 when all of it holds, 1 when there is a problem, 2 when the audit could not be made.

Examples:

    attestry-verify audit export/ --trust trust.json
    attestry-verify audit export/ --trust trust.json --json`
}

// Run audits an export and prints the report.
func (a *Audit) Run(ctx context.Context, env *cli.Env) error {
	trust, err := readPinned(env, a.Trust)
	if err != nil {
		return err
	}
	progress := env.Progress("audit")
	report, err := verifier.Audit(ctx, a.Export, trust.Trust, func(done, total uint64) { progress.Update(int64(done), int64(total)) })
	progress.End()
	if err != nil {
		return err
	}
	return printReport(env, report, trust.fingerprint)
}

// shownReport is a report in JSON.
type shownReport struct {
	*verifier.Report
	TrustFingerprint string `json:"trust_fingerprint"`
}

func printReport(env *cli.Env, r *verifier.Report, fingerprint string) error {
	if env.JSON {
		if err := env.PrintJSON(shownReport{r, fingerprint}); err != nil {
			return err
		}
	} else if err := printReportText(env, r); err != nil {
		return err
	}
	if r.OK {
		return nil
	}
	return cli.Refuse(fmt.Errorf("the ledger does not hold: %s", cli.Plural(len(r.Problems), "problem")))
}

func printReportText(env *cli.Env, r *verifier.Report) error {
	for _, p := range r.Problems {
		if err := env.Print("problem: %s", p); err != nil {
			return err
		}
	}
	for _, line := range r.Followed {
		if err := env.Print("followed: %s", line); err != nil {
			return err
		}
	}
	outcome := "AUDITED: every entry, signature and proof holds"
	if !r.OK {
		outcome = "NOT AUDITED: " + cli.Plural(len(r.Problems), "problem")
	}
	if err := env.Print("%s, %s, %s", cli.Entries(r.Entries), cli.Plural(r.Epochs, "epoch"), cli.Plural(r.Proofs, "proof")); err != nil {
		return err
	}
	return env.Print("%s", outcome)
}
