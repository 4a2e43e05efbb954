package statement

import (
	"fmt"
	"slices"
)

// CompiledFact is one fact of a request, compiled against its registry's schema.
type CompiledFact struct {
	Name       string
	Schema     *Schema
	Request    FactRequest
	Predicates []Predicate // canonical, in order
	// Outputs are the values that the request needs commitments to: the subject
	// if it is named or tied, the key likewise, then the revealed attributes.
	Outputs []Output
	// Holder says that the proof needs the holder's secret, because the request
	// or the scope's consent rule says so.
	Holder bool
	// Scope is the scope of the pledge, nil where nothing is pledged.
	Scope *Scope
}

// CompileFact compiles the named fact against the schema of its registry. It
// fails with [ErrBadRequest] where the schema lacks what the request needs, and
// with an [*ExprError] where a condition does not compile.
func (r *Request) CompileFact(name string, s *Schema) (*CompiledFact, error) {
	if err := s.Validate(); err != nil {
		return nil, err // the slots' indices would not name its attributes
	}
	f, ok := r.NamedFacts()[name]
	if !ok {
		return nil, fmt.Errorf("%w: there is no fact %q", ErrBadRequest, name)
	}
	if f.Registry != s.Registry {
		return nil, fmt.Errorf("%w: fact %q is about registry %s, the schema is of %s", ErrBadRequest, name, f.Registry, s.Registry)
	}
	c := &CompiledFact{Name: name, Schema: s, Request: f, Holder: f.Holder}
	if err := c.pledge(); err != nil {
		return nil, err
	}
	if err := c.outputs(r); err != nil {
		return nil, err
	}
	var err error
	if c.Predicates, err = CompileWhere(s, f.Where); err != nil && r.IsJoin() {
		return nil, fmt.Errorf("fact %q: %w", name, err)
	}
	return c, err
}

func (c *CompiledFact) pledge() error {
	if once := c.Request.Once; once != "" {
		scope, ok := c.Schema.Scope(once)
		if !ok {
			return fmt.Errorf("%w: registry %s declares no scope %q", ErrBadRequest, c.Schema.Registry, once)
		}
		c.Scope = &scope
		c.Holder = c.Holder || scope.Consent == ConsentHolder
	}
	if c.Holder && c.Schema.Holder == "" {
		return fmt.Errorf("%w: registry %s has no holders", ErrBadRequest, c.Schema.Registry)
	}
	return nil
}

func (c *CompiledFact) outputs(r *Request) error {
	for _, o := range []struct {
		field  string
		output Output
	}{{FieldSubject, OutputSubject}, {FieldKey, OutputKey}} {
		ref := c.Request.ref(o.field)
		if ref == nil && !r.isReferredTo(c.Name, o.field) {
			continue
		}
		if o.output == OutputSubject && c.Schema.Subject == "" {
			return fmt.Errorf("%w: registry %s has no subject", ErrBadRequest, c.Schema.Registry)
		}
		if ref != nil && ref.From == "" {
			if err := c.checkText(o.field, ref.Value); err != nil {
				return err
			}
		}
		c.Outputs = append(c.Outputs, o.output)
	}
	for i, name := range c.Request.Reveal {
		if c.Schema.Index(name) < 0 {
			return fmt.Errorf("%w: reveal[%d]: %w %q", ErrBadRequest, i, ErrUnknownAttribute, name)
		}
		c.Outputs = append(c.Outputs, OutputAttribute(name))
	}
	return nil
}

// checkText checks that a key or subject is still one once normalised.
func (c *CompiledFact) checkText(field, text string) error {
	canonical, err := c.Schema.Domain(field).Canonical(text)
	if err == nil && canonical == "" {
		err = fmt.Errorf("nothing is left of it in the domain %q", c.Schema.Domain(field).Name)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBadRequest, field, err)
	}
	return nil
}

// Questions splits the fact into the questions of its proofs: see [Split]. A fact
// of absence has one.
func (c *CompiledFact) Questions() ([]Question, error) {
	if c.Request.Absent {
		return []Question{AbsentQuestion()}, nil
	}
	return Split(c.Schema, c.Predicates, c.Outputs, c.Holder)
}

// Split shares out predicates and outputs over as few proofs as first fit in
// canonical order gives. What one proof holds becomes one question whose spare
// outputs commit to the leaf. Otherwise every question's first output commits to
// the leaf, which ties the proofs to one record, and its second is one of the
// outputs asked for, while there are any. The order of the predicates given does
// not matter; that of the outputs is kept.
func Split(s *Schema, predicates []Predicate, outputs []Output, holder bool) ([]Question, error) {
	predicates = SortPredicates(predicates)
	if one, ok, err := single(s, predicates, outputs, holder); ok || err != nil {
		return []Question{one}, err
	}
	questions := make([]Question, max(1, len(outputs)))
	for i := range questions {
		questions[i] = blank(holder)
		if i < len(outputs) {
			questions[i].Outputs[1] = outputs[i]
		}
	}
	for _, p := range predicates {
		fits := func(q Question) bool { return q.with(p).fits(s) }
		i := slices.IndexFunc(questions, fits)
		if i < 0 {
			i, questions = len(questions), append(questions, blank(holder))
		}
		questions[i] = questions[i].with(p)
	}
	for i := range questions {
		if _, err := questions[i].Layout(s); err != nil {
			return nil, err
		}
	}
	return questions, nil
}

// single tries one question; an output that no question can have is an error.
func single(s *Schema, predicates []Predicate, outputs []Output, holder bool) (q Question, ok bool, err error) {
	for _, o := range outputs {
		if _, err := o.slot(s); err != nil {
			return q, false, err
		}
	}
	if len(outputs) > NumOutputs {
		return q, false, nil
	}
	q = blank(holder)
	copy(q.Outputs[:], outputs)
	q.Predicates = append(q.Predicates, predicates...)
	return q, q.fits(s), nil
}

// blank is a question of nothing, its predicates a list even so.
func blank(holder bool) Question {
	return Question{Predicates: []Predicate{}, Outputs: [NumOutputs]Output{OutputLeaf, OutputLeaf}, Holder: holder}
}

func (q Question) with(p Predicate) Question {
	q.Predicates = append(slices.Clone(q.Predicates), p)
	return q
}

func (q Question) fits(s *Schema) bool {
	_, err := q.Layout(s)
	return err == nil
}
