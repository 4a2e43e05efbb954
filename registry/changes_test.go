package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// changesFile writes rows of a former key and a change at their end.
func changesFile(rows ...[]string) string {
	return csvOf(slices.Concat(testHeader, []string{formerColumn, ChangeColumn}), rows)
}

func put(row []string) []string { return slices.Concat(row, []string{"", changePutText}) }

func deletion(key string) []string {
	row := make([]string, len(testHeader)+2)
	row[0], row[len(row)-1] = key, changeDeleteText
	return row
}

var asChanges = ImportOptions{Changes: true}

func mustChange(t *testing.T, s *Store, opts ImportOptions, file string) Counts {
	t.Helper()
	counts, err := s.ImportWith(t.Context(), strings.NewReader(file), opts)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// Changes and the whole file that they amount to make the same epoch, over several
// transactions of an import too.
func TestChangesAreTheWholeFile(t *testing.T) {
	var before, after, changes [][]string
	for i := range loadRows {
		row := testRow(fmt.Sprint("LC-", i))
		before = append(before, row)
		switch {
		case i%3 == 0:
			changed := slices.Clone(row)
			changed[3] = "7"
			after, changes = append(after, changed), append(changes, put(changed))
		case i%5 == 0:
			changes = append(changes, deletion(row[0]))
		case i%7 == 0:
			changes = append(changes, put(row))
			after = append(after, row)
		default:
			after = append(after, row)
		}
		if i%4 == 0 {
			row := testRow(fmt.Sprint("NEW-", i))
			after, changes = append(after, row), append(changes, put(row))
		}
	}
	epoch := func(file string, opts ImportOptions) (Counts, Epoch) {
		s := newTestStore(t, renameSchema())
		mustImport(t, s, renameFile(before...))
		mustCommit(t, s)
		counts := mustChange(t, s, opts, file)
		e := mustCommit(t, s)
		if err := s.Check(t.Context(), strings.NewReader(renameFile(after...)), CSV, nil); err != nil {
			t.Error(err)
		}
		return counts, e
	}
	whole, want := epoch(renameFile(after...), ImportOptions{})
	counts, got := epoch(changesFile(changes...), asChanges)
	if got != want {
		t.Errorf("epoch %+v, and the whole file gives %+v", got, want)
	}
	if counts.Rows != len(changes) || counts.Inserted != whole.Inserted || counts.Updated != whole.Updated || counts.Deleted != whole.Deleted {
		t.Errorf("counts %+v, and the whole file has %+v", counts, whole)
	}
}

// A file of deletions needs no more than keys, as CSV and as NDJSON; a row of another kind
// does.
func TestChangesOfKeysAlone(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-2"), testRow("LC-3"), testRow("LC-4")))
	mustCommit(t, s)
	if n := mustChange(t, s, asChanges, "_change,parcel\ndelete,lc-1\ndelete,LC-3\n"); n != (Counts{Rows: 2, Deleted: 2}) {
		t.Errorf("counts %+v", n)
	}
	mustCommit(t, s)
	lines := `{"parcel":" LC-2 ","_change":"delete"}` + "\n" +
		`{"parcel":"LC-5","业主":"OH-1","holder":"","value":1,"建筑面积":null,"sold":null,"leased":null,"wall":null,"_change":"put"}`
	if n := mustChange(t, s, ImportOptions{Format: NDJSON, Changes: true}, lines); n != (Counts{Rows: 2, Deleted: 1, Inserted: 1}) {
		t.Errorf("counts %+v", n)
	}
	if e := mustCommit(t, s); e.Records != 2 {
		t.Errorf("%d records", e.Records)
	}
	refusedWith(t, s, asChanges, "_change,parcel\ndelete,LC-4\nput,LC-5\n", 3, 5, "业主", errNoColumn)
	refusedWith(t, s, ImportOptions{Format: NDJSON, Changes: true}, `{"parcel":"LC-5","_change":"put"}`, 1, 11, "业主", errNoColumn)
}

func TestRefusesChanges(t *testing.T) {
	s := newTestStore(t, renameSchema())
	mustImport(t, s, renameFile(testRow("LC-1"), testRow("LC-2"), testRow("LC-3")))
	mustCommit(t, s)
	mustChange(t, s, asChanges, changesFile(append(testRow("LC-4"), "LC-3", changePutText)))
	if e := mustCommit(t, s); e.Records != 3 || e.Changed != 2 {
		t.Errorf("a record with another key: %+v", e)
	}
	header := strings.Join(slices.Concat(testHeader, []string{formerColumn, ChangeColumn}), ",") + "\n"
	for name, c := range map[string]struct {
		file         string
		line, column int
		field        string
		cause        error
	}{
		"no column":         {renameFile(testRow("LC-1")), 1, 1, ChangeColumn, errNoColumn},
		"no change":         {changesFile(append(testRow("LC-1"), "", "")), 2, 46, ChangeColumn, errUnknownChange},
		"another word":      {changesFile(append(testRow("LC-1"), "", "DELETE")), 2, 46, ChangeColumn, errUnknownChange},
		"no key":            {header + ",,,,,,,,,delete\n", 2, 1, "parcel", errEmptyKey},
		"deletes none":      {changesFile(deletion("LC-9"), put(testRow("LC-1")), deletion("LC-8")), 2, 1, "parcel", errDeletesNone},
		"deleted before":    {changesFile(put(testRow("LC-1")), deletion("LC-3")), 3, 1, "parcel", errRenamedAway},
		"put and deleted":   {changesFile(put(testRow("LC-1")), deletion("lc-1")), 3, 1, "parcel", nil},
		"deleted twice":     {changesFile(deletion("LC-1"), deletion("LC-1")), 3, 1, "parcel", nil},
		"a bad value":       {header + "LC-1,,,x,,,,,,put\n", 2, 8, "value", nil},
		"former key is put": {changesFile(put(testRow("LC-1")), append(testRow("LC-5"), "LC-1", changePutText)), 3, 45, formerColumn, errFormerStays},
		"former key twice":  {changesFile(append(testRow("LC-6"), "LC-1", changePutText), append(testRow("LC-5"), "LC-1", changePutText)), 3, 45, formerColumn, errRenamedTwice},
		"former is unknown": {changesFile(append(testRow("LC-5"), "LC-7", changePutText)), 2, 45, formerColumn, errFormerUnknown},
	} {
		t.Run(name, func(t *testing.T) { refusedWith(t, s, asChanges, c.file, c.line, c.column, c.field, c.cause) })
	}
	t.Run("as a whole file", func(t *testing.T) {
		refused(t, s, CSV, changesFile(put(testRow("LC-1"))), 1, 68, ChangeColumn, errChanges)
		refused(t, s, NDJSON, `{"parcel":"LC-1","_change":"put"}`, 1, 18, ChangeColumn, errChanges)
	})
}

// Changes are of the last epoch: they are refused over an import that waits for its commit,
// and take its place where that is meant.
func TestChangesOverAnImport(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-2")))
	mustCommit(t, s)
	staged := mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-3")))
	file := changesFile(put(testRow("LC-4")))
	_, err := s.ImportWith(t.Context(), strings.NewReader(file), asChanges)
	if now, ok, read := s.Staged(); !errors.Is(err, ErrStaged) || !ok || read != nil || now != staged {
		t.Errorf("staged is %+v, and was %+v: %v, %v", now, staged, err, read)
	}
	if n := mustChange(t, s, ImportOptions{Changes: true, Replace: true}, file); n != (Counts{Rows: 1, Inserted: 1}) {
		t.Errorf("counts %+v", n)
	}
	if e := mustCommit(t, s); e.Records != 3 {
		t.Errorf("%d records", e.Records)
	}
}

// A schema may have a column of that name itself: then there are no files of changes, and
// whole ones are as they were.
func TestChangesOfOwnColumn(t *testing.T) {
	schema := testSchema()
	schema.Attributes[4].Column = ChangeColumn
	s := newTestStore(t, schema)
	header := slices.Clone(testHeader)
	header[len(header)-1] = ChangeColumn
	file := csvOf(header, [][]string{testRow("LC-1")})
	mustImport(t, s, file)
	if _, err := s.ImportWith(t.Context(), strings.NewReader(file), asChanges); !errors.Is(err, errChangeOwn) {
		t.Errorf("changes: %v", err)
	}
}
