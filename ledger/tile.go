package ledger

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// TileHeight is the height of a tile, fixed by C2SP tlog-tiles.
	TileHeight = 8
	// TileWidth is the number of hashes or entries in a full tile or bundle.
	TileWidth = 1 << TileHeight
	// CheckpointPath is where the checkpoint is, beside the tiles.
	CheckpointPath = "checkpoint"
	// maxTileLevel is the topmost level of tiles of the largest log.
	maxTileLevel = 48 / TileHeight
)

// TilePath names one file of a log as published: a tile of hashes or a bundle of
// entries (C2SP tlog-tiles).
type TilePath struct {
	Entries bool   // a bundle of entries; then Level is 0
	Level   int    // of tiles: 0 holds leaf hashes, each next one the roots of full tiles
	Index   uint64 // within the level
	Width   int    // 1 to TileWidth; below that the tile is partial
}

// String gives the path: tile/<L>/<N>[.p/<W>] or tile/entries/<N>[.p/<W>], with N in
// groups of three digits of which all but the last begin with an x.
func (p TilePath) String() string {
	n := fmt.Sprintf("%03d", p.Index%1000)
	for rest := p.Index / 1000; rest > 0; rest /= 1000 {
		n = fmt.Sprintf("x%03d/%s", rest%1000, n)
	}
	level := "entries"
	if !p.Entries {
		level = strconv.Itoa(p.Level)
	}
	path := "tile/" + level + "/" + n
	if p.Width < TileWidth {
		path += ".p/" + strconv.Itoa(p.Width)
	}
	return path
}

// ParseTilePath reads exactly what [TilePath.String] writes.
func ParseTilePath(path string) (TilePath, error) {
	p, err := parseTilePath(path)
	if err != nil || p.String() != path {
		return TilePath{}, fmt.Errorf("%w: not like tile/0/x001/067 or tile/entries/067.p/8", ErrBadTilePath)
	}
	return p, nil
}

// parseTilePath reads leniently; the caller holds the result to its round trip.
func parseTilePath(path string) (p TilePath, err error) {
	p.Width = TileWidth
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok {
		return p, ErrBadTilePath
	}
	level, rest, _ := strings.Cut(rest, "/")
	if p.Entries = level == "entries"; !p.Entries {
		if p.Level, err = strconv.Atoi(level); err != nil || p.Level > maxTileLevel || p.Level < 0 {
			return p, ErrBadTilePath
		}
	}
	n, width, partial := strings.Cut(rest, ".p/")
	if partial {
		if p.Width, err = strconv.Atoi(width); err != nil || p.Width < 1 || p.Width >= TileWidth {
			return p, ErrBadTilePath
		}
	}
	digits := strings.NewReplacer("x", "", "/", "").Replace(n)
	p.Index, err = strconv.ParseUint(digits, 10, 64)
	if err != nil || p.Index > MaxSize {
		return p, ErrBadTilePath
	}
	return p, nil
}

// InTree tells whether a log of a size has the tile, in this width or a greater.
func (p TilePath) InTree(size uint64) bool {
	if size > MaxSize || p.Level < 0 || p.Level > maxTileLevel || p.Index > MaxSize || p.Width < 1 || p.Width > TileWidth {
		return false
	}
	return p.Index*TileWidth+uint64(p.Width) <= size>>(TileHeight*p.Level)
}

// TilePaths lists the tiles and bundles of a log of a size, with the partial ones
// at its right edge, from the entries upwards.
func TilePaths(size uint64) func(yield func(TilePath) bool) {
	return func(yield func(TilePath) bool) {
		for level := -1; level <= maxTileLevel; level++ {
			p := TilePath{Entries: level < 0, Level: max(level, 0)}
			count := size >> (TileHeight * p.Level)
			for ; p.Index*TileWidth < count; p.Index++ {
				p.Width = int(min(count-p.Index*TileWidth, TileWidth))
				if !yield(p) {
					return
				}
			}
		}
	}
}

// tlogTile gives the tile in the terms of x/mod, whose own paths differ.
func (p TilePath) tlogTile() tlog.Tile {
	return tlog.Tile{H: TileHeight, L: p.Level, N: int64(p.Index), W: p.Width}
}

// ReadTile gives the bytes of a tile of hashes: each hash of its level, in order.
func ReadTile(p TilePath, r tlog.HashReader) ([]byte, error) {
	return tlog.ReadTileData(p.tlogTile(), r)
}

// EncodeBundle gives the bytes of an entry bundle: each entry after its length in
// two big-endian bytes.
func EncodeBundle(entries [][]byte) ([]byte, error) {
	if len(entries) == 0 || len(entries) > TileWidth {
		return nil, fmt.Errorf("%w: %d entries, not 1 to %d", ErrBadBundle, len(entries), TileWidth)
	}
	var out []byte
	for i, entry := range entries {
		if len(entry) == 0 || len(entry) > MaxEntryBytes {
			return nil, fmt.Errorf("%w: entry %d has %d bytes, not 1 to %d", ErrBadBundle, i, len(entry), MaxEntryBytes)
		}
		out = binary.BigEndian.AppendUint16(out, uint16(len(entry)))
		out = append(out, entry...)
	}
	return out, nil
}

// DecodeBundle reads a bundle of exactly this many entries, with nothing after
// them. The entries share the bundle's memory.
func DecodeBundle(data []byte, width int) ([][]byte, error) {
	if width < 1 || width > TileWidth {
		return nil, fmt.Errorf("%w: %d entries, not 1 to %d", ErrBadBundle, width, TileWidth)
	}
	entries := make([][]byte, 0, width)
	for i := range width {
		if len(data) < 2 {
			return nil, fmt.Errorf("%w: ends before entry %d of %d", ErrBadBundle, i, width)
		}
		n := int(binary.BigEndian.Uint16(data))
		if n == 0 || len(data) < 2+n {
			return nil, fmt.Errorf("%w: entry %d of %d is empty or cut short", ErrBadBundle, i, width)
		}
		entries = append(entries, data[2:2+n:2+n])
		data = data[2+n:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after its %d entries", ErrBadBundle, len(data), width)
	}
	return entries, nil
}
