package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/countydata"
	"github.com/attestry/attestry/internal/poseidon"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
)

// measureRegistry commits the county's parcels beside the permutations that the
// commit cannot do without, on the same cores.
func measureRegistry(ctx context.Context, dir string, o options) ([]figure, error) {
	schema, err := statement.ParseSchema(countydata.TitlesSchema())
	if err != nil {
		return nil, err
	}
	var store *registry.Store
	var imported registry.Counts
	var importing time.Duration
	made := 0
	prepare := func() error {
		if store != nil {
			if err := store.Close(); err != nil {
				return err
			}
		}
		made++
		if store, err = registry.Create(filepath.Join(dir, fmt.Sprintf("r%d.db", made)), schema); err != nil {
			return err
		}
		rows, err := countydata.Titles()
		if err != nil {
			return err
		}
		start := time.Now()
		imported, err = store.Import(ctx, rows, registry.CSV, nil)
		importing = time.Since(start)
		return err
	}
	commit := func() error {
		_, err := store.Commit(ctx, registry.CommitOptions{Time: time.Now()})
		return err
	}
	costs, err := interleave(o.rounds(), prepare, func() error { return barePermutations(imported.Rows) }, commit)
	if err != nil {
		return nil, err
	}
	bare, committed := medianWall(costs[1]), medianWall(costs[2])
	return []figure{
		{"registry.import.ms", float64(importing.Milliseconds()), 0, "lower", fmt.Sprintf("%d parcels of 16 attributes from CSV", imported.Rows)},
		{"registry.commit.ms", committed, 0, "lower", fmt.Sprintf("the same parcels; bare permutations take %.0f ms", bare)},
		{"registry.commit.x_bare", committed / bare, 3, "lower", "commit against the bare permutations on the same cores"},
	}, store.Close()
}

// barePermutations does, for each record, one permutation of width 16 and 8 (leaf),
// 2 (serial hash) and 4 (link), and a seventh of one of width 8 (nodes).
func barePermutations(records int) error {
	var wait sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		wait.Go(func() {
			in := make([]fr.Element, 16)
			for i := worker; i < records; i += workers {
				in[0].SetUint64(uint64(i))
				poseidon.Compress(0, in[:16]...)
				poseidon.Compress(0, in[:8]...)
				poseidon.Compress(0, in[:2]...)
				poseidon.Compress(0, in[:4]...)
				if i%7 == 0 {
					poseidon.Compress(1, in[:8]...)
				}
			}
		})
	}
	wait.Wait()
	return nil
}
