package prover

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Log appends prepared proofs to the ledger, all in one transaction, and assembles
// the bundle. Of proofs that the ledger has already, by their statements' D, it gives
// the bundle again and appends nothing: whoever does not know whether an earlier Log
// came to its end calls it once more with the same Prepared.
//
// It fails with [ErrBadPrepared] where the proofs are not what [Agency.Prepare] makes
// for the request at this ledger; with [ledger.ErrStaleEpoch] where a fact has to be
// proved anew because an epoch was committed since; with [ErrPledged] where the record
// was pledged meanwhile; with a [*LoggedError] where the proofs are in the ledger and
// the bundle could not be made.
func (a *Agency) Log(ctx context.Context, p *Prepared) (*verifier.Bundle, error) {
	facts, err := p.read()
	if err != nil {
		return nil, err
	}
	for _, f := range facts {
		if err := a.check(p.request, f); err != nil {
			return nil, err
		}
	}
	indexes, err := a.append(ctx, p.request, facts)
	if err != nil {
		return nil, err
	}
	err = a.stillGranted(facts, indexes[0])
	var bundle *verifier.Bundle
	if err == nil {
		bundle, err = a.complete(ctx, facts, indexes)
	}
	if err != nil {
		return nil, &LoggedError{Indexes: indexes, Cause: err}
	}
	return bundle, nil
}

// check holds a fact's proofs to the request and to the ledger: they are of the
// entries that they name, and hide the questions, the outputs and the context that the
// bundle would show.
func (a *Agency) check(r *statement.Request, f *loggable) (err error) {
	first := f.entries[0].Public
	bad := func(err error) error { return fmt.Errorf("%w: fact %s: %w", ErrBadPrepared, f.shown.Name, err) }
	epochIndex, epoch, err := a.Ledger.EpochByIdentity(first.Epoch)
	if err != nil {
		return bad(err)
	}
	if f.anchors, err = a.anchorAt(epochIndex, epoch, f.asked, first.Circuit, first.VK); err != nil {
		return bad(err)
	}
	if name := f.anchors.circuitEntry.Name; name != circuitOf(f.asked) {
		return bad(fmt.Errorf("proved with the circuit %q", name))
	}
	questions, schema, err := f.questions(r)
	if err != nil {
		return bad(err)
	}
	if f.anchors.grant, err = a.namedGrant(r, f.shown.Name); err != nil {
		return err
	}
	if len(questions) != len(f.entries) {
		return bad(fmt.Errorf("%d proofs for %d questions", len(f.entries), len(questions)))
	}
	for i, q := range questions {
		if err := f.checkProof(r, i, q, schema); err != nil {
			return bad(fmt.Errorf("proof %d: %w", i, err))
		}
	}
	return nil
}

// questions gives what the request asks at the fact's epoch.
func (f *loggable) questions(r *statement.Request) ([]statement.Question, *statement.Schema, error) {
	schema, err := f.anchors.about(f.asked.Registry)
	if err != nil {
		return nil, nil, err
	}
	if f.compiled, err = r.CompileFact(f.shown.Name, schema); err != nil {
		return nil, nil, err
	}
	questions, err := f.compiled.Questions()
	return questions, schema, err
}

func (f *loggable) checkProof(r *statement.Request, i int, want statement.Question, schema *statement.Schema) error {
	e, shown := f.entries[i], f.shown.Proofs[i]
	public, once := f.anchors.public, ""
	if i == 0 { // only the first can be a pledge
		public.ReleaseKey, once = r.PledgeKey(f.shown.Name), f.asked.Once
	}
	scope, err := statement.ScopeElement(once)
	if err != nil {
		return err
	}
	root, _ := f.anchors.epochEntry.RootOf(f.asked.Registry)
	switch {
	case !reflect.DeepEqual(e.Public, public):
		return errors.New("made for another log, registry, epoch, circuit or release key")
	case e.Root != root:
		return errors.New("of another root than the epoch's")
	case e.Scope != statement.Element(scope):
		return errors.New("of another scope")
	case !reflect.DeepEqual(shown.Question, want):
		return errors.New("of another question")
	}
	context, err := f.shown.Context.Hash()
	if err != nil {
		return err
	}
	var outputs [statement.NumOutputs]fr.Element
	for j, o := range shown.Outputs {
		outputs[j] = o.Fr()
	}
	q, err := want.Q(schema, outputs, context, shown.Blind.Fr())
	if err == nil && statement.Element(q) != e.Q {
		err = errors.New("its statement hides another question, other outputs or another context")
	}
	return err
}

