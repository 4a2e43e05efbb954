package verifier

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

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

// edge gives the hashes of each level's tile at the right edge: all that the tree's
// growth depends on.
func (b *treeBuilder) edge() [][]tlog.Hash {
	var out [][]tlog.Hash
	for _, t := range b.levels {
		out = append(out, slices.Clone(t.hashes))
	}
	return out
}

// restore begins with the tree of a size and its edge, which [fitsEdge].
func (b *treeBuilder) restore(size uint64, edge [][]tlog.Hash) {
	for level, hashes := range edge {
		index := size >> (ledger.TileHeight * level) / ledger.TileWidth
		b.levels = append(b.levels, levelTile{index, slices.Clone(hashes)})
	}
}

// fitsEdge tells whether an edge is that of the tree of a checkpoint.
func fitsEdge(c ledger.Checkpoint, edge [][]tlog.Hash) bool {
	levels := 0
	for rest := c.Size; rest > 0; rest >>= ledger.TileHeight {
		if levels == len(edge) || uint64(len(edge[levels])) != rest%ledger.TileWidth {
			return false
		}
		levels++
	}
	b := &treeBuilder{full: func(ledger.TilePath, []byte) {}}
	b.restore(c.Size, edge)
	return levels == len(edge) && b.finish() == c.Root
}

// suspect is an entry of whose hash the export's tile says otherwise.
type suspect struct {
	index uint64
	leaf  tlog.Hash
}

// maxSuspects bounds how many of them are looked into.
const maxSuspects = 100

// compareTile holds a tile of the export to the entries' hashes.
func (a *audit) compareTile(path ledger.TilePath, want []byte) {
	got, err := readFile(a.dir, path.String(), ledger.TileWidth*tlog.HashSize)
	if err == nil && len(got) != len(want) {
		err = fmt.Errorf("%s has %d bytes, not %d", path, len(got), len(want))
	}
	if err == nil && !bytes.Equal(got, want) {
		err = a.compareHashes(path, got, want)
	}
	if err != nil {
		a.problems.add(nil, AuditTiles, err)
	}
}

// compareHashes says where a tile differs.
func (a *audit) compareHashes(path ledger.TilePath, got, want []byte) error {
	var at []uint64
	for i := range path.Width {
		hash := want[i*tlog.HashSize : (i+1)*tlog.HashSize]
		if bytes.Equal(got[i*tlog.HashSize:(i+1)*tlog.HashSize], hash) {
			continue
		}
		n := path.Index*ledger.TileWidth + uint64(i)
		at = append(at, n)
		if path.Level == 0 && len(a.suspects) < maxSuspects {
			a.suspects = append(a.suspects, suspect{n, tlog.Hash(hash)})
		}
	}
	first, last := at[0]<<(ledger.TileHeight*path.Level), (at[0]+1)<<(ledger.TileHeight*path.Level)-1
	where := fmt.Sprintf("of entry %d", first)
	if first != last {
		where = fmt.Sprintf("over entries %d to %d", first, last)
	}
	if n := len(at) - 1; n > 0 {
		where += fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("%s differs from the entries' hashes in the one %s", path, where)
}

func (a *audit) compareRoot() {
	if a.tree.finish() == a.checkpoint.Root {
		return
	}
	a.problems.add(nil, AuditRoot, errors.New("the entries give another root than the checkpoint's"))
	a.explainRoot()
}

// explainRoot asks the export's own tiles, as far as they have the checkpoint's root,
// which entries are not those of the signed tree, and whether that tree is a later one
// of the tree that was audited before. Tiles that are missing or do not have the root
// explain nothing.
func (a *audit) explainRoot() {
	tree := tlog.TileHashReader(tlog.Tree{N: int64(a.checkpoint.Size), Hash: a.checkpoint.Root}, exportTiles(a.dir))
	for _, s := range a.suspects {
		if a.since != nil && s.index < a.since.checkpoint.Size {
			continue // the hash is of an earlier audit
		}
		hashes, err := tree.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(s.index))})
		if err == nil && hashes[0] != s.leaf {
			path := bundlePath(s.index/ledger.TileWidth, a.checkpoint.Size)
			a.problems.add(&s.index, AuditEntries, fmt.Errorf("it is not the entry that the signed tree has: %s was changed", path))
		}
	}
	if a.since == nil {
		return
	}
	old := a.since.checkpoint
	if root, err := tlog.TreeHash(int64(old.Size), tree); err == nil && root != old.Root {
		a.problems.add(nil, AuditConsistency, fmt.Errorf("the log was rewritten below entry %d, up to which it was audited: it signed two trees that are not one log, keep both checkpoints as evidence", old.Size))
	} else {
		a.problems.add(nil, AuditConsistency, fmt.Errorf("the entries from %d on do not continue the tree that was audited", old.Size))
	}
}
