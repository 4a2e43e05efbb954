package ledger_test

import (
	"bytes"
	"errors"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/attestry/attestry/ledger"
)

func TestTilePaths(t *testing.T) {
	for path, want := range map[string]ledger.TilePath{
		"tile/0/000":                         {Width: 256},
		"tile/0/067.p/8":                     {Index: 67, Width: 8},
		"tile/3/x001/x234/067":               {Level: 3, Index: 1234067, Width: 256},
		"tile/6/999.p/255":                   {Level: 6, Index: 999, Width: 255},
		"tile/0/x001/000.p/1":                {Index: 1000, Width: 1},
		"tile/entries/000":                   {Entries: true, Width: 256},
		"tile/entries/x001/x234/067.p/1":     {Entries: true, Index: 1234067, Width: 1},
		"tile/entries/x281/x474/x976/710656": {},
	} {
		got, err := ledger.ParseTilePath(path)
		if want.Width == 0 {
			if !errors.Is(err, ledger.ErrBadTilePath) {
				t.Errorf("%s: %+v, %v", path, got, err)
			}
			continue
		}
		if err != nil || got != want || got.String() != path {
			t.Errorf("%s: %+v, %v; want %+v", path, got, err, want)
		}
	}
}

func TestParseTilePathRefuses(t *testing.T) {
	for _, path := range []string{
		"", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile/0/0", "tile/0/00", "tile/0/0000",
		"tile/00/000", "tile/-1/000", "tile/+1/000", "tile/7/000", "tile/64/000", "tile/x/000", "tile/data/000", "tile/8/0/000",
		"tile/0/x000/000", "tile/0/x01/000", "tile/0/001/000", "tile/0/x001", "tile/0/x001/x000", "tile/0/x1000/000",
		"tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/08", "tile/0/000.p/-1", "tile/0/000.p/", "tile/0/000.p", "tile/0/000.p/1/2",
		"tile/0/000.p/1.p/1", "tile/0/../000", "tile/0/0x0", "tile/0/x000/x999/x999/x999/x999/999", "tile/0/x281/x474/x976/x710/657",
		"tile/0/x18446744073709551615/000", "tile//000", "tile/entries", "tile/Entries/000", "tile/0/000\n", "tile/0/٠٠٠", "checkpoint",
	} {
		if p, err := ledger.ParseTilePath(path); !errors.Is(err, ledger.ErrBadTilePath) {
			t.Errorf("%q: %+v, %v; want ErrBadTilePath", path, p, err)
		}
	}
}

// The paths, and which tiles a tree has, agree with Tessera's.
func TestTilesAgreeWithTessera(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := ledger.TilePath{
			Level: rapid.IntRange(0, 6).Draw(t, "level"),
			Index: rapid.Uint64Range(0, 1<<48).Draw(t, "index") >> rapid.IntRange(0, 48).Draw(t, "shift"),
			Width: rapid.IntRange(1, 256).Draw(t, "width"),
		}
		partial := uint8(p.Width) // 0 for a full tile
		want := layout.TilePath(uint64(p.Level), p.Index, partial)
		if rapid.Bool().Draw(t, "entries") {
			p.Entries, p.Level = true, 0
			want = layout.EntriesPath(p.Index, partial)
		}
		if p.String() != want {
			t.Fatalf("%+v: %s; want %s", p, p, want)
		}
		if parsed, err := ledger.ParseTilePath(want); err != nil || parsed != p {
			t.Fatalf("%s: %+v, %v", want, parsed, err)
		}
	})
}

