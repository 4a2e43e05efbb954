package registry

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// ndjsonReader reads one JSON object a line. Numbers keep their source text, null
// is an empty value, blank lines are skipped. Members that the schema does not
// name are ignored, but must be plain values all the same.
type ndjsonReader struct {
	lines  *lineReader
	fields *fields
	known  map[string][]int
	row    []cell
	any    bool // whether there was an object
}

func newNDJSONReader(lines *lineReader, fs *fields) *ndjsonReader {
	return &ndjsonReader{lines: lines, fields: fs, known: fs.byColumn(), row: make([]cell, len(fs.columns))}
}

func (n *ndjsonReader) next() ([]cell, error) {
	for {
		n.lines.startRow()
		line, err := n.lines.line()
		if err == io.EOF && !n.any {
			return nil, &ImportError{Line: 1, Column: 1, Cause: errEmptyFile}
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		n.any = true
		object := &objectLine{text: line, number: n.lines.number, decoder: json.NewDecoder(bytes.NewReader(line))}
		object.decoder.UseNumber()
		return n.row, n.object(object)
	}
}

// object reads one line into the row.
func (n *ndjsonReader) object(o *objectLine) error {
	clear(n.row)
	if tok, err := o.token(); err != nil || tok != json.Delim('{') {
		return o.wrong("", errNotObject)
	}
	seen := map[string]bool{}
	for o.decoder.More() {
		if err := n.member(o, seen); err != nil {
			return err
		}
	}
	if _, err := o.token(); err != nil {
		return o.wrong("", errNotObject)
	}
	end := int(o.decoder.InputOffset())
	if after := bytes.TrimLeft(o.text[end:], " \t\r\n"); len(after) > 0 {
		o.start = len(o.text) - len(after)
		return o.wrong("", errNotObject)
	}
	for i, name := range n.fields.columns {
		if n.row[i].line == 0 && !n.fields.optional(i) {
			return &ImportError{Line: o.number, Column: 1, Name: name, Cause: errNoColumn}
		}
	}
	return n.fields.whole(n.row)
}

func (n *ndjsonReader) member(o *objectLine, seen map[string]bool) error {
	tok, err := o.token()
	name, isName := tok.(string)
	if err != nil || !isName {
		return o.wrong("", errNotObject)
	}
	name = norm.NFC.String(name)
	label := ""
	if _, ok := n.known[name]; ok {
		label = name
	}
	if name == ChangeColumn && label == "" {
		return o.wrong(name, errChanges)
	}
	if seen[name] {
		return o.wrong(label, errMemberTwice)
	}
	seen[name] = true
	text, err := o.value()
	if err != nil {
		return o.wrong(label, err)
	}
	for _, field := range n.known[name] {
		n.row[field] = cell{text: text, line: o.number, column: o.start + 1}
	}
	return nil
}

// objectLine reads the tokens of one line and knows where they start.
type objectLine struct {
	text    []byte
	number  int
	decoder *json.Decoder
	start   int // offset of the last token
}

func (o *objectLine) wrong(name string, cause error) error {
	return &ImportError{Line: o.number, Column: o.start + 1, Name: name, Cause: cause}
}

// skipSpace moves start to the next token's first byte.
func (o *objectLine) skipSpace() {
	o.start = int(o.decoder.InputOffset())
	for o.start < len(o.text) && strings.IndexByte(" \t\r\n:,", o.text[o.start]) >= 0 {
		o.start++
	}
}

// token gives the next token; its errors are replaced, since encoding/json quotes
// the text in them.
func (o *objectLine) token() (json.Token, error) {
	o.skipSpace()
	tok, err := o.decoder.Token()
	if err != nil {
		return nil, errNotObject
	}
	if s, ok := tok.(string); ok && o.replaced(s) {
		return nil, errBadString
	}
	return tok, nil
}

// replaced tells whether the decoder put U+FFFD where the line has none.
func (o *objectLine) replaced(s string) bool {
	const replacement = string(utf8.RuneError)
	raw := o.text[o.start:o.decoder.InputOffset()]
	return strings.Count(s, replacement) > bytes.Count(raw, []byte(replacement))
}

// value gives the source text of a plain value.
func (o *objectLine) value() (string, error) {
	tok, err := o.token()
	if err != nil {
		return "", err
	}
	switch v := tok.(type) {
	case json.Delim:
		return "", errNested
	case json.Number:
		return v.String(), nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", nil // null
}
