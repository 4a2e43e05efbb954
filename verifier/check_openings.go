package verifier

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/attestry/attestry/statement"
)

// The checks of what the commitments are to.

func (r *run) checkOpenings(f *view) Check {
	const expected = "commitments to the subject and key asked, and to the values revealed"
	asked, isAsked := r.asked[f.Name]
	var seen []string
	if r.openings != nil {
		shown, err := f.openAll(r.openings.Facts[f.Name])
		if err != nil {
			return fail(CheckOpenings, OnComputation, expected, err.Error())
		}
		seen = shown
	}
	if isAsked {
		for _, field := range []string{statement.FieldSubject, statement.FieldKey} {
			text, named := r.request.OutputText(f.Name, field)
			if !named || !slices.Contains(f.outputs(), statement.Output(field)) {
				continue // nothing to open, or missing, which the check "request" says
			}
			switch opens, known := r.opensTo(f, field, text); {
			case !known:
				return r.cannotCheck(CheckOpenings, expected, "fact %s names a %s, and neither openings of it nor the request's seed were given", f.Name, field)
			case !opens:
				return fail(CheckOpenings, OnComputation, expected, fmt.Sprintf("the commitment does not open to the %s asked", field))
			}
			seen = slices.DeleteFunc(seen, func(s string) bool { return s == opened(field) }) // this says more
			seen = append(seen, "the "+field+" is the one asked")
		}
		if name, missing := f.unopened(r.openings, asked.Reveal); missing {
			return r.cannotCheck(CheckOpenings, expected, "fact %s reveals %s, and no opening of it was given", f.Name, name)
		}
	}
	return r.concludeOpenings(expected, seen)
}

func (r *run) concludeOpenings(expected string, seen []string) Check {
	switch {
	case len(seen) > 0:
		return pass(CheckOpenings, OnComputation, expected, strings.Join(seen, ", "))
	case r.request == nil && r.openings == nil:
		return skip(CheckOpenings, expected, "neither a request nor openings were given")
	}
	return skip(CheckOpenings, expected, "there is nothing to open")
}

// openAll holds each opening given to its commitment, and says what was opened: the
// values of attributes, which are what the reader came for, but not who or what the
// record is of, which the reader knows.
func (f *view) openAll(openings []Opening) ([]string, error) {
	var seen []string
	for i, o := range openings {
		if err := f.open(o); err != nil {
			return nil, fmt.Errorf("opening %d (%s): %w", i, o.Of, err)
		}
		if name, ok := o.Of.Attribute(); ok {
			seen = append(seen, fmt.Sprintf("%s is %s", name, o.Value))
		} else {
			seen = append(seen, opened(string(o.Of)))
		}
	}
	return seen, nil
}

func opened(field string) string { return "the " + field + " opens to the value given" }

// open tells why an opening does not open the output that it names.
func (f *view) open(o Opening) error {
	if o.Proof >= len(f.Proofs) {
		return fmt.Errorf("there is no proof %d", o.Proof)
	}
	p := f.Proofs[o.Proof]
	if p.Question.Outputs[o.Output] != o.Of {
		return fmt.Errorf("output %d of proof %d is of %s", o.Output, o.Proof, p.Question.Outputs[o.Output])
	}
	value, err := o.element(f.about)
	if err != nil {
		return err
	}
	if statement.Element(statement.Commit(value, o.Randomness.Fr())) != p.Outputs[o.Output] {
		return fmt.Errorf("the commitment does not open to the value given")
	}
	return nil
}

// opensTo tells whether the fact's key or subject is the text asked, and whether
// that can be known: by the seed, else by an opening.
func (r *run) opensTo(f *view, field, text string) (opens, known bool) {
	of := statement.Output(field)
	for i, p := range f.Proofs {
		for j, output := range p.Question.Outputs {
			if output != of {
				continue
			}
			randomness, ok := r.randomness(f.Name, field, i, j)
			if !ok {
				return false, false
			}
			asked := Opening{Proof: i, Output: j, Of: of, Value: text, Randomness: randomness}
			if f.open(asked) != nil {
				return false, true
			}
		}
	}
	return true, true
}

