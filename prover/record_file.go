package prover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// RecordFormat is the format member of a holder's record file.
const RecordFormat = "attestry/record/v1"

// maxRecordBytes bounds a record file.
const maxRecordBytes = 1 << 20

// ErrBadRecord says that a record file is not what [Agency.OpenRecord] made.
var ErrBadRecord = errors.New("bad record file")

// RecordFile is the opening of one record at one epoch, for its holder: what a proof
// of it needs beside the holder's secret. It is private to the holder. It names no
// neighbour (siblings are hashes, and the leaf's link stays sealed), and opens
// nothing at another epoch, since blindings are renewed with each change.
type RecordFile struct {
	Format  string          `json:"format"`
	Circuit verifier.Logged `json:"circuit"`
	Schema  verifier.Logged `json:"schema"`
	Epoch   verifier.Logged `json:"epoch"`
	// Key, Subject and Values are the record as text, in the order of the schema's
	// attributes; an absent value is empty.
	Key     string   `json:"key"`
	Subject string   `json:"subject"`
	Values  []string `json:"values"`

	Holder     statement.Element     `json:"holder"`
	SerialHash statement.Element     `json:"serial_hash"`
	Blinding   statement.Element     `json:"blinding"`
	Link       statement.Element     `json:"link"`
	Path       [][]statement.Element `json:"path"`
	// Serial is there only if the holder may pledge: whoever has it recognises later
	// pledges of the record.
	Serial *statement.Element `json:"serial,omitempty"`
}

// OpenRecord makes the record file of a key at the latest epoch.
func (a *Agency) OpenRecord(_ context.Context, name, key string) (*RecordFile, error) {
	circuit, err := a.Circuit(verifier.CircuitPresent)
	if err != nil {
		return nil, err
	}
	an, err := a.anchor(statement.FactRequest{Registry: name}, circuit)
	if err != nil {
		return nil, err
	}
	s, err := a.Registry(name)
	if err != nil {
		return nil, err
	}
	epoch := uint64(an.epochEntry.Number)
	record, err := s.Get(epoch, key)
	if err != nil {
		return nil, err
	}
	if record.Holder.IsZero() {
		return nil, fmt.Errorf("%w: the record has no holder tag: import one in the schema's holder column", ErrBadRecord)
	}
	opened, err := s.Open(epoch, record)
	if err != nil {
		return nil, err
	}
	checkpoint, err := a.Ledger.PublishCheckpoint(a.Signer)
	if err != nil {
		return nil, err
	}
	var shown verifier.Fact
	if err := a.show(an, &shown, checkpoint); err != nil {
		return nil, err
	}
	return newRecordFile(shown, s.Schema(), record, opened), nil
}

func newRecordFile(shown verifier.Fact, schema *statement.Schema, record *registry.Record, opened *registry.Opening) *RecordFile {
	f := &RecordFile{
		Format: RecordFormat, Circuit: shown.Circuit, Schema: shown.Schema, Epoch: shown.Epoch,
		Key: record.Key, Subject: record.Subject, Values: []string{},
		Holder: record.Holder, SerialHash: statement.Element(opened.Leaf.SerialHash),
		Blinding: statement.Element(opened.Leaf.Blinding), Link: statement.Element(opened.Leaf.Link),
	}
	for i, a := range schema.Attributes {
		f.Values = append(f.Values, schema.FormatValue(a, record.Values[i]))
	}
	for _, children := range opened.Path {
		level := []statement.Element{}
		for _, c := range children {
			level = append(level, statement.Element(c))
		}
		f.Path = append(f.Path, level)
	}
	return f
}

