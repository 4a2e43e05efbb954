package budget

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// charge is how often something was charged up to an instant, in milliseconds.
type charge struct {
	at uint64
	n  uint32
}

// charges are a row, in order of time.
type charges []charge

const chargeBytes = 12 // at (8), n (4), big-endian

// readCharges reads a row; none is an empty one. It fails with [ErrFormat].
func readCharges(row []byte) (charges, error) {
	if len(row)%chargeBytes != 0 {
		return nil, fmt.Errorf("%w: a row of %d bytes", ErrFormat, len(row))
	}
	var c charges
	for ; len(row) > 0; row = row[chargeBytes:] {
		one := charge{binary.BigEndian.Uint64(row), binary.BigEndian.Uint32(row[8:])}
		if one.n == 0 || len(c) > 0 && c[len(c)-1].at >= one.at {
			return nil, fmt.Errorf("%w: a row that is out of order", ErrFormat)
		}
		c = append(c, one)
	}
	return c, nil
}

func (c charges) bytes() []byte {
	var row []byte
	for _, one := range c {
		row = binary.BigEndian.AppendUint64(row, one.at)
		row = binary.BigEndian.AppendUint32(row, one.n)
	}
	return row
}

// since gives those that count at an instant.
func (c charges) since(now uint64, window time.Duration) charges {
	i := slices.IndexFunc(c, func(one charge) bool { return one.at+uint64(window.Milliseconds()) > now })
	if i < 0 {
		return nil
	}
	return c[i:]
}

// add charges once more, at an instant that is rounded up. Where the clock went back, the
// charge counts with the last one: for longer, never for less long.
func (c charges) add(at uint64) charges {
	if n := len(c); n > 0 && c[n-1].at >= at {
		out := slices.Clone(c)
		out[n-1].n++
		return out
	}
	return append(slices.Clone(c), charge{at, 1})
}

// with gives those of two rows.
func (c charges) with(other charges) charges {
	out := slices.Concat(c, other)
	slices.SortFunc(out, func(a, b charge) int { return cmp.Compare(a.at, b.at) })
	return out
}

func (c charges) sum() (n int) {
	for _, one := range c {
		n += int(one.n)
	}
	return n
}

// wait tells how long it takes until no more than so many count, if nothing is added; 0
// where that is so now.
func (c charges) wait(now uint64, window time.Duration, most int) time.Duration {
	c = c.since(now, window)
	over := c.sum() - most
	for _, one := range c {
		if over <= 0 {
			break
		}
		if over -= int(one.n); over <= 0 {
			return time.Duration(one.at+uint64(window.Milliseconds())-now) * time.Millisecond
		}
	}
	return 0
}