func TestTilePathsOfATree(t *testing.T) {
	for size, want := range map[uint64][]string{
		0:   nil,
		1:   {"tile/entries/000.p/1", "tile/0/000.p/1"},
		255: {"tile/entries/000.p/255", "tile/0/000.p/255"},
		256: {"tile/entries/000", "tile/0/000", "tile/1/000.p/1"},
		257: {"tile/entries/000", "tile/entries/001.p/1", "tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"},
	} {
		var got []string
		for p := range ledger.TilePaths(size) {
			got = append(got, p.String())
			if !p.InTree(size) {
				t.Errorf("%s is said not to be in a tree of %d", p, size)
			}
			if p.InTree(size - 1) {
				// only a tile that the last entry did not touch
				p.Width = min(p.Width+1, 256)
				if p.Width == 256 && !strings.HasSuffix(p.String(), "/000") {
					t.Errorf("%s is in a tree of %d", p, size-1)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d entries: %v; want %v", size, got, want)
		}
	}
	for _, size := range []uint64{65535, 65536, 65537, 70000} {
		tiles, bundles := 0, 0
		for p := range ledger.TilePaths(size) {
			if p.Entries {
				bundles++
			} else {
				tiles++
			}
		}
		if want := len(tlog.NewTiles(ledger.TileHeight, 0, int64(size))); tiles != want || bundles != int((size+255)/256) {
			t.Errorf("%d entries: %d tiles and %d bundles; want %d tiles", size, tiles, bundles, want)
		}
	}
}

func TestInTree(t *testing.T) {
	for _, tt := range []struct {
		path string
		size uint64
		want bool
	}{
		{"tile/0/000.p/1", 0, false},
		{"tile/0/000.p/1", 1, true},
		{"tile/0/000.p/2", 1, false},
		{"tile/0/000.p/1", 1000, true}, // of an earlier tree
		{"tile/0/000", 255, false},
		{"tile/0/000", 256, true},
		{"tile/1/000.p/1", 255, false},
		{"tile/1/000.p/1", 256, true},
		{"tile/2/000.p/1", 65535, false},
		{"tile/2/000.p/1", 65536, true},
		{"tile/entries/001.p/4", 259, false},
		{"tile/entries/001.p/4", 260, true},
		{"tile/6/000.p/1", 1 << 48, true},
		{"tile/6/000.p/2", 1 << 48, false},
	} {
		p, err := ledger.ParseTilePath(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.InTree(tt.size); got != tt.want {
			t.Errorf("%s in a tree of %d: %v", tt.path, tt.size, got)
		}
	}
}

// A tile is the hashes of its level, in order.
func TestReadTile(t *testing.T) {
	leaves, hashes := tree(t, 600)
	for _, path := range []string{"tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/0/002.p/3", "tile/1/000.p/2"} {
		p, err := ledger.ParseTilePath(path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := ledger.ReadTile(p, hashes)
		if err != nil {
			t.Fatal(err)
		}
		var tile api.HashTile
		if err := tile.UnmarshalText(data); err != nil || len(tile.Nodes) != p.Width {
			t.Fatalf("%s: %d hashes, %v; want %d", path, len(tile.Nodes), err, p.Width)
		}
		for i, node := range tile.Nodes {
			n := int(p.Index)*256 + i
			want := ledger.LeafHash(leaves[min(n, len(leaves)-1)])
			if p.Level == 1 {
				want = rootOf(leaves[n*256 : (n+1)*256])
			}
			if !bytes.Equal(node, want[:]) {
				t.Fatalf("%s: hash %d", path, i)
			}
		}
	}
}

// rootOf is RFC 6962's MTH, as the RFC writes it.
func rootOf(leaves [][]byte) tlog.Hash {
	if len(leaves) == 1 {
		return ledger.LeafHash(leaves[0])
	}
	k := 1 << (bits.Len(uint(len(leaves)-1)) - 1)
	return tlog.NodeHash(rootOf(leaves[:k]), rootOf(leaves[k:]))
}

func TestBundleRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 300), 1, 256).Draw(t, "entries")
		data, err := ledger.EncodeBundle(entries)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ledger.DecodeBundle(data, len(entries))
		if err != nil || !slices.EqualFunc(got, entries, bytes.Equal) {
			t.Fatalf("decoded otherwise: %v", err)
		}
		var bundle api.EntryBundle
		if err := bundle.UnmarshalText(data); err != nil || !slices.EqualFunc(bundle.Entries, entries, bytes.Equal) {
			t.Fatalf("Tessera decodes otherwise: %v", err)
		}
	})
}

func TestBundleRefuses(t *testing.T) {
	for name, entries := range map[string][][]byte{
		"none":      {},
		"empty":     {{}},
		"too long":  {make([]byte, ledger.MaxEntryBytes+1)},
		"more than": slices.Repeat([][]byte{{1}}, 257),
	} {
		if _, err := ledger.EncodeBundle(entries); !errors.Is(err, ledger.ErrBadBundle) {
			t.Errorf("encode %s: %v", name, err)
		}
	}
	if _, err := ledger.EncodeBundle([][]byte{make([]byte, ledger.MaxEntryBytes)}); err != nil {
		t.Errorf("the largest entry: %v", err)
	}
	for name, tt := range map[string]struct {
		data  string
		width int
	}{
		"empty":        {"", 1},
		"length alone": {"\x00", 1},
		"cut short":    {"\x00\x02a", 1},
		"empty entry":  {"\x00\x00", 1},
		"one missing":  {"\x00\x01a", 2},
		"one too many": {"\x00\x01a\x00\x01b", 1},
		"trailing":     {"\x00\x01ab", 1},
		"width 0":      {"", 0},
		"width 257":    {strings.Repeat("\x00\x01a", 257), 257},
	} {
		if _, err := ledger.DecodeBundle([]byte(tt.data), tt.width); !errors.Is(err, ledger.ErrBadBundle) {
			t.Errorf("decode %s: %v", name, err)
		}
	}
}