// Seal encrypts the file to a holder, with age.
func (f *RecordFile) Seal(to age.Recipient) ([]byte, error) {
	document, err := canon.Marshal(f)
	if err != nil {
		return nil, err
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(document); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil { // writes the last chunk
		return nil, err
	}
	return sealed.Bytes(), nil
}

// OpenRecordFile decrypts and reads a record file. It fails with [ErrBadRecord].
func OpenRecordFile(sealed []byte, identity age.Identity) (*RecordFile, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	document, err := io.ReadAll(io.LimitReader(r, maxRecordBytes+1))
	if err != nil || len(document) > maxRecordBytes {
		return nil, fmt.Errorf("%w: damaged or over %d bytes", ErrBadRecord, maxRecordBytes)
	}
	f := &RecordFile{}
	if err := canon.Unmarshal(document, f); err != nil || f.Format != RecordFormat {
		return nil, fmt.Errorf("%w: not of the format %s", ErrBadRecord, RecordFormat)
	}
	return f, nil
}

// Prove answers a request of one fact about the file's record, with the holder's
// secret and no access to the agency. The proof is not logged: nobody learns of it
// but whoever is given the bundle.
func (f *RecordFile) Prove(ctx context.Context, r *statement.Request, name string, secret statement.Element, circuit *Circuit) (*Answer, error) {
	if r.Nonce == nil || r.Seed == nil {
		return nil, fmt.Errorf("%w: the request has no nonce or no seed", statement.ErrBadRequest)
	}
	asked, ok := r.NamedFacts()[name]
	if !ok {
		return nil, fmt.Errorf("%w: it has no fact %q", statement.ErrBadRequest, name)
	}
	if asked.Once != "" || asked.Absent {
		return nil, fmt.Errorf("%w: a holder's proof is neither a pledge nor of absence in this version", ErrNotProvable)
	}
	found, err := f.fact(r, name, asked, circuit)
	if err != nil {
		return nil, err
	}
	if statement.Element(statement.HolderTag(secret.Fr())) != f.Holder {
		return nil, fmt.Errorf("%w: the record has another holder", ErrFalse)
	}
	if err := found.check(r, f); err != nil {
		return nil, err
	}
	w, err := assign(r, found, seals{})
	if err != nil {
		return nil, err
	}
	return f.finish(ctx, w, secret)
}

// fact reads what the file says of the record and of what it rests on.
func (f *RecordFile) fact(r *statement.Request, name string, asked statement.FactRequest, circuit *Circuit) (*fact, error) {
	an, err := f.anchors(circuit)
	if err != nil {
		return nil, err
	}
	schema := &an.schemaEntry.Schema
	if asked.Registry != schema.Registry {
		return nil, fmt.Errorf("%w: the record is of registry %s", ErrFalse, schema.Registry)
	}
	out := &fact{name: name, asked: asked, anchors: an, circuit: circuit}
	if err := timely(r, asked, an.epochEntry, time.Now()); err != nil {
		return nil, err
	}
	if out.compiled, err = r.CompileFact(name, schema); err != nil {
		return nil, err
	}
	if out.selection, err = newSelection(nil, uint64(an.epochEntry.Number), out.compiled); err != nil {
		return nil, err
	}
	if out.record, out.opened, err = f.open(schema); err != nil {
		return nil, err
	}
	root, err := out.opened.Path.Follow(out.opened.Leaf.Hash())
	if err != nil || statement.Element(root) != an.epochEntry.Root {
		return nil, fmt.Errorf("%w: its path does not lead to the epoch's root", ErrBadRecord)
	}
	return out, nil
}

func (f *RecordFile) anchors(circuit *Circuit) (anchors, error) {
	bad := func(err error) (anchors, error) { return anchors{}, fmt.Errorf("%w: %w", ErrBadRecord, err) }
	schema, err := entryOf[*ledger.SchemaEntry](f.Schema)
	if err != nil {
		return bad(err)
	}
	epoch, err := entryOf[*ledger.EpochEntry](f.Epoch)
	if err != nil {
		return bad(err)
	}
	published, err := entryOf[*ledger.CircuitEntry](f.Circuit)
	if err != nil {
		return bad(err)
	}
	if published.Circuit != circuit.Keys.Circuit || published.VKHash() != circuit.Keys.VK {
		return anchors{}, fmt.Errorf("%w: the agency's are %s: copy its circuits folder", ErrOtherCircuit, published.VKHash().Hex())
	}
	identity, err := epoch.Identity()
	if err != nil {
		return bad(err)
	}
	inclusion, err := ledger.ParseInclusion([]byte(f.Epoch.Inclusion))
	if err != nil {
		return bad(err)
	}
	checkpoint, err := ledger.ReadCheckpoint(inclusion.Checkpoint)
	if err != nil {
		return bad(err)
	}
	return anchors{schemaEntry: schema, epochEntry: epoch, public: statement.Public{
		Origin: checkpoint.Origin, Circuit: circuit.Keys.Circuit, VK: circuit.Keys.VK,
		Registry: schema.Schema.Registry, Schema: epoch.Schema, Epoch: identity,
	}}, nil
}

func entryOf[E ledger.Entry](l verifier.Logged) (entry E, err error) {
	parsed, err := ledger.ParseEntry(l.Entry)
	if err != nil {
		return entry, err
	}
	entry, ok := parsed.(E)
	if !ok {
		return entry, fmt.Errorf("an entry of type %s in the wrong place", parsed.Type())
	}
	return entry, nil
}

// open rebuilds the record and its leaf.
func (f *RecordFile) open(schema *statement.Schema) (*registry.Record, *registry.Opening, error) {
	if len(f.Values) != len(schema.Attributes) || len(f.Path) != imt.Levels {
		return nil, nil, fmt.Errorf("%w: %d values and %d levels", ErrBadRecord, len(f.Values), len(f.Path))
	}
	record := &registry.Record{Key: f.Key, Subject: f.Subject, Holder: f.Holder}
	leaf := imt.Leaf{Holder: f.Holder.Fr(), SerialHash: f.SerialHash.Fr(), Blinding: f.Blinding.Fr(), Link: f.Link.Fr()}
	var err error
	if leaf.Key, err = schema.HashKey(f.Key); err != nil {
		return nil, nil, err
	}
	if leaf.Subject, err = schema.HashSubject(f.Subject); err != nil {
		return nil, nil, err
	}
	for i := range leaf.Attributes {
		leaf.Attributes[i] = statement.Null()
	}
	for i, a := range schema.Attributes {
		v, err := schema.ParseValue(a, f.Values[i])
		if err != nil {
			return nil, nil, fmt.Errorf("%w: attribute %s", ErrBadRecord, a.Name)
		}
		record.Values = append(record.Values, v)
		if leaf.Attributes[i], err = schema.Encode(a, v); err != nil {
			return nil, nil, err
		}
	}
	opened := &registry.Opening{Leaf: leaf}
	for level, children := range f.Path {
		for _, c := range children {
			opened.Path[level] = append(opened.Path[level], c.Fr())
		}
	}
	return record, opened, nil
}

// check refuses a request that the record does not satisfy.
func (f *fact) check(r *statement.Request, file *RecordFile) error {
	for _, named := range []struct{ field, has string }{{statement.FieldKey, file.Key}, {statement.FieldSubject, file.Subject}} {
		text, ok := r.OutputText(f.name, named.field)
		if !ok {
			continue
		}
		want, err := f.schema.Domain(named.field).Canonical(text)
		if err != nil {
			return err
		}
		if want != named.has {
			return fmt.Errorf("%w: the record has another %s than the request names", ErrFalse, named.field)
		}
	}
	failing, err := f.failing(f.record)
	if err == nil && len(failing) > 0 {
		err = fmt.Errorf("%w: the record fails %s", ErrFalse, quoteAll(failing))
	}
	return err
}

// finish makes the proofs with the holder's secret and assembles the bundle.
func (f *RecordFile) finish(ctx context.Context, w *work, secret statement.Element) (*Answer, error) {
	start := time.Now()
	for i, in := range w.inputs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		in.SetHolderSecret(secret.Fr())
		proof, _, err := w.circuit.Prove(in)
		if err != nil {
			return nil, err
		}
		w.entries[i].Proof = proof
		if w.shown.Proofs[i].Entry, err = ledger.MarshalEntry(w.entries[i]); err != nil {
			return nil, err
		}
	}
	w.shown.Circuit, w.shown.Schema, w.shown.Epoch = f.Circuit, f.Schema, f.Epoch
	return &Answer{
		Bundle: &verifier.Bundle{Format: verifier.BundleFormat, Facts: []verifier.Fact{w.shown}},
		Openings: &verifier.Openings{Format: verifier.OpeningsFormat, Facts: map[string][]verifier.Opening{
			w.name: append([]verifier.Opening{}, w.openings...),
		}},
		Timings: Timings{Proofs: len(w.inputs), Prove: time.Since(start)},
	}, nil
}
