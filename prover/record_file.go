package prover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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

// errNoHolder refuses what only a holder's secret makes sense of.
var errNoHolder = fmt.Errorf("%w: the record has no holder tag: import one in the schema's holder column", ErrNotProvable)

// RecordFile is the opening of one record at one epoch, for its holder: what a proof
// of it needs beside the holder's secret. It is private to the holder. It names no
// neighbour (siblings are hashes, and the leaf's link stays sealed), and opens
// nothing at another epoch, since blindings are renewed with each change.
type RecordFile struct {
	Kind    string          `json:"format"` // [RecordFormat]; the name Format is the method's
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
	// Serial is there only if the holder is to pledge. It never changes: whoever has it
	// recognises all pledges of the record, those of its later holders too.
	Serial *statement.Element `json:"serial,omitempty"`
}

const redactedRecordFile = "prover.RecordFile(private)"

// Format implements fmt.Formatter: no verb shows the file.
func (f RecordFile) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedRecordFile) }

// LogValue implements slog.LogValuer.
func (f RecordFile) LogValue() slog.Value { return slog.StringValue(redactedRecordFile) }

// OpenRecord makes the record file of a key at the latest epoch. With forPledging it
// has the record's serial.
func (a *Agency) OpenRecord(ctx context.Context, name, key string, forPledging bool) (*RecordFile, error) {
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
	if source := s.Source(); source != nil {
		return nil, fmt.Errorf("%w: registry %s is computed from %s, which has the record: open it there", ErrBadRecord, name, source.Schema().Registry)
	}
	epoch := uint64(an.epochEntry.Number)
	record, err := s.Get(epoch, key)
	if err != nil {
		return nil, err
	}
	if record.Holder.IsZero() {
		return nil, errNoHolder
	}
	opened, err := s.Open(epoch, record)
	if err != nil {
		return nil, err
	}
	checkpoint, err := a.Publish(ctx)
	if err != nil {
		return nil, err
	}
	var shown verifier.Fact
	if err := a.show(an, &shown, checkpoint); err != nil {
		return nil, err
	}
	f := newRecordFile(shown, s.Schema(), record, opened)
	if forPledging {
		f.Serial = &opened.Serial
	}
	return f, nil
}

func newRecordFile(shown verifier.Fact, schema *statement.Schema, record *registry.Record, opened *registry.Opening) *RecordFile {
	f := &RecordFile{
		Kind: RecordFormat, Circuit: shown.Circuit, Schema: shown.Schema, Epoch: shown.Epoch,
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
	return parseRecordFile(document)
}

func parseRecordFile(document []byte) (*RecordFile, error) {
	f := &RecordFile{}
	if err := canon.Unmarshal(document, f); err != nil || f.Kind != RecordFormat {
		return nil, fmt.Errorf("%w: not of the format %s", ErrBadRecord, RecordFormat) // never what is in it
	}
	return f, nil
}

// Prove answers a request of one fact about the file's record, with the holder's
// secret and no access to the agency. The proof is not logged: nobody learns of it
// but whoever is given the bundle. A pledge counts once the entry of its first proof
// is in the agency's log, see [Agency.Submit].
func (f *RecordFile) Prove(ctx context.Context, r *statement.Request, name string, secret statement.Element, circuit *Circuit) (*Answer, error) {
	asked, err := f.asked(r, name)
	if err != nil {
		return nil, err
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

// asked gives the fact of a request that a holder can prove.
func (f *RecordFile) asked(r *statement.Request, name string) (asked statement.FactRequest, err error) {
	if err := r.Validate(); err != nil {
		return asked, err
	}
	asked, ok := r.NamedFacts()[name]
	switch {
	case r.Nonce == nil || r.Seed == nil:
		err = fmt.Errorf("%w: the request has no nonce or no seed", statement.ErrBadRequest)
	case !ok:
		err = fmt.Errorf("%w: it has no fact %q", statement.ErrBadRequest, name)
	case r.GrantOf(name) != nil:
		err = fmt.Errorf("%w: fact %s names a grant, which is for an agency's answers: a holder needs none", ErrNotProvable, name)
	case asked.Absent:
		err = fmt.Errorf("%w: a holder proves about their record, and no absence of others", ErrNotProvable)
	case asked.Once != "" && f.Serial == nil:
		err = fmt.Errorf("%w: the record was opened without its serial, which a pledge needs: ask the agency for one with record open --pledge", ErrNotProvable)
	case asked.Once != "" && r.PledgeKey(name) == nil:
		err = fmt.Errorf("%w: fact %s pledges a record, and the request has no release key for it", statement.ErrBadRequest, name)
	default:
		err = tiedHere(r, []string{name})
	}
	return asked, err
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
	if err := asOf(asked, an.epochEntry); err != nil {
		return nil, err
	}
	if err := timely(r, asked, an, time.Now()); err != nil {
		return nil, err
	}
	if out.compiled, err = r.CompileFact(name, schema); err != nil {
		return nil, err
	}
	if out.selection, err = newSelection(nil, uint64(an.epochEntry.Number), out.compiled); err != nil {
		return nil, err
	}
	scope, err := statement.ScopeElement(asked.Once)
	if err != nil {
		return nil, err
	}
	out.scope = statement.Element(scope)
	if out.record, out.opened, err = f.open(schema); err != nil {
		return nil, err
	}
	root, err := out.opened.Path.Follow(out.opened.Leaf.Hash())
	if err != nil || statement.Element(root) != an.epochEntry.Root {
		return nil, fmt.Errorf("%w: its path does not lead to the epoch's root", ErrBadRecord)
	}
	return out, nil
}

// asOf refuses a request of another epoch than the file's, as far as the file tells.
func asOf(asked statement.FactRequest, e *ledger.EpochEntry) error {
	later := !asked.AsOf.Time.IsZero() && e.Time > statement.FormatTime(asked.AsOf.Time)
	if later || asked.AsOf.Number != 0 && asked.AsOf.Number != uint64(e.Number) {
		return fmt.Errorf("%w: the record was opened at epoch %d of %s, and the request is as of %s", ErrNoEpoch, e.Number, e.Time, asked.AsOf)
	}
	return nil
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
	return anchors{schemaEntry: schema, epochEntry: epoch, oldest: epoch.Time, public: statement.Public{
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
	if f.Holder.IsZero() {
		return nil, nil, errNoHolder
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
	if f.Serial != nil {
		if statement.SerialHash(f.Serial.Fr()) != leaf.SerialHash {
			return nil, nil, fmt.Errorf("%w: its serial is not the leaf's", ErrBadRecord)
		}
		opened.Serial = *f.Serial
	}
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
		Openings: &verifier.Openings{Kind: verifier.OpeningsFormat, Facts: map[string][]verifier.Opening{
			w.name: append([]verifier.Opening{}, w.openings...),
		}},
		Timings: Timings{Proofs: len(w.inputs), Prove: time.Since(start)},
	}, nil
}
