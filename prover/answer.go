package prover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/circuits"
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
	Signer note.Signer // signs the log's checkpoints
	// Registry opens a registry by name.
	Registry func(name string) (*registry.Store, error)
	// Circuit loads a circuit by name.
	Circuit func(name string) (*Circuit, error)
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

// Answer proves every fact of a request, logs the proofs and assembles the bundle.
// The request must be complete (see [statement.Request.Fill]). A claim that the
// registry does not bear out fails with [ErrFalse], what this version cannot prove
// with [ErrNotProvable]; nothing is logged then.
func (a *Agency) Answer(ctx context.Context, r *statement.Request) (*Answer, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if r.Nonce == nil || r.Seed == nil {
		return nil, fmt.Errorf("%w: the request has no nonce or no seed", statement.ErrBadRequest)
	}
	facts := r.NamedFacts()
	var works []*work
	for _, name := range r.FactNames() {
		if err := provable(name, facts[name]); err != nil {
			return nil, err
		}
		w, err := a.prepare(r, name, facts[name])
		if err != nil {
			return nil, err
		}
		works = append(works, w)
	}
	return a.finish(ctx, works)
}

// provable refuses what has no circuit yet, by the member of the request.
func provable(name string, f statement.FactRequest) error {
	refuse := func(member, what string) error {
		return fmt.Errorf("%w: fact %s: %s: %s", ErrNotProvable, name, member, what)
	}
	switch {
	case f.Absent:
		return refuse("absent", "absence has no circuit yet")
	case f.Once != "":
		return refuse("once", "pledges are not made yet")
	case f.Holder:
		return refuse("holder", "an agency cannot prove with a holder's secret")
	case f.Key != nil && f.Key.From != "":
		return refuse("key", "joins by {from: "+f.Key.From+"} are not made yet")
	case f.Subject != nil && f.Subject.From != "":
		return refuse("subject", "joins by {from: "+f.Subject.From+"} are not made yet")
	}
	return nil
}

// work is one fact on its way to a proof.
type work struct {
	fact     verifier.Fact
	circuit  *Circuit
	inputs   []*circuits.PresentInput
	entries  []*ledger.ProofEntry
	openings []verifier.Opening
	logged   anchors
}

// anchors are the ledger indexes of what a fact rests on.
type anchors struct {
	circuit, schema, epoch uint64
	successor              *uint64
	schemaEntry            *ledger.SchemaEntry
	epochEntry             *ledger.EpochEntry
	public                 statement.Public
}

// prepare picks the record and makes everything but the proofs.
func (a *Agency) prepare(r *statement.Request, name string, fact statement.FactRequest) (*work, error) {
	circuit, err := a.Circuit("present")
	if err != nil {
		return nil, err
	}
	w := &work{circuit: circuit}
	if w.logged, err = a.anchor(fact, circuit); err != nil {
		return nil, err
	}
	schema := &w.logged.schemaEntry.Schema
	compiled, err := r.CompileFact(name, schema)
	if err != nil {
		return nil, err
	}
	questions, err := statement.Split(schema, compiled.Predicates, compiled.Outputs, compiled.Holder)
	if err != nil {
		return nil, err
	}
	s, err := a.Registry(fact.Registry)
	if err != nil {
		return nil, err
	}
	sel, err := newSelection(s, uint64(w.logged.epochEntry.Number), fact, compiled)
	if err != nil {
		return nil, err
	}
	record, err := sel.pick()
	if err != nil {
		return nil, err
	}
	if !record.Holder.IsZero() {
		return nil, fmt.Errorf("%w: the record has a holder, whose secret only the holder has", ErrNotProvable)
	}
	opened, err := s.Open(sel.epoch, record)
	if err != nil {
		return nil, err
	}
	w.fact = verifier.Fact{Name: name, Context: r.Context()}
	w.fact.Context.Fact = name
	return w, w.assign(r, schema, questions, record, opened)
}

