package verifycmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Verify is the command verify.
type Verify struct {
	Bundle   string  `arg:"" placeholder:"BUNDLE.json" help:"The bundle to verify; - is standard input."`
	Trust    string  `env:"ATTESTRY_TRUST" placeholder:"TRUST.json" help:"What you pin: log, issuers, circuits."`
	Request  string  `placeholder:"REQUEST" help:"The request that the bundle should answer (YAML or JSON)."`
	Openings string  `placeholder:"OPENINGS.json" help:"What the asker alone got with the bundle."`
	Audience string  `placeholder:"WHO" help:"Who you are: a bundle for anybody else fails."`
	Log      string  `placeholder:"EXPORT_DIR" help:"An export of the log: it is audited first, and says whether a pledge is still live and a newer epoch exists."`
	State    string  `placeholder:"STATE" help:"An audit that you saved with audit --save-state: it says the same without the export, or is where the audit of --log continues."`
	At       Instant `placeholder:"TIME" help:"Judge expiry and age as of this instant (RFC 3339) instead of now."`
	Auditor
}

// Instant is an instant on the command line, in RFC 3339. The zero value means now.
type Instant struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *Instant) UnmarshalText(text []byte) (err error) {
	if i.Time, err = time.Parse(time.RFC3339, string(text)); err != nil {
		return errors.New("not an instant like 2026-12-31T00:00:00Z")
	}
	return nil
}

// Help gives the command's detailed help.
func (*Verify) Help() string {
	return `Every check is listed with what it rests on, which in the end is your trust file: its fingerprint is shown on stderr, to compare with the agency's. The exit code is 0 when nothing failed, 1 when a check failed, 2 when it could not be checked.

A check whose input you do not give is skipped and says so: without --request the bundle is checked for itself and not against your question.

Examples:

    attestry-verify verify bundle.json --trust trust.json
    attestry-verify verify bundle.json --trust trust.json --request request.json --openings openings.json
    attestry-verify verify pledge.json --trust trust.json --state audit.state
    attestry-verify verify bundle.json --trust trust.json --audience bank-a --at 2026-06-30T12:00:00Z --json
    cat bundle.json | ATTESTRY_TRUST=trust.json attestry-verify verify -`
}

// Run verifies a bundle and prints the verdict.
func (v *Verify) Run(env *cli.Env) error {
	files, err := v.Read(env)
	if err != nil {
		return err
	}
	trust, err := readPinned(env, v.Trust)
	if err != nil {
		return err
	}
	log, err := v.auditLog(env, trust.Trust)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // temporary files
	verdict, err := files.Verify(trust.Trust, log)
	if err != nil {
		return explain(err)
	}
	return Print(env, verdict, trust.fingerprint)
}

// auditLog gives the audited log that the bundle is to be held to, if one was given: an
// earlier audit, an export that is audited now, or the first continued with the second.
func (v *Verify) auditLog(env *cli.Env, trust *verifier.Trust) (since *verifier.AuditedLog, err error) {
	if v.State != "" {
		if since, err = v.open(v.State, trust); err != nil {
			return nil, fmt.Errorf("--state: %w", err)
		}
		env.Note("audited before: %s of log %s", cli.Entries(since.Size()), since.Origin())
	}
	if v.Log == "" {
		return since, nil
	}
	report, log, err := verifier.AuditExport(context.Background(), v.Log, trust, verifier.AuditOptions{Since: since})
	if err != nil {
		return nil, fmt.Errorf("--log: %w", err)
	}
	if log == nil {
		return nil, cli.Refuse(fmt.Errorf("--log: the ledger in %s does not hold: %s", v.Log, report.Problems[0]))
	}
	env.Note("audited %s: %d entries", v.Log, report.Entries)
	for _, line := range report.Followed {
		env.Note("the log says what the trust file does not (attestry trust update follows it): %s", line)
	}
	return log, nil
}

// Files are the files of a verification, read.
type Files struct {
	Bundle   *verifier.Bundle
	Request  *statement.Request // nil: not given
	Openings *verifier.Openings // nil: not given
	Audience string
	At       time.Time // zero: now
}

// Read reads the bundle and what it is checked against, but for the trust file.
func (v *Verify) Read(env *cli.Env) (*Files, error) {
	f := &Files{Audience: v.Audience, At: v.At.Time}
	var err error
	if f.Bundle, err = ReadBundle(env, v.Bundle); err != nil {
		return nil, err
	}
	if v.Request != "" {
		if f.Request, err = ReadRequest(env, v.Request); err != nil {
			return nil, err
		}
	}
	if v.Openings != "" {
		if f.Openings, err = ReadOpenings(env, v.Openings); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Verify checks the files against a trust file.
func (f *Files) Verify(trust *verifier.Trust, log *verifier.AuditedLog) (*verifier.Verdict, error) {
	return verifier.Verify(f.Bundle, verifier.Options{
		Trust: trust, Request: f.Request, Openings: f.Openings, Audience: f.Audience, At: f.At, Log: log,
	})
}

func explain(err error) error {
	if errors.Is(err, verifier.ErrCannotCheck) {
		return cli.Hint(err, "give the openings with --openings, or the request that attestry request new wrote")
	}
	return err
}

// shownVerdict is a verdict in JSON.
type shownVerdict struct {
	*verifier.Verdict
	TrustFingerprint string `json:"trust_fingerprint,omitempty"`
}

// Print prints a verdict, and in JSON the fingerprint of the trust file that it was
// reached under, where that is known (""); a verdict that is no is an error, too.
func Print(env *cli.Env, verdict *verifier.Verdict, fingerprint string) error {
	if env.JSON {
		if err := env.PrintJSON(shownVerdict{verdict, fingerprint}); err != nil {
			return err
		}
	} else if _, err := fmt.Fprint(env.Out, verdict.Text()); err != nil {
		return err
	}
	if verdict.OK {
		return nil
	}
	var failed []string
	for _, c := range verdict.Failures() {
		failed = append(failed, fmt.Sprintf("%s (%s)", c.Check, c.Observed))
	}
	return cli.Refuse(fmt.Errorf("the bundle does not verify: %s", strings.Join(failed, ", ")))
}
