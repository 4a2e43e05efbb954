package verifier

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// treeBuilder rebuilds a log's tree from its leaf hashes in order, a tile at each
// level at a time, so that its memory does not grow with the log.
type treeBuilder struct {
	levels []levelTile
	// full is told of every tile when it is full.
	full func(path ledger.TilePath, data []byte)
}

// levelTile is the tile at a level's right edge.
type levelTile struct {
	index  uint64
	hashes []tlog.Hash
}

// add appends a leaf's hash.
func (b *treeBuilder) add(h tlog.Hash) { b.addAt(0, h) }

func (b *treeBuilder) addAt(level int, h tlog.Hash) {
	if level == len(b.levels) {
		b.levels = append(b.levels, levelTile{})
	}
	t := &b.levels[level]
	t.hashes = append(t.hashes, h)
	if len(t.hashes) < ledger.TileWidth {
		return
	}
	b.full(t.path(level), t.data())
	root := merge(t.hashes)
	t.index++
	t.hashes = t.hashes[:0]
	b.addAt(level+1, root)
}

func (t *levelTile) path(level int) ledger.TilePath {
	return ledger.TilePath{Level: level, Index: t.index, Width: len(t.hashes)}
}

func (t *levelTile) data() []byte {
	var out bytes.Buffer
	for _, h := range t.hashes {
		out.Write(h[:])
	}
	return out.Bytes()
}

// finish gives the tree's root, after telling of the partial tiles. A tile's width
// is a power of 2, so the tree over all leaves is the tree over the roots of full
// tiles, with that of the partial one as the last.
func (b *treeBuilder) finish() tlog.Hash {
	root, err := tlog.TreeHash(0, nil) // the empty tree's, which reads no hashes
	if err != nil {
		panic(err)
	}
	below := false
	for level := range b.levels {
		t := &b.levels[level]
		if len(t.hashes) > 0 {
			b.full(t.path(level), t.data())
		}
		nodes := t.hashes
		if below {
			nodes = append(nodes, root)
		}
		if len(nodes) > 0 {
			root, below = merge(nodes), true
		}
	}
	return root
}

// merge gives the RFC 6962 root over nodes of one level, of which the last may be
// that of a smaller tree.
func merge(nodes []tlog.Hash) tlog.Hash {
	if len(nodes) == 1 {
		return nodes[0]
	}
	split := 1
	for split*2 < len(nodes) {
		split *= 2
	}
	return tlog.NodeHash(merge(nodes[:split]), merge(nodes[split:]))
}

// compareTile holds a tile of the export to the entries' hashes.
func (a *audit) compareTile(path ledger.TilePath, want []byte) {
	got, err := readFile(a.dir, path.String(), ledger.TileWidth*tlog.HashSize)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s differs from the entries' hashes", path)
	}
	if err != nil {
		a.problems.add(nil, AuditTiles, err)
	}
}

func (a *audit) compareRoot() {
	if a.tree.finish() != a.checkpoint.Root {
		a.problems.add(nil, AuditRoot, errors.New("the entries give another root than the checkpoint's"))
	}
}
