package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/verifier"
)

const comparesAnswers = `An answer is the whole of it: pick a record among the county's 25,357 parcels, prove eight conditions about it,
verify the proof, append it with an fsync, sign a checkpoint, assemble the bundle. The one-shot command does the same after it
started, opened a copy of the workspace, compiled the circuit and read its keys, and writes both files; the files that it reads are in the
system's cache. The difference is between medians, taken in turn. The curve is of requests that ask for more: eight conditions fit
in one proof, and more become proofs of the same record.`

// measureAnswers answers one request again and again, in this process and in one that
// is started for it, and verifies the answers.
func measureAnswers(ctx context.Context, b *bench) error {
	c, err := b.theCounty(ctx)
	if err != nil {
		return err
	}
	trust, err := c.w.Trust()
	if err != nil {
		return err
	}
	oneShot, err := b.oneShot(ctx, c)
	if err != nil {
		return err
	}
	var answer *prover.Answer
	inProcess := func() (err error) {
		answer, err = c.w.Agency().Answer(ctx, c.request)
		return err
	}
	var bundle []byte
	verify := func() (err error) {
		bundle, err = verifyAnswer(answer, verifier.Options{Trust: trust, Request: c.request, Openings: answer.Openings})
		return err
	}
	costs, err := interleave(ctx, b.count(5, 15), inProcess, verify, oneShot)
	if err != nil {
		return err
	}
	var entry ledger.ProofEntry
	if err := json.Unmarshal(answer.Bundle.Facts[0].Proofs[0].Entry, &entry); err != nil {
		return err
	}
	b.add(
		figure{"answer.ms", medianWall(costs[0]), 0, lower, "one answer in a running process: pick, prove, self-verify, log, checkpoint"},
		figure{"answer.cpu_ms", medianCPU(costs[0]), 0, lower, "the same, processor time"},
		figure{"prove.oneshot.ms", medianWall(costs[2]), 0, lower, "attestry prove as a process of its own"},
		figure{"prove.oneshot.extra_ms", medianWall(costs[2]) - medianWall(costs[0]), 150, lower, "that against the same answer in a running process, warm file cache"},
		figure{"verify.bundle.ms", medianWall(costs[1]), 0, lower, "a whole verdict from the bundle's bytes"},
		figure{"proof.bytes", float64(len(entry.Proof)), 128, lower, "the curve points in a ledger entry"},
		figure{"bundle.bytes", float64(len(bundle)), 0, lower, "everything that a verifier needs"},
	)
	return b.byConditions(ctx, c)
}

// conditions are numbers of conditions: one proof holds eight, a further one the next ones.
func conditions() []int { return []int{1, 2, 4, 8, 16, 32} }

// byConditions answers requests of ever more conditions.
func (b *bench) byConditions(ctx context.Context, c *county) error {
	times := plotted{Name: "conditions", Title: "An answer by its conditions", X: "conditions", Y: "milliseconds", Series: []series{{Name: "wall"}, {Name: "processor"}}}
	var works []func() error
	for _, n := range conditions() {
		r, err := filledRequest(requestOf(n))
		if err != nil {
			return err
		}
		works = append(works, func() error {
			_, err := c.w.Agency().Answer(ctx, r)
			return err
		})
	}
	costs, err := interleave(ctx, b.rounds(), works...)
	if err != nil {
		return err
	}
	for i, n := range conditions() {
		times.Series[0].Points = append(times.Series[0].Points, [2]float64{float64(n), medianWall(costs[i])})
		times.Series[1].Points = append(times.Series[1].Points, [2]float64{float64(n), medianCPU(costs[i])})
	}
	b.found.Curves = append(b.found.Curves, times)
	return nil
}

// requestOf has so many conditions, all of which many parcels satisfy.
func requestOf(conditions int) string {
	out := "registry: lucas-titles\naudience: bank-a\nwhere:\n"
	for i := range conditions {
		out += fmt.Sprintf("  - %s >= %d\n", []string{"assessed_value", "living_area", "year_built"}[i%3], 100+i)
	}
	return out
}

// verifyAnswer gives the bundle's bytes, from which it was verified.
func verifyAnswer(a *prover.Answer, o verifier.Options) ([]byte, error) {
	document, err := a.Bundle.Marshal()
	if err != nil {
		return nil, err
	}
	bundle, err := verifier.ParseBundle(document)
	if err != nil {
		return nil, err
	}
	verdict, err := verifier.Verify(bundle, o)
	if err == nil && !verdict.OK {
		err = fmt.Errorf("the verdict is not ok: %+v", verdict.Checks)
	}
	return document, err
}

// oneShot builds the program and gives a run of it on the workspace's copy.
func (b *bench) oneShot(ctx context.Context, c *county) (func() error, error) {
	program, request := b.path("attestry"), b.path("request.json")
	if err := command(ctx, "go", "build", "-o", program, "github.com/attestry/attestry/cmd/attestry"); err != nil {
		return nil, fmt.Errorf("the program is built where go run has the sources: %w", err)
	}
	document, err := c.request.JSON()
	if err != nil {
		return nil, err
	}
	return func() error {
		return command(ctx, program, "--quiet", "--dir", c.copied, "prove", request, "-o", b.path("bundle.json"), "--openings", b.path("openings.json"))
	}, os.WriteFile(request, document, 0o600)
}

// command runs a program, whose output is told only where it fails.
func command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
