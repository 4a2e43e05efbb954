// Package imt defines attestry's indexed Merkle tree: the shape of the tree that
// commits a registry, and the hashes of its leaves and nodes.
//
// A leaf holds a record and, in its link, the next larger key, so that presence
// and absence are proved from one root. Leaves have stable positions. The tree
// has 9 levels of nodes; those of level 0 hash 8 leaves, those of levels 1 to 7
// hash 8 nodes, and the root, at level 8, hashes 12. An empty slot is the constant
// 0, which no hash is; an inner node over empty slots is the hash of empties.
//
// Nodes of different levels are different functions: level i < 8 is lane i of
// width 8, the root lane 0 of width 12.
package imt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/poseidon"
	"github.com/attestry/attestry/statement"
)

// Levels is the number of levels of nodes above the leaves.
const Levels = 9

// Capacity is the number of leaves: 8^8 * 12, over 2^27. One of them is the
// sentinel, at position 0, whose key is 0.
const Capacity = 12 << 24

// Arity gives the number of children of a node at a level from 0 to Levels-1.
func Arity(level int) int {
	if level == Levels-1 {
		return 12
	}
	return 8
}

// Lane gives the output lane of the node hash at a level.
func Lane(level int) int {
	if level == Levels-1 {
		return 0
	}
	return level
}

// Node hashes the children of a node; there must be [Arity] of them.
func Node(level int, children []fr.Element) fr.Element {
	if len(children) != Arity(level) {
		panic("imt: wrong number of children")
	}
	return poseidon.Compress(Lane(level), children...)
}

// Empty gives the value of a node at a level over nothing but empty slots; level
// -1 is the slot itself.
func Empty(level int) fr.Element { return empties[level+1] }

var empties = func() (e [Levels + 1]fr.Element) {
	for level := range Levels {
		children := make([]fr.Element, Arity(level))
		for i := range children {
			children[i] = e[level]
		}
		e[level+1] = Node(level, children)
	}
	return e
}()

// Leaf is what a leaf commits to.
type Leaf struct {
	Key        fr.Element // 248 bits, not 0 but in the sentinel
	Subject    fr.Element // 248 bits, or statement.Null
	Holder     fr.Element // H(holder secret), or 0
	SerialHash fr.Element // H(serial)
	Blinding   fr.Element
	Attributes [statement.MaxAttributes]fr.Element // statement.Null beyond the schema's
	Link       fr.Element                          // H(key, next key, link blinding): see Link
}

// Format implements fmt.Formatter: no verb shows the leaf.
func (l Leaf) Format(f fmt.State, _ rune) { fmt.Fprint(f, "imt.Leaf(private)") }

// Hash gives the leaf's value in the tree.
func (l *Leaf) Hash() fr.Element {
	return poseidon.Compress(0, statement.TagLeaf, l.AttributesHash(), l.Key, l.Subject, l.Holder, l.SerialHash, l.Blinding, l.Link)
}

// AttributesHash gives the hash of the leaf's 16 attributes.
func (l *Leaf) AttributesHash() fr.Element {
	return poseidon.Compress(statement.AttributesLane, l.Attributes[:]...)
}

// Link commits a leaf to the next larger key in the tree, [statement.EndKey] after
// the last.
func Link(key, next, blinding fr.Element) fr.Element {
	return poseidon.Compress(0, statement.TagLink, key, next, blinding)
}

// Path is the way from a leaf to the root: at each level all children of the node
// on the way.
type Path [Levels][]fr.Element

// ErrBrokenPath says that a path does not lead from its leaf to a root.
var ErrBrokenPath = errors.New("the path does not lead from the leaf to the root")

// Root follows the path from a leaf's hash at a position, and gives the root.
func (p *Path) Root(leaf fr.Element, position uint64) (fr.Element, error) {
	root, err := p.follow(leaf, func(level int, current fr.Element) bool {
		arity := uint64(Arity(level))
		is := p[level][position%arity] == current
		position /= arity
		return is
	})
	if err == nil && position != 0 {
		return fr.Element{}, ErrBrokenPath
	}
	return root, err
}

// Follow follows the path from a leaf's hash, wherever it stands among its
// siblings, as the circuits do, and gives the root.
func (p *Path) Follow(leaf fr.Element) (fr.Element, error) {
	return p.follow(leaf, func(level int, current fr.Element) bool {
		return slices.Contains(p[level], current)
	})
}

// follow goes up as long as the hash that it comes with is a child where it comes.
func (p *Path) follow(current fr.Element, isChild func(level int, current fr.Element) bool) (fr.Element, error) {
	for level := range Levels {
		if len(p[level]) != Arity(level) || !isChild(level, current) {
			return fr.Element{}, ErrBrokenPath
		}
		current = Node(level, p[level])
	}
	return current, nil
}
