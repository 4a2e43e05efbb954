package statement

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a schema or request as a document, well over what the largest has.
const (
	maxDocument        = 1 << 18 // bytes
	maxDocumentDepth   = 32
	maxDocumentMembers = 2048 // over all its objects: finding repeated ones is quadratic
)

type nodeKind int

const (
	nodeNull nodeKind = iota
	nodeText
	nodeList
	nodeObject
)

func (k nodeKind) String() string {
	return [...]string{"null", "a value", "a list", "an object"}[k]
}

// node is a YAML or JSON document as text and structure: scalars are kept as
// they are spelled, so that 0012 stays 0012 and an instant stays what was typed.
type node struct {
	kind         nodeKind
	line, column int // from 1; columns in characters
	text         string
	bare         bool // the scalar had no quotes, so it may be a number or a truth value
	json         bool // and then, in JSON, it can be nothing else
	items        []*node
	members      []member
}

type member struct {
	name  *node
	value *node
}

// documentError is an error at a place of a document.
type documentError struct {
	line, column int
	msg          string
}

func (e *documentError) Error() string {
	return fmt.Sprintf("line %d:%d: %s", e.line, e.column, e.msg)
}

func (n *node) errorf(format string, args ...any) error {
	return &documentError{n.line, n.column, fmt.Sprintf(format, args...)}
}

// parseDocument reads one YAML or JSON document. What begins with a brace and is
// a JSON text is JSON; everything else is YAML, of which JSON is all but a part.
func parseDocument(data []byte) (*node, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(data) > maxDocument {
		return nil, &documentError{1, 1, fmt.Sprintf("the document has over %d bytes", maxDocument)}
	}
	if err := checkCharacters(data); err != nil {
		return nil, err
	}
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(data) {
		return parseJSON(data)
	}
	return parseYAML(data)
}

// checkCharacters refuses what is not text: broken UTF-8, control characters, and
// the replacement character, which stands for text that something broke before.
func checkCharacters(data []byte) error {
	line, column := 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return &documentError{line, column, "not UTF-8"}
		case r == utf8.RuneError:
			return &documentError{line, column, "U+FFFD, which stands for broken text"}
		case r < ' ' && r != '\n' && r != '\r' && r != '\t':
			return &documentError{line, column, fmt.Sprintf("control character %U", r)}
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
		data = data[size:]
	}
	return nil
}

// checkText refuses in a scalar what an escape can smuggle past checkCharacters.
func (n *node) checkText() error {
	if strings.ContainsRune(n.text, 0) || strings.ContainsRune(n.text, utf8.RuneError) || !utf8.ValidString(n.text) {
		return n.errorf("the text holds U+0000, U+FFFD or an unpaired surrogate")
	}
	return nil
}

// fields says how to read each member of an object.
type fields map[string]func(*node) error

// object reads an object whose members are all known and occur once.
func (n *node) object(f fields) error {
	if n.kind != nodeObject {
		return n.errorf("expected an object, found %v", n.kind)
	}
	for _, m := range n.members {
		read, ok := f[m.name.text]
		if !ok {
			return m.name.unknown(slices.Sorted(maps.Keys(f)))
		}
		if err := read(m.value); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) unknown(known []string) error {
	if near := nearest(n.text, known); near != "" {
		return n.errorf("unknown member %q (did you mean %q?)", n.text, near)
	}
	return n.errorf("unknown member %q (known are %s)", n.text, strings.Join(known, ", "))
}

// has tells whether an object has the member.
func (n *node) has(name string) bool {
	return slices.ContainsFunc(n.members, func(m member) bool { return m.name.text == name })
}

func (n *node) scalar(want string) error {
	switch n.kind {
	case nodeText:
		return nil
	case nodeNull:
		return n.errorf("expected %s, found nothing: leave the member out, or put quotes around a text that reads null", want)
	}
	return n.errorf("expected %s, found %v", want, n.kind)
}

// intoText reads a text: any scalar of YAML as it is spelled, a string of JSON.
func intoText[T ~string](to *T) func(*node) error {
	return func(n *node) error {
		if err := n.scalar("a text"); err != nil {
			return err
		}
		if n.json && n.bare {
			return n.errorf("expected a text: put it in quotes")
		}
		*to = T(n.text)
		return n.checkText()
	}
}

func intoBool(to *bool) func(*node) error {
	return func(n *node) error {
		if n.kind != nodeText || !n.bare || n.text != "true" && n.text != "false" {
			return n.errorf("expected true or false")
		}
		*to = n.text == "true"
		return nil
	}
}

// intoList reads a list by a function that reads one item into a new element.
func intoList[T any](to *[]T, read func(*T) func(*node) error) func(*node) error {
	return func(n *node) error {
		if n.kind != nodeList {
			return n.errorf("expected a list, found %v", n.kind)
		}
		for _, item := range n.items {
			var v T
			if err := read(&v)(item); err != nil {
				return err
			}
			*to = append(*to, v)
		}
		return nil
	}
}

// intoMap reads an object whose members' names are free.
func intoMap[T any](to *map[string]T, read func(*T) func(*node) error) func(*node) error {
	return func(n *node) error {
		if n.kind != nodeObject {
			return n.errorf("expected an object, found %v", n.kind)
		}
		*to = make(map[string]T, len(n.members))
		for _, m := range n.members {
			var v T
			if err := read(&v)(m.value); err != nil {
				return err
			}
			(*to)[m.name.text] = v
		}
		return nil
	}
}
