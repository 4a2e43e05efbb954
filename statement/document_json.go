package statement

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// jsonReader turns the tokens of a valid JSON document into nodes.
type jsonReader struct {
	dec     *json.Decoder
	data    []byte
	members int // so far
	// The place of offset at, from which the next place is counted.
	at, line, column int
}

func parseJSON(data []byte) (*node, error) {
	r := &jsonReader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1, column: 1}
	r.dec.UseNumber()
	return r.value(0)
}

// start makes a node at the place where the next token begins.
func (r *jsonReader) start() *node {
	next := int(r.dec.InputOffset())
	for next < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[next]) >= 0 {
		next++
	}
	for r.at < next {
		c, size := utf8.DecodeRune(r.data[r.at:])
		r.at += size
		if r.column++; c == '\n' {
			r.line, r.column = r.line+1, 1
		}
	}
	return &node{line: r.line, column: r.column, json: true}
}

func (r *jsonReader) value(depth int) (*node, error) {
	n := r.start()
	if depth > maxDocumentDepth {
		return nil, n.errorf("nested deeper than %d", maxDocumentDepth)
	}
	tok, err := r.dec.Token()
	if err != nil {
		return nil, n.errorf("%v", err)
	}
	switch t := tok.(type) {
	case json.Delim:
		if t == '{' {
			return n, r.object(n, depth)
		}
		return n, r.list(n, depth)
	case string:
		n.kind, n.text = nodeText, t
		return n, n.checkText()
	case json.Number:
		n.kind, n.text, n.bare = nodeText, t.String(), true
	case bool:
		n.kind, n.text, n.bare = nodeText, map[bool]string{true: "true", false: "false"}[t], true
	}
	return n, nil
}

func (r *jsonReader) list(n *node, depth int) error {
	n.kind = nodeList
	for r.dec.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := r.dec.Token()
	return err
}

func (r *jsonReader) object(n *node, depth int) error {
	n.kind = nodeObject
	for r.dec.More() {
		name, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		if r.members++; r.members > maxDocumentMembers {
			return name.errorf("over %d members", maxDocumentMembers)
		}
		if n.has(name.text) {
			return name.errorf("member %q twice", name.text)
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{name, value})
	}
	_, err := r.dec.Token()
	return err
}
