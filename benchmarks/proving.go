package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/attestry/attestry/internal/countydata"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

const benchRequest = `
registry: lucas-titles
where:
  - assessed_value >= 200000 && living_area >= 1200
  - garage in ["attached", "detached"]
  - sale_price * 100 <= assessed_value * 120
reveal: [year_built]
audience: bank-a
`

// measureProving answers one request again and again with the stock prover, and
// verifies the answer.
func measureProving(ctx context.Context, dir string, o options) ([]figure, error) {
	w, err := countyWorkspace(ctx, subdir(dir, "workspace"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Close() }() // measured and done with
	circuit, err := w.Circuit("present")
	if err != nil {
		return nil, err
	}
	trust, err := w.Trust()
	if err != nil {
		return nil, err
	}
	request, err := statement.ParseRequest([]byte(benchRequest))
	if err != nil {
		return nil, err
	}
	if err := request.Fill(rand.Reader); err != nil {
		return nil, err
	}
	var answer *prover.Answer
	prove := func() error {
		answer, err = w.Agency().Answer(ctx, request)
		return err
	}
	var bundle []byte
	verify := func() error { return verifyAnswer(answer, trust, request, &bundle) }
	pairing := func() error { return verifyProof(circuit, answer) }
	costs, err := interleave(o.rounds(), prove, verify, pairing)
	if err != nil {
		return nil, err
	}
	return []figure{
		{"circuit.present.constraints", float64(circuit.Constraints()), 8192, "lower", "the domain is 2^13"},
		{"prove.present.ms", medianWall(costs[0]), 0, "lower", "one answer with stock gnark: pick, prove, self-verify, log, checkpoint"},
		{"prove.present.cpu_ms", medianCPU(costs[0]), 0, "lower", "the same, processor time"},
		{"prove.present.rss_mib", peakMemory(), 0, "lower", "peak resident size of this process, setup included"},
		{"verify.bundle.ms", medianWall(costs[1]), 0, "lower", "a whole verdict from the bundle's bytes"},
		{"verify.single.cpu_ms", medianCPU(costs[2]), 0, "lower", "one proof from its 128 bytes, key cached"},
		{"proof.bytes", float64(ledger.ProofBytes), 128, "lower", "the curve points in a ledger entry"},
		{"bundle.bytes", float64(len(bundle)), 0, "lower", "everything that a verifier needs"},
	}, nil
}

func verifyAnswer(a *prover.Answer, trust *verifier.Trust, request *statement.Request, document *[]byte) (err error) {
	if *document, err = a.Bundle.Marshal(); err != nil {
		return err
	}
	bundle, err := verifier.ParseBundle(*document)
	if err != nil {
		return err
	}
	verdict, err := verifier.Verify(bundle, verifier.Options{Trust: trust, Request: request, Openings: a.Openings})
	if err == nil && !verdict.OK {
		err = fmt.Errorf("the verdict is not ok: %+v", verdict.Checks)
	}
	return err
}

func verifyProof(circuit *prover.Circuit, a *prover.Answer) error {
	var entry ledger.ProofEntry
	if err := json.Unmarshal(a.Bundle.Facts[0].Proofs[0].Entry, &entry); err != nil {
		return err
	}
	return circuit.VK.VerifyEntry(&entry)
}

// countyWorkspace is a fresh workspace with the county's titles as epoch 1.
func countyWorkspace(ctx context.Context, dir string) (*workspace.Workspace, error) {
	if err := workspace.Init(ctx, dir, workspace.InitOptions{}); err != nil {
		return nil, err
	}
	w, err := workspace.Open(dir)
	if err != nil {
		return nil, err
	}
	schema, err := statement.ParseSchema(countydata.TitlesSchema())
	if err != nil {
		return nil, err
	}
	if err := w.CreateRegistry(ctx, schema); err != nil {
		return nil, err
	}
	s, err := w.Registry(schema.Registry)
	if err != nil {
		return nil, err
	}
	rows, err := countydata.Titles()
	if err != nil {
		return nil, err
	}
	if _, err := s.Import(ctx, rows, registry.CSV, nil); err != nil {
		return nil, err
	}
	_, err = w.Commit(ctx, schema.Registry, nil)
	return w, err
}
