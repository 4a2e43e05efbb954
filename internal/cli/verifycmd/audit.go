package verifycmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/verifier"
)

// Audit is the command audit.
type Audit struct {
	Export    string `arg:"" name:"export-dir" placeholder:"EXPORT_DIR" help:"A directory that attestry ledger export wrote, or a mirror of the log."`
	Trust     string `env:"ATTESTRY_TRUST" placeholder:"TRUST.json" help:"What you pin: log, issuers, circuits."`
	Since     string `placeholder:"STATE" help:"Continue the audit that was saved here: only the entries since are read."`
	SaveState string `placeholder:"STATE" help:"Save the audit here, signed with your key, to continue it later or to verify bundles by it. It may be the file of --since."`
	Bundles   string `placeholder:"DIR" help:"Check the bundles (*.json) in this directory too: that their proofs are the log's, and of the questions that they show."`
	HTML      string `name:"html" placeholder:"FILE" help:"Write the report as a page that needs nothing else; - is standard output, in the place of the report."`
	Auditor
}

// Help gives the command's detailed help.
func (*Audit) Help() string {
	return `Replays the whole ledger with the network off: every entry's place in the signed tree, every rule of the log, every signature and every proof. The exit code is 0 when all of it holds, 1 when there is a problem, 2 when the audit could not be made. Memory does not grow with the log; what does not fit goes to temporary files (TMPDIR says where).

A saved audit holds under the trust file that it was made under, and no other.

Examples:

    attestry-verify audit export/ --trust trust.json
    attestry-verify audit export/ --trust trust.json --json
    attestry-verify audit export/ --trust trust.json --save-state audit.state
    attestry-verify audit export/ --trust trust.json --since audit.state --save-state audit.state
    attestry-verify audit export/ --trust trust.json --bundles bundles/ --html report.html`
}

// Run audits an export and prints the report.
func (a *Audit) Run(ctx context.Context, env *cli.Env) error {
	if err := cli.Distinct([]cli.Named{{What: "the trust file", File: a.Trust}},
		[]cli.Named{{What: "the saved audit", File: a.SaveState}, {What: "the page", File: a.HTML}}); err != nil {
		return err
	}
	trust, err := readPinned(env, a.Trust)
	if err != nil {
		return err
	}
	state, err := a.prepare(env, a.SaveState)
	if err != nil {
		return err
	}
	defer state.discard()
	var html *cli.Output
	if a.HTML != "" {
		if html, err = env.Prepare(a.HTML, 0o644); err != nil {
			return err
		}
		defer html.Discard()
	}
	report, log, err := a.audit(ctx, env, trust.Trust)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // temporary files
	if err := state.save(env, log); err != nil {
		return err
	}
	if html != nil {
		if err := html.Write(auditPage(report, trust)); err != nil {
			return err
		}
	}
	if a.HTML == cli.Dash { // instead of the report
		return refused(report)
	}
	return printReport(env, report, trust.fingerprint)
}

func (a *Audit) audit(ctx context.Context, env *cli.Env, trust *verifier.Trust) (*verifier.Report, *verifier.AuditedLog, error) {
	o := verifier.AuditOptions{Bundles: a.Bundles}
	if a.Since != "" {
		var err error
		if o.Since, err = a.open(a.Since, trust); err != nil {
			return nil, nil, fmt.Errorf("--since: %w", err)
		}
	}
	progress := env.Progress("audit")
	defer progress.End()
	o.Progress = func(done, total uint64) { progress.Update(int64(done), int64(total)) }
	return verifier.AuditExport(ctx, a.Export, trust, o)
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
	return refused(r)
}

// refused gives the error of a report that is no.
func refused(r *verifier.Report) error {
	if r.OK {
		return nil
	}
	return cli.Refuse(fmt.Errorf("the ledger does not hold: %s", cli.Plural(len(r.Problems), "problem")))
}

func printReportText(env *cli.Env, r *verifier.Report) error {
	for _, line := range reportLines(r) {
		if err := env.Print("%s", line); err != nil {
			return err
		}
	}
	return nil
}

// reportLines gives the report as text: findings, counts, what it rests on, the outcome.
func reportLines(r *verifier.Report) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, p := range r.Problems {
		say("problem: %s", p)
	}
	for _, line := range r.Followed {
		say("followed: %s", line)
	}
	say("log %s at %s, root %s, replayed in %s", r.Origin, cli.Entries(r.Size), r.Root, duration(r))
	if r.Since != nil {
		say("continued from %s; counts by registry are of the entries since", cli.Entries(*r.Since))
	}
	for _, c := range r.Registries {
		say("registry %s: %s", c.Registry, registrySummary(c))
	}
	if b := r.Bundles; b != nil {
		say("%s", bundleSummary(b))
		for _, name := range b.OtherLogs {
			say("not of this log: %s", name)
		}
		for _, name := range b.NotBundles {
			say("not a bundle: %s", name)
		}
	}
	for _, g := range r.RestsOn {
		say("rests on: %s: %s (%s)", g.RestsOn, g.What, g.Detail)
	}
	say("%s, %s, %s", cli.Entries(r.Entries), cli.Plural(r.Epochs, "epoch"), cli.Plural(r.Proofs, "proof"))
	return append(lines, outcome(r))
}

func outcome(r *verifier.Report) string {
	if !r.OK {
		return "NOT AUDITED: " + cli.Plural(len(r.Problems), "problem")
	}
	return "AUDITED: every entry, signature and proof holds"
}

func duration(r *verifier.Report) string {
	return cli.Duration(time.Duration(r.Milliseconds) * time.Millisecond)
}

func registrySummary(c verifier.RegistryCount) string {
	parts := []string{cli.Plural(c.Epochs, "epoch"), cli.Plural(c.Proofs, "proof")}
	for _, s := range c.Scopes {
		parts = append(parts, cli.Plural(s.Pledges, "pledge")+" for "+s.Scope)
	}
	if c.Releases > 0 {
		parts = append(parts, cli.Plural(c.Releases, "release"))
	}
	return strings.Join(parts, ", ")
}

func bundleSummary(b *verifier.BundleReport) string {
	text := fmt.Sprintf("%s of this log, with %s in it", cli.Plural(b.Bundles, "bundle"), cli.Plural(b.Proofs, "proof"))
	if b.Unlogged > 0 {
		text += fmt.Sprintf(", %d never logged", b.Unlogged)
	}
	if b.Later > 0 {
		text += fmt.Sprintf(", %d logged after what was audited", b.Later)
	}
	return text
}
