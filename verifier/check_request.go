package verifier

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attestry/attestry/statement"
)

// The checks against what was asked, and of whom and when the answer is for.

const noRequest = "no request was given to compare with"

func (r *run) checkRequest(f *view) Check {
	if r.request == nil {
		return skip(CheckRequest, "an answer to the request", noRequest)
	}
	asked, ok := r.asked[f.Name]
	if !ok {
		return fail(CheckRequest, OnComputation, "an answer to the request", fmt.Sprintf("the request asks for no fact %q", f.Name))
	}
	if asked.Registry == f.about.Registry {
		if _, err := r.request.CompileFact(f.Name, f.about); err != nil {
			// The request is wrong, whatever the bundle is.
			return r.cannotCheck(CheckRequest, "an answer to the request", "the request: %v", err)
		}
	}
	return judge(CheckRequest, OnComputation, describe(asked), f.describe(), r.answers(f, asked))
}

// answers compares the statement with the request, as canonical predicates.
func (r *run) answers(f *view, asked statement.FactRequest) error {
	compiled, err := r.request.CompileFact(f.Name, f.about)
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error { return f.sameKind(asked) },
		func() error { return f.samePredicates(compiled.Predicates) },
		func() error { return f.sameOutputs(compiled.Outputs) },
		func() error { return f.sameHolder(compiled.Holder) },
		func() error { return f.samePledge(asked.Once, r.pledgeKey(f.Name)) },
		func() error { return f.sameContext(r.request.Context(f.Name)) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (f *view) sameKind(asked statement.FactRequest) error {
	want := CircuitPresent
	if asked.Absent {
		want = CircuitAbsent
	}
	if got := f.circuit.entry.Name; got != want {
		return fmt.Errorf("the proof is of %q, where the request asks for %q", got, want)
	}
	if got := f.registry(); got != asked.Registry {
		return fmt.Errorf("the proof is about registry %s", got)
	}
	return nil
}

// predicates gives the union of the proofs' predicates.
func (f *view) predicates() []statement.Predicate {
	var all []statement.Predicate
	for _, p := range f.Proofs {
		all = append(all, p.Question.Predicates...)
	}
	return statement.SortPredicates(all)
}

func (f *view) samePredicates(asked []statement.Predicate) error {
	proved := f.predicates()
	if p, missing := firstNotIn(proved, asked); missing {
		return fmt.Errorf("the proofs do not say %s; they say %s", text(p), texts(proved))
	}
	if p, extra := firstNotIn(asked, proved); extra {
		return fmt.Errorf("the proofs say %s, which the request does not ask", text(p))
	}
	return nil
}

// firstNotIn gives the first of some predicates that is not among others.
func firstNotIn(others, ps []statement.Predicate) (statement.Predicate, bool) {
	for _, p := range ps {
		same := func(o statement.Predicate) bool { return reflect.DeepEqual(o, p) }
		if !slices.ContainsFunc(others, same) {
			return p, true
		}
	}
	return statement.Predicate{}, false
}

// text gives a predicate as a request would say it.
func text(p statement.Predicate) string {
	p.Values = slices.Clone(p.Values)
	for i, v := range p.Values {
		if v != "true" && v != "false" && strings.Trim(v, "0123456789.-") != "" {
			p.Values[i] = strconv.Quote(v)
		}
	}
	return p.String()
}

func texts(ps []statement.Predicate) string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = text(p)
	}
	return strings.Join(out, " && ")
}

// outputs lists the values that the proofs commit to, but for the leaf.
func (f *view) outputs() []statement.Output {
	var all []statement.Output
	for _, p := range f.Proofs {
		for _, o := range p.Question.Outputs {
			if o != statement.OutputLeaf && o != statement.OutputNone {
				all = append(all, o)
			}
		}
	}
	return slices.Sorted(slices.Values(all))
}

func (f *view) sameOutputs(asked []statement.Output) error {
	asked = slices.Sorted(slices.Values(asked))
	if got := f.outputs(); !slices.Equal(got, asked) {
		return fmt.Errorf("the proofs commit to %v, where the request needs %v", got, asked)
	}
	return nil
}

