package registry

import (
	"bytes"
	"context"
	"encoding/csv"
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/statement"
)

// testSchema has a column of every type, source columns in Chinese, and keys that
// are normalised.
func testSchema() *statement.Schema {
	return &statement.Schema{
		Registry: "test-titles",
		Key:      "parcel",
		Subject:  "业主",
		Holder:   "holder",
		Attributes: []statement.Attribute{
			{Name: "value", Type: statement.Int},
			{Name: "area", Column: "建筑面积", Type: statement.Decimal, Scale: 2, Optional: true},
			{Name: "sold", Type: statement.Date, Optional: true},
			{Name: "leased", Type: statement.Bool, Optional: true},
			{Name: "wall", Type: statement.Text, Optional: true},
		},
		Domains: map[string]statement.TextDomain{
			"key": {Name: "parcel-id", Normalise: []string{statement.Trim, statement.Upper}},
		},
	}
}

var testHeader = []string{"parcel", "业主", "holder", "value", "建筑面积", "sold", "leased", "wall"}

// formerColumn is the column of former keys in the files of [renameSchema].
const formerColumn = "旧宗号"

// renameSchema is the test schema with a column of former keys.
func renameSchema() *statement.Schema {
	s := testSchema()
	s.RenamedFrom = formerColumn
	return s
}

// testSecrets are fixed, where a test compares roots.
func testSecrets() (s secrets) {
	copy(s.blinding[:], "blinding secret of the tests ...")
	copy(s.serial[:], "serial secret of the tests .....")
	return s
}

// inClear has the tests run over stores in the clear: go test ./registry -args -clear.
var inClear = flag.Bool("clear", false, "test stores in the clear, not sealed ones")

// testKey is what the tests' stores are sealed under.
func testKey() *atrest.Key {
	if *inClear {
		return nil
	}
	return testDataKey()
}

var testDataKey = sync.OnceValue(func() *atrest.Key { return newKey() })

// newKey draws a data key.
func newKey() *atrest.Key {
	key, err := atrest.NewRing(nil).Key()
	if err != nil {
		panic(err)
	}
	return key
}

// update changes a store's state behind its back.
func (s *Store) update(fn func(state) error) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return fn(s.in(tx)) })
}

// testLimits are so small that the tests' files take several transactions and runs.
var testLimits = limits{part: 1 << 15, sort: 1 << 14}

// newTestStore makes a store that is checked when the test ends.
func newTestStore(t testing.TB, schema *statement.Schema) *Store {
	t.Helper()
	s, err := create(filepath.Join(t.TempDir(), "registry.db"), schema, testKey(), testSecrets())
	if err != nil {
		t.Fatal(err)
	}
	s.limits = testLimits
	t.Cleanup(func() { closeChecked(t, s) })
	return s
}

// closeChecked closes a store after bbolt's own check and ours of the latest epoch.
func closeChecked(t testing.TB, s *Store) {
	t.Helper()
	checkState(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func checkState(t testing.TB, s *Store) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("bbolt: %v", err)
		}
		e, err := lastEpoch(tx)
		if err != nil || e == nil {
			return err
		}
		return (&checker{s: s, tx: s.in(tx), epoch: *e}).checkTree(context.Background())
	})
	if err != nil {
		t.Error(err)
	}
}

// csvFile writes rows under the test schema's header.
func csvFile(rows ...[]string) string { return csvOf(testHeader, rows) }

// renameFile writes rows, of which each may have a former key at its end.
func renameFile(rows ...[]string) string {
	header := append(slices.Clone(testHeader), formerColumn)
	whole := make([][]string, len(rows))
	for i, row := range rows {
		whole[i] = append(slices.Clone(row), make([]string, len(header)-len(row))...)
	}
	return csvOf(header, whole)
}

func csvOf(header []string, rows [][]string) string {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.WriteAll(append([][]string{header}, rows...))
	return b.String()
}

func mustImport(t testing.TB, s *Store, file string) Counts {
	t.Helper()
	counts, err := s.Import(t.Context(), strings.NewReader(file), CSV, nil)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func mustCommit(t testing.TB, s *Store) Epoch {
	t.Helper()
	e, err := s.Commit(t.Context(), CommitOptions{Time: testTime})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// formerRow is a good row of a record that had another key.
func formerRow(key, former string) []string { return append(testRow(key), former) }

// testRow is a good row.
func testRow(key string) []string {
	return []string{key, "OH-1", "", "1200", "81.50", "1997-04-21", "true", "brick"}
}
