package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/attestry/attestry/client"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// leastValue and garages are among the bank's conditions.
const leastValue = 200000

var garages = []string{"attached", "detached"}

// validity is how long the bank's request is good for.
const validity = 30 * 24 * time.Hour

// ask writes the bank's request.
func (d *demo) ask(context.Context) (err error) {
	if d.trust, err = d.w.Trust(); err != nil {
		return err
	}
	question := fmt.Sprintf(`registry: %s
subject: %s
where:
  - assessed_value >= %d
  - garage in ["attached", "detached"]
  - sale_price * 100 <= assessed_value * 120
reveal: [year_built]
audience: bank-a
purpose: mortgage underwriting
expires: %s
`, titles, d.owner, leastValue, statement.FormatTime(time.Now().Add(validity)))
	if d.request, err = completed(question); err != nil {
		return err
	}
	d.page.para(`In words: "Our customer %s says that they own a home here. Is it assessed at 200,000 dollars or more, with a garage of its own, and was it bought for no more than 120%% of that? And when was it built?" As a file:`, d.owner)
	d.page.code(question)
	d.page.para(`The bank's program adds random numbers that bind the answer to this one asking. No third party is asked, and the ledger will not show the question.`)
	return d.handOutTrust()
}

// completed gives a request as attestry request new does.
func completed(question string) (*statement.Request, error) {
	r, err := statement.ParseRequest([]byte(question))
	if err != nil {
		return nil, err
	}
	return r, r.Fill(rand.Reader)
}

// handOutTrust gives the bank and the auditor what they pin.
func (d *demo) handOutTrust() error {
	fingerprint, err := d.trust.Fingerprint()
	if err != nil {
		return err
	}
	d.page.para(`Once, beforehand, the bank and the auditor got the registry's trust file, which says whose signatures count. They compared its fingerprint by telephone:`)
	d.page.code(fingerprint)
	document, err := d.trust.Marshal()
	if err != nil {
		return err
	}
	request, err := d.request.JSON()
	if err != nil {
		return err
	}
	return errors.Join(
		writeIn(d.bank, "trust.json", document, 0o644),
		writeIn(d.auditor, "trust.json", document, 0o644),
		writeIn(d.bank, "request.json", request, 0o600),
	)
}

// verifyAtEndpoint starts the server and asks it for a verdict.
func (d *demo) verifyAtEndpoint(ctx context.Context) error {
	address, stop, err := d.startServer(ctx)
	if err != nil {
		return err
	}
	files := &verifycmd.Files{Bundle: d.answer.Bundle, Request: d.request, Openings: d.answer.Openings, Audience: "bank-a"}
	server, err := client.New(address, client.Options{})
	if err != nil {
		return errors.Join(err, stop())
	}
	start := time.Now()
	verdict, err := verifyAt(ctx, server, files)
	took := time.Since(start)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	if !verdict.OK {
		return errors.New("the endpoint refused the bundle")
	}
	d.page.para(`A service like this can be run by anybody, also by the bank itself. It is sent the bundle, the bank's request and the openings (POST %s/v1/verify), and answers in %s:`, address, cli.Duration(took))
	d.explain(verdict)
	return nil
}

// plainWords says what the checks mean that matter most to a newcomer.
var plainWords = []struct{ check, words string }{
	{verifier.CheckProof, "the proof holds, by arithmetic alone"},
	{verifier.CheckRequest, "it answers the very question that the bank asked"},
	{verifier.CheckOpenings, "the sealed values open to the customer asked about, and the year:"},
	{verifier.CheckRoot, "it is about the register under the published root"},
	{verifier.CheckEpoch, "the registry signed that root:"},
	{verifier.CheckInclusion, "all of it is in the public ledger"},
	{verifier.CheckCheckpoint, "the ledger's key signed the ledger"},
	{verifier.CheckNonce, "it was made for this asking, not copied from another"},
	{verifier.CheckAudience, "it is meant for this bank:"},
	{verifier.CheckExpiry, "it has not expired:"},
	{verifier.CheckSetup, "mind this:"},
}

// explain tells a verdict in plain words.
func (d *demo) explain(v *verifier.Verdict) {
	for _, p := range plainWords {
		for _, c := range v.Checks {
			if c.Check != p.check {
				continue
			}
			if words := p.words; words[len(words)-1] == ':' {
				d.page.check(string(c.Outcome), "%s %s", words, c.Observed)
			} else {
				d.page.check(string(c.Outcome), "%s", words)
			}
		}
	}
	d.page.para("In all %s.", tally(v))
}

// tally counts a verdict's outcomes.
func tally(v *verifier.Verdict) string {
	counts := map[verifier.Outcome]int{}
	for _, c := range v.Checks {
		counts[c.Outcome]++
	}
	return fmt.Sprintf("%s: %d passed, %d with a warning, %d failed, %d skipped for want of anything to check",
		cli.Plural(len(v.Checks), "check"), counts[verifier.Pass], counts[verifier.Warn], counts[verifier.Fail], counts[verifier.Skipped])
}
