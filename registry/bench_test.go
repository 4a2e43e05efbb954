package registry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/poseidon"
	"github.com/attestry/attestry/statement"
)

const (
	benchRecords = 25_357
	benchEpoch   = 100 // records changed by a later epoch
)

// BenchmarkCommit commits a registry of a county's size with 16 attributes, and
// reports the ratio (x-bare) to the time of the permutations that the commit
// cannot do without, on the same processors.
func BenchmarkCommit(b *testing.B) {
	schema, file := benchRegistry(0)
	var bare, commit time.Duration
	for b.Loop() {
		b.StopTimer()
		s := newTestStore(b, schema)
		mustImport(b, s, file)
		bare += timed(func() { barePermutations(b, benchRecords) })
		b.StartTimer()
		commit += timed(func() { mustCommit(b, s) })
	}
	n := float64(b.N)
	b.ReportMetric(commit.Seconds()/bare.Seconds(), "x-bare")
	b.ReportMetric(bare.Seconds()*1000/n, "bare-ms/op")
	b.ReportMetric(commit.Seconds()*1000/n, "commit-ms/op")
}

// BenchmarkCommitChange commits an epoch that changes few of many records.
func BenchmarkCommitChange(b *testing.B) {
	schema, file := benchRegistry(0)
	s := newTestStore(b, schema)
	mustImport(b, s, file)
	mustCommit(b, s)
	round := 0
	for b.Loop() {
		b.StopTimer()
		round++
		_, file := benchRegistry(round)
		mustImport(b, s, file)
		b.StartTimer()
		mustCommit(b, s)
	}
}

func BenchmarkImport(b *testing.B) {
	schema, file := benchRegistry(0)
	s := newTestStore(b, schema)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		mustImport(b, s, file)
	}
}

func BenchmarkOpen(b *testing.B) {
	schema, file := benchRegistry(0)
	s := newTestStore(b, schema)
	mustImport(b, s, file)
	mustCommit(b, s)
	r, err := s.Get(1, "LC-00042")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Open(1, r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenAbsent opens the absence of a key at the latest epoch.
func BenchmarkOpenAbsent(b *testing.B) {
	schema, file := benchRegistry(0)
	s := newTestStore(b, schema)
	mustImport(b, s, file)
	mustCommit(b, s)
	for b.Loop() {
		if _, err := s.OpenAbsent(1, "LC-X"); err != nil {
			b.Fatal(err)
		}
	}
}

func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}

// barePermutations does for each record one permutation of width 16, 8, 2 and 4,
// and a seventh of another one of width 8, as many at once as a commit does.
func barePermutations(b testing.TB, records int) {
	err := parallel(b.Context(), records, nil, func() func(from, to int) error {
		batches := map[int]*poseidon.Batch{2: poseidon.NewBatch(2), 4: poseidon.NewBatch(4), 8: poseidon.NewBatch(8), 16: poseidon.NewBatch(16)}
		in, out := make([]fr.Element, 16*chunk), make([]fr.Element, chunk)
		return func(from, to int) error {
			n := to - from
			in[0].SetUint64(uint64(from))
			for _, width := range []int{16, 8, 2, 4} {
				batches[width].Compress(0, out[:n], in[:n*width])
			}
			batches[8].Compress(1, out[:n/7], in[:n/7*8])
			return nil
		}
	})
	if err != nil {
		b.Fatal(err)
	}
}

// benchRegistry makes a schema of 16 attributes (12 integers, a date and three
// texts) and a file for it; a later round differs in some records.
func benchRegistry(round int) (*statement.Schema, string) {
	schema := &statement.Schema{Registry: "bench", Key: "parcel", Subject: "owner"}
	header := []string{"parcel", "owner"}
	for i := range statement.MaxAttributes {
		a := statement.Attribute{Name: fmt.Sprintf("a%d", i), Type: statement.Int}
		switch {
		case i == 12:
			a.Type = statement.Date
		case i > 12:
			a.Type = statement.Text
		}
		schema.Attributes = append(schema.Attributes, a)
		header = append(header, a.Name)
	}
	var file strings.Builder
	fmt.Fprintln(&file, strings.Join(header, ","))
	for i := range benchRecords {
		fmt.Fprintf(&file, "LC-%05d,OH-%07d", i, i*7919%20_715)
		value := i
		if i < benchEpoch {
			value += round
		}
		for a := range 12 {
			fmt.Fprintf(&file, ",%d", (value+1)*(a+3))
		}
		fmt.Fprintf(&file, ",19%02d-%02d-%02d,wall-%d,garage-%d,stories-%d\n", i%100, i%12+1, i%28+1, i%9, i%4, i%5)
	}
	return schema, file.String()
}
