package statement

import (
	"fmt"
	"strconv"
	"strings"
)

// Expression writes a canonical predicate in the language of requests:
// [CompileWhere] gives it back. [Predicate.String] is the shorter form for people.
func (p Predicate) Expression(s *Schema) (string, error) {
	_, a, err := s.attribute(p.Attribute)
	if err != nil {
		return "", err
	}
	literals := make([]string, len(p.Values))
	for i, text := range p.Values {
		literals[i] = expressionLiteral(a, text)
	}
	list := strings.Join(literals, ", ")
	switch p.Op {
	case OpIsNull:
		return a.Name + " == null", nil
	case OpIsNotNull:
		return a.Name + " != null", nil
	case OpIn:
		return fmt.Sprintf("%s in [%s]", a.Name, list), nil
	case OpNotIn:
		return fmt.Sprintf("!(%s in [%s])", a.Name, list), nil
	}
	if p.Other != "" {
		return p.String(), nil
	}
	return fmt.Sprintf("%s %s %s", a.Name, p.Op, list), nil
}

func expressionLiteral(a Attribute, text string) string {
	switch a.Type {
	case Text:
		return strconv.Quote(text)
	case Date:
		return "date(" + strconv.Quote(text) + ")"
	}
	return text
}
