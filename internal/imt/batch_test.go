package imt

import (
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// A batch gives what its leaves and nodes have one by one.
func TestBatch(t *testing.T) {
	b := NewBatch()
	for _, n := range []int{0, 1, 31, 64, 100} {
		drafts := make([]Draft, n)
		for i := range drafts {
			d := &drafts[i]
			elements := []*fr.Element{&d.Key, &d.Subject, &d.Holder, &d.Blinding, &d.Next, &d.LinkBlinding}
			for j := range d.Attributes {
				elements = append(elements, &d.Attributes[j])
			}
			if i%3 != 0 {
				d.Serial = new(fr.Element)
				elements = append(elements, d.Serial)
			}
			for _, e := range elements {
				e.MustSetRandom()
			}
		}
		single := slices.Clone(drafts)
		out := make([]fr.Element, n)
		b.Leaves(out, drafts)
		for i := range single {
			single[i].Finish()
			if single[i] != drafts[i] {
				t.Fatalf("%d leaves: number %d is finished otherwise than alone", n, i)
			}
			if out[i] != single[i].Hash() {
				t.Fatalf("%d leaves: number %d has another hash than alone", n, i)
			}
		}
	}
	for level := range Levels {
		children, out := make([]fr.Element, 40*Arity(level)), make([]fr.Element, 40)
		for i := range children {
			children[i].MustSetRandom()
		}
		b.Nodes(level, out, children)
		for i := range out {
			if out[i] != Node(level, children[i*Arity(level):(i+1)*Arity(level)]) {
				t.Errorf("level %d: node %d has another hash than alone", level, i)
			}
		}
	}
}
