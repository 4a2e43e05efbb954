package verifier

import (
	"errors"
	"fmt"
	"slices"

	"github.com/attestry/attestry/statement"
)

// The check of the grant that a fact's context names.

// checkGrant wants the grant to be in force at the instant of the verification.
func (r *run) checkGrant(f *view) Check { return r.judgeGrant(f, true) }

// judgeGrant checks a fact's grant; timed, also at the run's instant, which an auditor
// has not.
func (r *run) judgeGrant(f *view, timed bool) Check {
	const expected = "a grant by the registry's pinned issuer that allows what was asked"
	named := f.Context.Grant
	switch {
	case named == nil && f.grant != nil:
		return fail(CheckGrant, OnComputation, expected, "the bundle shows a grant, and the proofs name none")
	case named == nil && r.pins.trust.RequireGrants && !f.byHolder():
		return fail(CheckGrant, OnPinned, expected, "the proofs name no grant, as every agency's must by the trust file")
	case named == nil:
		return skip(CheckGrant, expected, "no grant is named")
	case f.grant == nil:
		return fail(CheckGrant, OnComputation, expected, fmt.Sprintf("the proofs name the grant of entry %d, which the bundle does not show", *named))
	}
	observed := fmt.Sprintf("the grant of entry %d, for %q until %s", f.grant.index, f.Grant.Document.Audience, f.Grant.Document.ValidUntil)
	for _, err := range []error{r.grantIssued(f), r.grantCovers(f), f.grantInTime(r, timed)} {
		if err != nil {
			return fail(CheckGrant, OnPinned, expected, err.Error())
		}
	}
	if !r.log.knows(f.origin(), f.grant.index) {
		return pass(CheckGrant, OnLog, expected, observed+", not revoked as the log says: an audit tells whether it was")
	}
	return judge(CheckGrant, OnAudit, expected, fmt.Sprintf("%s, not revoked before the proofs in the audited log", observed), r.grantStands(f))
}

// byHolder tells whether the fact was proved by the record's holder.
func (f *view) byHolder() bool {
	return !slices.ContainsFunc(f.Proofs, func(p Proof) bool { return !p.Question.Holder })
}

// grantIssued: the context names the entry, the entry holds the digest of the document,
// and an issuer who is pinned for the fact's registry signed it before anything was
// proved.
func (r *run) grantIssued(f *view) error {
	e := f.grant.entry
	digest, err := f.Grant.Document.Digest()
	if err != nil {
		return err
	}
	_, granted := f.Grant.Document.Registries[e.Registry]
	switch {
	case !f.grant.logged:
		return errors.New("the grant is not logged")
	case f.grant.index != uint64(*f.Context.Grant):
		return fmt.Errorf("the proofs name the grant of entry %d, and the bundle shows that of entry %d", *f.Context.Grant, f.grant.index)
	case e.Origin != f.origin():
		return fmt.Errorf("the grant is of log %s", e.Origin)
	case e.Grant != digest:
		return errors.New("the grant's entry is of another document")
	case !granted:
		return fmt.Errorf("the grant's entry is of registry %s, of which the grant says nothing", e.Registry)
	}
	for i, p := range f.proofs {
		if p.logged && p.index <= f.grant.index {
			return fmt.Errorf("proof %d was made before the grant", i)
		}
	}
	return r.checkIssued(f, f.registry(), f.grant.index, e.VerifySignature)
}

// grantCovers holds the question, as the bundle shows it, to the grant. Whether the
// question names the key or subject that it commits to, only the request tells.
func (r *run) grantCovers(f *view) error {
	asked := statement.Asked{
		Audience: f.Context.Audience, Purpose: f.Context.Purpose, Registry: f.registry(),
		Predicates: f.predicates(), Outputs: f.outputs(), Absent: f.circuit.entry.Name == CircuitAbsent,
	}
	if _, ok := r.asked[f.Name]; ok {
		asked.Named = r.request.IsAnchored(f.Name)
	} else {
		asked.Named = slices.Contains(asked.Outputs, statement.OutputKey) || slices.Contains(asked.Outputs, statement.OutputSubject)
	}
	if e := f.proofs[0].entry; e.IsPledge() {
		scope, err := f.scope(e.Scope)
		if err != nil {
			return err
		}
		asked.Scope = scope.Name
	}
	return f.Grant.Document.Covers(asked)
}

// grantInTime: the grant counts at the instant of the verification, and the epoch shows
// that nothing was proved after its end.
func (f *view) grantInTime(r *run, timed bool) error {
	if committed := f.epoch.entry.Time; committed >= f.Grant.Document.ValidUntil { // in this format the order of texts is that of instants
		return fmt.Errorf("the epoch is of %s, when the grant had expired", committed)
	}
	if !timed {
		return nil
	}
	return f.Grant.Document.CountsAt(r.at)
}

// grantStands asks the audited log whether the grant counted when the proofs were made.
func (r *run) grantStands(f *view) error {
	id, err := f.grant.entry.Identity()
	if err != nil {
		return err
	}
	status, err := r.log.view.Grant(f.grant.index)
	switch {
	case err != nil || status.Identity != id:
		return fmt.Errorf("the audited log does not have the bundle's entry %d: its operator shows two logs, keep both as evidence", f.grant.index)
	case status.Void != nil:
		return status.Void
	case status.Revoked == nil:
		return nil
	}
	for i, p := range f.proofs {
		if !p.logged || p.index > *status.Revoked {
			return fmt.Errorf("entry %d revoked the grant, and nothing shows that proof %d was made before", *status.Revoked, i)
		}
	}
	return nil
}
