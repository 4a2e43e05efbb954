package registry

import (
	"errors"
	"strings"
	"testing"
)

// What is refused by whoever looks at the counts changes nothing: the import staged
// before is still the one that a commit takes.
func TestImportAccept(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-2"), testRow("LC-3")))
	mustCommit(t, s)
	staged := mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-2"), testRow("LC-3"), testRow("LC-4")))
	no := errors.New("no")
	var seen Counts
	file := csvFile(testRow("LC-1"))
	counts, err := s.ImportWith(t.Context(), strings.NewReader(file), ImportOptions{Accept: func(c Counts) error { seen = c; return no }})
	if !errors.Is(err, no) || counts != (Counts{}) || seen.Deleted != 2 || seen.Unchanged != 1 {
		t.Errorf("refused: %+v of %+v, %v", counts, seen, err)
	}
	if now, ok, err := s.Staged(); err != nil || !ok || now != staged {
		t.Errorf("staged are %+v, %v, %v; want %+v", now, ok, err, staged)
	}
	if e := mustCommit(t, s); e.Records != 4 {
		t.Errorf("%d records", e.Records)
	}
}