// duplicateTries bounds how often entries are looked up that are found to be in the
// ledger when they are appended: each time others are, and nobody but a second Log of
// the same Prepared has them.
const duplicateTries = 4

// append gives the indexes of the entries of all facts, after it has appended those
// that the ledger does not have.
func (a *Agency) append(ctx context.Context, r *statement.Request, facts []*loggable) ([]uint64, error) {
	for try := 1; ; try++ {
		indexes, missing, err := a.look(facts)
		if err != nil || len(missing) == 0 {
			return indexes, err
		}
		if err := a.stillAsked(r, facts); err != nil {
			return nil, err
		}
		_, err = a.Ledger.Append(ctx, missing...)
		// Another call may have appended some of them since they were looked up.
		if errors.Is(err, ledger.ErrDuplicate) && try < duplicateTries {
			continue
		}
		if err != nil {
			return nil, a.named(err, missing)
		}
	}
}

// look tells where the facts' proofs are in the ledger, and which are not.
func (a *Agency) look(facts []*loggable) (indexes []uint64, missing []ledger.Entry, err error) {
	for _, f := range facts {
		for _, e := range f.entries {
			d, err := e.D()
			if err != nil {
				return nil, nil, err
			}
			index, _, err := a.Ledger.Proof(d)
			if errors.Is(err, store.ErrNotFound) {
				missing = append(missing, e)
			} else if err != nil {
				return nil, nil, err
			}
			indexes = append(indexes, index)
		}
	}
	return indexes, missing, nil
}

// stillAsked refuses proofs that come too late for the request or its grant, and fails with
// [ledger.ErrStaleEpoch] where the epoch that a fact asks for is another now. Of
// pledges the ledger's rules make sure; any other proof would be true of the epoch that
// it names, but its bundle's checkpoint would be of a log that has a later one.
func (a *Agency) stillAsked(r *statement.Request, facts []*loggable) error {
	for _, f := range facts {
		index, _, err := a.epoch(f.asked)
		if err != nil {
			return err
		}
		if index != f.anchors.epoch {
			return fmt.Errorf("%w: registry %s has another since it was proved", ledger.ErrStaleEpoch, f.asked.Registry)
		}
		if err := timely(r, f.asked, f.anchors, time.Now()); err != nil {
			return err
		}
		if _, err := a.granted(r, f.compiled, time.Now()); err != nil {
			return err
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
// made all the same: [Agency.Log] makes it later.
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

// complete makes the bundle of facts whose proofs are at these indexes.
func (a *Agency) complete(ctx context.Context, facts []*loggable, indexes []uint64) (*verifier.Bundle, error) {
	checkpoint, err := a.Publish(ctx)
	if err != nil {
		return nil, err
	}
	bundle := &verifier.Bundle{Format: verifier.BundleFormat}
	for _, f := range facts {
		if err := a.show(f.anchors, &f.shown, checkpoint); err != nil {
			return nil, err
		}
		for i := range f.shown.Proofs {
			logged, err := a.logged(indexes[0], checkpoint)
			if err != nil {
				return nil, err
			}
			f.shown.Proofs[i].Entry, f.shown.Proofs[i].Inclusion = logged.Entry, logged.Inclusion
			indexes = indexes[1:]
		}
		bundle.Facts = append(bundle.Facts, f.shown)
	}
	return bundle, nil
}
