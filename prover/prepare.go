package prover

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Prepare proves the facts of a request and logs nothing: [Agency.Log] does. only
// names the facts to prove, where other agencies prove the rest; none is all.
// The request must be complete (see [statement.Request.Fill]). A claim that the
// registries do not bear out fails with [ErrFalse], a second pledge of a record
// with [ErrPledged], what this version cannot prove with [ErrNotProvable].
func (a *Agency) Prepare(ctx context.Context, r *statement.Request, only ...string) (*Prepared, error) {
	names, err := factsToProve(r, only)
	if err != nil {
		return nil, err
	}
	facts, err := a.find(ctx, r, names)
	if err != nil {
		return nil, err
	}
	p := &Prepared{
		Openings: &verifier.Openings{Kind: verifier.OpeningsFormat, Facts: map[string][]verifier.Opening{}},
		request:  r,
	}
	start, sealed := time.Now(), seals{}
	for _, f := range facts {
		w, err := assign(r, f, sealed)
		if err != nil {
			return nil, err
		}
		if err := a.prove(ctx, w); err != nil {
			return nil, err
		}
		p.facts = append(p.facts, preparedFact{Name: w.name, Proofs: w.shown.Proofs})
		p.Openings.Facts[w.name] = append([]verifier.Opening{}, w.openings...)
		p.Timings.Proofs += len(w.entries)
	}
	p.Timings.Prove = time.Since(start)
	return p, nil
}

// factsToProve gives the names of the facts to prove, in order.
func factsToProve(r *statement.Request, only []string) ([]string, error) {
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
	return names, tiedHere(r, names)
}

// find compiles facts and finds the records that satisfy them together.
func (a *Agency) find(ctx context.Context, r *statement.Request, names []string) ([]*fact, error) {
	var facts []*fact
	schemas := map[string]*statement.Schema{}
	for _, name := range names {
		f, err := a.compile(r, name)
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
	return facts, a.pledgeable(facts)
}

// compile compiles a fact against its registry as of the epoch that it asks for.
func (a *Agency) compile(r *statement.Request, name string) (*fact, error) {
	f := &fact{name: name, asked: r.NamedFacts()[name]}
	if f.asked.Holder {
		return nil, fmt.Errorf("%w: fact %s: holder: an agency cannot prove with a holder's secret", ErrNotProvable, name)
	}
	if f.asked.Once != "" && r.PledgeKey(name) == nil {
		return nil, fmt.Errorf("%w: fact %s pledges a record, and the request has no release key for it", statement.ErrBadRequest, name)
	}
	var err error
	if f.circuit, err = a.Circuit(circuitOf(f.asked)); err != nil {
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

// circuitOf names the circuit that a fact is proved with.
func circuitOf(f statement.FactRequest) string {
	if f.Absent {
		return verifier.CircuitAbsent
	}
	return verifier.CircuitPresent
}

// pledgeable refuses, before anything is proved, pledges of an epoch that is not its
// registry's latest, which the ledger would refuse afterwards.
func (a *Agency) pledgeable(facts []*fact) error {
	for _, f := range facts {
		if f.scope.IsZero() {
			continue
		}
		latest, _, _, err := a.Ledger.LatestEpoch(f.asked.Registry)
		if err != nil {
			return err
		}
		if latest != f.anchors.epoch && !f.asked.AsOf.IsLatest() {
			return fmt.Errorf("%w: fact %s asks for epoch %d of registry %s, and there is a later one", ledger.ErrStaleEpoch, f.name, f.anchors.epochEntry.Number, f.asked.Registry)
		}
	}
	return nil
}

// prove makes the proofs of a fact, and the entries that are to be logged.
func (a *Agency) prove(ctx context.Context, w *work) (err error) {
	for i, in := range w.inputs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if w.entries[i].Proof, _, err = w.circuit.Prove(in); err != nil {
			return err
		}
		if err := a.consent(w, w.entries[i]); err != nil {
			return err
		}
		if w.shown.Proofs[i].Entry, err = ledger.MarshalEntry(w.entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// consent has a pledge signed where its scope asks for the issuer's consent.
func (a *Agency) consent(w *work, e *ledger.ProofEntry) error {
	if !e.IsPledge() || w.compiled.Scope.Consent != statement.ConsentIssuer {
		return nil
	}
	return a.Consent(e)
}
