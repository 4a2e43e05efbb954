package groth16

import (
	"unsafe"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// Sizes in bytes.
const (
	frBytes = int(unsafe.Sizeof(fr.Element{}))
	g1Bytes = int(unsafe.Sizeof(curve.G1Affine{}))
	g2Bytes = int(unsafe.Sizeof(curve.G2Affine{}))
)

// Memory tells what an engine takes, in bytes: once, for its tables and workers, and
// for each of the proofs, [Options.Workers] at most, that are made at a time. What a proof
// was made in is kept for the next one. What the garbage collector has not yet collected
// comes on top.
func (e *Engine) Memory() (fixed, each int) {
	const scratch = g1LaneCount*g1Bytes + g2LaneCount*g2Bytes + 11*g1Batch*frBytes + 16*g2Batch*frBytes
	each = frBytes * (e.program.wires + len(e.program.sums) + 5*e.domain.n/2)
	each += e.tables.a.memory() + e.tables.b.memory() + e.tables.c.memory()
	return e.tables.Bytes() + cap(e.idle)*scratch, each
}

// memory bounds the memory of one sum over the table, in bytes.
func (t *table[P]) memory() int {
	var p P
	point := int(unsafe.Sizeof(p))
	buckets, chunks := t.windows.buckets(), (t.n+chunk-1)/chunk
	columns := buckets + len(t.points)/maxHeight // at most as many full ones, and one of each bucket that is not
	out := t.n*frBytes + len(t.points)*(2+4)     // scalars, digits and refs
	out += 4*chunks*buckets + buckets*(point+4)
	// partial, former and again, each with an eighth to spare, in the buckets' sum and in
	// the weights'; the latter's points and refs
	out += 2 * columns * (2*point + 12 + 4) * 9 / 8
	return out + 2*buckets*(point+4)
}
