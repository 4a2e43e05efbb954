package statement

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenInt
	tokenDecimal
	tokenString
	tokenOperator
)

// token is one word of an expression. text is the source text, but for a string
// its value with the escapes resolved.
type token struct {
	kind   tokenKind
	text   string
	offset int
}

func (t token) is(operator string) bool { return t.kind == tokenOperator && t.text == operator }

func (t token) name(word string) bool { return t.kind == tokenName && t.text == word }

// describe names the token in an error message.
func (t token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the expression"
	case tokenString:
		return "a string"
	}
	return strconv.Quote(t.text)
}

// lexer cuts an expression into tokens. Its rules are those of CEL for the tokens
// that the language has; the other tokens of CEL are recognised in order to be
// refused by name.
type lexer struct {
	src string
	pos int
}

// operators lists what is cut off as one token, longer ones first. Not all of
// them are part of the language: the parser refuses the others with a hint.
var operators = [...]string{
	"&&", "||", "==", "!=", "<>", "<=", ">=", "//",
	"<", ">", "=", "!", "(", ")", "[", "]", "{", "}", ",", "*", "-", "+", "/", "%", "?", ":", ".", "&", "|", ";",
}

func tokenize(src string) ([]token, error) {
	l := &lexer{src: src}
	var tokens []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		if t.kind == tokenEnd {
			return tokens, nil
		}
	}
}

func (l *lexer) next() (token, error) {
	for l.pos < len(l.src) && strings.IndexByte(" \t\r\n\f", l.src[l.pos]) >= 0 {
		l.pos++
	}
	if l.pos == len(l.src) {
		return token{kind: tokenEnd, offset: l.pos}, nil
	}
	c := l.src[l.pos]
	switch {
	case isNameByte(c) && !isDigit(c):
		return l.nameToken()
	case isDigit(c), c == '.' && l.pos+1 < len(l.src) && isDigit(l.src[l.pos+1]):
		return l.number()
	case c == '"' || c == '\'':
		return l.stringToken()
	}
	for _, op := range operators {
		if strings.HasPrefix(l.src[l.pos:], op) {
			t := token{tokenOperator, op, l.pos}
			l.pos += len(op)
			return t, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
	return token{}, syntaxError(l.pos, "names are spelled a-z, 0-9 and _; texts stand in quotes", "unexpected character %q", r)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNameByte(c byte) bool {
	return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' || isDigit(c)
}

// span takes the bytes that pass, from the current position.
func (l *lexer) span(pass func(byte) bool) string {
	start := l.pos
	for l.pos < len(l.src) && pass(l.src[l.pos]) {
		l.pos++
	}
	return l.src[start:l.pos]
}

func (l *lexer) nameToken() (token, error) {
	start := l.pos
	name := l.span(isNameByte)
	if l.pos < len(l.src) && strings.IndexByte(`"'`, l.src[l.pos]) >= 0 && len(name) <= 2 && strings.Trim(name, "rRbB") == "" {
		return token{}, syntaxError(start, `write a plain string, "..." or '...'`, "raw and bytes strings are not part of the language")
	}
	return token{tokenName, name, start}, nil
}

func (l *lexer) number() (token, error) {
	start := l.pos
	whole := l.span(isDigit)
	t := token{tokenInt, whole, start}
	if l.pos+1 < len(l.src) && l.src[l.pos] == '.' && isDigit(l.src[l.pos+1]) {
		l.pos++
		t = token{tokenDecimal, whole + "." + l.span(isDigit), start}
	}
	rest := l.span(isNameByte)
	switch {
	case whole == "":
		return t, syntaxError(start, "write the zero: 0"+t.text, "a number begins with a digit")
	case rest == "":
		return t, nil
	case whole == "0" && t.kind == tokenInt && rest[0]|0x20 == 'x':
		return t, syntaxError(start, "write the number in decimal", "hexadecimal numbers are not part of the language")
	case rest[0]|0x20 == 'e':
		return t, syntaxError(start, "write all the digits", "numbers with an exponent are not part of the language")
	case rest[0]|0x20 == 'u':
		return t, syntaxError(start, "leave the suffix out", "unsigned numbers are not part of the language")
	case rest[0] == '_':
		return t, syntaxError(start, "leave the separators out", "digits are not grouped")
	}
	return t, syntaxError(l.pos-len(rest), "", "unexpected %q after a number", rest)
}

func (l *lexer) stringToken() (token, error) {
	start, quote := l.pos, l.src[l.pos]
	if strings.HasPrefix(l.src[start:], strings.Repeat(string(quote), 3)) {
		return token{}, syntaxError(start, `write a plain string, "..." or '...'`, "strings in three quotes are not part of the language")
	}
	l.pos++
	var text strings.Builder
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case quote:
			l.pos++
			return token{tokenString, text.String(), start}, nil
		case '\n', '\r':
			return token{}, syntaxError(start, "write a line break as \\n", "a string does not go over the end of a line")
		case '\\':
			r, err := l.escape()
			if err != nil {
				return token{}, err
			}
			text.WriteRune(r)
		default:
			text.WriteByte(c)
			l.pos++
		}
	}
	return token{}, syntaxError(start, "", "the string has no closing %c", quote)
}

// escape reads one escape sequence of CEL, which always stands for a code point.
func (l *lexer) escape() (rune, error) {
	start := l.pos
	l.pos++
	if l.pos == len(l.src) {
		return 0, syntaxError(start, "", "an escape ends early")
	}
	c := l.src[l.pos]
	if i := strings.IndexByte(`abfnrtv\'"?`+"`", c); i >= 0 {
		l.pos++
		return rune("\a\b\f\n\r\t\v\\'\"?`"[i]), nil
	}
	digits, base := 0, 16
	switch c {
	case 'x', 'X':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0', '1', '2', '3':
		digits, base, l.pos = 3, 8, l.pos-1
	default:
		r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
		return 0, syntaxError(start, `write a backslash as \\`, "no escape \\%c", r)
	}
	l.pos++
	if len(l.src)-l.pos < digits {
		return 0, syntaxError(start, "", "an escape ends early")
	}
	n, err := strconv.ParseUint(l.src[l.pos:l.pos+digits], base, 32)
	if err != nil || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return 0, syntaxError(start, "", "the escape is not %d digits of a code point", digits)
	}
	l.pos += digits
	return rune(n), nil
}

// syntaxError makes an error whose place in the request [CompileWhere] completes.
func syntaxError(offset int, hint, format string, args ...any) *ExprError {
	return &ExprError{Offset: offset, Msg: fmt.Sprintf(format, args...), Hint: hint, kind: ErrBadExpression}
}
