package ledger_test

import (
	"bytes"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

func FuzzParseEntry(f *testing.F) {
	for _, e := range ledgertest.Every(f) {
		f.Add(ledgertest.Marshal(f, e.Entry))
	}
	f.Add([]byte(`{"type":"attestry/other/v1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entry, err := ledger.ParseEntry(data)
		if err != nil {
			return
		}
		again, err := ledger.MarshalEntry(entry)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("accepted %q, which is written %q (%v)", data, again, err)
		}
		if err := ledgertest.Rules().Apply(ledger.NewMemoryState(), 0, data); err == nil &&
			entry.Type() != ledger.TypeSchema && entry.Type() != ledger.TypeCircuit {
			t.Fatalf("an empty log accepts a %s", entry.Type())
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	signer, vkey := logKey(f, ledgertest.Origin)
	c := ledger.Checkpoint{Origin: ledgertest.Origin, Size: 18}
	signed, err := ledger.SignCheckpoint(c, signer)
	if err != nil {
		f.Fatal(err)
	}
	witness, _ := logKey(f, "witness.test/w")
	cosigned, err := note.Sign(&note.Note{Text: c.Text()}, signer, witness)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add(cosigned)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ledger.OpenCheckpoint(data, vkey)
		if err == nil && got != c {
			t.Fatalf("opened %q as %+v, which was never signed", data, got)
		}
		if read, err := ledger.ReadCheckpoint(data); err == nil && !bytes.HasPrefix(data, []byte(read.Text()+"\n— ")) {
			t.Fatalf("read %q as %+v", data, read)
		}
	})
}

func FuzzParseInclusion(f *testing.F) {
	leaves, hashes := tree(f, 11)
	good, vkey := inclusion(f, hashes, 11, 6)
	f.Add(ledger.FormatInclusion(good))
	f.Fuzz(func(t *testing.T, data []byte) {
		i, err := ledger.ParseInclusion(data)
		if err != nil {
			return
		}
		if !bytes.Equal(ledger.FormatInclusion(i), data) {
			t.Fatalf("accepted %q, which is written otherwise", data)
		}
		if _, err := i.Verify(leaves[6], vkey); err == nil && i.Index != 6 {
			t.Fatalf("the leaf is proved at index %d", i.Index)
		}
	})
}

func FuzzDecodeBundle(f *testing.F) {
	f.Add([]byte("\x00\x01a\x00\x02bc"), 2)
	f.Add([]byte("\x00\x00"), 1)
	f.Fuzz(func(t *testing.T, data []byte, width int) {
		entries, err := ledger.DecodeBundle(data, width)
		if err != nil {
			return
		}
		again, err := ledger.EncodeBundle(entries)
		if err != nil || len(entries) != width || !bytes.Equal(again, data) {
			t.Fatalf("decoded %x, which is encoded %x (%v)", data, again, err)
		}
	})
}

func FuzzParseTilePath(f *testing.F) {
	for _, path := range []string{"tile/0/000", "tile/entries/x001/x234/067.p/8", "tile/0/x001/000"} {
		f.Add(path, uint64(1000))
	}
	f.Fuzz(func(t *testing.T, path string, size uint64) {
		p, err := ledger.ParseTilePath(path)
		if err != nil {
			return
		}
		if p.String() != path {
			t.Fatalf("parsed %q, which is written %q", path, p)
		}
		if p.InTree(size) && (p.Index*256+uint64(p.Width))<<(8*p.Level) > size {
			t.Fatalf("%s is said to be in a tree of %d", path, size)
		}
	})
}
