package groth16

import (
	"fmt"
	"runtime"
	"slices"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	gnark "github.com/consensys/gnark/backend/groth16/bn254"
	cs "github.com/consensys/gnark/constraint/bn254"
)

// The numbers of windows that a scalar is cut into. More of them mean more additions and
// larger tables, fewer mean more buckets, which are summed at the end: these were
// measured.
const (
	windowsA = 19
	windowsB = 20
	windowsC = 17
)

// Tables are the multiples of a proving key's points that proofs are summed up from.
// They are made from the key alone, and hold nothing secret.
type Tables struct {
	cWires []uint32 // the wires that have a point in C
	a, c   *table[curve.G1Affine]
	b      *table[curve.G2Affine]

	// What was read with the tables, and compiled meanwhile. It may be nil.
	system  *cs.R1CS
	program *program
}

// MakeTables makes the tables of a proving key, with all cores. It takes seconds.
// It fails with [ErrUnsuitable].
func MakeTables(system *cs.R1CS, pk *gnark.ProvingKey) (*Tables, error) {
	c := newCrew(runtime.GOMAXPROCS(0))
	own := <-c.free
	b, err := makeBases(c, own, system, pk)
	if err != nil {
		return nil, err
	}
	return &Tables{
		cWires: b.cWires,
		a:      makeTable(c, own, g1{}, pk.G1.A, newWindows(windowsA)),
		b:      makeTable(c, own, g2{}, pk.G2.B, newWindows(windowsB)),
		c:      makeTable(c, own, g1{}, append(b.c, b.z...), newWindows(windowsC)),
	}, nil
}

// Bytes is the memory that the tables take.
func (t *Tables) Bytes() int {
	return (len(t.a.points)+len(t.c.points))*g1Bytes + len(t.b.points)*g2Bytes + 4*len(t.cWires)
}

// fit refuses tables that were not made for a key of this shape.
func (t *Tables) fit(pk *gnark.ProvingKey) error {
	wires := uint32(len(pk.InfinityA))
	switch {
	case t.a.n != len(pk.G1.A), t.b.n != len(pk.G2.B), t.c.n != len(t.cWires)+int(pk.Domain.Cardinality):
		return fmt.Errorf("%w: they have %d, %d and %d points", ErrTables, t.a.n, t.b.n, t.c.n)
	case slices.ContainsFunc(t.cWires, func(wire uint32) bool { return wire >= wires }):
		return fmt.Errorf("%w: they are of more than %d wires", ErrTables, wires)
	}
	return nil
}

// table holds the multiples 2^offset·P of fixed points for all windows of a scalar:
// points[w·n + i] is that of window w and base i. No base is infinity.
type table[P comparable] struct {
	windows windows
	n       int
	points  []P
}

// makeTable computes the multiples.
func makeTable[P comparable](c *crew, own *scratch, g group[P], points []P, w windows) *table[P] {
	t := &table[P]{windows: w, n: len(points), points: make([]P, len(points)*len(w.widths))}
	batch := g.of(own).batch()
	var tasks []task
	for from := 0; from < t.n; from += batch {
		to := min(from+batch, t.n)
		tasks = append(tasks, func(s *scratch) { t.fill(g.of(s), points, from, to) })
	}
	c.each(own, tasks)
	return t
}

// fill computes the multiples of the points from and up to to.
func (t *table[P]) fill(lanes lanes[P], points []P, from, to int) {
	refs := make([]ref, to-from)
	for i := range refs {
		refs[i] = newRef(from+i, false)
	}
	lanes.reset()
	lanes.gather(0, points, refs)
	for window, width := range t.windows.widths {
		for i := range refs {
			t.points[window*t.n+from+i] = lanes.get(i)
		}
		for range width {
			lanes.double(0, len(refs))
		}
	}
}