func (f *view) sameHolder(asked bool) error {
	for i, p := range f.Proofs {
		if asked && !p.Question.Holder {
			return fmt.Errorf("proof %d needed no holder's secret", i)
		}
	}
	return nil
}

func (f *view) samePledge(once string, key *statement.ReleaseKey) error {
	e := f.proofs[0].entry
	scope, err := statement.ScopeElement(once)
	switch {
	case err != nil:
		return err
	case once == "" && e.IsPledge():
		return errors.New("the proof is a pledge, which the request does not ask for")
	case statement.Element(scope) != e.Scope:
		return fmt.Errorf("the proof is no pledge in scope %q", once)
	case once != "" && key == nil:
		return errors.New("the request has no release key to hold the pledge's to, so it may be another's: verify with the completed request, or with the openings")
	case key != nil && (e.Public.ReleaseKey == nil || *e.Public.ReleaseKey != *key):
		return errors.New("the pledge has another release key")
	}
	return nil
}

// pledgeKey gives the release key that a pledge should have: the request's, or the
// one that was drawn for it when the prover completed the request.
func (r *run) pledgeKey(fact string) *statement.ReleaseKey {
	if key := r.request.PledgeKey(fact); key != nil || r.completed == nil {
		return key
	}
	return r.completed.PledgeKey(fact)
}

// sameContext compares all but the nonce and the fact's name, which have checks
// of their own.
func (f *view) sameContext(asked statement.Context) error {
	got := f.Context
	switch {
	case got.Audience != asked.Audience:
		return fmt.Errorf("the proof is for audience %q, the request for %q", got.Audience, asked.Audience)
	case got.Purpose != asked.Purpose:
		return fmt.Errorf("the proof is for purpose %q, the request for %q", got.Purpose, asked.Purpose)
	case got.Expires != asked.Expires:
		return fmt.Errorf("the proof expires at %q, the request at %q", got.Expires, asked.Expires)
	case (got.Grant == nil) != (asked.Grant == nil) || (got.Grant != nil && *got.Grant != *asked.Grant):
		return errors.New("the proof names another grant than the request")
	}
	return nil
}

// describe gives a fact as asked, in words.
func describe(q statement.FactRequest) string {
	parts := []string{"a record of registry " + q.Registry}
	if q.Absent {
		parts[0] = "no record of registry " + q.Registry
	}
	if q.Subject != nil {
		parts = append(parts, "of the subject asked")
	}
	if q.Key != nil {
		parts = append(parts, "with the key asked")
	}
	if len(q.Where) > 0 {
		parts = append(parts, "where "+strings.Join(q.Where, " && "))
	}
	if q.Once != "" {
		parts = append(parts, "pledged for "+q.Once)
	}
	return strings.Join(parts, " ")
}

// describe gives the fact as proved, in words.
func (f *view) describe() string {
	what := "a record of registry " + f.registry()
	if f.circuit.entry.Name == CircuitAbsent {
		what = "no record of registry " + f.registry()
	}
	if ps := f.predicates(); len(ps) > 0 {
		what += " where " + texts(ps)
	}
	for _, o := range f.outputs() {
		if name, ok := o.Attribute(); ok {
			what += ", with a commitment to its " + name
		} else {
			what += ", with a commitment to its " + string(o)
		}
	}
	return what
}

// missingFacts fails for each fact of the request that the bundle does not answer.
func (r *run) missingFacts() []Check {
	if r.request == nil {
		return nil
	}
	var out []Check
	for _, name := range r.request.FactNames() {
		if r.fact(name) == nil {
			c := fail(CheckRequest, OnComputation, describe(r.asked[name]), "the bundle has no such fact")
			c.Fact = name
			out = append(out, c)
		}
	}
	return out
}

