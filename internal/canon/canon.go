// Package canon reads and writes the JSON of attestry's permanent formats.
//
// What is hashed or signed is written in the canonical form of RFC 8785, over
// the part of JSON that attestry uses: objects, arrays, strings, booleans and
// integers that a float64 holds exactly. Larger integers are strings, bytes
// are base64. What is read may order its members and space itself freely, and in
// nothing else differ from what would be written: [Unmarshal] re-encodes what it
// decoded and compares, so that unknown, duplicate, missing or differently
// spelled members, other number spellings and sloppy base64 are refused without
// a rule for each.
package canon

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrMalformed is wrapped by every error of this package that the input caused.
var ErrMalformed = errors.New("malformed JSON")

// maxDepth bounds nesting, so that hostile input cannot exhaust the stack.
const maxDepth = 32

// maxInteger is the largest integer that every JSON reader holds exactly.
const maxInteger = 1<<53 - 1

// Marshal gives the canonical form (RFC 8785) of v as encoding/json sees it.
func Marshal(v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return Canonicalize(plain)
}

// Canonicalize gives the canonical form (RFC 8785) of one JSON document.
func Canonicalize(data []byte) ([]byte, error) {
	if out, ok := canonicalizePlain(data); ok {
		return out, nil
	}
	tree, err := parse(data)
	if err != nil {
		return nil, err
	}
	return appendValue(nil, tree), nil
}

// Unmarshal decodes one JSON document into v, a pointer to a struct, and refuses
// any document that differs from [Marshal] of what it decoded in more than the
// order of members and white space.
func Unmarshal(data []byte, v any) error {
	got, err := Canonicalize(data)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(got))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return malformed(err)
	}
	want, err := Marshal(v)
	if err != nil {
		return malformed(err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w: a member is missing, misspelled or not in its canonical form (%s)", ErrMalformed, firstDifference(got, want))
	}
	return nil
}

// malformed says what the decoder found in the words of the document: with the names
// of its members, and neither those of Go's types nor a value.
func malformed(err error) error {
	var other *json.UnmarshalTypeError
	var inner *json.MarshalerError
	switch {
	case errors.As(err, &other):
		kind, _, _ := strings.Cut(other.Value, " ") // what follows is the number itself
		return fmt.Errorf("%w: %s is of another type than this %s", ErrMalformed, memberAt(other.Field), kind)
	case errors.As(err, &inner):
		err = inner.Err
	}
	if errors.Is(err, ErrMalformed) {
		return err
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	return fmt.Errorf("%w: %s", ErrMalformed, strings.Replace(text, "unknown field", "unknown member", 1))
}

// memberAt names a member by its path, which leads through embedded structs of Go
// that are nothing in JSON. Members' names are in lower case.
func memberAt(path string) string {
	steps := slices.DeleteFunc(strings.Split(path, "."), func(step string) bool {
		return step == "" || step[0] >= 'A' && step[0] <= 'Z'
	})
	if len(steps) == 0 {
		return "the document"
	}
	return "member " + strings.Join(steps, ".")
}

// firstDifference shows where two canonical documents part, by the nearest
// member name and never by a value, since values may be private.
func firstDifference(got, want []byte) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	head := got[:i]
	for range 4 {
		j := bytes.LastIndex(head, []byte(`":`))
		if j < 0 {
			break
		}
		if k := bytes.LastIndexByte(head[:j], '"'); k >= 0 {
			return "near member " + string(head[k:j+1])
		}
		head = head[:j]
	}
	return "near the start"
}

type member struct {
	name  string
	value any
}

// parse reads one document into bool, string, int64, []any and []member.
func parse(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	tree, err := parseValue(dec, 0)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the document ends early")
		}
		return nil, fmt.Errorf("%w: offset %d: %v", ErrMalformed, dec.InputOffset(), err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: offset %d: trailing data", ErrMalformed, dec.InputOffset())
	}
	return tree, nil
}

func parseValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case json.Delim:
		if t == '{' {
			return parseObject(dec, depth)
		}
		return parseArray(dec, depth)
	case json.Number:
		return parseInteger(string(t))
	case string:
		return parseString(t)
	case bool:
		return t, nil
	default:
		return nil, errors.New("null has no place in this format: leave the member out")
	}
}

func parseObject(dec *json.Decoder, depth int) (any, error) {
	members := []member{}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, err := parseString(tok.(string))
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("member %q twice", name)
		}
		seen[name] = true
		value, err := parseValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		members = append(members, member{name, value})
	}
	_, err := dec.Token()
	return members, err
}

func parseArray(dec *json.Decoder, depth int) (any, error) {
	values := []any{}
	for dec.More() {
		value, err := parseValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	_, err := dec.Token()
	return values, err
}

// parseString refuses the replacement character, which is what encoding/json
// makes of an unpaired surrogate: two spellings must not decode alike.
func parseString(s string) (string, error) {
	if strings.ContainsRune(s, utf8.RuneError) {
		return "", errors.New("a string holds an unpaired surrogate or U+FFFD")
	}
	return s, nil
}

func parseInteger(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > maxInteger || n < -maxInteger || strconv.FormatInt(n, 10) != s {
		return nil, errors.New("a number is not a plain integer within 2^53")
	}
	return n, nil
}

func appendValue(out []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(out, v)
	case int64:
		return strconv.AppendInt(out, v, 10)
	case string:
		return appendString(out, v)
	case []any:
		out = append(out, '[')
		for i, e := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendValue(out, e)
		}
		return append(out, ']')
	case []member:
		return appendObject(out, v)
	}
	panic(fmt.Sprintf("canon: %T is not made by parse", v))
}

func appendObject(out []byte, members []member) []byte {
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b member) int {
		return slices.Compare(utf16.Encode([]rune(a.name)), utf16.Encode([]rune(b.name)))
	})
	out = append(out, '{')
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, m.name)
		out = append(out, ':')
		out = appendValue(out, m.value)
	}
	return append(out, '}')
}

// appendString escapes as RFC 8785 section 3.2.2.2 asks, and nothing more.
func appendString(out []byte, s string) []byte {
	const short = "\b\t\n\f\r\"\\"
	const letter = "btnfr\"\\"
	out = append(out, '"')
	for _, r := range s {
		if i := strings.IndexRune(short, r); i >= 0 {
			out = append(out, '\\', letter[i])
		} else if r < 0x20 {
			out = append(out, fmt.Sprintf("\\u%04x", r)...)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"')
}

// DecodeBase64 reads exactly the canonical base64 of len(out) bytes into out.
func DecodeBase64(out, text []byte) error {
	b, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(b) != len(out) || base64.StdEncoding.EncodeToString(b) != string(text) {
		return fmt.Errorf("%w: not the base64 of %d bytes", ErrMalformed, len(out))
	}
	copy(out, b)
	return nil
}

// Uint64 is an unsigned 64-bit integer whose JSON form is a decimal string.
type Uint64 uint64

// MarshalText implements encoding.TextMarshaler.
func (n Uint64) MarshalText() ([]byte, error) {
	return strconv.AppendUint(nil, uint64(n), 10), nil
}

// UnmarshalText implements encoding.TextUnmarshaler; leading zeros and signs are refused.
func (n *Uint64) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || strconv.FormatUint(v, 10) != string(text) || v > math.MaxInt64 {
		return fmt.Errorf("%w: %d bytes are not a canonical decimal integer", ErrMalformed, len(text))
	}
	*n = Uint64(v)
	return nil
}
