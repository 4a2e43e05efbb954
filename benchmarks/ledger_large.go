package main

import (
	"context"
	"fmt"
	"time"

	"github.com/attestry/attestry/ledger/store"
)

const comparesLargeLedger = `The log of the part before, grown to its size. Nothing else does the same, so nothing is compared: the rate at the full
size is held to the rate at 10,000 entries. Memory is anonymous memory (RssAnon), with the pages of the mapped database beside it.`

// measureLargeLedger grows a log to a size, and measures how fast it grows at its
// beginning and at its end, and what its export, its check and a further export take.
func measureLargeLedger(ctx context.Context, b *bench) error {
	log, err := newBenchLog()
	if err != nil {
		return err
	}
	s, err := store.Create(b.path("large-ledger.db"), benchOrigin, store.Options{Verify: acceptProof})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // measured and done with
	start := time.Now()
	small, err := rateAt(s, log, ledgerBase)
	if err != nil {
		return err
	}
	large, err := rateAt(s, log, b.options.Ledger)
	if err != nil {
		return err
	}
	b.add(
		figure{"ledger.large.entries", float64(s.Size()), 0, higher, fmt.Sprintf("pledges with simulated proofs, each of a record of its own; grown in %.0f s", time.Since(start).Seconds())},
		figure{"ledger.large.append256.per_s_at_10k", small, 0, higher, "pledges per second by 256 clients, at 10,000 entries"},
		figure{"ledger.large.append256.per_s", large, 0, higher, "the same at the full size"},
		figure{"ledger.large.append256.ratio", large / small, 0.5, higher, "the second against the first"},
	)
	return b.wholeLedger(ctx, s, log)
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

// wholeLedger measures what goes over the whole log.
func (b *bench) wholeLedger(ctx context.Context, s *store.Store, log *benchLog) error {
	export := func() error {
		if err := publish(s); err != nil {
			return err
		}
		return s.Export(b.path("large-export"), nil)
	}
	for _, step := range []struct {
		name, what string
		work       func() error
	}{
		{"ledger.large.export", "publish and export all tiles", export},
		{"ledger.large.export_again", "2,560 entries later: publish and export the new tiles", export},
		{"ledger.large.fsck", "rebuild and compare everything, simulated proofs", func() error { return s.Check(ctx) }},
		{"ledger.large.backup", "copy the database", func() error { _, err := s.Backup(b.path("large-copy.db")); return err }},
	} {
		if step.name == "ledger.large.export_again" {
			if err := log.grow(s, int(s.Size())+2560, 2); err != nil {
				return err
			}
		}
		took, err := measured(step.work)
		if err != nil {
			return err
		}
		b.add(took.figures(step.name, step.what)...)
	}
	return nil
}