// checkContext wants the facts to be of one asking. A request that came with its nonce
// holds each fact to it; without one, facts that were proved for different askings
// would pass for one answer.
func (r *run) checkContext() Check {
	const expected = "facts of one asking: equal audience, purpose, nonce and expiry"
	first := r.facts[0].Context
	for _, f := range r.facts[1:] {
		got := f.Context
		got.Fact, got.Grant = first.Fact, first.Grant // each log has its own grants
		if !reflect.DeepEqual(got, first) {
			return fail(CheckContext, OnComputation, expected, fmt.Sprintf("facts %s and %s were proved for different askings", first.Fact, f.Name))
		}
	}
	return pass(CheckContext, OnComputation, expected, fmt.Sprintf("%d %s, one asking", len(r.facts), plural(len(r.facts), "fact")))
}

func (r *run) checkAsOf(f *view) Check {
	e := f.epoch.entry
	observed := fmt.Sprintf("epoch %d of %s", e.Number, e.Time)
	if newer, ok := r.newerEpoch(f); ok {
		observed += newer
	}
	if r.request == nil {
		return skip(CheckAsOf, "the epoch asked for", noRequest+"; it is "+observed)
	}
	fact, ok := r.asked[f.Name]
	asked := fact.AsOf
	switch {
	case !ok:
		return skip(CheckAsOf, "the epoch asked for", "the request asks for no such fact; it is "+observed)
	case asked.Number != 0:
		return judge(CheckAsOf, OnPinned, fmt.Sprintf("epoch %d", asked.Number), observed, unless(uint64(e.Number) == asked.Number, observed))
	case asked.Time.After(r.at.Add(clockSkew)):
		return fail(CheckAsOf, OnComputation, "the last epoch at an instant that has come", fmt.Sprintf("%s is after the instant of this verification, %s", statement.FormatTime(asked.Time), statement.FormatTime(r.at)))
	case !asked.Time.IsZero():
		return f.checkInstant(statement.FormatTime(asked.Time), observed)
	case f.successor != nil:
		return fail(CheckAsOf, OnLog, "the latest epoch", fmt.Sprintf("%s, and the bundle shows that epoch %d follows", observed, f.successor.entry.Number))
	}
	if newer, ok := r.newerEpoch(f); ok {
		c := pass(CheckAsOf, OnAudit, "the latest epoch", observed)
		if newer != latestAudited {
			c.Outcome = Warn
		}
		return c
	}
	return pass(CheckAsOf, OnLog, "the latest epoch", observed+", with no successor shown: the latest as far as the checkpoint goes")
}

const latestAudited = ", the latest in the audited log"

// newerEpoch says what the audited log has of epochs after the fact's, and after the
// one that it joins; ok is false where it does not cover the fact.
func (r *run) newerEpoch(f *view) (newer string, ok bool) {
	if !r.log.knows(f.origin(), f.epoch.index) {
		return "", false
	}
	latest, err := r.log.view.LatestEpoch(f.epoch.entry.Registry)
	if err != nil {
		return "", false
	}
	if latest.Number > uint64(f.epoch.entry.Number) {
		return fmt.Sprintf("; the audited log has a newer one, epoch %d of %s", latest.Number, latest.Time), true
	}
	if f.joined == nil {
		return latestAudited, true
	}
	j := f.joined.entry
	if latest, err = r.log.view.LatestEpoch(j.Registry); err != nil {
		return "", false
	}
	if latest.Number > uint64(j.Number) {
		return fmt.Sprintf("; it joins epoch %d of registry %s, of which the audited log has a newer one, epoch %d of %s", j.Number, j.Registry, latest.Number, latest.Time), true
	}
	return latestAudited, true
}

// checkInstant wants the last epoch at an instant, which must have come. Without the epoch after it, that
// nothing came between is true only as far as the checkpoint goes.
func (f *view) checkInstant(instant, observed string) Check {
	expected := "the last epoch at " + instant
	switch {
	case f.epoch.entry.Time > instant: // in this format the order of texts is that of instants
		return fail(CheckAsOf, OnPinned, expected, observed+", which is later")
	case f.successor == nil:
		return pass(CheckAsOf, OnLog, expected, observed+", with no successor shown: relative to the checkpoint")
	case f.successor.entry.Time <= instant:
		return fail(CheckAsOf, OnPinned, expected, fmt.Sprintf("%s, and epoch %d of %s follows", observed, f.successor.entry.Number, f.successor.entry.Time))
	}
	return pass(CheckAsOf, OnPinned, expected, fmt.Sprintf("%s, followed by epoch %d of %s", observed, f.successor.entry.Number, f.successor.entry.Time))
}

