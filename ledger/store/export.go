package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/ledger"
)

// Tile gives a tile or an entry bundle by its path, of the tree of the last
// published checkpoint: what is not signed for is not shown. It fails with
// [ErrNotFound] for a path that is malformed or beyond that tree.
func (s *Store) Tile(path string) (data []byte, err error) {
	p, err := ledger.ParseTilePath(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	err = s.view(func(tx *bolt.Tx) error {
		_, c, err := published(tx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		if !p.InTree(c.Size) {
			return fmt.Errorf("%w: %s in a tree of %d entries", ErrNotFound, path, c.Size)
		}
		data, err = readTile(tx, p)
		return err
	})
	return data, err
}

func readTile(tx *bolt.Tx, p ledger.TilePath) ([]byte, error) {
	if !p.Entries {
		return ledger.ReadTile(p, txHashes{tx})
	}
	entries := make([][]byte, p.Width)
	cursor := tx.Bucket(bucketEntries).Cursor()
	key, value := cursor.Seek(key64(p.Index * ledger.TileWidth))
	for i := range entries {
		if !bytes.Equal(key, key64(p.Index*ledger.TileWidth+uint64(i))) {
			return nil, fmt.Errorf("%w: entry %d is missing", ErrDamaged, p.Index*ledger.TileWidth+uint64(i))
		}
		entries[i] = value
		key, value = cursor.Next()
	}
	return ledger.EncodeBundle(entries)
}

// Export writes the log as of its last published checkpoint as a tlog-tiles
// directory: checkpoint, tile/<L>/<N> and tile/entries/<N>. A directory that holds
// an earlier export of the log is brought up to date in the time that the new tiles
// take; one that holds anything else at these paths is refused with [ErrOtherLog].
// The checkpoint comes last, so that whoever reads it finds its tiles. After it the
// partial tiles go that are full by now, as C2SP tlog-tiles allows: readers ask for
// the full one instead. progress, if not nil, hears of every file.
//
// No transaction is open for longer than one tile takes: what a transaction sees, the
// database cannot use again, so that a long one would make every append write to new
// pages of a growing file.
func (s *Store) Export(dir string, progress func(done, total int)) error {
	signed, c, old, err := s.beginExport(dir)
	if err != nil {
		return err
	}
	paths := newTiles(old, c.Size)
	for i, p := range paths {
		// The tree of a checkpoint is the same in every later transaction.
		if err := s.view(func(tx *bolt.Tx) error { return exportTile(tx, dir, p) }); err != nil {
			return err
		}
		if progress != nil {
			progress(i+1, len(paths)+1)
		}
	}
	if err := exportFile(filepath.Join(dir, ledger.CheckpointPath), signed); err != nil {
		return err
	}
	if progress != nil {
		progress(len(paths)+1, len(paths)+1)
	}
	return removePartial(dir, old, c.Size)
}

// beginExport gives the checkpoint to export, and the size that the directory has.
func (s *Store) beginExport(dir string) (signed []byte, c ledger.Checkpoint, old uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		if signed, c, err = published(tx); err != nil {
			return err
		}
		old, err = s.checkExport(tx, dir)
		return err
	})
	return signed, c, old, err
}

// checkExport gives the size of the log that a directory holds already, 0 if none,
// and refuses one whose checkpoint is not of this log.
func (s *Store) checkExport(tx *bolt.Tx, dir string) (uint64, error) {
	old, err := os.ReadFile(filepath.Join(dir, ledger.CheckpointPath))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	c, err := s.ownCheckpoint(tx, old)
	if err != nil {
		return 0, fmt.Errorf("%w: the directory %s holds another export: %w", ErrOtherLog, dir, err)
	}
	return c.Size, nil
}

// newTiles lists the tiles of a log that an export of an older size does not have in
// full. Those that it has were on disk before its checkpoint was, and the checkpoint
// says that they are this log's.
func newTiles(old, size uint64) []ledger.TilePath {
	var paths []ledger.TilePath
	for p := range ledger.TilePaths(size) {
		if p.Width < ledger.TileWidth || !p.InTree(old) {
			paths = append(paths, p)
		}
	}
	return paths
}

// removePartial removes the partial tiles of an older size that are full by now.
func removePartial(dir string, old, size uint64) error {
	for p := range ledger.TilePaths(old) {
		full := p
		full.Width = ledger.TileWidth
		if p.Width == ledger.TileWidth || !full.InTree(size) {
			continue
		}
		// Beside the one of that size there may be others, of sizes before.
		if err := os.RemoveAll(filepath.Join(dir, filepath.FromSlash(full.String()+".p"))); err != nil {
			return err
		}
	}
	return nil
}

// exportTile writes a tile, unless the same bytes are there. A tile never changes,
// so other bytes are another log's.
func exportTile(tx *bolt.Tx, dir string, p ledger.TilePath) error {
	data, err := readTile(tx, p)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, filepath.FromSlash(p.String()))
	old, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(old, data):
		return nil
	case err == nil:
		return fmt.Errorf("%w: %s holds other bytes", ErrOtherLog, path)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return exportFile(path, data)
}

func exportFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, data, 0o644)
}
