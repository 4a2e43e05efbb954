package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// cutter takes a JSON document apart in one pass, without a look at its values but
// for where they end. A value that is no JSON stays that, for its own parser to refuse:
// every value has to be given to one.
type cutter struct {
	data []byte
	at   int
}

// members splits a JSON object into its members, whose values keep their bytes.
func members(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8")
	}
	out := map[string]json.RawMessage{}
	c := &cutter{data: data}
	if c.space(); !c.take('{') {
		return nil, errors.New("it is not a JSON object")
	}
	err := c.each('}', func() error {
		name, value, err := c.member()
		if err != nil {
			return err
		}
		if _, ok := out[name]; ok {
			return fmt.Errorf("member %q twice", name)
		}
		out[name] = value
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, c.end()
}

// elements splits a JSON array of at most so many elements.
func elements(data []byte, most int) ([]json.RawMessage, error) {
	var out []json.RawMessage
	c := &cutter{data: data}
	if c.space(); !c.take('[') {
		return nil, errors.New("not a JSON array")
	}
	err := c.each(']', func() error {
		if len(out) == most {
			return errTooLong
		}
		value, err := c.value()
		out = append(out, value)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, c.end()
}

// errTooLong: an array has more elements than are taken.
var errTooLong = errors.New("too many elements")

// each reads what stands between commas, up to a closing bracket.
func (c *cutter) each(closing byte, read func() error) error {
	if c.space(); c.take(closing) {
		return nil
	}
	for {
		if err := read(); err != nil {
			return err
		}
		c.space()
		switch {
		case c.take(closing):
			return nil
		case !c.take(','):
			return c.notJSON()
		}
		c.space()
	}
}

// member reads a name and its value. A name with an unpaired surrogate, which other
// readers may take for another name, is refused.
func (c *cutter) member() (name string, value json.RawMessage, err error) {
	start := c.at
	if !c.text() {
		return "", nil, c.notJSON()
	}
	if err := json.Unmarshal(c.data[start:c.at], &name); err != nil || strings.ContainsRune(name, utf8.RuneError) {
		return "", nil, c.notJSON()
	}
	c.space()
	if !c.take(':') {
		return "", nil, c.notJSON()
	}
	c.space()
	value, err = c.value()
	return name, value, err
}

// value gives the bytes of a value, as far as its quotes and brackets tell.
func (c *cutter) value() (json.RawMessage, error) {
	start, ok := c.at, false
	switch c.peek() {
	case '"':
		ok = c.text()
	case '{', '[':
		ok = c.nested()
	default:
		ok = c.word()
	}
	if !ok {
		return nil, c.notJSON()
	}
	return c.data[start:c.at:c.at], nil
}

// text passes a string.
func (c *cutter) text() bool {
	if !c.take('"') {
		return false
	}
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case '"':
			c.at++
			return true
		case '\\':
			c.at++
		}
		c.at++
	}
	return false
}

// nested passes an object or an array.
func (c *cutter) nested() bool {
	for depth := 0; c.at < len(c.data); {
		switch c.data[c.at] {
		case '"':
			if !c.text() {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		c.at++
		if depth == 0 {
			return true
		}
	}
	return false
}

// word passes a number, true, false or null.
func (c *cutter) word() bool {
	start := c.at
	for c.at < len(c.data) && bytes.IndexByte([]byte(",]} \t\r\n"), c.data[c.at]) < 0 {
		c.at++
	}
	return c.at > start
}

// peek gives the next byte, or 0 at the end.
func (c *cutter) peek() byte {
	if c.at >= len(c.data) {
		return 0
	}
	return c.data[c.at]
}

// take passes a byte if it is the next one.
func (c *cutter) take(b byte) bool {
	if c.at >= len(c.data) || c.data[c.at] != b {
		return false
	}
	c.at++
	return true
}

func (c *cutter) space() {
	for c.at < len(c.data) && bytes.IndexByte([]byte(" \t\r\n"), c.data[c.at]) >= 0 {
		c.at++
	}
}

// end wants nothing more.
func (c *cutter) end() error {
	if c.space(); c.at < len(c.data) {
		return fmt.Errorf("bytes after its end, at offset %d", c.at)
	}
	return nil
}

// notJSON says where, and not what: the offset is enough to find it.
func (c *cutter) notJSON() error { return fmt.Errorf("not JSON at offset %d", min(c.at, len(c.data))) }
