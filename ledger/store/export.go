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
// an earlier export of the log is brought up to date; one that holds anything else
// at these paths is refused with [ErrOtherLog]. The checkpoint comes last, so that
// whoever reads it finds its tiles. progress, if not nil, hears of every file.
func (s *Store) Export(dir string, progress func(done, total int)) error {
	return s.view(func(tx *bolt.Tx) error {
		signed, c, err := published(tx)
		if err != nil {
			return err
		}
		if err := s.checkExport(tx, dir); err != nil {
			return err
		}
		paths := []ledger.TilePath{}
		for p := range ledger.TilePaths(c.Size) {
			paths = append(paths, p)
		}
		for i, p := range paths {
			if err := exportTile(tx, dir, p); err != nil {
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
		return nil
	})
}

// checkExport refuses a directory whose checkpoint is not one of this log.
func (s *Store) checkExport(tx *bolt.Tx, dir string) error {
	old, err := os.ReadFile(filepath.Join(dir, ledger.CheckpointPath))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := s.ownCheckpoint(tx, old); err != nil {
		return fmt.Errorf("%w: the directory %s holds another export: %w", ErrOtherLog, dir, err)
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
