package prover

import (
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// work is one fact whose record is found: what its proofs are made of, and where
// they go.
type work struct {
	*fact
	request  *statement.Request
	seals    seals
	shown    verifier.Fact
	inputs   []circuits.Input
	entries  []*ledger.ProofEntry
	openings []verifier.Opening
}

// seals gives the randomness of outputs by their class, so that tied outputs are
// equal. Values that the asker named are sealed with the asker's seed, and others
// with fresh randomness: else the asker could try every value that one may have.
type seals map[string]statement.Element

func (s seals) of(r *statement.Request, fact string, o statement.Output) statement.Element {
	class := r.OutputClass(fact, string(o))
	if _, named := r.OutputText(fact, string(o)); named {
		return r.Seed.OutputRandomness(class)
	}
	if _, ok := s[class]; !ok {
		s[class] = statement.RandomElement()
	}
	return s[class]
}

// assign makes the inputs, the bundle's proofs and the openings of a fact.
func assign(r *statement.Request, f *fact, s seals) (*work, error) {
	w := &work{fact: f, request: r, seals: s, shown: verifier.Fact{Name: f.name, Context: r.Context(f.name)}}
	w.anchors.public.ReleaseKey = r.PledgeKey(f.name)
	questions, err := f.compiled.Questions()
	if err != nil {
		return nil, err
	}
	tie := statement.RandomElement()
	for i, q := range questions {
		if q.Absent {
			err = w.assignAbsent(q)
		} else {
			err = w.assignPresent(i, q, len(questions) > 1, tie)
		}
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

// public gives the public part of the i-th proof's statement: only the first can
// be a pledge.
func (w *work) public(i int) statement.Public {
	p := w.anchors.public
	if i > 0 {
		p.ReleaseKey = nil
	}
	return p
}

// root gives the epoch's root for the fact's registry, which the anchors have.
func (w *work) root() fr.Element {
	root, _ := w.anchors.epochEntry.RootOf(w.asked.Registry)
	return root.Fr()
}

func (w *work) assignPresent(i int, q statement.Question, tied bool, tie statement.Element) error {
	layout, err := q.Layout(w.schema)
	if err != nil {
		return err
	}
	in := &circuits.PresentInput{
		Root: w.root(), Layout: layout, Blind: statement.RandomElement().Fr(),
		Leaf: w.opened.Leaf, Path: w.opened.Path,
	}
	if in.P, in.Context, err = w.binding(i); err != nil {
		return err
	}
	if i == 0 && !w.scope.IsZero() {
		in.Scope, in.Serial = w.scope.Fr(), w.opened.Serial.Fr()
	}
	for j, o := range q.Outputs {
		randomness := w.randomness(o, tied && j == 0, tie)
		in.OutputRandomness[j] = randomness.Fr()
		if o != statement.OutputLeaf {
			w.open(i, j, o, openedValue(w.schema, w.record, o), randomness)
		}
	}
	w.add(i, q, in, in.Blind, in.Outputs())
	return nil
}

func (w *work) assignAbsent(q statement.Question) error {
	randomness := w.seals.of(w.request, w.name, statement.OutputKey)
	in := &circuits.AbsentInput{
		Root: w.root(), Blind: statement.RandomElement().Fr(),
		Key: w.gap.Key, Randomness: randomness.Fr(),
		Low: w.gap.Low, Next: w.gap.Next, LinkBlinding: w.gap.LinkBlinding, Path: w.gap.Path,
	}
	var err error
	if in.P, in.Context, err = w.binding(0); err != nil {
		return err
	}
	w.open(0, 0, statement.OutputKey, w.gapKey, randomness)
	w.add(0, q, in, in.Blind, [statement.NumOutputs]fr.Element{in.Output()})
	return nil
}

// binding gives P and the context's element of the i-th proof.
func (w *work) binding(i int) (p, context fr.Element, err error) {
	if p, err = w.public(i).P(); err != nil {
		return p, context, err
	}
	context, err = w.shown.Context.Hash()
	return p, context, err
}

// randomness chooses an output's: its class's for a subject or key, one value for
// the tie of a record's several proofs, fresh otherwise.
func (w *work) randomness(o statement.Output, isTie bool, tie statement.Element) statement.Element {
	switch {
	case o == statement.OutputSubject || o == statement.OutputKey:
		return w.seals.of(w.request, w.name, o)
	case isTie:
		return tie
	}
	return statement.RandomElement()
}

// open notes an opening for the asker: of what the request named or reveals, and
// not of a value that ties two facts and that the asker did not name.
func (w *work) open(proof, output int, o statement.Output, value string, randomness statement.Element) {
	if _, isAttribute := o.Attribute(); !isAttribute {
		if _, named := w.request.OutputText(w.name, string(o)); !named {
			return
		}
	}
	w.openings = append(w.openings, verifier.Opening{Proof: proof, Output: output, Of: o, Value: value, Randomness: randomness})
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
func (w *work) add(i int, q statement.Question, in circuits.Input, blind fr.Element, outputs [statement.NumOutputs]fr.Element) {
	s := in.Statement()
	w.inputs = append(w.inputs, in)
	w.entries = append(w.entries, &ledger.ProofEntry{
		Public: w.public(i), Root: statement.Element(s.Root), Nullifier: statement.Element(s.Nullifier),
		Scope: statement.Element(s.Scope), Q: statement.Element(s.Q),
	})
	w.shown.Proofs = append(w.shown.Proofs, verifier.Proof{
		Question: q, Blind: statement.Element(blind),
		Outputs: [statement.NumOutputs]statement.Element{statement.Element(outputs[0]), statement.Element(outputs[1])},
	})
}
