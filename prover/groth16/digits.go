package groth16

import (
	"math/bits"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// scalarBits is the number of bits that signed digits of a scalar need: its absolute
// value is below r/2 < 2^253, and a carry takes one more.
const scalarBits = 254

// windows cuts scalars into signed digits: digit i counts 2^offsets[i].
type windows struct{ offsets, widths []int }

// newWindows gives n windows of equal width, as far as 254 bits can be divided. A top
// window of a few bits would send all its points to a few buckets.
func newWindows(n int) windows {
	w := windows{}
	for i, offset := 0, 0; i < n; i++ {
		width := scalarBits / n
		if i < scalarBits%n {
			width++
		}
		w.offsets, w.widths = append(w.offsets, offset), append(w.widths, width)
		offset += width
	}
	return w
}

// buckets is the number of digits but for the sign, without 0.
func (w windows) buckets() int { return 1 << (w.widths[0] - 1) }

// digits cuts a scalar: digits[i·stride] becomes digit i, from -buckets to buckets.
func (w windows) digits(scalar *fr.Element, digits []int16, stride int) {
	k, negative := absolute(scalar.Bits())
	carry := 0
	for i, width := range w.widths {
		word, shift := w.offsets[i]>>6, uint(w.offsets[i]&63)
		v := k[word] >> shift
		if word < 3 {
			v |= k[word+1] << (64 - shift) // a shift by 64 gives 0
		}
		digit := int(v&(1<<width-1)) + carry
		carry = 0
		if digit > 1<<(width-1) {
			digit -= 1 << width
			carry = 1
		}
		if negative {
			digit = -digit
		}
		digits[i*stride] = int16(digit)
	}
}

// The order r of the groups, in 64-bit words, the lowest first.
const (
	order0 = 0x43e1f593f0000001
	order1 = 0x2833e84879b97091
	order2 = 0xb85045b68181585d
	order3 = 0x30644e72e131a029
)

// absolute gives the smaller of k and r - k, and whether it is the latter.
func absolute(k [4]uint64) ([4]uint64, bool) {
	var n [4]uint64
	var borrow uint64
	n[0], borrow = bits.Sub64(order0, k[0], 0)
	n[1], borrow = bits.Sub64(order1, k[1], borrow)
	n[2], borrow = bits.Sub64(order2, k[2], borrow)
	n[3], _ = bits.Sub64(order3, k[3], borrow)
	for i := 3; i >= 0; i-- {
		if n[i] != k[i] {
			if n[i] < k[i] {
				return n, true
			}
			return k, false
		}
	}
	return k, false
}
