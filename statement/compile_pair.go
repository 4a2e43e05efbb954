package statement

import (
	"strconv"
	"strings"
)

// side is one side of a comparison of two attributes: factor * attribute.
type side struct {
	Attribute
	factor int64
}

// pair compiles attribute against attribute. Only == != <= and < are canonical,
// and the symmetric two name the smaller attribute first.
func (c *compiler) pair(e, left *expr, op string, right *expr) (Predicate, error) {
	x, err := c.side(left)
	if err != nil {
		return Predicate{}, err
	}
	y, err := c.side(right)
	if err != nil {
		return Predicate{}, err
	}
	if err := c.checkSides(e, x, y, op); err != nil {
		return Predicate{}, err
	}
	symmetric := op == "==" || op == "!="
	if op == ">" || op == ">=" || symmetric && x.Name > y.Name {
		x, y, op = y, x, flipped(op)
	}
	return Predicate{
		Attribute: x.Name, Op: Op(op), Factor: x.factor,
		Other: y.Name, OtherFactor: y.factor,
	}, nil
}

func (c *compiler) checkSides(e *expr, x, y side, op string) error {
	numeric := func(t Type) bool { return t == Int || t == Decimal }
	bothNumeric := numeric(x.Type) && numeric(y.Type)
	switch {
	case x.Name == y.Name:
		return syntaxError(e.offset, "", "%q is compared with itself", x.Name)
	case !bothNumeric && x.Type != y.Type:
		return syntaxError(e.offset, "", "%q is a %s and %q a %s: they do not compare", x.Name, x.Type, y.Name, y.Type)
	case !bothNumeric && (x.factor != 1 || y.factor != 1):
		return syntaxError(e.offset, "", "a %s has no multiples", x.Type)
	case (x.Type == Text || x.Type == Bool) && op != "==" && op != "!=":
		return syntaxError(e.offset, "compare them by == or !=", "a %s has no order", x.Type)
	case x.Type == Text && !c.schema.Domain(x.Name).Equal(c.schema.Domain(y.Name)):
		return syntaxError(e.offset, "the schema would have to give them the same domain", "the texts %q and %q are of different domains", x.Name, y.Name)
	}
	return nil
}

// side reads a, a * 3 or 3 * a.
func (c *compiler) side(e *expr) (side, error) {
	if e.kind != exprProduct {
		a, err := c.attribute(e)
		return side{a, 1}, err
	}
	name, number := e.kids[0], e.kids[1]
	if name.kind == exprNumber {
		name, number = number, name
	}
	switch {
	case name.kind == exprProduct || number.kind == exprProduct:
		return side{}, syntaxError(e.offset, "multiply the factors out", "one factor for each attribute")
	case name.kind == exprName && number.kind == exprName:
		return side{}, inexpressible(e.offset, "a factor is a whole number", "attributes are not multiplied with each other")
	case number.kind != exprNumber || name.kind != exprName:
		return side{}, syntaxError(e.offset, hintArithmetic, "expected an attribute times a whole number")
	}
	a, err := c.attribute(name)
	if err != nil {
		return side{}, err
	}
	factor, err := c.factor(number)
	return side{a, factor}, err
}

func (c *compiler) factor(e *expr) (int64, error) {
	if strings.ContainsAny(e.text, ".-") {
		return 0, syntaxError(e.start, "multiply both sides until the factors are positive whole numbers", "a factor is a positive whole number")
	}
	n, err := strconv.ParseInt(e.text, 10, 64)
	if err != nil || n > MaxFactor {
		return 0, inexpressible(e.start, "divide both sides by a common factor", "the factor is over %d", MaxFactor)
	}
	if n == 0 {
		return 0, syntaxError(e.start, "", "a factor of 0 compares nothing")
	}
	return n, nil
}
