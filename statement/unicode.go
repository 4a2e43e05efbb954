package statement

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run ./internal/unicodegen

// runeRange is an inclusive range of code points, or a pair of a code point and
// its image.
type runeRange struct{ lo, hi rune }

// frozen holds the tables of Unicode 15.0.0 that canonical forms go by, whatever
// tables the toolchain has. A code point that 15.0.0 does not assign is refused, so
// that NFC, which never changes for assigned ones, is frozen with them.
var frozen = sync.OnceValue(func() (t struct {
	assigned, alnum, space []runeRange
	upper, lower           []runeRange
}) {
	t.assigned, t.alnum, t.space = parseRanges(assignedRanges), parseRanges(alnumRanges), parseRanges(spaceRanges)
	t.upper, t.lower = parseRanges(upperPairs), parseRanges(lowerPairs)
	return t
})

func parseRanges(table string) (out []runeRange) {
	for entry := range strings.FieldsSeq(table) {
		lo, hi, _ := strings.Cut(entry, "-")
		out = append(out, runeRange{parseRune(lo), parseRune(hi)})
	}
	return out
}

func parseRune(s string) rune {
	n, err := strconv.ParseInt(s, 36, 32)
	if err != nil {
		panic(err) // the table is generated
	}
	return rune(n)
}

// within tells whether a sorted table's ranges hold a code point.
func within(table []runeRange, r rune) bool {
	_, found := slices.BinarySearchFunc(table, r, func(e runeRange, r rune) int {
		switch {
		case r < e.lo:
			return 1
		case r > e.hi:
			return -1
		}
		return 0
	})
	return found
}

// mapped gives a code point's image in a table of pairs, itself where it has none.
func mapped(table []runeRange, r rune) rune {
	i, found := slices.BinarySearchFunc(table, r, func(e runeRange, r rune) int { return int(e.lo - r) })
	if found {
		return table[i].hi
	}
	return r
}

// checkAssigned refuses code points that Unicode 15.0.0 does not assign.
func checkAssigned(text string) error {
	for _, r := range text {
		if r >= 0x80 && !within(frozen().assigned, r) {
			return fmt.Errorf("%w: the code point U+%04X is not assigned in Unicode 15.0.0", ErrBadValue, r)
		}
	}
	return nil
}

// apply takes one normalisation step; ok is false where there is none of the name.
func apply(step, text string) (out string, ok bool) {
	switch step {
	case Trim:
		return strings.TrimFunc(text, func(r rune) bool { return within(frozen().space, r) }), true
	case Upper:
		return strings.Map(func(r rune) rune { return mapped(frozen().upper, r) }, text), true
	case Lower:
		return strings.Map(func(r rune) rune { return mapped(frozen().lower, r) }, text), true
	case Alnum:
		return strings.Map(func(r rune) rune {
			if within(frozen().alnum, r) {
				return r
			}
			return -1
		}, text), true
	}
	return "", false
}
