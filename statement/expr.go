package statement

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// Limits of the where list of a request.
const (
	// MaxExpression is the size of one expression in bytes.
	MaxExpression = 4096
	// MaxNesting is how deep parentheses and negations nest.
	MaxNesting = 32
	// MaxPredicates is how many conditions one fact has, over all its expressions.
	MaxPredicates = 64
)

// ExprError says what is wrong with an expression, and where. It wraps
// [ErrBadExpression], [ErrInexpressible] or [ErrUnknownAttribute].
type ExprError struct {
	Where  int // index of the expression in the where list, from 0
	Offset int // in bytes, from 0
	Column int // in characters, from 1
	Msg    string
	Hint   string // what to write instead, if there is such a thing
	kind   error
}

// Error implements error.
func (e *ExprError) Error() string {
	text := fmt.Sprintf("where[%d], column %d: %s", e.Where, e.Column, e.Msg)
	if e.Hint != "" {
		text += " (hint: " + e.Hint + ")"
	}
	return text
}

// Unwrap gives the sentinel error of the failure's kind.
func (e *ExprError) Unwrap() error { return e.kind }

// place completes the error with the expression that it is about.
func (e *ExprError) place(where int, src string) *ExprError {
	e.Where = where
	e.Offset = min(e.Offset, len(src))
	e.Column = utf8.RuneCountInString(src[:e.Offset]) + 1
	return e
}

type exprKind int

const (
	exprName    exprKind = iota
	exprNumber           // text is a whole number or a decimal, perhaps with a minus
	exprString           // text is the value
	exprDate             // text is the argument of date("...")
	exprBool             // text is true or false
	exprNull             //
	exprNot              // one child
	exprProduct          // two children
	exprCompare          // two children; text is the operator
	exprIn               // the first child in the others
	exprAnd              // two children
)

// expr is the parsed form of an expression: what the grammar allows, before the
// schema's types are looked at. offset points at the operator where there is one
// between two children, since that is where the eye looks.
type expr struct {
	kind   exprKind
	text   string
	offset int
	start  int // of the whole expression
	kids   []*expr
}

func (e *expr) isLiteral() bool {
	return e.kind == exprNumber || e.kind == exprString || e.kind == exprDate || e.kind == exprBool
}

// parser is a recursive descent over CEL's grammar, cut down to the language:
//
//	conjunction = relation { "&&" relation }
//	relation    = product [ ("==" | "!=" | "<" | "<=" | ">" | ">=") product | "in" list ]
//	product     = unary [ "*" unary ]
//	unary       = "!" unary | [ "-" ] number | primary
//	primary     = literal | name | "date" "(" string ")" | "(" conjunction ")"
//	list        = "[" unary { "," unary } "]"
type parser struct {
	tokens []token
	depth  int
}

