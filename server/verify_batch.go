package server

import (
	"context"
	"errors"
	"time"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/tracing"
	"github.com/attestry/attestry/verifier"
)

// maxBatch is how many bundles one body may hold. A batch of bundles whose proofs are
// all false costs three times what they cost alone, and with a few hundred the saving
// is as large as it gets.
const maxBatch = 128

// VerifyBatch checks many bundles. See the OpenAPI document.
func (h handlers) VerifyBatch(ctx context.Context, request api.VerifyBatchRequestObject) (api.VerifyBatchResponseObject, error) {
	answer := api.VerifyBatchResult{Ok: true, Results: make([]api.VerifyResult, len(request.Body.Items))}
	var items []verifier.BundleItem
	var at []int // their places in the answer
	for i, data := range request.Body.Items {
		item, err := h.readItem(data)
		if err != nil {
			if answer.Results[i].Problem, err = itemProblem(err); err != nil {
				return nil, err
			}
			continue
		}
		items, at = append(items, item), append(at, i)
	}
	_, end := tracing.Begin(ctx, h.tracer, "verify", tracing.Proofs.Int(len(items)))
	start := time.Now()
	results := h.verifier.Load().VerifyAll(items, 1) // one core: the request's slot stands for one
	end("")
	share := time.Since(start) / time.Duration(max(len(items), 1))
	for n, r := range results {
		h.countVerified(r.Verdict, r.Err, share)
		result := &answer.Results[at[n]]
		result.Verdict = r.Verdict
		if r.Err != nil {
			var err error
			if result.Problem, err = itemProblem(verifyProblem(r.Err)); err != nil {
				return nil, err
			}
		}
	}
	bad := 0
	for _, r := range answer.Results {
		if r.Verdict == nil || isNoGood(r.Verdict) {
			bad++
		}
		answer.Ok = answer.Ok && r.Verdict != nil && r.Verdict.OK
	}
	noteNoGood(ctx, bad, len(answer.Results))
	return api.VerifyBatch200JSONResponse(answer), nil
}

func (h handlers) readItem(data []byte) (verifier.BundleItem, error) {
	var body api.VerifyRequest
	if err := readVerifyRequest(data, &body); err != nil {
		return verifier.BundleItem{}, err
	}
	bundle, options, err := h.readVerify(&body)
	return verifier.BundleItem{Bundle: bundle, Options: options}, err
}

// itemProblem gives the problem that is an item's result. An error that is no problem
// is the server's failure, and the whole answer's.
func itemProblem(err error) (*api.Problem, error) {
	var p *problem
	if !errors.As(err, &p) {
		return nil, err
	}
	document := p.document("")
	return &document, nil
}
