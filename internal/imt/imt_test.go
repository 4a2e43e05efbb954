package imt

import (
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

func TestPathRoot(t *testing.T) {
	leaf := Leaf{Key: fr.NewElement(7)}
	h := leaf.Hash()
	for _, position := range []uint64{0, 1, 8, 1<<24 + 5, Capacity - 1} {
		var p Path
		current, at := h, position
		for level := range Levels {
			p[level] = make([]fr.Element, Arity(level))
			for i := range p[level] {
				p[level][i] = Empty(level - 1)
			}
			p[level][at%uint64(Arity(level))] = current
			current = Node(level, p[level])
			at /= uint64(Arity(level))
		}
		root, err := p.Root(h, position)
		if err != nil || root != current {
			t.Errorf("position %d: %v", position, err)
		}
		if found, err := p.Follow(h); err != nil || found != root {
			t.Errorf("position %d: followed without it to another root: %v", position, err)
		}
		if _, err := p.Follow(fr.NewElement(1)); err == nil {
			t.Errorf("position %d: the path also leads from another leaf", position)
		}
		if _, err := p.Root(h, position+1); err == nil {
			t.Errorf("position %d: the path also leads from the next position", position)
		}
	}
	if _, err := (&Path{}).Root(h, Capacity); err == nil {
		t.Error("a path from beyond the tree")
	}
}

// The levels are different functions: no node's value is another level's.
func TestLevelsAreSeparate(t *testing.T) {
	children := make([]fr.Element, 8)
	seen := map[fr.Element]int{}
	for level := range Levels - 1 {
		n := Node(level, children)
		if other, ok := seen[n]; ok {
			t.Errorf("levels %d and %d hash alike", other, level)
		}
		seen[n] = level
	}
}
