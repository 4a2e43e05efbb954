package prover

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
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

// Answer proves the facts of a request, logs the proofs and assembles the bundle.
// only names the facts to prove, where other agencies prove the rest; none is all.
// The request must be complete (see [statement.Request.Fill]). A claim that the
// registries do not bear out fails with [ErrFalse], a second pledge of a record
// with [ErrPledged], what this version cannot prove with [ErrNotProvable]; nothing
// is logged then.
func (a *Agency) Answer(ctx context.Context, r *statement.Request, only ...string) (*Answer, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if r.Nonce == nil || r.Seed == nil {
		return nil, fmt.Errorf("%w: the request has no nonce or no seed", statement.ErrBadRequest)
	}
	names := r.FactNames()
	for _, name := range only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w: it has no fact %q", statement.ErrBadRequest, name)
		}
	}
	if len(only) > 0 {
		names = slices.Compact(slices.Sorted(slices.Values(only)))
	}
	if err := tiedHere(r, names); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		answer, err := a.answer(ctx, r, names)
		if !errors.Is(err, ledger.ErrStaleEpoch) || try == staleTries {
			return answer, err
		}
	}
}

func (a *Agency) answer(ctx context.Context, r *statement.Request, names []string) (*Answer, error) {
	var facts []*fact
	schemas := map[string]*statement.Schema{}
	for _, name := range names {
		f, err := a.prepare(r, name)
		if err != nil {
			return nil, err
		}
		facts, schemas[name] = append(facts, f), f.schema
	}
	if err := r.CheckTies(schemas); err != nil {
		return nil, err
	}
	ordered, err := inOrder(facts)
	if err != nil {
		return nil, err
	}
	if err := a.search(ctx, r, ordered, values{}); err != nil {
		return nil, err
	}
	var works []*work
	sealed := seals{}
	for _, f := range facts {
		w, err := assign(r, f, sealed)
		if err != nil {
			return nil, err
		}
		works = append(works, w)
	}
	return a.finish(ctx, works)
}

// prepare compiles a fact against its registry as of the epoch that it asks for.
func (a *Agency) prepare(r *statement.Request, name string) (*fact, error) {
	f := &fact{name: name, asked: r.NamedFacts()[name]}
	if f.asked.Holder {
		return nil, fmt.Errorf("%w: fact %s: holder: an agency cannot prove with a holder's secret", ErrNotProvable, name)
	}
	if f.asked.Once != "" && r.PledgeKey(name) == nil {
		return nil, fmt.Errorf("%w: fact %s pledges a record, and the request has no release key for it", statement.ErrBadRequest, name)
	}
	circuit := verifier.CircuitPresent
	if f.asked.Absent {
		circuit = verifier.CircuitAbsent
	}
	var err error
	if f.circuit, err = a.Circuit(circuit); err != nil {
		return nil, err
	}
	if f.anchors, err = a.anchor(f.asked, f.circuit); err != nil {
		return nil, err
	}
	if err := timely(r, f.asked, f.anchors, time.Now()); err != nil {
		return nil, err
	}
	schema, err := f.anchors.about(f.asked.Registry)
	if err != nil {
		return nil, err
	}
	if f.compiled, err = r.CompileFact(name, schema); err != nil {
		return nil, err
	}
	if f.anchors.grant, err = a.granted(r, f.compiled, time.Now()); err != nil {
		return nil, err
	}
	if f.compiled.Holder {
		return nil, fmt.Errorf("%w: fact %s: scope %s takes the holder's consent, and only the holder has the secret", ErrNotProvable, name, f.asked.Once)
	}
	scope, err := statement.ScopeElement(f.asked.Once)
	if err != nil {
		return nil, err
	}
	f.scope = statement.Element(scope)
	s, err := a.Registry(f.asked.Registry)
	if err != nil {
		return nil, err
	}
	f.selection, err = newSelection(s, uint64(f.anchors.epochEntry.Number), f.compiled)
	return f, err
}

