package verifier

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// rawWorld gives a log of so many entries that say nothing: its tree is a tree.
func rawWorld(t testing.TB, n int) *world {
	t.Helper()
	w := newWorld(t, "agency.example/log", titleSchema())
	w.entries, w.hashes = nil, nil
	for i := range n {
		w.addBytes(fmt.Appendf(nil, `{"n":%d,"type":"attestry/test/v1"}`, i))
	}
	return w
}

// treeProblems gives the problems of an audit that are of the tree and its files.
func treeProblems(r *Report) []string {
	return slices.DeleteFunc(checks(r), func(check string) bool { return check == AuditRules || check == AuditCheckpoint })
}

// TestTesseraAgrees holds an export against Tessera's checker and the audit's tree
// against it, at the sizes where tiles begin and end.
func TestTesseraAgrees(t *testing.T) {
	for _, n := range []int{0, 1, 2, 255, 256, 257, 511, 512, 65536, 65537 + 300} {
		w := rawWorld(t, n)
		dir := w.export()
		if err := ledgertest.TesseraFsck(t.Context(), w.vkey, client.FileFetcher{Root: dir}); err != nil {
			t.Errorf("%d entries: Tessera: %v", n, err)
		}
		report, _ := auditWith(t, dir, w.trust(), AuditOptions{})
		if got := treeProblems(report); len(got) > 0 || report.Entries != uint64(n) {
			t.Errorf("%d entries: the audit finds problems of %v", n, got)
		}
	}
}

// TestTesseraTampering spoils a log of three levels of tiles in one way each: Tessera
// and the audit both notice.
func TestTesseraTampering(t *testing.T) {
	w := rawWorld(t, 65536+300)
	flipIn := func(path string, at int) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			name := filepath.Join(dir, path)
			data := readAll(t, name)
			data[at] ^= 1
			if err := os.WriteFile(name, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	removed := func(path string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  []string
	}{
		"an entry bundle":         {flipIn("tile/entries/100", 6), []string{AuditEntries, AuditRoot, AuditTiles}},
		"a tile of level 0":       {flipIn("tile/0/077", 4000), []string{AuditTiles}},
		"a tile of level 1":       {flipIn("tile/1/000", 4000), []string{AuditTiles}},
		"a tile of level 2":       {flipIn("tile/2/000.p/1", 16), []string{AuditTiles}},
		"a missing bundle":        {removed("tile/entries/200"), []string{AuditEntries}},
		"a missing partial one":   {removed("tile/entries/257.p/44"), []string{AuditEntries}},
		"a missing tile":          {removed("tile/0/200"), []string{AuditTiles}},
		"a missing tile, level 2": {removed("tile/2/000.p/1"), []string{AuditTiles}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := w.fork(t).export()
			c.spoil(t, dir)
			if err := ledgertest.TesseraFsck(t.Context(), w.vkey, client.FileFetcher{Root: dir}); err == nil {
				t.Error("Tessera notices nothing")
			}
			report, _ := auditWith(t, dir, w.trust(), AuditOptions{})
			if got := treeProblems(report); !slices.Equal(got, c.want) {
				t.Errorf("the audit finds problems of %v, want %v", got, c.want)
			}
		})
	}
}

// TestExportProofsByMerkle builds inclusion and consistency proofs from an export's
// tiles with x/mod, as the audit does, and has transparency-dev/merkle verify them; and
// the other way round with Tessera's builder.
func TestExportProofsByMerkle(t *testing.T) {
	w := rawWorld(t, 65536+300)
	dir := w.export()
	fetcher := client.FileFetcher{Root: dir}
	size := uint64(len(w.entries))
	root := ensure[tlog.Hash](t)(tlog.TreeHash(int64(size), w.hashes))
	tiles := tlog.TileHashReader(tlog.Tree{N: int64(size), Hash: root}, exportTiles(dir))
	builder := ensure[*client.ProofBuilder](t)(client.NewProofBuilder(t.Context(), size, fetcher.ReadTile))
	for _, index := range []uint64{0, 1, 255, 256, 40000, 65535, 65536, size - 1} {
		leaf := ledger.LeafHash(w.entries[index])
		path := ensure[tlog.RecordProof](t)(tlog.ProveRecord(int64(size), int64(index), tiles))
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf[:], rawHashes(path), root[:]); err != nil {
			t.Errorf("inclusion of %d by x/mod: %v", index, err)
		}
		theirs := ensure[[][]byte](t)(builder.InclusionProof(t.Context(), index))
		if err := tlog.CheckRecord(hashesOf(theirs), int64(size), root, int64(index), leaf); err != nil {
			t.Errorf("inclusion of %d by Tessera: %v", index, err)
		}
	}
	for _, old := range []uint64{1, 255, 256, 257, 40000, 65535, 65536, 65537, size - 1} {
		oldRoot := ensure[tlog.Hash](t)(tlog.TreeHash(int64(old), w.hashes))
		path := ensure[tlog.TreeProof](t)(tlog.ProveTree(int64(size), int64(old), tiles))
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, old, size, rawHashes(path), oldRoot[:], root[:]); err != nil {
			t.Errorf("consistency from %d by x/mod: %v", old, err)
		}
		theirs := ensure[[][]byte](t)(builder.ConsistencyProof(t.Context(), old, size))
		if err := tlog.CheckTree(hashesOf(theirs), int64(size), root, int64(old), oldRoot); err != nil {
			t.Errorf("consistency from %d by Tessera: %v", old, err)
		}
		oldRoot[0] ^= 1
		if proof.VerifyConsistency(rfc6962.DefaultHasher, old, size, rawHashes(path), oldRoot[:], root[:]) == nil {
			t.Errorf("consistency from %d with another root", old)
		}
	}
}

func rawHashes(hashes []tlog.Hash) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

func hashesOf(raw [][]byte) []tlog.Hash {
	out := make([]tlog.Hash, len(raw))
	for i := range raw {
		out[i] = tlog.Hash(raw[i])
	}
	return out
}