// anchor finds the ledger entries that a fact rests on.
func (a *Agency) anchor(fact statement.FactRequest, circuit *Circuit) (anchors, error) {
	epochIndex, epoch, err := a.epoch(fact)
	if err != nil {
		return anchors{}, err
	}
	schemaIndex, schema, err := a.Ledger.SchemaByIdentity(epoch.Schema)
	if err != nil {
		return anchors{}, err
	}
	circuitIndex, _, err := a.Ledger.Circuit(circuit.Keys.Circuit, circuit.Keys.VK)
	if err != nil {
		return anchors{}, err
	}
	identity, err := epoch.Identity()
	if err != nil {
		return anchors{}, err
	}
	an := anchors{
		circuit: circuitIndex, schema: schemaIndex, epoch: epochIndex, schemaEntry: schema, epochEntry: epoch,
		public: statement.Public{
			Origin: a.Ledger.Origin(), Circuit: circuit.Keys.Circuit, VK: circuit.Keys.VK,
			Registry: fact.Registry, Schema: epoch.Schema, Epoch: identity,
		},
	}
	if !fact.AsOf.Time.IsZero() {
		an.successor, err = a.successor(epoch)
	}
	return an, err
}

// epoch finds the epoch that a fact asks for.
func (a *Agency) epoch(fact statement.FactRequest) (index uint64, e *ledger.EpochEntry, err error) {
	switch {
	case fact.AsOf.Number != 0:
		index, e, _, err = a.Ledger.Epoch(fact.Registry, fact.AsOf.Number)
	case !fact.AsOf.Time.IsZero():
		index, e, _, err = a.Ledger.EpochAt(fact.Registry, fact.AsOf.Time)
	default:
		index, e, _, err = a.Ledger.LatestEpoch(fact.Registry)
	}
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil, fmt.Errorf("%w: registry %s as of %s: see registry epochs, or commit one", ErrNoEpoch, fact.Registry, fact.AsOf)
	}
	return index, e, err
}

// successor finds the epoch after one, which shows that it was the last at an instant.
func (a *Agency) successor(e *ledger.EpochEntry) (*uint64, error) {
	index, _, _, err := a.Ledger.Epoch(e.Registry, uint64(e.Number)+1)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &index, err
}

// assign makes the inputs, the bundle's proofs and the openings of all questions.
func (w *work) assign(r *statement.Request, schema *statement.Schema, questions []statement.Question, record *registry.Record, opened *registry.Opening) error {
	tie := statement.RandomElement()
	for i, q := range questions {
		in, err := w.input(q, schema, opened)
		if err != nil {
			return err
		}
		for j, o := range q.Outputs {
			randomness := w.randomness(r, o, j, len(questions), tie)
			in.OutputRandomness[j] = randomness.Fr()
			if o != statement.OutputLeaf {
				value := openedValue(schema, record, o)
				w.openings = append(w.openings, verifier.Opening{Proof: i, Output: j, Of: o, Value: value, Randomness: randomness})
			}
		}
		w.add(q, in)
	}
	return nil
}

func (w *work) input(q statement.Question, schema *statement.Schema, opened *registry.Opening) (*circuits.PresentInput, error) {
	layout, err := q.Layout(schema)
	if err != nil {
		return nil, err
	}
	in := &circuits.PresentInput{
		Root: w.logged.epochEntry.Root.Fr(), Layout: layout, Blind: statement.RandomElement().Fr(),
		Leaf: opened.Leaf, Path: opened.Path,
	}
	if in.P, err = w.logged.public.P(); err != nil {
		return nil, err
	}
	in.Context, err = w.fact.Context.Hash()
	return in, err
}

// randomness chooses an output's: from the seed for a subject or key that the asker
// named, one value for the tie of a record's several proofs, fresh otherwise. A
// value that the asker did not name must not be sealed with the asker's seed, or
// they could try every value that it may have.
func (w *work) randomness(r *statement.Request, o statement.Output, j, proofs int, tie statement.Element) statement.Element {
	switch {
	case o == statement.OutputSubject || o == statement.OutputKey:
		if _, named := r.OutputText(w.fact.Name, string(o)); named {
			return r.Seed.OutputRandomness(r.OutputClass(w.fact.Name, string(o)))
		}
	case o == statement.OutputLeaf && j == 0 && proofs > 1:
		return tie
	}
	return statement.RandomElement()
}

