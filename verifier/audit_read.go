package verifier

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// readEntry is an entry, read as far as that needs no other entries.
type readEntry struct {
	leaf     tlog.Hash
	prepared *ledger.Prepared
	err      error // why it cannot be read
}

// chunk is one bundle of entries.
type chunk struct {
	first   uint64 // index of its first entry
	read    chan struct{}
	entries []readEntry
	err     error // why the bundle cannot be read
}

// readAhead reads the bundles from the first entry that is to be audited, some of them
// ahead and on every core, and gives them in order. It ends with the context.
func (a *audit) readAhead(ctx context.Context) <-chan *chunk {
	n := runtime.GOMAXPROCS(0)
	inOrder, jobs := make(chan *chunk, n), make(chan *chunk)
	for range n {
		go func() {
			for c := range jobs {
				c.entries, c.err = a.readBundle(c.first / ledger.TileWidth)
				close(c.read)
			}
		}()
	}
	first := a.report.Entries / ledger.TileWidth * ledger.TileWidth
	go func() {
		defer close(jobs)
		defer close(inOrder)
		for ; first < a.checkpoint.Size; first += ledger.TileWidth {
			c := &chunk{first: first, read: make(chan struct{})}
			for _, to := range []chan *chunk{jobs, inOrder} {
				select {
				case to <- c:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return inOrder
}

func (a *audit) readBundle(bundle uint64) ([]readEntry, error) {
	entries, err := readEntries(a.dir, bundlePath(bundle, a.checkpoint.Size))
	if err != nil {
		return nil, err
	}
	out := make([]readEntry, len(entries))
	for i, data := range entries {
		out[i].leaf = ledger.LeafHash(data)
		out[i].prepared, out[i].err = ledger.Prepare(data)
	}
	return out, nil
}

// bundlePath names a bundle of entries of a log of a size.
func bundlePath(bundle, size uint64) ledger.TilePath {
	return ledger.TilePath{Entries: true, Index: bundle, Width: int(min(size-bundle*ledger.TileWidth, ledger.TileWidth))}
}

// readEntries reads a bundle of an export.
func readEntries(dir string, path ledger.TilePath) ([][]byte, error) {
	data, err := readFile(dir, path.String(), ledger.TileWidth*(2+ledger.MaxEntryBytes))
	if err != nil {
		return nil, err
	}
	entries, err := ledger.DecodeBundle(data, path.Width)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return entries, nil
}