// clockSkew is how far an epoch may be dated ahead of the verifier's clock before
// the verdict says so.
const clockSkew = 5 * time.Minute

func (r *run) checkAge(f *view) Check {
	limit := r.maxAge(f)
	when, err := statement.ParseTime(f.oldest())
	if err != nil {
		return fail(CheckAge, OnPinned, "an epoch with an instant", err.Error())
	}
	age := r.at.Sub(when).Truncate(time.Second)
	observed := fmt.Sprintf("%s old", age)
	if age < 0 {
		observed = fmt.Sprintf("dated %s after the instant of this verification", -age)
	}
	if limit == 0 {
		return skip(CheckAge, "a largest age of the epoch", "neither the trust file nor the request says one; the epoch is "+observed)
	}
	expected := fmt.Sprintf("an epoch at most %s old", limit)
	c := judge(CheckAge, OnPinned, expected, observed, unless(age <= limit, observed))
	if age < -clockSkew {
		c.Outcome = Warn
	}
	return c
}

// oldest gives the instant of the fact's epoch, or of the one that it joins where that
// is older: a fact is as old as the oldest data in it.
func (f *view) oldest() string {
	if f.joined != nil {
		return min(f.epoch.entry.Time, f.joined.entry.Time) // in this format the order of texts is that of instants
	}
	return f.epoch.entry.Time
}

// maxAge gives the smaller of the trust file's and the request's largest age, 0
// where neither says one.
func (r *run) maxAge(f *view) time.Duration {
	limit := r.pins.maxAge
	if r.request != nil {
		if asked := r.asked[f.Name].MaxAgeDuration(); asked != 0 && (limit == 0 || asked < limit) {
			limit = asked
		}
	}
	return limit
}

func (r *run) checkNonce(f *view) Check {
	const expected = "the request's nonce"
	switch {
	case r.request == nil:
		return skip(CheckNonce, expected, noRequest)
	case r.request.Nonce == nil:
		return skip(CheckNonce, expected, "the request has none: the proof may have been made for another asking")
	}
	return judge(CheckNonce, OnComputation, expected, "the request's nonce", unless(*r.request.Nonce == f.Context.Nonce, "another nonce: the proof was made for another request"))
}

func (r *run) checkAudience(f *view) Check {
	want, on := r.audience, OnPinned
	if want == "" && r.request != nil {
		want, on = r.request.Audience, OnComputation
	}
	got := fmt.Sprintf("for %q", f.Context.Audience)
	if f.Context.Audience == "" {
		got = "for nobody in particular"
	}
	if want == "" {
		c := skip(CheckAudience, "a bundle for whoever verifies", got+"; nobody said who verifies, so it may be meant for another")
		c.Outcome = Warn
		return c
	}
	return judge(CheckAudience, on, fmt.Sprintf("a bundle for %q", want), got, unless(f.Context.Audience == want, got))
}

func (r *run) checkExpiry(f *view) Check {
	at := statement.FormatTime(r.at)
	expected := "not expired at " + at
	if f.Context.Expires == "" {
		return pass(CheckExpiry, OnComputation, expected, "it never expires")
	}
	observed := "expires at " + f.Context.Expires
	expires, err := statement.ParseTime(f.Context.Expires)
	if err == nil {
		err = unless(r.at.Before(expires), "expired at "+f.Context.Expires)
	}
	return judge(CheckExpiry, OnComputation, expected, observed, err)
}

// unless gives nil where what was wanted holds, and else an error that says what
// was seen.
func unless(holds bool, seen string) error {
	if holds {
		return nil
	}
	return errors.New(seen)
}
