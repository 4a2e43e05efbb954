package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// BenchmarkAppend appends proofs, on disk, without the time of checking them.
func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprint("batch of ", batch), func(b *testing.B) {
			s, err := Create(filepath.Join(b.TempDir(), "ledger.db"), ledgertest.Origin, Options{Verify: ledgertest.Verify})
			if err != nil {
				b.Fatal(err)
			}
			fill(b, s, 4)
			all := entries(b)
			i := 0
			for b.Loop() {
				b.StopTimer()
				proofs := make([]ledger.Entry, batch)
				for j := range proofs {
					i++
					proofs[j] = ledgertest.ProofEntry(b, all[1].(*ledger.CircuitEntry), all[2].(*ledger.EpochEntry), fmt.Sprint(i))
				}
				b.StartTimer()
				if _, err := s.Append(b.Context(), proofs...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batch), "µs/entry")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
