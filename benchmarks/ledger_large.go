package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/attestry/attestry/ledger/store"
)

// measureLargeLedger grows a log to a size, and measures how fast it grows at its
// beginning and at its end, and what its export, its check and a further export take.
func measureLargeLedger(ctx context.Context, dir string, o options) ([]figure, error) {
	log, err := newBenchLog()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "ledger.db")
	s, err := store.Create(path, benchOrigin, store.Options{Verify: acceptProof})
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }() // measured and done with
	start := time.Now()
	small, err := rateAt(s, log, ledgerBase)
	if err != nil {
		return nil, err
	}
	large, err := rateAt(s, log, o.Ledger)
	if err != nil {
		return nil, err
	}
	figures := []figure{
		{"ledger.large.entries", float64(s.Size()), 0, "higher", fmt.Sprintf("pledges with simulated proofs, each of a record of its own; grown in %.0f s", time.Since(start).Seconds())},
		{"ledger.large.append256.per_s_at_10k", small, 0, "higher", "pledges per second by 256 clients, at 10,000 entries"},
		{"ledger.large.append256.per_s", large, 0, "higher", "the same at the full size"},
		{"ledger.large.append256.ratio", large / small, 0.5, "higher", "the second against the first"},
	}
	more, err := measureWhole(ctx, dir, s, log)
	return append(figures, more...), err
}

// rateAt grows a log to a size, and measures how many entries a second it then takes.
func rateAt(s *store.Store, log *benchLog, size int) (float64, error) {
	const measured = 16_384
	if err := log.grow(s, size, 2); err != nil {
		return 0, err
	}
	batch := log.entries(int(s.Size()), int(s.Size())+measured)
	took, err := timed(func() error {
		return inParallel(manyClients, measured, func(i int) error {
			_, err := s.Append(ctxBackground, batch[i])
			return err
		})
	})
	return measured / took.wall.Seconds(), err
}

// measureWhole measures what goes over the whole log.
func measureWhole(ctx context.Context, dir string, s *store.Store, log *benchLog) ([]figure, error) {
	export := func() error {
		if err := publish(s); err != nil {
			return err
		}
		return s.Export(filepath.Join(dir, "export"), nil)
	}
	var figures []figure
	for _, step := range []struct {
		name, what string
		work       func() error
	}{
		{"ledger.large.export", "publish and export all tiles", export},
		{"ledger.large.export_again", "2,560 entries later: publish and export the new tiles", export},
		{"ledger.large.fsck", "rebuild and compare everything, simulated proofs", func() error { return s.Check(ctx) }},
		{"ledger.large.backup", "copy the database", func() error { _, err := s.Backup(filepath.Join(dir, "copy.db")); return err }},
	} {
		if step.name == "ledger.large.export_again" {
			if err := log.grow(s, int(s.Size())+2560, 2); err != nil {
				return nil, err
			}
		}
		measured, err := measureStep(step.name, step.what, step.work)
		if err != nil {
			return nil, err
		}
		figures = append(figures, measured...)
	}
	return figures, nil
}

// measureStep gives a step's time, and its peak of anonymous memory with the mapped
// pages of the database beside it.
func measureStep(name, what string, work func() error) ([]figure, error) {
	debug.FreeOSMemory()
	before := residentNow()
	stop, peak := make(chan struct{}), resident{}
	var watch sync.WaitGroup
	watch.Go(func() { peak = watchResident(stop) })
	took, err := timed(work)
	close(stop)
	watch.Wait()
	return []figure{
		{name + ".s", took.wall.Seconds(), 0, "lower", what},
		{name + ".anon_mib", peak.anon, 0, "lower", fmt.Sprintf("peak RssAnon meanwhile (before: %.0f); mapped pages (RssFile) %.0f", before.anon, peak.file)},
	}, err
}

// resident is this process's memory in MiB: its own, and pages of files that it maps.
type resident struct{ anon, file float64 }

// watchResident gives the peaks until it is told to stop.
func watchResident(stop chan struct{}) (peak resident) {
	for {
		now := residentNow()
		peak = resident{max(peak.anon, now.anon), max(peak.file, now.file)}
		select {
		case <-stop:
			return peak
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// residentNow reads /proc/self/status; elsewhere than on Linux it gives 0.
func residentNow() (r resident) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return r
	}
	defer func() { _ = f.Close() }() // only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		kib, err := strconv.ParseFloat(words[1], 64)
		switch {
		case errors.Is(err, strconv.ErrSyntax):
		case words[0] == "RssAnon:":
			r.anon = kib / 1024
		case words[0] == "RssFile:":
			r.file = kib / 1024
		}
	}
	return r
}
