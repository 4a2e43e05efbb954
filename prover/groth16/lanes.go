package groth16

import (
	"math/bits"

	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
)

// Points are in affine coordinates, (0, 0) being infinity, as gnark-crypto has them. No
// other point of either group has x = 0: it would be of order 3.

// ahead is the number of points that are touched before they are copied. They lie at
// random places of a table that no cache holds. A loop that only touches them has many
// of them under way at once, where one that copies them has few: it takes a third of
// the time.
const ahead = 64

// ref names a point of a slice and its sign: the index, shifted by one, and one bit
// that says to take the negative.
type ref uint32

func newRef(index int, negative bool) ref {
	r := ref(index) << 1
	if negative {
		r |= 1
	}
	return r
}

// span says: add the n lanes that start at from to the n lanes that start at to. Lanes
// of one span, and of spans that are added together, do not overlap.
type span struct{ to, from, n int }

// lanes is a memory of points by coordinate, so that one addition of many pairs is a
// handful of vector operations and one inversion.
type lanes[P any] interface {
	// reset forgets what is in the lanes.
	reset()
	// gather puts points into consecutive lanes; none of them is infinity.
	gather(lane int, points []P, refs []ref)
	// add adds lanes to lanes, whatever is in them. The lanes added lose their content.
	// All spans together have at most [lanes.batch] lanes.
	add(spans []span)
	// double doubles n lanes, none of which is infinity; at most [lanes.batch].
	double(lane, n int)
	// get gives the point in a lane.
	get(lane int) P
	// batch is the largest number of lanes of one addition.
	batch() int
}

// The modulus p of the coordinates, in 64-bit words, the lowest first.
const (
	modulus0 = 0x3c208c16d87cfd47
	modulus1 = 0x97816a916871ca8d
	modulus2 = 0xb85045b68181585d
	modulus3 = 0x30644e72e131a029
)

// negateIf gives y, or -y where negative is 1. A branch on the sign of a digit would be
// foreseen by the processor half of the time, and would hold up the points to come.
func negateIf(out, y *fp.Element, negative ref) {
	var n fp.Element
	var borrow uint64
	n[0], borrow = bits.Sub64(modulus0, y[0], 0)
	n[1], borrow = bits.Sub64(modulus1, y[1], borrow)
	n[2], borrow = bits.Sub64(modulus2, y[2], borrow)
	n[3], _ = bits.Sub64(modulus3, y[3], borrow)
	mask := -uint64(negative)
	if y[0]|y[1]|y[2]|y[3] == 0 { // as in G2 one of two halves may be: never, so foreseen
		mask = 0
	}
	out[0] = y[0] ^ (y[0]^n[0])&mask
	out[1] = y[1] ^ (y[1]^n[1])&mask
	out[2] = y[2] ^ (y[2]^n[2])&mask
	out[3] = y[3] ^ (y[3]^n[3])&mask
}
