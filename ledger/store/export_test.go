package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/transparency-dev/tessera/client"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// tesseraReads has Tessera's checker read an export.
func tesseraReads(ctx context.Context, dir, vkey string) error {
	return ledgertest.TesseraFsck(ctx, vkey, client.FileFetcher{Root: dir})
}

func TestExportIsReadByTessera(t *testing.T) {
	s := newStore(t)
	key, vkey := signer(t)
	dir := filepath.Join(t.TempDir(), "export")
	if err := s.Export(dir, nil); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("without a checkpoint: %v", err)
	}
	fill(t, s, 600)
	publish(t, s, key)
	calls := 0
	if err := s.Export(dir, func(done, total int) {
		if calls++; done != calls || total != 8 {
			t.Errorf("progress %d of %d at call %d", done, total, calls)
		}
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2",
		"tile/entries/000", "tile/entries/001", "tile/entries/002.p/88",
	}
	if got := files(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %v; want %v", got, want)
	}
	if err := tesseraReads(t.Context(), dir, vkey); err != nil {
		t.Error(err)
	}
	for _, name := range want {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		if name == ledger.CheckpointPath {
			continue
		}
		if tile, err := s.Tile(name); err != nil || !bytes.Equal(tile, data) {
			t.Errorf("Tile(%s): %d bytes, %v; want the file's %d", name, len(tile), err, len(data))
		}
	}
	// That Tessera's check can fail at all:
	flip(t, filepath.Join(dir, "tile/entries/001"), 700)
	if err := tesseraReads(t.Context(), dir, vkey); err == nil {
		t.Error("Tessera does not see a flipped bit of an entry")
	}
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// The sizes at which tiles begin and end.
func TestExportAtTheEdges(t *testing.T) {
	key, vkey := signer(t)
	for _, n := range []int{0, 1, 255, 256, 257, 512} {
		s := newStore(t)
		if n > 0 {
			fill(t, s, n)
		}
		publish(t, s, key)
		dir := t.TempDir()
		if err := s.Export(dir, nil); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			if got := files(t, dir); !slices.Equal(got, []string{"checkpoint"}) {
				t.Errorf("an empty log: %v", got)
			}
		}
		if err := tesseraReads(t.Context(), dir, vkey); err != nil {
			t.Errorf("%d entries: %v", n, err)
		}
	}
}

func TestExportAgain(t *testing.T) {
	s := newStore(t)
	key, vkey := signer(t)
	dir := t.TempDir()
	fill(t, s, 300)
	publish(t, s, key)
	if err := s.Export(dir, nil); err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(dir, "tile/0/000")
	before, err := os.Stat(full)
	if err != nil {
		t.Fatal(err)
	}
	all := entries(t)
	var more []ledger.Entry
	for i := range 300 {
		more = append(more, ledgertest.ProofEntry(t, all[1].(*ledger.CircuitEntry), all[2].(*ledger.EpochEntry), "more "+string(rune(0x4e00+i))))
	}
	if _, err := s.Append(t.Context(), more...); err != nil {
		t.Fatal(err)
	}
	publish(t, s, key)
	if err := s.Export(dir, nil); err != nil {
		t.Fatal(err)
	}
	if err := tesseraReads(t.Context(), dir, vkey); err != nil {
		t.Error(err)
	}
	after, err := os.Stat(full)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("a full tile was written again (%v)", err)
	}
	// The partial tiles that are full by now are gone, and the others are there.
	want := []string{
		"checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/1", "tile/1/000.p/2",
		"tile/entries/000", "tile/entries/001", "tile/entries/002.p/88",
	}
	if got := files(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %v; want %v", got, want)
	}
	for _, name := range files(t, dir) {
		if strings.Contains(name, "partial-") {
			t.Errorf("debris: %s", name)
		}
	}
}

// A further export writes and reads what is new, and nothing else.
func TestExportAgainIsIncremental(t *testing.T) {
	s := newStore(t)
	key, vkey := signer(t)
	dir := t.TempDir()
	fill(t, s, 256*5+10)
	publish(t, s, key)
	if err := s.Export(dir, nil); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "tile/entries/002")
	if err := os.Chmod(old, 0); err != nil { // root reads it all the same: hence the count below
		t.Fatal(err)
	}
	fillMore(t, s, 256)
	publish(t, s, key)
	var total int
	if err := s.Export(dir, func(_, n int) { total = n }); err != nil {
		t.Fatal(err)
	}
	// One full and one partial tile of hashes and of entries, the tile above, the checkpoint.
	if total != 6 {
		t.Errorf("%d files were written or looked at; want 6", total)
	}
	if err := os.Chmod(old, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := tesseraReads(t.Context(), dir, vkey); err != nil {
		t.Error(err)
	}
	// One that was interrupted before its checkpoint goes on.
	fillMore(t, s, 300)
	publish(t, s, key)
	if err := s.Export(dir, nil); err != nil {
		t.Fatal(err)
	}
	whole := files(t, dir)
	if err := os.Remove(filepath.Join(dir, "checkpoint")); err != nil {
		t.Fatal(err)
	}
	if err := s.Export(dir, nil); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); !slices.Equal(got, whole) {
		t.Errorf("files %v; want %v", got, whole)
	}
}

func TestExportIntoAnotherLogIsRefused(t *testing.T) {
	s := newStore(t)
	key, _ := signer(t)
	fill(t, s, 20)
	publish(t, s, key)
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "checkpoint"), foreignCheckpoint(t), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Export(foreign, nil); !errors.Is(err, ErrOtherLog) {
		t.Errorf("another log's checkpoint: %v", err)
	}
	changed := t.TempDir()
	if err := s.Export(changed, nil); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(changed, "tile/0/000.p/20"), 3)
	if err := s.Export(changed, nil); !errors.Is(err, ErrOtherLog) {
		t.Errorf("a tile of other bytes: %v", err)
	}
}

// Tiles are of the published tree: what is not signed for is not shown.
func TestTile(t *testing.T) {
	s := newStore(t)
	key, _ := signer(t)
	fill(t, s, 20)
	if _, err := s.Tile("tile/0/000.p/1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("before the first checkpoint: %v", err)
	}
	publish(t, s, key)
	all := entries(t)
	if _, err := s.Append(t.Context(), ledgertest.ProofEntry(t, all[1].(*ledger.CircuitEntry), all[2].(*ledger.EpochEntry), "unpublished")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"tile/0/000.p/20", "tile/0/000.p/3", "tile/entries/000.p/20", "tile/entries/000.p/1"} {
		if data, err := s.Tile(path); err != nil || len(data) == 0 {
			t.Errorf("%s: %d bytes, %v", path, len(data), err)
		}
	}
	for _, path := range []string{"tile/0/000.p/21", "tile/0/000", "tile/entries/000.p/21", "tile/1/000.p/1", "tile/0/../../ledger.db", "checkpoint", ""} {
		if _, err := s.Tile(path); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v; want ErrNotFound", path, err)
		}
	}
}
