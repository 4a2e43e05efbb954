package canon

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// plain rewrites a document in its canonical form without building a tree, which
// is several times faster. It knows the documents that attestry itself writes:
// strings that are spelled canonically or as encoding/json spells them, names of printable
// ASCII, integers, booleans. Whatever else it meets, right or wrong, it leaves to the slow way, so
// that there is one place that refuses.
type plain struct {
	in, out []byte
	members []span // those of all open objects
	scratch []byte
}

// span is a member of an object: its name, and where in the output it is.
type span struct {
	name       []byte
	start, end int
}

// canonicalizePlain gives the canonical form, or false.
func canonicalizePlain(data []byte) ([]byte, bool) {
	p := plain{in: data, out: make([]byte, 0, len(data)), members: make([]span, 0, 16)}
	if !p.value(0) {
		return nil, false
	}
	p.space()
	return p.out, len(p.in) == 0
}

func (p *plain) space() {
	for len(p.in) > 0 && (p.in[0] == ' ' || p.in[0] == '\t' || p.in[0] == '\n' || p.in[0] == '\r') {
		p.in = p.in[1:]
	}
}

// next takes a byte, after white space, if it is this one.
func (p *plain) next(b byte) bool {
	p.space()
	if len(p.in) == 0 || p.in[0] != b {
		return false
	}
	p.in = p.in[1:]
	return true
}

// copy writes the first n bytes of the input.
func (p *plain) copy(n int) bool {
	p.out = append(p.out, p.in[:n]...)
	p.in = p.in[n:]
	return true
}

func (p *plain) value(depth int) bool {
	p.space()
	if len(p.in) == 0 || depth > maxDepth {
		return false
	}
	switch b := p.in[0]; {
	case b == '"':
		_, _, ok := p.text()
		return ok
	case b == '{':
		return p.object(depth)
	case b == '[':
		return p.array(depth)
	case b == '-' || b >= '0' && b <= '9':
		return p.integer()
	}
	for _, word := range []string{"true", "false"} {
		if bytes.HasPrefix(p.in, []byte(word)) {
			return p.copy(len(word))
		}
	}
	return false
}

// text writes a string. ascii says that it is printable ASCII without an escape: then it
// is given, too, without its quotes.
func (p *plain) text() (text []byte, ascii, ok bool) {
	ascii = true
	for i := 1; i < len(p.in); {
		b := p.in[i]
		if b == '"' {
			if ascii {
				text = p.in[1:i]
			}
			return text, ascii, p.copy(i + 1)
		}
		if c := escapedForHTML(p.in[i:]); c != 0 {
			ascii = false
			p.copy(i)
			p.out = append(p.out, c)
			p.in, i = p.in[escapeBytes:], 0
			continue
		}
		n := 1
		if b < ' ' || b > '~' || b == '\\' {
			ascii = false
			if n = canonicalLength(p.in[i:]); n == 0 {
				return nil, false, false
			}
		}
		i += n
	}
	return nil, false, false
}

// escapeBytes is the length of an escape of four digits.
const escapeBytes = len(`\u0000`)

// escapedForHTML gives the character that encoding/json escapes at the start of a text,
// though JSON need not, so that the text can stand in HTML; 0: it begins with none.
func escapedForHTML(in []byte) byte {
	if len(in) < escapeBytes || in[0] != '\\' || string(in[1:4]) != "u00" {
		return 0
	}
	switch string(in[4:escapeBytes]) {
	case "3c", "3C":
		return '<'
	case "3e", "3E":
		return '>'
	case "26":
		return '&'
	}
	return 0
}

// canonicalLength gives the length of an escape, or of a character beyond ASCII, that
// a string begins with, or 0 where its canonical form could be another one.
func canonicalLength(in []byte) int {
	if in[0] == '\\' {
		if len(in) > 1 && bytes.IndexByte([]byte(`btnfr"\`), in[1]) >= 0 {
			return 2
		}
		return 0
	}
	if r, n := utf8.DecodeRune(in); in[0] >= utf8.RuneSelf && r != utf8.RuneError {
		return n
	}
	return 0
}

func (p *plain) integer() bool {
	n := 1
	for n < len(p.in) && (p.in[n] >= '0' && p.in[n] <= '9') {
		n++
	}
	if _, err := parseInteger(string(p.in[:n])); err != nil {
		return false
	}
	return p.copy(n)
}

func (p *plain) array(depth int) bool {
	p.in = p.in[1:]
	p.out = append(p.out, '[')
	for first := true; !p.next(']'); first = false {
		if !first {
			if !p.next(',') {
				return false
			}
			p.out = append(p.out, ',')
		}
		if !p.value(depth + 1) {
			return false
		}
	}
	p.out = append(p.out, ']')
	return true
}

func (p *plain) object(depth int) bool {
	p.in = p.in[1:]
	p.out = append(p.out, '{')
	open := len(p.members)
	for first := true; !p.next('}'); first = false {
		if !first {
			if !p.next(',') {
				return false
			}
			p.out = append(p.out, ',')
		}
		if !p.member(depth) {
			return false
		}
	}
	ok := p.sort(p.members[open:])
	p.members = p.members[:open]
	p.out = append(p.out, '}')
	return ok
}

func (p *plain) member(depth int) bool {
	p.space()
	if len(p.in) == 0 || p.in[0] != '"' {
		return false
	}
	start := len(p.out)
	name, ascii, ok := p.text()
	if !ok || !ascii || !p.next(':') {
		return false
	}
	p.out = append(p.out, ':')
	if !p.value(depth + 1) {
		return false
	}
	p.members = append(p.members, span{name, start, len(p.out)})
	return true
}

// sort puts the members of one object, which end the output, in order. Of ASCII
// the order of bytes is that of UTF-16. It refuses a name that comes twice.
func (p *plain) sort(members []span) bool {
	sorted := true
	for i := 1; i < len(members) && sorted; i++ {
		sorted = bytes.Compare(members[i-1].name, members[i].name) < 0
	}
	if sorted {
		return true
	}
	start := members[0].start
	slices.SortFunc(members, func(a, b span) int { return bytes.Compare(a.name, b.name) })
	p.scratch = p.scratch[:0]
	for i, m := range members {
		if i > 0 {
			if bytes.Equal(members[i-1].name, m.name) {
				return false
			}
			p.scratch = append(p.scratch, ',')
		}
		p.scratch = append(p.scratch, p.out[m.start:m.end]...)
	}
	p.out = append(p.out[:start], p.scratch...)
	return true
}
