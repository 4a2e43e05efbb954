package statement

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The fields of a fact that can be tied.
const (
	FieldKey     = "key"
	FieldSubject = "subject"
)

// ref gives what a fact asks for in a field, nil where it asks for nothing.
func (f FactRequest) ref(field string) *Ref {
	switch field {
	case FieldKey:
		return f.Key
	case FieldSubject:
		return f.Subject
	}
	return nil
}

// checkReferences checks the subjects and keys: texts of a sane length, and
// references that end at a fact and a field that exist, without going round.
func (r *Request) checkReferences() error {
	facts := r.NamedFacts()
	for _, name := range r.FactNames() {
		for _, field := range []string{FieldKey, FieldSubject} {
			ref := facts[name].ref(field)
			if ref == nil {
				continue
			}
			if err := r.checkRef(name, field, *ref); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Request) checkRef(name, field string, ref Ref) error {
	at := name + "." + field
	if !r.IsJoin() {
		at = field
	}
	switch {
	case ref.From == "" && ref.Value == "", ref.From != "" && ref.Value != "":
		return fmt.Errorf("%s: say either a text or {from: fact.key}", at)
	case ref.From == "" && (len(ref.Value) > MaxTextBytes || !isClean(ref.Value)):
		return fmt.Errorf("%s is longer than %d bytes or not clean UTF-8", at, MaxTextBytes)
	case ref.From == "":
		return nil
	case !r.IsJoin():
		return fmt.Errorf("%s: from needs several facts", at)
	}
	seen := map[string]bool{}
	for next := at; next != ""; {
		if seen[next] {
			return fmt.Errorf("%s: the references go round in a circle", at)
		}
		seen[next] = true
		target, err := r.follow(next)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		next = target
	}
	return nil
}

// follow gives the output that an output refers to, "" where it refers to none.
func (r *Request) follow(output string) (string, error) {
	name, field, _ := strings.Cut(output, ".")
	f, ok := r.Facts[name]
	switch {
	case !ok:
		return "", fmt.Errorf("from %q: there is no fact %q", output, name)
	case field != FieldKey && field != FieldSubject:
		return "", fmt.Errorf("from %q: a reference ends in .key or .subject", output)
	case f.Absent && field == FieldSubject:
		return "", fmt.Errorf("from %q: an absent record has no subject", output)
	}
	if ref := f.ref(field); ref != nil {
		return ref.From, nil
	}
	return "", nil
}

// OutputClass names the set of outputs that the request ties to this one: the
// smallest of their "fact.field" names in byte order, following references in
// both directions. An output that nothing is tied to is its own class.
func (r *Request) OutputClass(fact, field string) string {
	return slices.Min(r.tied(fact + "." + field))
}

// OutputText gives the text that the request says an output has: its own, or
// that of an output which it is tied to. Where named is false the asker did not
// say it, and the output's randomness must not come from the seed.
func (r *Request) OutputText(fact, field string) (text string, named bool) {
	facts := r.NamedFacts()
	for _, output := range r.tied(fact + "." + field) {
		name, field, _ := strings.Cut(output, ".")
		if ref := facts[name].ref(field); ref != nil && ref.From == "" {
			return ref.Value, true
		}
	}
	return "", false
}

// tied lists the outputs of an output's class, itself first.
func (r *Request) tied(output string) []string {
	class := []string{output}
	for i := 0; i < len(class); i++ {
		for _, edge := range r.references() {
			for _, step := range [][2]string{edge, {edge[1], edge[0]}} {
				if step[0] == class[i] && !slices.Contains(class, step[1]) {
					class = append(class, step[1])
				}
			}
		}
	}
	return class
}

// Anchor is a key or subject that a request names.
type Anchor struct {
	Fact, Field, Text string
}

// IsAnchored tells whether a fact names a key or subject, or is tied, by whatever way,
// to a fact that does.
func (r *Request) IsAnchored(fact string) bool { return len(r.Anchors(fact)) > 0 }

// Anchors gives the keys and subjects that a fact and those that it is tied to, by
// whatever way, name.
func (r *Request) Anchors(fact string) (anchors []Anchor) {
	facts := r.NamedFacts()
	reached := []string{fact}
	for i := 0; i < len(reached); i++ {
		for _, field := range []string{FieldKey, FieldSubject} {
			if ref := facts[reached[i]].ref(field); ref != nil && ref.From == "" {
				anchors = append(anchors, Anchor{reached[i], field, ref.Value})
			}
		}
		for _, edge := range r.references() {
			a, _, _ := strings.Cut(edge[0], ".")
			b, _, _ := strings.Cut(edge[1], ".")
			for _, step := range [][2]string{{a, b}, {b, a}} {
				if step[0] == reached[i] && !slices.Contains(reached, step[1]) {
					reached = append(reached, step[1])
				}
			}
		}
	}
	return anchors
}

// references lists the pairs (output, output that it refers to).
func (r *Request) references() (edges [][2]string) {
	for _, name := range slices.Sorted(maps.Keys(r.Facts)) {
		for _, field := range []string{FieldKey, FieldSubject} {
			if ref := r.Facts[name].ref(field); ref != nil && ref.From != "" {
				edges = append(edges, [2]string{name + "." + field, ref.From})
			}
		}
	}
	return edges
}

// isReferredTo tells whether another fact takes its value from this output.
func (r *Request) isReferredTo(fact, field string) bool {
	return slices.ContainsFunc(r.references(), func(e [2]string) bool { return e[1] == fact+"."+field })
}

// CheckTies checks against the schemas, by fact, that tied outputs can be equal at
// all: same text domain, same normalisation. A tie to a fact whose schema is not
// given is left to whoever has it.
func (r *Request) CheckTies(schemas map[string]*Schema) error {
	for _, edge := range r.references() {
		var domains [2]TextDomain
		for i, output := range edge {
			name, field, _ := strings.Cut(output, ".")
			if s := schemas[name]; s != nil {
				domains[i] = s.Domain(field)
			}
		}
		if domains[0].Name == "" || domains[1].Name == "" {
			continue // of a fact that somebody else proves
		}
		if !domains[0].Equal(domains[1]) {
			return fmt.Errorf("%w: %s cannot equal %s: their text domains are %q %v and %q %v", ErrBadRequest,
				edge[0], edge[1], domains[0].Name, domains[0].Normalise, domains[1].Name, domains[1].Normalise)
		}
	}
	return nil
}