func openedValue(schema *statement.Schema, record *registry.Record, o statement.Output) string {
	switch o {
	case statement.OutputKey:
		return record.Key
	case statement.OutputSubject:
		return record.Subject
	}
	name, _ := o.Attribute() // an output that passed Layout is one of these
	i := schema.Index(name)
	return schema.FormatValue(schema.Attributes[i], record.Values[i])
}

// add appends one proof's place in the bundle and its ledger entry.
func (w *work) add(q statement.Question, in *circuits.PresentInput) {
	outputs := in.Outputs()
	s := in.Statement()
	w.inputs = append(w.inputs, in)
	w.entries = append(w.entries, &ledger.ProofEntry{
		Public: w.logged.public, Root: statement.Element(s.Root), Nullifier: statement.Element(s.Nullifier),
		Scope: statement.Element(s.Scope), Q: statement.Element(s.Q),
	})
	w.fact.Proofs = append(w.fact.Proofs, verifier.Proof{
		Question: q, Blind: statement.Element(in.Blind),
		Outputs: [statement.NumOutputs]statement.Element{statement.Element(outputs[0]), statement.Element(outputs[1])},
	})
}

// finish makes the proofs, logs them in one transaction and assembles the bundle.
func (a *Agency) finish(ctx context.Context, works []*work) (*Answer, error) {
	answer := &Answer{
		Bundle:   &verifier.Bundle{Format: verifier.BundleFormat},
		Openings: &verifier.Openings{Format: verifier.OpeningsFormat, Facts: map[string][]verifier.Opening{}},
	}
	start := time.Now()
	var entries []ledger.Entry
	for _, w := range works {
		for i, in := range w.inputs {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			proof, _, err := w.circuit.Prove(in)
			if err != nil {
				return nil, err
			}
			w.entries[i].Proof = proof
			entries = append(entries, w.entries[i])
		}
	}
	answer.Timings.Proofs, answer.Timings.Prove = len(entries), time.Since(start)
	start = time.Now()
	if err := a.publish(ctx, works, entries); err != nil {
		return nil, err
	}
	answer.Timings.Log = time.Since(start)
	for _, w := range works {
		answer.Bundle.Facts = append(answer.Bundle.Facts, w.fact)
		answer.Openings.Facts[w.fact.Name] = append([]verifier.Opening{}, w.openings...)
	}
	return answer, nil
}

// publish appends the entries and fills in what the bundle shows of the log.
func (a *Agency) publish(ctx context.Context, works []*work, entries []ledger.Entry) error {
	indexes, err := a.Ledger.Append(ctx, entries...)
	if err != nil {
		return err
	}
	checkpoint, err := a.Ledger.PublishCheckpoint(a.Signer)
	if err != nil {
		return err
	}
	for _, w := range works {
		if err := a.showAnchors(w, checkpoint); err != nil {
			return err
		}
		for i := range w.fact.Proofs {
			logged, err := a.logged(indexes[0], checkpoint)
			if err != nil {
				return err
			}
			w.fact.Proofs[i].Entry, w.fact.Proofs[i].Inclusion = logged.Entry, logged.Inclusion
			indexes = indexes[1:]
		}
	}
	return nil
}

func (a *Agency) showAnchors(w *work, checkpoint []byte) (err error) {
	if w.fact.Circuit, err = a.logged(w.logged.circuit, checkpoint); err != nil {
		return err
	}
	if w.fact.Schema, err = a.logged(w.logged.schema, checkpoint); err != nil {
		return err
	}
	if w.fact.Epoch, err = a.logged(w.logged.epoch, checkpoint); err != nil {
		return err
	}
	if w.logged.successor != nil {
		successor, err := a.logged(*w.logged.successor, checkpoint)
		if err != nil {
			return err
		}
		w.fact.Successor = &successor
	}
	return nil
}

// logged gives an entry of the ledger with the proof that it is in it.
func (a *Agency) logged(index uint64, checkpoint []byte) (verifier.Logged, error) {
	data, err := a.Ledger.Entry(index)
	if err != nil {
		return verifier.Logged{}, err
	}
	inclusion, err := a.Ledger.Prove(index, checkpoint)
	if err != nil {
		return verifier.Logged{}, err
	}
	return verifier.Logged{Entry: json.RawMessage(data), Inclusion: string(ledger.FormatInclusion(inclusion))}, nil
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
