package statement

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// CompileWhere compiles the conditions of a request against a registry's schema:
// the canonical predicates, in [SortPredicates] order. Every error is an
// [*ExprError].
func CompileWhere(s *Schema, where []string) ([]Predicate, error) {
	c := &compiler{schema: s}
	for i, src := range where {
		e, err := parseExpression(src)
		if err == nil {
			err = c.condition(i, e)
		}
		var located *ExprError
		if errors.As(err, &located) {
			return nil, located.place(i, src)
		}
		if err != nil {
			return nil, err
		}
	}
	return SortPredicates(c.out), nil
}

// compiler gathers the predicates of one where list.
type compiler struct {
	schema *Schema
	out    []Predicate
	facts  possibilities
}

// condition compiles one boolean expression.
func (c *compiler) condition(where int, e *expr) error {
	if e.kind == exprAnd {
		if err := c.condition(where, e.kids[0]); err != nil {
			return err
		}
		return c.condition(where, e.kids[1])
	}
	p, err := c.predicate(e)
	if err != nil {
		return err
	}
	if len(c.out) == MaxPredicates {
		return inexpressible(e.start, "", "over %d conditions", MaxPredicates)
	}
	if err := c.tryLayout(e, p); err != nil {
		return err
	}
	if why := c.facts.add(c.schema, p); why != "" {
		return syntaxError(e.start, "", "together with the conditions before it, this cannot be true: %s", why)
	}
	c.out = append(c.out, p)
	return nil
}

// tryLayout asks the one judge of what a proof can hold.
func (c *compiler) tryLayout(e *expr, p Predicate) error {
	q := Question{Predicates: []Predicate{p}, Outputs: [NumOutputs]Output{OutputLeaf, OutputLeaf}}
	if _, err := q.Layout(c.schema); err != nil {
		_, why, ok := strings.Cut(err.Error(), ErrBadQuestion.Error()+": ")
		if !ok {
			why = err.Error()
		}
		return inexpressible(e.start, "", "%s", why)
	}
	return nil
}

func (c *compiler) predicate(e *expr) (Predicate, error) {
	switch e.kind {
	case exprCompare:
		return c.comparison(e)
	case exprIn:
		return c.set(e, OpIn, OpEqual)
	case exprName:
		return c.flag(e, "true")
	case exprNot:
		return c.negation(e)
	case exprProduct:
		return Predicate{}, syntaxError(e.start, "compare it: a * 3 <= b", "a product is not a condition")
	}
	return Predicate{}, syntaxError(e.start, "compare an attribute with it", "a literal is not a condition")
}

func (c *compiler) negation(e *expr) (Predicate, error) {
	kid := e.kids[0]
	switch kid.kind {
	case exprIn:
		return c.set(kid, OpNotIn, OpNotEqual)
	case exprName:
		return c.flag(kid, "false")
	case exprCompare:
		return Predicate{}, syntaxError(e.start, "write the opposite comparison, such as != for ==", "a comparison is not negated")
	case exprAnd:
		return Predicate{}, syntaxError(e.start, "&& is the only connective; negate single conditions", "a conjunction is not negated")
	}
	return Predicate{}, syntaxError(e.start, "write !(x in [a, b]) or !flag", "only in and a bool attribute are negated")
}

// flag compiles a bool attribute that stands by itself.
func (c *compiler) flag(e *expr, value string) (Predicate, error) {
	a, err := c.attribute(e)
	if err != nil {
		return Predicate{}, err
	}
	if a.Type != Bool {
		return Predicate{}, syntaxError(e.start, "compare it with something", "%q is a %s and no condition by itself", a.Name, a.Type)
	}
	return Predicate{Attribute: a.Name, Op: OpEqual, Values: []string{value}}, nil
}

// comparison compiles the six comparisons, by what stands on either side.
func (c *compiler) comparison(e *expr) (Predicate, error) {
	left, right, op := e.kids[0], e.kids[1], e.text
	if isConstant(left) {
		left, right, op = right, left, flipped(op)
	}
	switch {
	case isConstant(left):
		return Predicate{}, syntaxError(e.start, "compare an attribute", "neither side is an attribute")
	case right.kind == exprNull:
		return c.null(e, left, op)
	case right.isLiteral():
		return c.literal(left, op, right)
	}
	return c.pair(e, left, op, right)
}

func isConstant(e *expr) bool { return e.isLiteral() || e.kind == exprNull }

// flipped gives the operator with its sides exchanged.
func flipped(op string) string {
	return strings.NewReplacer("<", ">", ">", "<").Replace(op)
}

func (c *compiler) null(e, left *expr, op string) (Predicate, error) {
	a, err := c.attribute(left)
	if err != nil {
		return Predicate{}, err
	}
	switch {
	case op == "!=":
		return Predicate{Attribute: a.Name, Op: OpIsNotNull}, nil
	case op != "==":
		return Predicate{}, syntaxError(e.offset, "write x == null or x != null", "null has no order")
	case !a.Optional:
		return Predicate{}, syntaxError(e.start, "", "cannot be true: %q is not optional, so no record lacks it", a.Name)
	}
	return Predicate{Attribute: a.Name, Op: OpIsNull}, nil
}

