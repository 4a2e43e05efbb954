package prover

import (
	"errors"
	"testing"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// FuzzParseRecordFile: whatever a record file says, it is refused or read, never
// followed into a panic; a file that reads is written back to the same document.
func FuzzParseRecordFile(f *testing.F) {
	c := &Circuit{} // no keys: nothing can be proved, and nothing takes its time
	schema := &statement.Schema{Registry: "titles", Key: "parcel", Attributes: []statement.Attribute{{Name: "value", Type: statement.Int}}}
	serial := statement.RandomElement()
	entry := verifier.Logged{Entry: []byte(`{"type":"attestry/epoch/v1"}`), Inclusion: "c2sp.org/tlog-proof@v1\n"}
	file := &RecordFile{
		Kind: RecordFormat, Circuit: entry, Schema: entry, Epoch: entry, Key: "P1", Values: []string{"1"},
		Path: [][]statement.Element{{serial}}, Serial: &serial,
	}
	document, err := canon.Marshal(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(document)
	r, err := statement.ParseRequest([]byte("registry: titles\nkey: P1\nnonce: AAAAAAAAAAAAAAAAAAAAAA==\nseed: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		file, err := parseRecordFile(document)
		if err != nil {
			if !errors.Is(err, ErrBadRecord) {
				t.Fatal(err)
			}
			return
		}
		again, err := canon.Marshal(file)
		if same, bad := canon.Canonicalize(document); err != nil || bad != nil || string(same) != string(again) {
			t.Fatalf("a record file reads back as another: %v %v", err, bad)
		}
		if record, opened, err := file.open(schema); err == nil && (len(record.Values) != 1 || file.Serial != nil && opened.Serial != *file.Serial) {
			t.Fatal("a record or serial that is not the file's")
		}
		if _, err := file.Prove(t.Context(), r, statement.FlatFact, serial, c); err == nil {
			t.Fatal("a made-up record file proves something")
		}
	})
}

// FuzzParsePrepared: whatever was kept of a proof, it is refused or read, and what
// reads is written as exactly the same bytes.
func FuzzParsePrepared(f *testing.F) {
	r, err := statement.ParseRequest([]byte("registry: titles\nkey: P1\nnonce: AAAAAAAAAAAAAAAAAAAAAA==\nseed: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"))
	if err != nil {
		f.Fatal(err)
	}
	entry, err := ledger.MarshalEntry(&ledger.ProofEntry{
		Public: statement.Public{Origin: "example.org/log", Registry: "titles"}, Proof: make([]byte, ledger.ProofBytes),
	})
	if err != nil {
		f.Fatal(err)
	}
	p := &Prepared{request: r, facts: []preparedFact{{Name: statement.FlatFact, Proofs: []verifier.Proof{{
		Question: statement.Question{Predicates: []statement.Predicate{}, Outputs: [statement.NumOutputs]statement.Output{statement.OutputKey, statement.OutputLeaf}}, Entry: entry,
	}}}}}
	document, err := p.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	if _, err := ParsePrepared(document, r); err != nil {
		f.Fatal(err)
	}
	f.Add(document)
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := ParsePrepared(document, r)
		if err != nil {
			if !errors.Is(err, ErrBadPrepared) {
				t.Fatal(err)
			}
			return
		}
		if again, err := p.Marshal(); err != nil || string(again) != string(document) {
			t.Fatalf("what was kept reads back as another: %v", err)
		}
	})
}