func parseExpression(src string) (*expr, error) {
	if len(src) > MaxExpression {
		return nil, syntaxError(MaxExpression, "make it several expressions: all of them have to hold", "the expression is longer than %d bytes", MaxExpression)
	}
	for i, r := range src {
		if r == 0 || r == utf8.RuneError {
			return nil, syntaxError(i, "", "the expression is not clean UTF-8")
		}
	}
	tokens, err := tokenize(src)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	if p.peek().kind == tokenEnd {
		return nil, syntaxError(0, "leave it out of the list", "the expression is empty")
	}
	e, err := p.conjunction()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, unexpected(t)
	}
	return e, nil
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) take() token {
	t := p.tokens[0]
	if t.kind != tokenEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

// nested runs a rule one level deeper.
func (p *parser) nested(at token, rule func() (*expr, error)) (*expr, error) {
	if p.depth++; p.depth > MaxNesting {
		return nil, syntaxError(at.offset, "", "the expression is nested deeper than %d", MaxNesting)
	}
	defer func() { p.depth-- }()
	return rule()
}

func (p *parser) conjunction() (*expr, error) {
	left, err := p.relation()
	for err == nil && p.peek().is("&&") {
		op := p.take()
		var right *expr
		if right, err = p.relation(); err == nil {
			left = &expr{kind: exprAnd, offset: op.offset, start: left.start, kids: []*expr{left, right}}
		}
	}
	return left, err
}

var comparisons = [...]string{"==", "!=", "<", "<=", ">", ">="}

func (t token) isComparison() bool {
	return t.kind == tokenOperator && slices.Contains(comparisons[:], t.text)
}

func (p *parser) relation() (*expr, error) {
	left, err := p.product()
	if err != nil {
		return nil, err
	}
	op := p.peek()
	switch {
	case op.isComparison():
		p.take()
		right, err := p.product()
		if err != nil {
			return nil, err
		}
		left = &expr{kind: exprCompare, text: op.text, offset: op.offset, start: left.start, kids: []*expr{left, right}}
	case op.name("in"):
		p.take()
		members, err := p.list()
		if err != nil {
			return nil, err
		}
		left = &expr{kind: exprIn, offset: op.offset, start: left.start, kids: append([]*expr{left}, members...)}
	}
	if t := p.peek(); op != t && (t.isComparison() || t.name("in")) {
		return nil, syntaxError(t.offset, "write a < b && b < c", "comparisons do not chain")
	}
	return left, nil
}

func (p *parser) list() ([]*expr, error) {
	if t := p.take(); !t.is("[") {
		return nil, syntaxError(t.offset, `write x in ["a", "b"]`, "expected a list of literals after in, found %s", t.describe())
	}
	var members []*expr
	for {
		if t := p.peek(); t.is("]") && len(members) == 0 {
			return nil, syntaxError(t.offset, "", "the list is empty")
		} else if t.is("]") {
			return nil, syntaxError(t.offset, "leave the last comma out", "expected another member")
		}
		member, err := p.unary()
		if err != nil {
			return nil, err
		}
		members = append(members, member)
		switch t := p.take(); {
		case t.is("]"):
			return members, nil
		case !t.is(","):
			return nil, syntaxError(t.offset, "", "expected , or ] in the list, found %s", t.describe())
		}
	}
}

func (p *parser) product() (*expr, error) {
	left, err := p.unary()
	for err == nil && p.peek().is("*") {
		op := p.take()
		var right *expr
		if right, err = p.unary(); err == nil {
			left = &expr{kind: exprProduct, offset: op.offset, start: left.start, kids: []*expr{left, right}}
		}
	}
	return left, err
}

func (p *parser) unary() (*expr, error) {
	t := p.peek()
	switch {
	case t.is("!"):
		p.take()
		kid, err := p.nested(t, p.unary)
		if err != nil {
			return nil, err
		}
		return &expr{kind: exprNot, offset: t.offset, start: t.offset, kids: []*expr{kid}}, nil
	case t.is("-"):
		p.take()
		n := p.take()
		if n.kind != tokenInt && n.kind != tokenDecimal {
			return nil, syntaxError(t.offset, "compare with a negative number instead", "a minus stands only before a number")
		}
		return &expr{kind: exprNumber, text: "-" + n.text, offset: t.offset, start: t.offset}, nil
	}
	return p.primary()
}

func (p *parser) primary() (*expr, error) {
	t := p.take()
	e := &expr{text: t.text, offset: t.offset, start: t.offset}
	switch {
	case t.kind == tokenInt, t.kind == tokenDecimal:
		e.kind = exprNumber
	case t.kind == tokenString:
		e.kind = exprString
	case t.kind == tokenName:
		return p.named(t)
	case t.is("("):
		inner, err := p.nested(t, p.conjunction)
		if err != nil {
			return nil, err
		}
		if c := p.take(); !c.is(")") {
			return nil, unexpectedInstead(c, ")")
		}
		return inner, nil
	default:
		return nil, unexpected(t)
	}
	return e, nil
}

// named reads what begins with a name: a constant, date("..."), an attribute.
func (p *parser) named(t token) (*expr, error) {
	e := &expr{kind: exprName, text: t.text, offset: t.offset, start: t.offset}
	next := p.peek()
	switch {
	case t.text == "true", t.text == "false":
		e.kind = exprBool
	case t.text == "null":
		e.kind = exprNull
	case t.text == "in":
		return nil, unexpected(t)
	case next.is("(") && t.text == "date":
		return p.date(t)
	case next.is("("):
		return nil, syntaxError(t.offset, `date("2026-01-31") is the only function`, "no function %q", t.text)
	case next.is("."):
		return nil, syntaxError(next.offset, "attributes are named by themselves", "there are no fields")
	case next.is("["):
		return nil, syntaxError(next.offset, "", "there is no indexing")
	case next.is("{"):
		return nil, syntaxError(next.offset, "", "there are no messages")
	}
	return e, nil
}

func (p *parser) date(t token) (*expr, error) {
	p.take()
	arg := p.take()
	if arg.kind != tokenString {
		return nil, syntaxError(arg.offset, `write date("2026-01-31")`, "date takes one string, found %s", arg.describe())
	}
	if c := p.take(); !c.is(")") {
		return nil, unexpectedInstead(c, ")")
	}
	return &expr{kind: exprDate, text: arg.text, offset: t.offset, start: t.offset}, nil
}

func unexpectedInstead(t token, want string) *ExprError {
	if err := unexpected(t); err.Hint != "" {
		return err
	}
	return syntaxError(t.offset, "", "expected %q, found %s", want, t.describe())
}

const hintArithmetic = "the only arithmetic is an attribute times a whole number, as in a * 3 <= b * 2"

// unexpected refuses a token, with the hint for what people write in its place.
func unexpected(t token) *ExprError {
	if t.kind == tokenOperator || t.kind == tokenName {
		if hint := refusedHint(t.text); hint != "" {
			return syntaxError(t.offset, hint, "%q is not part of the language", t.text)
		}
	}
	return syntaxError(t.offset, "", "unexpected %s", t.describe())
}

func refusedHint(word string) string {
	switch word {
	case "||", "|", "or", "OR":
		return "&& is the only connective; alternatives of one attribute are written x in [a, b]"
	case "?", ":":
		return "&& is the only connective; make two requests"
	case "+", "-", "/", "%":
		return hintArithmetic
	case "=":
		return "equality is written =="
	case "<>":
		return "inequality is written !="
	case "&", "and", "AND", ";":
		return "the connective is written &&"
	case "not", "NOT":
		return "write !(x in [a, b]) or x != a"
	case "is", "IS":
		return "write x == null"
	case "IN":
		return "write in"
	case "between", "BETWEEN":
		return "write x >= a && x <= b"
	case "like", "LIKE", "matches", "contains":
		return "texts are compared whole, by == and in"
	case "//":
		return "there are no comments in an expression"
	}
	return ""
}