// attribute resolves an expression that has to be a bare attribute.
func (c *compiler) attribute(e *expr) (Attribute, error) {
	switch e.kind {
	case exprName:
	case exprProduct:
		return Attribute{}, inexpressible(e.offset, "divide the literal instead", "factors need an attribute on both sides")
	case exprNot:
		return Attribute{}, syntaxError(e.offset, "put parentheses around what ! negates: !(x in [a, b])", "expected an attribute, found a negation")
	case exprCompare, exprIn, exprAnd:
		return Attribute{}, syntaxError(e.start, "", "expected an attribute, found a condition")
	default:
		return Attribute{}, syntaxError(e.offset, "", "expected an attribute, found a literal")
	}
	i := c.schema.Index(e.text)
	if i < 0 {
		return Attribute{}, c.unknown(e)
	}
	return c.schema.Attributes[i], nil
}

func (c *compiler) unknown(e *expr) error {
	err := &ExprError{Offset: e.offset, Msg: "unknown attribute " + strconv.Quote(e.text), kind: ErrUnknownAttribute}
	if e.text == "key" || e.text == "subject" {
		err.Hint = "the " + e.text + " is named beside where, as " + e.text + ": ..."
		return err
	}
	names := make([]string, len(c.schema.Attributes))
	for i, a := range c.schema.Attributes {
		names[i] = a.Name
	}
	if near := nearest(e.text, names); near != "" {
		err.Hint = "did you mean " + strconv.Quote(near) + "?"
	} else {
		err.Hint = "the attributes are " + strings.Join(names, ", ")
	}
	return err
}

// literal compiles an attribute against a value. A strict order becomes the other
// order against the neighbour, since values are integers inside.
func (c *compiler) literal(left *expr, op string, right *expr) (Predicate, error) {
	a, err := c.attribute(left)
	if err != nil {
		return Predicate{}, err
	}
	v, err := c.value(a, right)
	if err != nil {
		return Predicate{}, err
	}
	p := Predicate{Attribute: a.Name, Op: Op(op)}
	if p.Op != OpEqual && p.Op != OpNotEqual {
		if a.Type == Text || a.Type == Bool {
			return Predicate{}, syntaxError(left.start, "compare it by == or in", "a %s such as %q has no order", a.Type, a.Name)
		}
		if p.Op, v.Int, err = c.order(a, op, v.Int, right); err != nil {
			return Predicate{}, err
		}
	}
	p.Values = []string{c.schema.FormatValue(a, v)}
	return p, nil
}

func (c *compiler) order(a Attribute, op string, n int64, at *expr) (Op, int64, error) {
	lo, hi := a.Bounds()
	switch {
	case op == "<" && n <= lo:
		return "", 0, syntaxError(at.start, "", "cannot be true: no %s is less than %s", a.Type, c.schema.FormatValue(a, Value{Int: lo}))
	case op == ">" && n >= hi:
		return "", 0, syntaxError(at.start, "", "cannot be true: no %s is greater than %s", a.Type, c.schema.FormatValue(a, Value{Int: hi}))
	case op == "<":
		return OpAtMost, n - 1, nil
	case op == ">":
		return OpAtLeast, n + 1, nil
	}
	return Op(op), n, nil
}

// value reads a literal as a value of the attribute's type.
func (c *compiler) value(a Attribute, e *expr) (Value, error) {
	if !e.isLiteral() {
		return Value{}, syntaxError(e.start, "a set lists values; null is compared by == null", "expected a literal")
	}
	wants := map[Type]exprKind{Int: exprNumber, Decimal: exprNumber, Date: exprDate, Bool: exprBool, Text: exprString}
	if e.kind != wants[a.Type] {
		return Value{}, syntaxError(e.start, literalHint(a), "%q is a %s and does not compare with %s", a.Name, a.Type, literalName(e))
	}
	v, err := c.schema.ParseLiteral(a, e.text)
	if err != nil {
		return Value{}, syntaxError(e.start, "", "%s: %s", a.Name, strings.TrimPrefix(err.Error(), ErrBadValue.Error()+": "))
	}
	if strings.ContainsRune(v.Text, '\uFFFD') || strings.ContainsRune(v.Text, 0) {
		return Value{}, syntaxError(e.start, "", "the text holds U+FFFD or U+0000, which stand for broken text")
	}
	return v, nil
}

func literalName(e *expr) string {
	switch e.kind {
	case exprNumber:
		return "a number"
	case exprString:
		return "a string"
	case exprDate:
		return "a date"
	}
	return "true or false"
}

func literalHint(a Attribute) string {
	switch a.Type {
	case Text:
		return "put the text in quotes"
	case Date:
		return `write date("2026-01-31")`
	case Bool:
		return "write true or false"
	}
	return "write the number without quotes"
}

// set compiles membership; single is the operator where one member remains.
func (c *compiler) set(e *expr, op, single Op) (Predicate, error) {
	a, err := c.attribute(e.kids[0])
	if err != nil {
		return Predicate{}, err
	}
	var members []string
	for _, kid := range e.kids[1:] {
		v, err := c.value(a, kid)
		if err != nil {
			return Predicate{}, err
		}
		text := c.schema.FormatValue(a, v)
		if i, found := slices.BinarySearch(members, text); !found {
			members = slices.Insert(members, i, text)
		}
		if len(members) > MaxSet {
			return Predicate{}, inexpressible(kid.start, "", "the set has over %d members", MaxSet)
		}
	}
	if len(members) == 1 {
		op = single
	}
	return Predicate{Attribute: a.Name, Op: op, Values: members}, nil
}

func inexpressible(offset int, hint, format string, args ...any) *ExprError {
	err := syntaxError(offset, hint, format, args...)
	err.kind = ErrInexpressible
	return err
}
