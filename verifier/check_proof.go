package verifier

import (
	"errors"
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// The checks of the proofs and of what they hide from the ledger.

func (r *run) checkProof(f *view) Check {
	const expected = "each proof holds for the statement that its entry shows"
	pinned, ok := r.pinnedCircuit(f)
	if !ok {
		return required(skip(CheckProof, expected, "the circuit is not pinned, so there is no key to verify under"))
	}
	for i, p := range f.proofs {
		err := f.checkPublic(p.entry.Public)
		if err == nil {
			err = r.checkEntry(pinned.key, p.entry)
		}
		if err != nil {
			return fail(CheckProof, OnComputation, expected, fmt.Sprintf("proof %d: %v", i, err))
		}
	}
	return pass(CheckProof, OnComputation, expected, fmt.Sprintf("%d %s of %d bytes", len(f.proofs), plural(len(f.proofs), "proof"), ProofSize))
}

// checkPublic holds the public part of a statement to the fact's other entries.
func (f *view) checkPublic(p statement.Public) error {
	first := f.proofs[0].entry.Public
	schema, err := f.schema.entry.Identity()
	if err != nil {
		return err
	}
	epoch, err := f.epoch.entry.Identity()
	if err != nil {
		return err
	}
	switch {
	case p.Circuit != f.circuit.entry.Circuit || p.VK != f.circuit.entry.VKHash():
		return errors.New("its statement names another circuit or verifying key than the circuit entry")
	case p.Schema != schema:
		return errors.New("its statement names another schema entry")
	case p.Epoch != epoch:
		return errors.New("its statement names another epoch entry")
	case p.Registry != first.Registry || p.Origin != first.Origin:
		return errors.New("its statement names another registry or log than the first proof's")
	}
	return nil
}

func (r *run) checkQuestion(f *view) Check {
	const expected = "the question, the outputs and the context that the statement hides"
	predicates := 0
	for i, p := range f.Proofs {
		if err := f.checkHidden(i, p); err != nil {
			return fail(CheckQuestion, OnComputation, expected, fmt.Sprintf("proof %d: %v", i, err))
		}
		predicates += len(p.Question.Predicates)
	}
	return pass(CheckQuestion, OnComputation, expected, fmt.Sprintf("%d %s", predicates, plural(predicates, "predicate")))
}

// checkHidden recomputes Q from what the bundle shows.
func (f *view) checkHidden(i int, p Proof) error {
	// A question means what the circuit of its proof proves.
	if p.Question.Absent != (f.circuit.entry.Name == CircuitAbsent) {
		return fmt.Errorf("its question is not one of the circuit %q", f.circuit.entry.Name)
	}
	context, err := f.Context.Hash()
	if err != nil {
		return err
	}
	var outputs [statement.NumOutputs]fr.Element
	for j, o := range p.Outputs {
		outputs[j] = o.Fr()
	}
	q, err := p.Question.Q(f.about, outputs, context, p.Blind.Fr())
	if err != nil {
		return err
	}
	if statement.Element(q) != f.proofs[i].entry.Q {
		return errors.New("its statement hides another question, other outputs or another context")
	}
	return nil
}

// checkLinked: the proofs of one fact share a commitment to the record's leaf, each
// in its first output, and only the first can be a pledge.
func (r *run) checkLinked(f *view) Check {
	const expected = "all proofs are of one record, and only the first can be a pledge"
	if len(f.Proofs) == 1 {
		return pass(CheckLinked, OnComputation, expected, "one proof")
	}
	for i, p := range f.Proofs {
		if p.Question.Outputs[0] != statement.OutputLeaf || p.Outputs[0] != f.Proofs[0].Outputs[0] {
			return fail(CheckLinked, OnComputation, expected, fmt.Sprintf("proof %d is not tied to the first one's record", i))
		}
		if i > 0 && f.proofs[i].entry.IsPledge() {
			return fail(CheckLinked, OnComputation, expected, fmt.Sprintf("proof %d is a pledge, too", i))
		}
	}
	return pass(CheckLinked, OnComputation, expected, fmt.Sprintf("%d proofs with equal commitments to the record", len(f.Proofs)))
}

func (r *run) checkNullifier(f *view) Check {
	const expected = "no pledge, or a live one in a scope of the schema with the consent that it asks for"
	e := f.proofs[0].entry
	if !e.IsPledge() {
		return pass(CheckNullifier, OnComputation, expected, "not a pledge")
	}
	scope, err := f.scope(e.Scope)
	if err == nil {
		err = r.checkConsent(f, scope)
	}
	if err == nil && f.circuit.entry.Name == CircuitAbsent {
		err = errors.New("a pledge of no record")
	}
	index := f.proofs[0].index
	if err == nil && f.proofs[0].logged && r.log.knows(f.origin(), index) {
		return r.checkAudited(f, expected, scope)
	}
	observed := fmt.Sprintf("a pledge for %s, live as the log says: an audit tells whether it was released since", scope.Name)
	return judge(CheckNullifier, OnLog, expected, observed, err)
}

// checkAudited asks the audited log whether a pledge lives.
func (r *run) checkAudited(f *view, expected string, scope statement.Scope) Check {
	size := r.log.checkpoint.Size
	if err := r.sameLog(f); err != nil { // else another pledge's life would be told
		return fail(CheckNullifier, OnAudit, expected, err.Error())
	}
	status, err := r.log.view.Pledge(f.proofs[0].index)
	if err == nil && !status.Live {
		err = fmt.Errorf("the pledge for %s was released by entry %d%s", scope.Name, status.Released, forcedly(status))
	}
	return judge(CheckNullifier, OnAudit, expected, fmt.Sprintf("a pledge for %s, live at size %d of the audited log", scope.Name, size), err)
}

func forcedly(s ledger.PledgeStatus) string {
	if s.Forced {
		return ", by force: the scope's recovery key signed it"
	}
	return ""
}

func (f *view) scope(element statement.Element) (statement.Scope, error) {
	for _, s := range f.about.Scopes {
		if e, err := statement.ScopeElement(s.Name); err == nil && statement.Element(e) == element {
			return s, nil
		}
	}
	return statement.Scope{}, errors.New("a pledge in a scope that the schema does not declare")
}

func (r *run) checkConsent(f *view, scope statement.Scope) error {
	e := f.proofs[0].entry
	switch {
	case scope.Consent == statement.ConsentIssuer:
		return r.checkIssued(f, f.registry(), f.proofs[0].index, e.VerifyConsent)
	case e.Consent != nil:
		return fmt.Errorf("scope %s takes the holder's consent, not the issuer's", scope.Name)
	case !f.Proofs[0].Question.Holder:
		return fmt.Errorf("scope %s asks for the holder's secret, which the question does not", scope.Name)
	}
	return nil
}
