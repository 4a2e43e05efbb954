package statement

import (
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// AbsentQuestion is the question of a proof of absence: an output commits to the
// key that no record has.
func AbsentQuestion() Question {
	return Question{Absent: true, Predicates: []Predicate{}, Outputs: [NumOutputs]Output{OutputKey, OutputNone}}
}

// checkAbsent tells why a question of absence is not the one that there is.
func (q *Question) checkAbsent(outputs [NumOutputs]fr.Element) error {
	want := AbsentQuestion()
	if len(q.Predicates) != 0 || q.Holder || q.Outputs != want.Outputs || !outputs[1].IsZero() {
		return fmt.Errorf("%w: a question of absence has one output, the key, and nothing else", ErrBadQuestion)
	}
	return nil
}

// Q gives the hash that a statement holds of its question, outputs, context and
// blind. It fails with [ErrBadQuestion] where the question is not canonical.
func (q *Question) Q(s *Schema, outputs [NumOutputs]fr.Element, context, blind fr.Element) (fr.Element, error) {
	if q.Absent {
		return AbsentQ(outputs[0], context, blind), q.checkAbsent(outputs)
	}
	layout, err := q.Layout(s)
	if err != nil {
		return fr.Element{}, err
	}
	return Private{Layout: layout, Outputs: outputs, Context: context, Blind: blind}.Q(), nil
}