// finish makes the proofs, logs them in one transaction and assembles the bundle.
func (a *Agency) finish(ctx context.Context, works []*work) (*Answer, error) {
	answer := &Answer{
		Bundle:   &verifier.Bundle{Format: verifier.BundleFormat},
		Openings: &verifier.Openings{Kind: verifier.OpeningsFormat, Facts: map[string][]verifier.Opening{}},
	}
	start := time.Now()
	entries, err := a.prove(ctx, works)
	if err != nil {
		return nil, err
	}
	answer.Timings.Proofs, answer.Timings.Prove = len(entries), time.Since(start)
	start = time.Now()
	if err := a.publish(ctx, works, entries); err != nil {
		return nil, err
	}
	answer.Timings.Log = time.Since(start)
	for _, w := range works {
		answer.Bundle.Facts = append(answer.Bundle.Facts, w.shown)
		answer.Openings.Facts[w.name] = append([]verifier.Opening{}, w.openings...)
	}
	return answer, nil
}

func (a *Agency) prove(ctx context.Context, works []*work) (entries []ledger.Entry, err error) {
	for _, w := range works {
		for i, in := range w.inputs {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if w.entries[i].Proof, _, err = w.circuit.Prove(in); err != nil {
				return nil, err
			}
			if err := a.consent(w, w.entries[i]); err != nil {
				return nil, err
			}
			entries = append(entries, w.entries[i])
		}
	}
	return entries, nil
}

// consent has a pledge signed where its scope asks for the issuer's consent.
func (a *Agency) consent(w *work, e *ledger.ProofEntry) error {
	if !e.IsPledge() || w.compiled.Scope.Consent != statement.ConsentIssuer {
		return nil
	}
	return a.Consent(e)
}

// publish appends the entries and completes the bundle's facts.
func (a *Agency) publish(ctx context.Context, works []*work, entries []ledger.Entry) error {
	if err := errors.Join(a.stillLatest(works), a.stillGranted(works, math.MaxUint64)); err != nil {
		return err
	}
	indexes, err := a.Ledger.Append(ctx, entries...)
	if err != nil {
		return a.named(err, entries)
	}
	err = a.stillGranted(works, indexes[0])
	if err == nil {
		err = a.complete(ctx, works, indexes)
	}
	if err != nil {
		return &LoggedError{Indexes: indexes, Cause: err}
	}
	return nil
}

// stillLatest fails with [ledger.ErrStaleEpoch] where an epoch was committed since a
// fact that asks for the latest one was proved. Of pledges the ledger's rules make
// sure; any other proof would be true of the epoch that it names, but its bundle's
// checkpoint would be of a log that has a later one.
func (a *Agency) stillLatest(works []*work) error {
	for _, w := range works {
		if w.asked.AsOf.Number != 0 || !w.asked.AsOf.Time.IsZero() {
			continue
		}
		index, _, err := a.epoch(w.asked)
		if err != nil {
			return err
		}
		if index != w.anchors.epoch {
			return fmt.Errorf("%w: registry %s has another since it was proved", ledger.ErrStaleEpoch, w.asked.Registry)
		}
	}
	return nil
}

// named adds to the ledger's refusal of a second pledge which entry holds the record.
func (a *Agency) named(err error, entries []ledger.Entry) error {
	if !errors.Is(err, ledger.ErrPledged) {
		return err
	}
	for _, e := range entries {
		p, ok := e.(*ledger.ProofEntry)
		if !ok || !p.IsPledge() {
			continue
		}
		if index, live := a.Ledger.LivePledge(p.Public.Registry, p.Scope, p.Nullifier); live == nil {
			return errors.Join(&PledgedError{index}, err)
		}
	}
	return err
}

// LoggedError says that the proofs are in the ledger, and the bundle could not be
// made all the same.
type LoggedError struct {
	Indexes []uint64
	Cause   error
}

// Error implements error.
func (e *LoggedError) Error() string {
	return fmt.Sprintf("the proofs are in the ledger (entries %d to %d), and their bundle could not be made: %v", e.Indexes[0], e.Indexes[len(e.Indexes)-1], e.Cause)
}

// Unwrap gives the cause.
func (e *LoggedError) Unwrap() error { return e.Cause }

// complete fills in what the bundle shows of the log.
func (a *Agency) complete(ctx context.Context, works []*work, indexes []uint64) error {
	checkpoint, err := a.Publish(ctx)
	if err != nil {
		return err
	}
	for _, w := range works {
		if err := a.show(w.anchors, &w.shown, checkpoint); err != nil {
			return err
		}
		for i := range w.shown.Proofs {
			logged, err := a.logged(indexes[0], checkpoint)
			if err != nil {
				return err
			}
			w.shown.Proofs[i].Entry, w.shown.Proofs[i].Inclusion = logged.Entry, logged.Inclusion
			indexes = indexes[1:]
		}
	}
	return nil
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
