package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/verifier"
)

// audit verifies the bundle offline and replays the whole ledger.
func (d *demo) audit(ctx context.Context) error {
	if _, err := d.w.Publish(ctx); err != nil {
		return err
	}
	export := filepath.Join(d.auditor, "export")
	if err := d.w.Ledger.Export(export, nil); err != nil {
		return err
	}
	size, err := dirSize(export)
	if err != nil {
		return err
	}
	d.page.para(`The auditor has the trust file, the bundle that the bank filed, and a copy of the public ledger (%s); not the request, not the openings. No network is used. The auditor's program is attestry-verify; what runs here is the same code.`, cli.Bytes(size))
	verdict := &verifier.Verdict{}
	took, err := d.runVerify(ctx, cli.Done, verdict, "verify", "bundle.json", "--trust", "trust.json", "--audience", "bank-a")
	if err != nil {
		return err
	}
	d.page.para("Verified in %s: %s.", cli.Duration(took), tally(verdict))
	report := &verifier.Report{}
	took, err = d.runVerify(ctx, cli.Done, report, "audit", "export", "--trust", "trust.json")
	if err != nil {
		return err
	}
	d.page.para(`Audited in %s: all %d entries of the ledger were replayed, %s and %s among them, every signature and proof checked again, %s.`,
		cli.Duration(took), report.Entries, cli.Plural(report.Epochs, "epoch"), cli.Plural(report.Proofs, "proof"), cli.Plural(len(report.Problems), "problem"))
	return nil
}

// tamper changes one number in the bundle, and shows that it is noticed.
func (d *demo) tamper(ctx context.Context) error {
	bundle, err := os.ReadFile(filepath.Join(d.auditor, "bundle.json"))
	if err != nil {
		return err
	}
	forged := bytes.Replace(bundle, []byte(`"200000"`), []byte(`"900000"`), 1)
	if bytes.Equal(forged, bundle) {
		return errors.New("the bundle does not hold the number to change")
	}
	if err := writeIn(d.auditor, "forged.json", bytes.TrimSpace(forged), 0o644); err != nil {
		return err
	}
	d.page.para(`In a copy of the bundle, "assessed at 200,000 or more" becomes "900,000 or more": one digit. The auditor's program:`)
	verdict := &verifier.Verdict{}
	if _, err := d.runVerify(ctx, cli.No, verdict, "verify", "forged.json", "--trust", "trust.json", "--audience", "bank-a"); err != nil {
		return err
	}
	for _, c := range verdict.Failures() {
		d.page.check(string(c.Outcome), "%s: expected %s; observed: %s", c.Check, c.Expected, c.Observed)
	}
	d.page.para("Refused. The proof is bound to the question, to the asker and to the root, and to nothing else.")
	return nil
}

// runVerify runs the auditor's program in the auditor's directory, shows its command
// line, and gives its answer. An exit code other than the one wanted is an error.
func (d *demo) runVerify(ctx context.Context, want int, answer any, args ...string) (time.Duration, error) {
	d.page.code("$ " + verifycmd.Name + " " + strings.Join(args, " "))
	inside := append([]string{}, args...)
	for i, arg := range inside {
		if arg == "export" || filepath.Ext(arg) == ".json" {
			inside[i] = filepath.Join(d.auditor, arg)
		}
	}
	var out, messages bytes.Buffer
	start := time.Now()
	code := verifycmd.Main(ctx, append(inside, "--json"), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &messages})
	took := time.Since(start)
	if code != want {
		return took, fmt.Errorf("%s gave exit code %d, not %d: %s", verifycmd.Name, code, want, messages.String())
	}
	return took, json.Unmarshal(out.Bytes(), answer)
}