func (r *run) randomness(fact, field string, proof, output int) (statement.Element, bool) {
	if r.seed != nil {
		return r.seed.OutputRandomness(r.request.OutputClass(fact, field)), true
	}
	if r.openings != nil {
		for _, o := range r.openings.Facts[fact] {
			if o.Proof == proof && o.Output == output {
				return o.Randomness, true
			}
		}
	}
	return statement.Element{}, false
}

// unopened gives an attribute that the request reveals and the openings do not.
// One that the bundle has no commitment to is the matter of the check "request".
func (f *view) unopened(openings *Openings, reveal []string) (string, bool) {
	for _, name := range reveal {
		of := statement.OutputAttribute(name)
		isOpening := func(o Opening) bool { return o.Of == of }
		if !slices.Contains(f.outputs(), of) || (openings != nil && slices.ContainsFunc(openings.Facts[f.Name], isOpening)) {
			continue
		}
		return name, true
	}
	return "", false
}

// strayOpenings fails for openings of facts that the bundle does not have.
func (r *run) strayOpenings() []Check {
	if r.openings == nil {
		return nil
	}
	var out []Check
	for _, name := range slices.Sorted(maps.Keys(r.openings.Facts)) {
		if r.fact(name) == nil {
			c := fail(CheckOpenings, OnComputation, "openings of the bundle's facts", "the bundle has no such fact")
			c.Fact = name
			out = append(out, c)
		}
	}
	return out
}

// checkTies wants equal commitments where the request takes one fact's key or
// subject from another's.
func (r *run) checkTies() Check {
	const expected = "equal commitments to the values that the request ties"
	if r.request == nil {
		return skip(CheckTies, expected, noRequest)
	}
	schemas := map[string]*statement.Schema{}
	for _, f := range r.facts {
		schemas[f.Name] = f.about
	}
	count, err := 0, error(nil)
	for _, name := range r.request.FactNames() {
		for _, tie := range tiesOf(name, r.asked[name]) {
			count++
			if err == nil {
				err = r.checkTie(tie[0], tie[1])
			}
		}
	}
	if count == 0 {
		return skip(CheckTies, expected, "the request ties nothing")
	}
	if err == nil {
		err = r.request.CheckTies(schemas)
	}
	return judge(CheckTies, OnComputation, expected, fmt.Sprintf("%d %s", count, plural(count, "tie")), err)
}

// tiesOf lists what a fact takes from others, as pairs of "fact.field" names.
func tiesOf(name string, asked statement.FactRequest) (ties [][2]string) {
	if asked.Key != nil && asked.Key.From != "" {
		ties = append(ties, [2]string{name + "." + statement.FieldKey, asked.Key.From})
	}
	if asked.Subject != nil && asked.Subject.From != "" {
		ties = append(ties, [2]string{name + "." + statement.FieldSubject, asked.Subject.From})
	}
	return ties
}

func (r *run) checkTie(a, b string) error {
	x, ok := r.commitment(a)
	y, okToo := r.commitment(b)
	if !ok || !okToo || x != y {
		return fmt.Errorf("%s is not shown equal to %s", a, b)
	}
	return nil
}

// commitment gives the bundle's commitment to "fact.key" or "fact.subject".
func (r *run) commitment(output string) (statement.Element, bool) {
	name, field, _ := strings.Cut(output, ".")
	f := r.fact(name)
	if f == nil {
		return statement.Element{}, false
	}
	for _, p := range f.Proofs {
		if j := slices.Index(p.Question.Outputs[:], statement.Output(field)); j >= 0 {
			return p.Outputs[j], true
		}
	}
	return statement.Element{}, false
}
