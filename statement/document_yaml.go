package statement

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml/ast"
	yamllexer "github.com/goccy/go-yaml/lexer"
	yamlparser "github.com/goccy/go-yaml/parser"
	yamltoken "github.com/goccy/go-yaml/token"
)

// parseYAML reads one YAML document without what lets a document mean something
// else than it shows: anchors, aliases, tags, merge keys, directives.
func parseYAML(data []byte) (n *node, err error) {
	defer func() {
		// The parser is another project's and its input may come from anyone.
		if r := recover(); r != nil {
			n, err = nil, &documentError{1, 1, "not a YAML document that can be read"}
		}
	}()
	tokens := yamllexer.Tokenize(string(data))
	if err := checkShape(tokens); err != nil {
		return nil, err
	}
	file, err := yamlparser.Parse(tokens, 0)
	if err != nil {
		return nil, yamlError(err)
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil {
			bodies = append(bodies, d.Body)
		}
	}
	if len(bodies) == 0 {
		return nil, &documentError{1, 1, "the document is empty"}
	}
	if len(bodies) > 1 {
		at := yamlPlace(bodies[1])
		return nil, at.errorf("more than one document, or a directive")
	}
	return yamlNode(bodies[0], 0)
}

// checkShape counts members, and the nesting that costs no indentation, so that
// hostile input exhausts neither the stack nor the clock of the parser.
func checkShape(tokens yamltoken.Tokens) error {
	flow, entries, line, members := 0, 0, 0, 0
	for _, t := range tokens {
		at := &node{line: t.Position.Line, column: t.Position.Column}
		if at.line != line {
			line, entries = at.line, 0
		}
		switch t.Type {
		case yamltoken.SequenceStartType, yamltoken.MappingStartType:
			flow++
		case yamltoken.SequenceEndType, yamltoken.MappingEndType:
			flow--
		case yamltoken.SequenceEntryType, yamltoken.MappingKeyType, yamltoken.TagType, yamltoken.AnchorType:
			entries++
		case yamltoken.MappingValueType:
			members++
		}
		if flow > maxDocumentDepth || entries > maxDocumentDepth {
			return at.errorf("nested deeper than %d", maxDocumentDepth)
		}
		if members > maxDocumentMembers {
			return at.errorf("over %d members", maxDocumentMembers)
		}
	}
	return nil
}

// locatedYAML is what the parser's errors are.
type locatedYAML interface {
	error
	GetToken() *yamltoken.Token
	GetMessage() string
}

func yamlError(err error) error {
	var located locatedYAML
	if errors.As(err, &located) && located.GetToken() != nil {
		at := located.GetToken().Position
		return &documentError{at.Line, at.Column, located.GetMessage()}
	}
	msg, _, _ := strings.Cut(err.Error(), "\n")
	return &documentError{1, 1, msg}
}

// yamlPlace makes a node at the place of a YAML node: that of its first token,
// which for a block mapping is its first key.
func yamlPlace(y ast.Node) *node {
	if m, ok := y.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		y = m.Values[0].Key
	}
	if m, ok := y.(*ast.MappingValueNode); ok {
		y = m.Key
	}
	at := y.GetToken().Position
	return &node{line: at.Line, column: at.Column}
}

func yamlNode(y ast.Node, depth int) (*node, error) {
	n := yamlPlace(y)
	if depth > maxDocumentDepth {
		return nil, n.errorf("nested deeper than %d", maxDocumentDepth)
	}
	switch y := y.(type) {
	case *ast.NullNode:
		return n, nil
	case *ast.StringNode:
		n.kind, n.text = nodeText, y.Value
		n.bare = y.Token.Type == yamltoken.StringType
		return n, n.checkText()
	case *ast.LiteralNode:
		n.kind, n.text = nodeText, y.Value.Value
		return n, n.checkText()
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text, n.bare = nodeText, y.GetToken().Value, true
		return n, n.checkText()
	case *ast.SequenceNode:
		return n, n.yamlList(y, depth)
	case *ast.MappingNode:
		return n, n.yamlMembers(y.Values, depth)
	case *ast.MappingValueNode:
		return n, n.yamlMembers([]*ast.MappingValueNode{y}, depth)
	case *ast.TagNode:
		return nil, n.errorf("a value does not begin with an exclamation mark: put quotes around it")
	case *ast.AnchorNode, *ast.AliasNode:
		return nil, n.errorf("no anchors and aliases: write the value, or put quotes around it")
	}
	return nil, n.errorf("not a part of YAML that is used here")
}

func (n *node) yamlList(y *ast.SequenceNode, depth int) error {
	n.kind = nodeList
	for _, v := range y.Values {
		item, err := yamlNode(v, depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	return nil
}

func (n *node) yamlMembers(values []*ast.MappingValueNode, depth int) error {
	n.kind = nodeObject
	for _, v := range values {
		name := yamlPlace(v.Key)
		key, ok := v.Key.(ast.ScalarNode)
		if !ok || v.Key.IsMergeKey() {
			return name.errorf("a member's name is a plain text")
		}
		spelled, err := yamlNode(key, depth+1)
		if err != nil {
			return err
		}
		if spelled.kind != nodeText {
			return name.errorf("a member's name is a plain text")
		}
		if n.has(spelled.text) {
			return name.errorf("member %q twice", spelled.text)
		}
		value, err := yamlNode(v.Value, depth+1)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{spelled, value})
	}
	return nil
}
