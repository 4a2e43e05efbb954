package statement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/attestry/attestry/internal/canon"
)

// Op is the operator of a canonical predicate.
type Op string

// The operators. A strict order against a literal is written as the other order
// against its neighbour (a < 5 is a <= 4), so a literal has only <= and >=; two
// attributes have <=, <, == and != (a > b is b < a).
const (
	OpEqual     Op = "=="
	OpNotEqual  Op = "!="
	OpAtLeast   Op = ">="
	OpAtMost    Op = "<="
	OpLess      Op = "<" // attribute against attribute alone
	OpIn        Op = "in"
	OpNotIn     Op = "not in"
	OpIsNull    Op = "is null"
	OpIsNotNull Op = "is not null"
)

// Predicate is one condition on a record in its canonical form. Against literals,
// Values holds their canonical texts: one for an order or an equality, 2 to 16 in
// ascending byte order for a set, none for the null operators. Against another
// attribute, Other is its name and the condition reads
// Factor*Attribute op OtherFactor*Other.
type Predicate struct {
	Attribute   string   `json:"attribute"`
	Op          Op       `json:"op"`
	Values      []string `json:"values,omitempty"`
	Factor      int64    `json:"factor,omitempty"`
	Other       string   `json:"other,omitempty"`
	OtherFactor int64    `json:"other_factor,omitempty"`
}

// String gives the predicate as a person would write it.
func (p Predicate) String() string {
	switch {
	case p.Other != "":
		return fmt.Sprintf("%s %s %s", scaled(p.Attribute, p.Factor), p.Op, scaled(p.Other, p.OtherFactor))
	case p.Op == OpIsNull:
		return p.Attribute + " == null"
	case p.Op == OpIsNotNull:
		return p.Attribute + " != null"
	case p.Op == OpIn:
		return fmt.Sprintf("%s in [%s]", p.Attribute, strings.Join(p.Values, ", "))
	case p.Op == OpNotIn:
		return fmt.Sprintf("!(%s in [%s])", p.Attribute, strings.Join(p.Values, ", "))
	}
	return fmt.Sprintf("%s %s %s", p.Attribute, p.Op, strings.Join(p.Values, ", "))
}

func scaled(name string, factor int64) string {
	if factor == 1 {
		return name
	}
	return fmt.Sprintf("%s * %d", name, factor)
}

// compare orders predicates by their canonical JSON: the order of a question.
func (p Predicate) compare(o Predicate) int {
	a, errA := canon.Marshal(p)
	b, errB := canon.Marshal(o)
	if errA != nil || errB != nil {
		return strings.Compare(p.String(), o.String()) // not UTF-8: refused by validation
	}
	return slices.Compare(a, b)
}

// SortPredicates puts predicates in the order of a question and drops repeats.
func SortPredicates(ps []Predicate) []Predicate {
	ps = slices.Clone(ps)
	slices.SortFunc(ps, Predicate.compare)
	return slices.CompactFunc(ps, func(a, b Predicate) bool { return a.compare(b) == 0 })
}

// Output says which value of the record one of a proof's two hiding commitments
// holds: [OutputKey], [OutputSubject], [OutputLeaf] or [OutputAttribute] of a name.
type Output string

// The outputs that are not attributes. An output that nobody asked for commits to
// the leaf under fresh randomness, which says nothing.
const (
	OutputKey     Output = "key"
	OutputSubject Output = "subject"
	OutputLeaf    Output = "leaf"
	// OutputNone is the second output of a question of absence, which has one.
	OutputNone Output = "none"
)

const attributePrefix = "attribute:"

// OutputAttribute is the output of the attribute with this name.
func OutputAttribute(name string) Output { return Output(attributePrefix + name) }

// Attribute gives the attribute's name where the output is one.
func (o Output) Attribute() (name string, ok bool) {
	return strings.CutPrefix(string(o), attributePrefix)
}

// Question is what one proof says of one record. Its predicates are in
// [SortPredicates] order without repeats, and fit the slots of one proof.
type Question struct {
	// Absent says that no record has the key of the first output; then there are no
	// predicates and no other output.
	Absent     bool               `json:"absent,omitempty"`
	Predicates []Predicate        `json:"predicates"`
	Outputs    [NumOutputs]Output `json:"outputs"`
	// Holder says that the record has a holder tag, and so needed its secret.
	Holder bool `json:"holder,omitempty"`
}
