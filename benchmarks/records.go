package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/attestry/attestry/registry"
)

const comparesRecords = `Registries of the county's parcels, over and over under new keys, of 1,000 records, ten times as many, and so on: import of all from
CSV, commit, then a whole new snapshot of which one record in a thousand has changed, the same changes as a file of changes, their commit,
and the opening of a record with its path. Nothing else does the same, so nothing is compared. Memory is anonymous memory (RssAnon) of this process, in which the rows are made, too; pages of the
mapped database are beside it.`

// sized is what a registry of a size took.
type sized struct {
	records             int
	importing, commit   step
	snapshot            step    // read whole, of which little has changed
	changes, committing step    // the same changes alone
	open                float64 // milliseconds
}

// measureRecords makes registries of ever more records.
func measureRecords(ctx context.Context, b *bench) error {
	largest := b.Records
	if b.Quick {
		largest = min(largest, 10_000)
	}
	var all []sized
	for records := 1000; records <= largest; records *= 10 {
		s, err := b.registryOf(ctx, records)
		if err != nil {
			return fmt.Errorf("%d records: %w", records, err)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return errors.New("--records is at least 1,000")
	}
	b.addLargest(all[len(all)-1])
	b.found.Curves = append(b.found.Curves, recordCurves(all)...)
	return nil
}

// registryOf measures a registry of a size, and removes it.
func (b *bench) registryOf(ctx context.Context, records int) (out sized, err error) {
	s, err := b.newRegistry()
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Close(), os.Remove(b.registryPath())) }()
	out.records = records
	importing := func(every int) func() error {
		return func() error {
			rows, err := parcels(records, every)
			if err != nil {
				return err
			}
			_, err = s.Import(ctx, rows, registry.CSV, nil)
			return err
		}
	}
	changes := func() error {
		rows, err := changedParcels(records, 1000)
		if err != nil {
			return err
		}
		n, err := s.ImportWith(ctx, rows, registry.ImportOptions{Changes: true, Replace: true})
		if err == nil && n.Updated != records/1000 {
			err = fmt.Errorf("%d records updated", n.Updated)
		}
		return err
	}
	commit := func() error {
		_, err := s.Commit(ctx, registry.CommitOptions{Time: time.Now()})
		return err
	}
	for _, part := range []struct {
		into *step
		work func() error
	}{{&out.importing, importing(0)}, {&out.commit, commit}, {&out.snapshot, importing(1000)}, {&out.changes, changes}, {&out.committing, commit}} {
		if *part.into, err = measured(part.work); err != nil {
			return out, err
		}
	}
	out.open, err = openings(s, records)
	return out, err
}

// openings gives the milliseconds that it takes to open a record.
func openings(s *registry.Store, records int) (float64, error) {
	const some = 100
	epoch, _ := s.Latest()
	took, err := timed(func() error {
		for i := range some {
			r, err := s.Get(epoch.Number, parcelKey(i*(records/some)))
			if err != nil {
				return err
			}
			if _, err := s.Open(epoch.Number, r); err != nil {
				return err
			}
		}
		return nil
	})
	return float64(took.wall.Microseconds()) / 1000 / some, err
}

func (b *bench) addLargest(s sized) {
	records := number(float64(s.records))
	whole := s.importing.seconds + s.commit.seconds
	var memoryGoal, epochGoal float64
	if s.records == 10_000_000 { // the goals are of this size
		memoryGoal, epochGoal = 2048, 1.0/200
	}
	peak := step{peak: resident{max(s.importing.peak.anon, s.commit.peak.anon), max(s.importing.peak.file, s.commit.peak.file)}}
	b.add(
		figure{"registry.large.records", float64(s.records), 0, higher, "records of 16 attributes"},
		figure{"registry.large.import.s", s.importing.seconds, 0, lower, records + " records from CSV"},
		figure{"registry.large.commit.s", s.commit.seconds, 0, lower, "the same records"},
		figure{"registry.large.anon_mib", peak.peak.anon, memoryGoal, lower, fmt.Sprintf("peak RssAnon of both; mapped pages (RssFile) %.0f", peak.peak.file)},
		figure{"registry.large.snapshot.s", s.snapshot.seconds, 0, lower, "a whole new snapshot read and compared, one record in a thousand changed"},
		figure{"registry.large.changes.s", s.changes.seconds, 0, lower, fmt.Sprintf("a file of those %s changes imported", number(float64(s.records/1000)))},
		figure{"registry.large.epoch.s", s.committing.seconds, 0, lower, "their commit"},
		figure{"registry.large.epoch.x", (s.changes.seconds + s.committing.seconds) / whole, epochGoal, lower, "both against the first import and commit"},
		figure{"registry.large.open.ms", s.open, 0, lower, "a record found and opened with its path"},
	)
}

// recordCurves draws times and memory by size.
func recordCurves(all []sized) []plotted {
	times := plotted{Name: "records", Title: "Registries by size", X: "records", Y: "seconds"}
	memory := plotted{Name: "records-memory", Title: "Registries by size", X: "records", Y: "peak anonymous memory, MiB"}
	for _, s := range []struct {
		name string
		of   func(sized) step
	}{
		{"import", func(s sized) step { return s.importing }},
		{"commit", func(s sized) step { return s.commit }},
		{"new snapshot, 1/1000 changed", func(s sized) step { return s.snapshot }},
		{"file of changes, 1/1000", func(s sized) step { return s.changes }},
		{"commit of the changes", func(s sized) step { return s.committing }},
	} {
		seconds, peaks := series{Name: s.name}, series{Name: s.name}
		for _, size := range all {
			seconds.Points = append(seconds.Points, [2]float64{float64(size.records), s.of(size).seconds})
			peaks.Points = append(peaks.Points, [2]float64{float64(size.records), s.of(size).peak.anon})
		}
		times.Series, memory.Series = append(times.Series, seconds), append(memory.Series, peaks)
	}
	return []plotted{times, memory}
}
