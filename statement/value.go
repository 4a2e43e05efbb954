package statement

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// null is 2^250: outside the ranges of integers (within 2^63 of 0 or of r) and
// of text hashes (below 2^248).
var null = func() (e fr.Element) {
	e.SetBigInt(new(big.Int).Lsh(big.NewInt(1), 250))
	return e
}()

// Null is the element of an absent value, and of every attribute slot that a
// schema does not use.
func Null() fr.Element { return null }

// Value is the value of one attribute: absent, an integer (int, decimal, date,
// bool) or a text in its canonical form.
type Value struct {
	Absent bool
	Int    int64
	Text   string
}

// ParseValue reads the source text of an attribute's value. An empty text, or one
// of which normalisation leaves nothing, is an absent value where the attribute is
// optional, and an error otherwise.
func (s *Schema) ParseValue(a Attribute, text string) (Value, error) {
	if a.Type == Text {
		var err error
		if text, err = s.Domain(a.Name).Canonical(text); err != nil {
			return Value{}, err
		}
	}
	switch {
	case text == "" && a.Optional:
		return Value{Absent: true}, nil
	case text == "":
		return Value{}, fmt.Errorf("%w: empty (say optional: true in the schema if it may be)", ErrBadValue)
	case a.Type == Text:
		return Value{Text: text}, nil
	}
	n, err := a.parseInteger(text)
	return Value{Int: n}, err
}

func (a Attribute) parseInteger(text string) (int64, error) {
	switch a.Type {
	case Int:
		return parseDecimal(text, 0)
	case Decimal:
		return parseDecimal(text, a.Scale)
	case Date:
		return parseDate(text)
	case Bool:
		return parseBool(text)
	}
	return 0, fmt.Errorf("%w: no type %q", ErrBadSchema, a.Type)
}

// parseDecimal reads -12, 12.5 or 0.05 as an integer times 10^-scale, from the
// digits and never through a float.
func parseDecimal(text string, scale int) (int64, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, hasPoint := strings.Cut(digits, ".")
	if !isDigits(whole) || (hasPoint && !isDigits(fraction)) {
		return 0, fmt.Errorf("%w: not a number like -12%s", ErrBadValue, map[bool]string{true: ".50"}[scale > 0])
	}
	if len(fraction) > scale {
		return 0, fmt.Errorf("%w: %d decimals, where %d are allowed", ErrBadValue, len(fraction), scale)
	}
	joined := strings.TrimLeft(whole+fraction+strings.Repeat("0", scale-len(fraction)), "0")
	if joined == "" {
		return 0, nil
	}
	if negative {
		joined = "-" + joined
	}
	n, err := strconv.ParseInt(joined, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: out of the range of signed 64-bit integers", ErrBadValue)
	}
	return n, nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func parseDate(text string) (int64, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Format(time.DateOnly) != text {
		return 0, fmt.Errorf("%w: not a date of the calendar like 2026-02-28", ErrBadValue)
	}
	return t.Unix() / 86400, nil // exact: midnight UTC
}

func parseBool(text string) (int64, error) {
	switch strings.ToLower(text) {
	case "true", "1":
		return 1, nil
	case "false", "0":
		return 0, nil
	}
	return 0, fmt.Errorf("%w: not true or false", ErrBadValue)
}

// FormatValue gives the canonical text of a value: what a question and an
// opening hold. [Schema.ParseValue] reads it back. An absent value is "".
func (s *Schema) FormatValue(a Attribute, v Value) string {
	switch {
	case v.Absent:
		return ""
	case a.Type == Text:
		return v.Text
	case a.Type == Decimal:
		return formatDecimal(v.Int, a.Scale)
	case a.Type == Date:
		return time.Unix(v.Int*86400, 0).UTC().Format(time.DateOnly)
	case a.Type == Bool:
		return strconv.FormatBool(v.Int != 0)
	}
	return strconv.FormatInt(v.Int, 10)
}

func formatDecimal(n int64, scale int) string {
	sign, magnitude := "", uint64(n)
	if n < 0 {
		sign, magnitude = "-", -uint64(n)
	}
	digits := fmt.Sprintf("%0*d", scale+1, magnitude)
	if scale == 0 {
		return sign + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// Encode gives the element of a value: [Null], the integer modulo r, or the
// text's hash in the attribute's domain.
func (s *Schema) Encode(a Attribute, v Value) (fr.Element, error) {
	switch {
	case v.Absent:
		return Null(), nil
	case a.Type == Text:
		return s.Domain(a.Name).Hash(v.Text)
	}
	return EncodeInt(v.Int), nil
}

// EncodeInt embeds a signed 64-bit integer modulo r.
func EncodeInt(n int64) fr.Element {
	var e fr.Element
	e.SetInt64(n)
	return e
}

// Bounds gives the smallest and largest integer of a type.
func (a Attribute) Bounds() (lo, hi int64) {
	switch a.Type {
	case Bool:
		return 0, 1
	case Date: // years 0000 to 9999, what a date text can say
		return -719528, 2932896
	}
	return math.MinInt64, math.MaxInt64
}
