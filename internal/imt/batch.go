package imt

import (
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/poseidon"
	"github.com/attestry/attestry/statement"
)

// Draft is a leaf with what its serial hash and its link are computed from.
type Draft struct {
	Leaf
	Serial       *fr.Element // nil: of no serial, the hash is 0
	Next         fr.Element
	LinkBlinding fr.Element
}

// Finish computes the serial hash and the link.
func (d *Draft) Finish() {
	if d.Serial != nil {
		d.SerialHash = statement.SerialHash(*d.Serial)
	}
	d.Link = Link(d.Key, d.Next, d.LinkBlinding)
}

// Batch computes many hashes of one kind at once: as [Draft.Finish], [Leaf.Hash] and
// [Node] do, in less time. It is not safe for concurrent use.
type Batch struct {
	of  [17]*poseidon.Batch // by width
	in  []fr.Element
	out []fr.Element
}

// NewBatch makes a batch.
func NewBatch() *Batch {
	b := &Batch{}
	for _, width := range []int{2, 4, 8, 12, 16} {
		b.of[width] = poseidon.NewBatch(width)
	}
	return b
}

// compress hashes what was put into b.in.
func (b *Batch) compress(width, lane, n int) []fr.Element {
	if cap(b.out) < n {
		b.out = make([]fr.Element, n)
	}
	b.out = b.out[:n]
	b.of[width].Compress(lane, b.out, b.in)
	b.in = b.in[:0]
	return b.out
}

// Leaves finishes drafts and gives their hashes in out, which is as long.
func (b *Batch) Leaves(out []fr.Element, drafts []Draft) {
	b.serials(drafts)
	for i := range drafts {
		d := &drafts[i]
		b.in = append(b.in, statement.TagLink, d.Key, d.Next, d.LinkBlinding)
	}
	for i, link := range b.compress(4, 0, len(drafts)) {
		drafts[i].Link = link
	}
	for i := range drafts {
		b.in = append(b.in, drafts[i].Attributes[:]...)
	}
	attributes := b.compress(statement.MaxAttributes, statement.AttributesLane, len(drafts))
	for i := range drafts {
		d := &drafts[i]
		b.in = append(b.in, statement.TagLeaf, attributes[i], d.Key, d.Subject, d.Holder, d.SerialHash, d.Blinding, d.Link)
	}
	copy(out, b.compress(8, 0, len(drafts)))
}

func (b *Batch) serials(drafts []Draft) {
	n := 0
	for i := range drafts {
		if serial := drafts[i].Serial; serial != nil {
			b.in = append(b.in, statement.TagSerial, *serial)
			n++
		}
	}
	hashes := b.compress(2, 0, n)
	for i := range drafts {
		if drafts[i].Serial != nil {
			drafts[i].SerialHash, hashes = hashes[0], hashes[1:]
		}
	}
}

// Nodes gives in out the hashes of the nodes of a level, whose children follow each other.
func (b *Batch) Nodes(level int, out, children []fr.Element) {
	if len(children) != len(out)*Arity(level) {
		panic(fmt.Sprintf("imt: %d children of %d nodes of level %d", len(children), len(out), level))
	}
	b.of[Arity(level)].Compress(Lane(level), out, children)
}
