package workspace

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

var update = flag.Bool("update", false, "make the holder's test vectors anew")

var holderVectorsFile = filepath.Join("..", "docs", "vectors", "holder.json")

// holderVectors are a record file, decrypted, with what follows from it and the
// holder's secret, and a receipt of a pledge of it.
type holderVectors struct {
	Secret    statement.Element `json:"secret"`
	Record    json.RawMessage   `json:"record"`
	Tag       statement.Element `json:"tag"`
	Leaf      statement.Element `json:"leaf"`
	Root      statement.Element `json:"root"`
	Scope     string            `json:"scope"`
	Nullifier statement.Element `json:"nullifier"`
	Receipt   json.RawMessage   `json:"receipt"`
}

// TestHolderVectors recomputes everything from the documents as docs/spec/holder.md
// says it.
func TestHolderVectors(t *testing.T) {
	if *update {
		writeHolderVectors(t)
	}
	data, err := os.ReadFile(holderVectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	v, f := &holderVectors{}, &prover.RecordFile{}
	if err := canon.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
	if err := canon.Unmarshal(v.Record, f); err != nil || f.Kind != "attestry/record/v1" {
		t.Fatal(err)
	}
	if tag := statement.Element(statement.HolderTag(v.Secret.Fr())); tag != v.Tag || tag != f.Holder {
		t.Errorf("tag %s", tag)
	}
	if hash := statement.Element(statement.SerialHash(f.Serial.Fr())); hash != f.SerialHash {
		t.Errorf("serial hash %s", hash)
	}
	scope, err := statement.ScopeElement(v.Scope)
	if err != nil {
		t.Fatal(err)
	}
	if n := statement.Element(statement.Nullifier(f.Serial.Fr(), scope)); n != v.Nullifier {
		t.Errorf("nullifier %s", n)
	}
	leaf, root := hashRecordFile(t, f)
	if leaf != v.Leaf || root != v.Root {
		t.Errorf("leaf %s, root %s", leaf, root)
	}
	epoch, err := ledger.ParseEntry(f.Epoch.Entry)
	if err != nil || epoch.(*ledger.EpochEntry).Root != root {
		t.Errorf("the epoch has another root: %v", err)
	}
	receipt, err := verifier.ParseReceipt(v.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := ledger.ParseEntry(receipt.Logged.Entry)
	if err != nil || entry.(*ledger.ProofEntry).Nullifier != v.Nullifier || entry.(*ledger.ProofEntry).Root != root {
		t.Errorf("the receipt is of another record: %v", err)
	}
}

// hashRecordFile goes from the texts of a record file to the root.
func hashRecordFile(t *testing.T, f *prover.RecordFile) (leaf, root statement.Element) {
	t.Helper()
	entry, err := ledger.ParseEntry(f.Schema.Entry)
	if err != nil {
		t.Fatal(err)
	}
	s := entry.(*ledger.SchemaEntry).Schema
	l := imt.Leaf{Holder: f.Holder.Fr(), SerialHash: f.SerialHash.Fr(), Blinding: f.Blinding.Fr(), Link: f.Link.Fr()}
	if l.Key, err = s.HashKey(f.Key); err != nil {
		t.Fatal(err)
	}
	if l.Subject, err = s.HashSubject(f.Subject); err != nil {
		t.Fatal(err)
	}
	for i := range l.Attributes {
		l.Attributes[i] = statement.Null()
	}
	for i, a := range s.Attributes {
		value, err := s.ParseValue(a, f.Values[i])
		if err != nil {
			t.Fatal(err)
		}
		if l.Attributes[i], err = s.Encode(a, value); err != nil {
			t.Fatal(err)
		}
	}
	var path imt.Path
	for level, children := range f.Path {
		for _, c := range children {
			path[level] = append(path[level], c.Fr())
		}
	}
	top, err := path.Follow(l.Hash())
	if err != nil {
		t.Fatal(err)
	}
	return statement.Element(l.Hash()), statement.Element(top)
}

func writeHolderVectors(t *testing.T) {
	h := newHome(t)
	f := h.open(true)
	a, err := h.prove(f, pledgeRequest(t, mortgage))
	if err != nil {
		t.Fatal(err)
	}
	receipt, _, err := h.Agency().Submit(t.Context(), h.entry(a), false)
	if err != nil {
		t.Fatal(err)
	}
	v := &holderVectors{Secret: h.secret, Tag: f.Holder, Scope: "mortgage", Nullifier: h.entry(a).Nullifier}
	v.Leaf, v.Root = hashRecordFile(t, f)
	if v.Record, err = canon.Marshal(f); err != nil {
		t.Fatal(err)
	}
	if v.Receipt, err = receipt.Marshal(); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(holderVectorsFile, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
