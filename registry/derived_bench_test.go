package registry

import (
	"bytes"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/attestry/attestry/internal/countydata"
	"github.com/attestry/attestry/statement"
)

// BenchmarkDerivedCommit commits a county's titles without and with a registry of
// owners and one that joins the liens: the first epoch, and one that changes 100 records.
func BenchmarkDerivedCommit(b *testing.B) {
	titles, liens := countySchema(b, countydata.TitlesSchema()), countySchema(b, countydata.LiensSchema())
	rows, lienRows := countyFile(b, countydata.Titles), countyFile(b, countydata.Liens)
	lienStore := benchStore(b, liens)
	mustImport(b, lienStore, lienRows)
	mustCommit(b, lienStore)
	join := func(string) (*Store, error) { return lienStore, nil }
	for _, c := range []struct {
		name    string
		derived []statement.Derived
	}{{"plain", nil}, {"derived", countyDerived()}} {
		schema := *titles
		schema.Derived = c.derived
		b.Run(c.name+"/first", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := benchStore(b, &schema)
				mustImport(b, s, rows)
				b.StartTimer()
				benchCommit(b, s, join)
			}
		})
		b.Run(c.name+"/change", func(b *testing.B) {
			s := benchStore(b, &schema)
			mustImport(b, s, rows)
			benchCommit(b, s, join)
			for round := 0; b.Loop(); round++ {
				b.StopTimer()
				mustImport(b, s, changeValues(rows, round))
				b.StartTimer()
				benchCommit(b, s, join)
			}
		})
	}
}

func countyDerived() []statement.Derived {
	none := "0"
	return []statement.Derived{
		{Registry: "owners", GroupBy: "subject", Attributes: []statement.DerivedAttribute{
			{Name: "parcels", Type: statement.Int, Compute: statement.Count},
			{Name: "value", Type: statement.Int, Compute: statement.Sum, Of: "assessed_value"},
		}},
		{Registry: "encumbered", GroupBy: "key", Join: &statement.Join{Registry: "lucas-liens", By: "key"}, Attributes: []statement.DerivedAttribute{
			{Name: "value", Type: statement.Int, Compute: statement.Copy, Of: "assessed_value"},
			{Name: "lien_total", Type: statement.Int, Compute: statement.Sum, Of: "lien_total", From: "lucas-liens", Default: &none},
		}},
	}
}

func countySchema(b *testing.B, document []byte) *statement.Schema {
	s, err := statement.ParseSchema(document)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func countyFile(b *testing.B, open func() (io.Reader, error)) string {
	r, err := open()
	if err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := file.ReadFrom(r); err != nil {
		b.Fatal(err)
	}
	return file.String()
}

func benchStore(b *testing.B, schema *statement.Schema) *Store {
	s, err := create(filepath.Join(b.TempDir(), "registry.db"), schema, testKey(), testSecrets())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func benchCommit(b *testing.B, s *Store, join func(string) (*Store, error)) {
	if _, err := s.Commit(b.Context(), CommitOptions{Time: testTime, Join: join}); err != nil {
		b.Fatal(err)
	}
}

// changeValues gives every 253rd row another assessed value.
func changeValues(file string, round int) string {
	lines := strings.Split(file, "\n")
	for i := 1; i < len(lines)-1; i += 253 {
		cells := strings.SplitN(lines[i], ",", 4)
		cells[2] = strconv.Itoa(1000 + round)
		lines[i] = strings.Join(cells, ",")
	}
	return strings.Join(lines, "\n")
}
