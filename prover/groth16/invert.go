package groth16

import "github.com/consensys/gnark-crypto/ecc/bn254/fp"

// leafSize is the length of a vector below which a product tree is not halved further.
const leafSize = 8

// inverter inverts many elements at once: a tree of products, each level one vector
// multiplication of the one below, its root inverted, and the way back two of them a
// level: three multiplications an element, all of them in vectors. (Montgomery's trick
// has as many, each waiting for the one before.)
type inverter struct{ up, down fp.Vector }

func newInverter(n int) *inverter {
	return &inverter{make(fp.Vector, 2*n+8*leafSize), make(fp.Vector, 2*n+8*leafSize)}
}

// invert gives the inverses of d, none of which is 0. The result is good until the next
// call.
func (v *inverter) invert(d fp.Vector) fp.Vector {
	return v.level(d, 0)
}

// level inverts d with the memory from offset on.
func (v *inverter) level(d fp.Vector, offset int) fp.Vector {
	out := v.down[offset : offset+len(d)]
	if len(d) <= leafSize {
		invertChain(out, d)
		return out
	}
	half := (len(d) + 2*leafSize - 1) / (2 * leafSize) * leafSize // whole vectors in the lower half
	rest := len(d) - half
	products := v.up[offset : offset+half]
	lower := products[:rest]
	lower.Mul(d[:rest], d[half:])
	copy(products[rest:], d[rest:half])
	inverses := v.level(products, offset+len(d))
	low, high := out[:rest], out[half:]
	low.Mul(inverses[:rest], d[half:])
	high.Mul(inverses[:rest], d[:rest])
	copy(out[rest:half], inverses[rest:])
	return out
}

// invertChain is Montgomery's trick.
func invertChain(out, d fp.Vector) {
	if len(d) == 0 {
		return
	}
	out[0].SetOne()
	for i := 1; i < len(d); i++ {
		out[i].Mul(&out[i-1], &d[i-1])
	}
	var inverse fp.Element
	inverse.Mul(&out[len(d)-1], &d[len(d)-1])
	inverse.Inverse(&inverse)
	for i := len(d) - 1; i >= 0; i-- {
		out[i].Mul(&out[i], &inverse)
		inverse.Mul(&inverse, &d[i])
	}
}
