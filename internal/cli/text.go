package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Plain shows control characters instead of obeying them, so that a text of a file
// that somebody else wrote cannot drive the reader's terminal.
func Plain(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, hidden) {
		return s
	}
	quoted := strconv.QuoteToGraphic(s)
	return quoted[1 : len(quoted)-1]
}

// hidden tells the characters that move the cursor, reorder text or show nothing.
func hidden(r rune) bool { return r != ' ' && !unicode.IsGraphic(r) }

// Count gives a number as people read it: 25,357.
func Count[N ~int | ~int64 | ~uint64](n N) string {
	digits := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var out []byte
	for i, d := range []byte(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, d)
	}
	return sign + string(out)
}

// Bytes gives a size as people read it: 812 bytes, 9.3 kB, 1.2 MB.
func Bytes[N ~int | ~int64](n N) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// Duration gives a duration in two or three digits: 0.8 ms, 41 ms, 2.3 s.
func Duration(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// Plural gives a number with its noun: 1 proof, 2 proofs.
func Plural[N ~int | ~int64 | ~uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// Entries gives a number of ledger entries: 1 entry, 2 entries.
func Entries(n uint64) string {
	if n == 1 {
		return "1 entry"
	}
	return Count(n) + " entries"
}

// PrintJSON writes one JSON document to Out.
func (e *Env) PrintJSON(v any) error {
	enc := json.NewEncoder(e.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Print writes one line of a result to Out.
func (e *Env) Print(format string, args ...any) error {
	_, err := fmt.Fprintln(e.Out, Plain(fmt.Sprintf(format, args...)))
	return err
}
