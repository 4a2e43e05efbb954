package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attestry/attestry/ledger/store"
)

// stallClients append while a copy is made.
const stallClients = 4

// stall compares the slowest appends of a log that is left alone with those of
// one that is being copied and read by a slow reader.
func (b *bench) stall(path string, s *store.Store, log *benchLog) error {
	if err := publish(s); err != nil {
		return err
	}
	next := int(s.Size())
	appends := func(busy func(stop *atomic.Bool) error) func() ([]time.Duration, error) {
		return func() ([]time.Duration, error) {
			batch := log.entries(next, next+b.count(2000, 4000))
			next += len(batch)
			return latencies(s, batch, busy)
		}
	}
	alone := appends(func(*atomic.Bool) error { return nil })
	copied := appends(func(stop *atomic.Bool) error { return copyAndRead(path, s, stop) })
	var calm, busy []time.Duration
	for range b.count(3, 5) {
		for _, side := range []struct {
			measure func() ([]time.Duration, error)
			into    *[]time.Duration
		}{{alone, &calm}, {copied, &busy}} {
			d, err := side.measure()
			if err != nil {
				return err
			}
			*side.into = append(*side.into, d...)
		}
	}
	before, during := percentile(calm, 99), percentile(busy, 99)
	b.add(
		figure{"ledger.append.p99_ms", before, 0, lower, fmt.Sprintf("append and fsync, %d clients", stallClients)},
		figure{"ledger.append.p99_copied_ms", during, 0, lower, "the same while backups are made and a slow reader exports"},
		figure{"ledger.append.p99_copied.x", during / before, 2, lower, "the second against the first"},
	)
	return nil
}

// latencies appends from a few clients, while something else goes on.
func latencies(s *store.Store, batch []ledgerEntry, busy func(stop *atomic.Bool) error) ([]time.Duration, error) {
	var stop atomic.Bool
	var beside sync.WaitGroup
	var busyErr error
	beside.Go(func() { busyErr = busy(&stop) })
	took := make([]time.Duration, len(batch))
	err := inParallel(stallClients, len(batch), func(i int) error {
		start := time.Now()
		_, err := s.Append(ctxBackground, batch[i])
		took[i] = time.Since(start)
		return err
	})
	stop.Store(true)
	beside.Wait()
	return took, errors.Join(err, busyErr)
}

// copyAndRead backs the log up again and again while it is exported by a reader that takes
// its time.
func copyAndRead(path string, s *store.Store, stop *atomic.Bool) error {
	var reader sync.WaitGroup
	var readErr error
	reader.Go(func() {
		dir := path + ".slow"
		readErr = s.Export(dir, func(_, _ int) {
			if !stop.Load() {
				time.Sleep(20 * time.Millisecond)
			}
		})
		readErr = errors.Join(readErr, os.RemoveAll(dir))
	})
	var err error
	for n := 0; err == nil && !stop.Load(); n++ {
		copied := fmt.Sprint(path, ".copy", n)
		_, err = s.Backup(copied)
		err = errors.Join(err, os.Remove(filepath.Clean(copied)))
	}
	reader.Wait()
	return errors.Join(err, readErr)
}

// percentile gives a percentile in milliseconds.
func percentile(d []time.Duration, p int) float64 {
	slices.Sort(d)
	return float64(d[len(d)*p/100].Nanoseconds()) / 1e6
}
