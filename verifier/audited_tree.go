package verifier

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// rootAt gives the root that the audited log had at an earlier size, from the export's
// tiles. The audit compared them with the entries; here each hash is held to the
// audited root again, so that a directory changed since gives an error and no root.
func (l *AuditedLog) rootAt(size uint64) (tlog.Hash, error) {
	if size > l.checkpoint.Size {
		return tlog.Hash{}, fmt.Errorf("the audited log has %d entries, not %d", l.checkpoint.Size, size)
	}
	if size == l.checkpoint.Size {
		return l.checkpoint.Root, nil
	}
	if l.dir == "" {
		return tlog.Hash{}, fmt.Errorf("without the log's export: %w", os.ErrNotExist)
	}
	tree := tlog.Tree{N: int64(l.checkpoint.Size), Hash: l.checkpoint.Root}
	return tlog.TreeHash(int64(size), tlog.TileHashReader(tree, exportTiles(l.dir)))
}

// exportTiles reads the tiles of an export. It implements tlog.TileReader.
type exportTiles string

// Height implements tlog.TileReader.
func (exportTiles) Height() int { return ledger.TileHeight }

// ReadTiles implements tlog.TileReader.
func (dir exportTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range tiles {
		path := ledger.TilePath{Level: t.L, Index: uint64(t.N), Width: t.W}
		data, err := readFile(string(dir), path.String(), ledger.TileWidth*tlog.HashSize)
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

// SaveTiles implements tlog.TileReader.
func (exportTiles) SaveTiles([]tlog.Tile, [][]byte) {}

// sameTree holds the fact's checkpoints to the audited log, as far as that goes: a log
// has one root at each size.
func (r *run) sameTree(f *view) error {
	if r.log == nil || r.log.checkpoint.Origin != f.origin() {
		return nil
	}
	for _, p := range f.places() {
		if !p.logged || p.checkpoint.Size > r.log.checkpoint.Size {
			continue
		}
		root, err := r.log.rootAt(p.checkpoint.Size)
		if errors.Is(err, os.ErrNotExist) {
			continue // a saved audit has no tiles, and old tiles may be gone
		}
		if err != nil {
			return fmt.Errorf("the audited log's tree: %w", err)
		}
		if root != p.checkpoint.Root {
			return fmt.Errorf("the audited log had another root at size %d: its operator shows two logs, keep both as evidence", p.checkpoint.Size)
		}
	}
	return nil
}
