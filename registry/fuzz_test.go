package registry

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
)

func FuzzImportCSV(f *testing.F) {
	f.Add([]byte(renameFile(testRow("LC-1"), testRow("LC-2"))))
	f.Add([]byte(renameFile(formerRow("LC-3", "lc-1"), testRow("LC-2"))))
	f.Add([]byte(renameFile(formerRow("LC-3", "LC-1"), formerRow("LC-4", "LC-3"), formerRow("LC-5", "LC-5"))))
	f.Add([]byte("\xef\xbb\xbf" + header + "\"LC\n-1\",a,,1,,2026-02-30,,\r\n"))
	f.Add([]byte(header + "LC-1,\xff"))
	fuzzImport(f, CSV)
}

func FuzzImportNDJSON(f *testing.F) {
	f.Add([]byte(`{"parcel":"LC-1","业主":"OH-1","holder":"","value":1,"建筑面积":1.25,"sold":null,"leased":true,"wall":"\ud83d\ude02","旧宗号":null}` + "\n"))
	f.Add([]byte(`{"parcel":"LC-1","parcel":{}}`))
	f.Add([]byte("\n[]"))
	fuzzImport(f, NDJSON)
}

// fuzzImport: what is refused changes nothing, and what is accepted becomes an
// epoch whose root the same file gives.
func fuzzImport(f *testing.F, format Format) {
	s, err := create(filepath.Join(f.TempDir(), "registry.db"), renameSchema(), testKey(), testSecrets())
	if err != nil {
		f.Fatal(err)
	}
	s.db.NoSync = true
	f.Cleanup(func() { closeChecked(f, s) })
	mustCommit(f, s)
	f.Fuzz(func(t *testing.T, data []byte) {
		before, _ := s.Latest()
		counts, err := s.Import(t.Context(), bytes.NewReader(data), format, nil)
		_, staged, errStaged := s.Staged()
		if staged != (err == nil) || errStaged != nil {
			t.Fatalf("staged is %v (%v) after the error %v", staged, errStaged, err)
		}
		if err != nil {
			if !errors.Is(err, ErrBadImport) {
				t.Fatalf("error %v, want ErrBadImport", err)
			}
			return
		}
		if counts.Inserted+counts.Updated+counts.Unchanged != counts.Rows || counts.Updated+counts.Unchanged+counts.Deleted != before.Records {
			t.Fatalf("counts %+v do not add up over %d records", counts, before.Records)
		}
		if e := mustCommit(t, s); e.Records != counts.Rows {
			t.Fatalf("epoch %+v of %+v", e, counts)
		}
		if err := s.Check(t.Context(), bytes.NewReader(data), format, nil); err != nil {
			t.Fatal(err)
		}
	})
}
