package server

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// grow makes the log long enough for full tiles and a second level.
func (a *agency) grow(t testing.TB, n int) {
	t.Helper()
	var entries []ledger.Entry
	for i := range n {
		entries = append(entries, ledgertest.SchemaEntry(t, fmt.Sprintf("registry-%d", i), "issuer"))
	}
	a.append(t, entries...)
	a.publish(t)
}

// TestReadByTilesClient reads the log over HTTP with a client of C2SP tlog-tiles
// that knows nothing of this project, and verifies what it reads.
func TestReadByTilesClient(t *testing.T) {
	a := newAgency(t)
	a.grow(t, 600)
	server := httptest.NewServer(newTestServer(t, Config{Trust: a.trust(), Log: a.store}, testLimits()).Handler())
	defer server.Close()
	fetcher := must(client.NewHTTPFetcher(must(url.Parse(server.URL+"/"))(t), server.Client()))(t)
	key := must(note.NewVerifier(a.vkey))(t)
	checkpoint, _, _, err := client.FetchCheckpoint(t.Context(), fetcher.ReadCheckpoint, key, ledgertest.Origin)
	if err != nil {
		t.Fatal(err)
	}
	if checkpoint.Size != a.store.Size() {
		t.Fatalf("a checkpoint of %d entries, the log has %d", checkpoint.Size, a.store.Size())
	}
	builder := must(client.NewProofBuilder(t.Context(), checkpoint.Size, fetcher.ReadTile))(t)
	for _, index := range []uint64{0, 2, 255, 256, 511, 512, checkpoint.Size - 1} {
		bundle := must(client.GetEntryBundle(t.Context(), fetcher.ReadEntryBundle, index/ledger.TileWidth, checkpoint.Size))(t)
		entry := bundle.Entries[index%ledger.TileWidth]
		if want := must(a.store.Entry(index))(t); !bytes.Equal(entry, want) {
			t.Fatalf("entry %d is another one", index)
		}
		path := must(builder.InclusionProof(t.Context(), index))(t)
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, checkpoint.Size, rfc6962.DefaultHasher.HashLeaf(entry), path, checkpoint.Hash); err != nil {
			t.Errorf("entry %d: %v", index, err)
		}
	}
}

// TestFsckOverHTTP has Tessera's checker read the whole log from the running server,
// and notice what a bad mirror in between changes.
func TestFsckOverHTTP(t *testing.T) {
	a := newAgency(t)
	a.grow(t, 600)
	handler := newTestServer(t, Config{Trust: a.trust(), Log: a.store}, testLimits()).Handler()
	partial := a.store.Size() - 2*ledger.TileWidth
	for name, c := range map[string]struct{ spoiled, missing string }{
		"honest":                {},
		"an entry bundle":       {spoiled: "/tile/entries/001"},
		"a tile of level 0":     {spoiled: "/tile/0/000"},
		"a partial tile":        {spoiled: fmt.Sprintf("/tile/0/002.p/%d", partial)},
		"a tile of level 1":     {spoiled: "/tile/1/000.p/2"},
		"a missing bundle":      {missing: fmt.Sprintf("/tile/entries/002.p/%d", partial)},
		"a missing full bundle": {missing: "/tile/entries/000"},
	} {
		mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == c.missing {
				http.NotFound(w, r)
				return
			}
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, r)
			body := answer.Body.Bytes()
			if r.URL.Path == c.spoiled {
				body[len(body)/2] ^= 1
			}
			w.WriteHeader(answer.Code)
			_, _ = w.Write(body)
		}))
		fetcher := must(client.NewHTTPFetcher(must(url.Parse(mirror.URL+"/"))(t), mirror.Client()))(t)
		err := ledgertest.TesseraFsck(t.Context(), a.vkey, fetcher)
		if honest := c.spoiled+c.missing == ""; honest != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		mirror.Close()
	}
}

// httpTiles reads tiles of height 8 for x/mod, whose own paths differ.
type httpTiles struct {
	t   *testing.T
	url string
}

func (h httpTiles) Height() int { return ledger.TileHeight }

func (h httpTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		path := ledger.TilePath{Level: tile.L, Index: uint64(tile.N), Width: tile.W}.String()
		r, err := http.Get(h.url + "/" + path)
		if err != nil {
			return nil, err
		}
		if r.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %s", path, r.Status)
		}
		out = append(out, []byte(text(h.t, r)))
	}
	return out, nil
}

func (h httpTiles) SaveTiles([]tlog.Tile, [][]byte) {}

// TestConsistencyOverHTTP: a reader who kept an old checkpoint sees that the log has
// only grown.
func TestConsistencyOverHTTP(t *testing.T) {
	a := newAgency(t)
	server := httptest.NewServer(newTestServer(t, Config{Trust: a.trust(), Log: a.store}, testLimits()).Handler())
	defer server.Close()
	read := func() ledger.Checkpoint {
		signed := text(t, must(http.Get(server.URL+"/checkpoint"))(t))
		return must(ledger.OpenCheckpoint([]byte(signed), a.vkey))(t)
	}
	old := read()
	a.grow(t, 300)
	now := read()
	hashes := tlog.TileHashReader(tlog.Tree{N: int64(now.Size), Hash: now.Root}, httpTiles{t, server.URL})
	tree := must(tlog.ProveTree(int64(now.Size), int64(old.Size), hashes))(t)
	if err := tlog.CheckTree(tree, int64(now.Size), now.Root, int64(old.Size), old.Root); err != nil {
		t.Error(err)
	}
}

func TestTileHeaders(t *testing.T) {
	a := newAgency(t)
	a.grow(t, 300)
	h := newTestServer(t, Config{Trust: a.trust(), Log: a.store}, testLimits()).Handler()
	for path := range ledger.TilePaths(a.store.Size()) {
		r := do(h, request("GET", "/"+path.String(), ""))
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: %s, %s", path, r.Status, r.Header.Get("Content-Type"))
		}
		if got := r.Header.Get("Cache-Control"); !strings.Contains(got, "public") || !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
		if got, want := text(t, r), string(must(a.store.Tile(path.String()))(t)); got != want {
			t.Errorf("%s: other bytes than the log's", path)
		}
	}
	r := do(h, request("GET", "/checkpoint", ""))
	if got := r.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("checkpoint: Content-Type %q", got)
	}
	if got, want := text(t, r), string(must(a.store.Checkpoint())(t)); got != want {
		t.Errorf("checkpoint: %q", got)
	}
}
