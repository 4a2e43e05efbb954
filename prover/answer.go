package prover

import (
	"context"
	"errors"
	"time"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Agency is what an agency answers requests with.
type Agency struct {
	Ledger *store.Store
	// Publish signs the log's present tree and gives the checkpoint.
	Publish func(ctx context.Context) ([]byte, error)
	// Registry opens a registry by name.
	Registry func(name string) (*registry.Store, error)
	// Circuit loads a circuit by name.
	Circuit func(name string) (*Circuit, error)
	// Consent signs the issuer's consent to a pledge.
	Consent func(*ledger.ProofEntry) error
	// Grant gives the document of the grant whose entry has an index; nil: there are none.
	Grant func(index uint64) (*statement.Grant, error)
}

// Answer is what the asker gets: the bundle for whoever verifies, and the openings
// for the asker alone.
type Answer struct {
	Bundle   *verifier.Bundle
	Openings *verifier.Openings
	Timings  Timings
}

// Timings says what an answer took.
type Timings struct {
	Proofs int           // how many proofs were made
	Prove  time.Duration // for all of them, self-verification included
	Log    time.Duration // ledger append and checkpoint
}

// staleTries is how often an answer is proved anew because an epoch was committed
// between the proof and its entry.
const staleTries = 3

// Answer proves the facts of a request, logs the proofs and assembles the bundle: it
// is [Agency.Prepare] and [Agency.Log], and fails as they do. Where it fails nothing
// is logged, unless it says so with a [*LoggedError].
func (a *Agency) Answer(ctx context.Context, r *statement.Request, only ...string) (*Answer, error) {
	for try := 1; ; try++ {
		p, err := a.Prepare(ctx, r, only...)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		bundle, err := a.Log(ctx, p)
		if errors.Is(err, ledger.ErrStaleEpoch) && try < staleTries {
			continue
		}
		if err != nil {
			return nil, err
		}
		p.Timings.Log = time.Since(start)
		return &Answer{Bundle: bundle, Openings: p.Openings, Timings: p.Timings}, nil
	}
}

// WithRequest puts a request that the prover completed into the openings, so that
// the asker can verify with it.
func (a *Answer) WithRequest(r *statement.Request) error {
	document, err := r.JSON()
	if err != nil {
		return err
	}
	a.Openings.Request, err = canon.Canonicalize(document)
	return err
}
