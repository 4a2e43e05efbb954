package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/countydata"
	"github.com/attestry/attestry/internal/poseidon"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
)

const comparesRegistry = `The records are the county's parcels, over and over under new keys. A commit hashes every leaf and node, writes them and
makes the epoch durable; beside it stand the permutations of Poseidon2 alone that it cannot do without, on all cores and in vectors: for
each record one of width 16 and one of width 8 (leaf), one of width 2 (serial hash), one of width 4 (link) and a seventh of one of width 8 (nodes).`

// measureRegistry commits records beside the permutations that the commit cannot do
// without, on the same cores.
func measureRegistry(ctx context.Context, b *bench) error {
	n := b.count(countydata.TitlesRecords, 1_000_000)
	var s *registry.Store
	var importing []cost
	prepare := func() (err error) {
		if s != nil {
			if err := s.Close(); err != nil {
				return err
			}
		}
		var took cost
		s, took, err = b.importedRegistry(ctx, n)
		importing = append(importing, took)
		return err
	}
	commit := func() error {
		_, err := s.Commit(ctx, registry.CommitOptions{Time: time.Now()})
		return err
	}
	costs, err := interleave(ctx, b.count(3, 1), prepare, func() error { return barePermutations(n) }, commit)
	if err != nil {
		return err
	}
	bare, committed := medianWall(costs[1]), medianWall(costs[2])
	records := number(float64(n))
	b.add(
		figure{"registry.import.ms", medianWall(importing), 0, lower, records + " records of 16 attributes from CSV"},
		figure{"registry.commit.ms", committed, 0, lower, fmt.Sprintf("the same records; the bare permutations take %s ms", number(bare))},
		figure{"registry.commit.ratio", bare / committed, 0.6, higher, fmt.Sprintf("the bare permutations' time against that of the commit of %s records", records)},
	)
	return s.Close()
}

// importedRegistry is a new registry with so many records imported.
func (b *bench) importedRegistry(ctx context.Context, records int) (*registry.Store, cost, error) {
	s, err := b.newRegistry()
	if err != nil {
		return nil, cost{}, err
	}
	rows, err := parcels(records, 0)
	if err != nil {
		return nil, cost{}, err
	}
	took, err := timed(func() error {
		_, err := s.Import(ctx, rows, registry.CSV, nil)
		return err
	})
	return s, took, err
}

// newRegistry makes an empty registry.
func (b *bench) newRegistry() (*registry.Store, error) {
	schema, err := statement.ParseSchema(countydata.TitlesSchema())
	if err != nil {
		return nil, err
	}
	b.made++
	return registry.Create(b.registryPath(), schema)
}

// registryPath is where the newest registry is.
func (b *bench) registryPath() string { return b.path(fmt.Sprintf("registry-%d.db", b.made)) }

func parcelKey(i int) string { return fmt.Sprintf("LC-%08d", i) }

// parcels gives so many rows of CSV: the county's titles, over and over, each under a key
// of its own. Every so many rows, if it is not 0, one has another title's values.
func parcels(n, every int) (io.Reader, error) { return parcelRows(n, every, false) }

// changedParcels gives the rows that have other values then, as a file of changes.
func changedParcels(n, every int) (io.Reader, error) { return parcelRows(n, every, true) }

// titleRows gives the county's titles, which are read once: that is none of the work that is measured.
var titleRows = sync.OnceValues(func() ([][]string, error) {
	titles, err := countydata.Titles()
	if err != nil {
		return nil, err
	}
	return csv.NewReader(titles).ReadAll()
})

func parcelRows(n, every int, changes bool) (io.Reader, error) {
	rows, err := titleRows()
	if err != nil {
		return nil, err
	}
	head, rows := rows[0], rows[1:]
	in, out := io.Pipe()
	go func() {
		w := csv.NewWriter(out)
		end := []string{}
		if changes {
			head, end = slices.Concat(head, []string{registry.ChangeColumn}), []string{"put"}
		}
		err := w.Write(head)
		for i := 0; i < n && err == nil; i++ {
			values := i
			if every > 0 && i%every == 0 {
				values++
			} else if changes {
				continue
			}
			err = w.Write(slices.Concat([]string{parcelKey(i)}, rows[values%len(rows)][1:], end))
		}
		w.Flush()
		_ = out.CloseWithError(err) // nil is the end of the rows
	}()
	return in, nil
}

// barePermutations does, for each record, one permutation of width 16 and 8 (leaf),
// 2 (serial hash) and 4 (link), and a seventh of one of width 8 (nodes), as many side by
// side as is fastest.
func barePermutations(records int) error {
	const together, largest = 7 * 32, 16
	var wait sync.WaitGroup
	var next atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			in, out := make([]fr.Element, together*largest), make([]fr.Element, together)
			for i := range in {
				in[i].SetUint64(uint64(i))
			}
			batches := map[int]*poseidon.Batch{}
			for _, width := range []int{2, 4, 8, largest} {
				batches[width] = poseidon.NewBatch(width)
			}
			for next.Add(together) <= int64(records) {
				for _, width := range []int{largest, 8, 2, 4} {
					batches[width].Compress(0, out, in[:together*width])
				}
				batches[8].Compress(1, out[:together/7], in[:together/7*8])
			}
		})
	}
	wait.Wait()
	return nil
}
