package verifier

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// testTime is when the epochs of tests are committed and their bundles verified.
var testTime = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// world is an agency with its log, all in memory. Its circuit is the stand-in,
// which proves any statement: the world can lie about everything but arithmetic.
type world struct {
	t            testing.TB
	origin       string
	signer       note.Signer
	logKey       ed25519.PrivateKey // the signer's, for the log's own entries
	vkey         string
	issuer       ed25519.PrivateKey
	schema       statement.Schema
	circuit      *ledger.CircuitEntry
	schemaEntry  *ledger.SchemaEntry
	epochs       []*ledger.EpochEntry
	entries      [][]byte
	hashes       storedHashes
	cosigners    []note.Signer
	circuitIndex uint64
	schemaIndex  uint64
	epochIndex   []uint64
}

// storedHashes are a log's hashes, as tlog numbers them.
type storedHashes []tlog.Hash

func (s storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = s[x]
	}
	return out, nil
}

func ensure[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func titleSchema() statement.Schema {
	attributes := []statement.Attribute{
		{Name: "assessed_value", Type: statement.Int, Unit: "USD"},
		{Name: "garage", Type: statement.Text},
		{Name: "area", Type: statement.Decimal, Scale: 2},
		{Name: "sale_date", Type: statement.Date, Optional: true},
	}
	for i := range 8 {
		attributes = append(attributes, statement.Attribute{Name: fmt.Sprintf("n%d", i), Type: statement.Int})
	}
	return statement.Schema{
		Registry: "titles", Key: "parcel_id", Subject: "owner_id", Attributes: attributes,
		Domains: map[string]statement.TextDomain{"key": {Name: "parcel-id", Normalise: []string{statement.Trim, statement.Upper}}},
		Scopes:  []statement.Scope{{Name: "mortgage", Consent: statement.ConsentIssuer}},
		Holder:  "holder_tag",
	}
}

// released gives a circuit's hash. Nothing ties a stand-in's key to it, as nothing
// but the transcript of its setup ties any key to a circuit.
func released(name string) statement.Digest {
	hash, _ := Relation(name, 1)
	return hash
}

// newWorld gives an agency with a registry of two epochs in its log.
func newWorld(t testing.TB, origin string, schema statement.Schema) *world {
	t.Helper()
	skey, vkey, err := ledger.NewLogKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	_, issuer, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, origin: origin, vkey: vkey, issuer: issuer, schema: schema}
	w.signer = ensure[note.Signer](t)(note.NewSigner(skey))
	w.logKey = ensure[ed25519.PrivateKey](t)(ledger.LogPrivateKey(skey))
	w.circuit = &ledger.CircuitEntry{
		Name: CircuitPresent, Version: 1, Circuit: released(CircuitPresent),
		VK: keys().vk.Marshal(), Setup: ledger.SetupDevelopment,
	}
	w.circuitIndex = w.add(w.circuit)
	w.schemaEntry = &ledger.SchemaEntry{Schema: schema}
	w.sign(w.schemaEntry.Sign(issuer))
	w.schemaIndex = w.add(w.schemaEntry)
	w.commit(testTime.Add(-48 * time.Hour))
	w.commit(testTime.Add(-1 * time.Hour))
	return w
}

// fork gives a world of its own with the same history.
func (w *world) fork(t testing.TB) *world {
	out := *w
	out.t = t
	out.entries, out.hashes = slices.Clone(w.entries), slices.Clone(w.hashes)
	out.epochs, out.epochIndex = slices.Clone(w.epochs), slices.Clone(w.epochIndex)
	return &out
}

func (w *world) sign(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// add appends an entry and gives its index.
func (w *world) add(e ledger.Entry) uint64 {
	w.t.Helper()
	return w.addBytes(ensure[[]byte](w.t)(ledger.MarshalEntry(e)))
}

func (w *world) addBytes(data []byte) uint64 {
	w.t.Helper()
	n := uint64(len(w.entries))
	stored := ensure[[]tlog.Hash](w.t)(tlog.StoredHashes(int64(n), data, w.hashes))
	w.hashes = append(w.hashes, stored...)
	w.entries = append(w.entries, data)
	return n
}

// commit appends the registry's next epoch, with a root of its own.
func (w *world) commit(when time.Time) *ledger.EpochEntry {
	w.t.Helper()
	e := &ledger.EpochEntry{
		Registry: w.schema.Registry, Schema: ensure[statement.Digest](w.t)(w.schemaEntry.Identity()),
		Number: canon.Uint64(len(w.epochs) + 1), Time: statement.FormatTime(when), Root: randomElement(w.t),
	}
	if n := len(w.epochs); n > 0 {
		id := ensure[statement.Digest](w.t)(w.epochs[n-1].Identity())
		e.Previous = &id
	}
	w.sign(e.Sign(w.issuer))
	w.epochs = append(w.epochs, e)
	w.epochIndex = append(w.epochIndex, w.add(e))
	return e
}

func (w *world) checkpoint() []byte {
	w.t.Helper()
	size := uint64(len(w.entries))
	root := ensure[tlog.Hash](w.t)(tlog.TreeHash(int64(size), w.hashes))
	c := ledger.Checkpoint{Origin: w.origin, Size: size, Root: root}
	signed := ensure[[]byte](w.t)(ledger.SignCheckpoint(c, w.signer))
	for _, s := range w.cosigners {
		line := ensure[[]byte](w.t)(note.Sign(&note.Note{Text: c.Text()}, s))
		signed = append(signed, line[len(c.Text())+1:]...)
	}
	return signed
}

// include gives an entry's inclusion proof under the log's present checkpoint.
func (w *world) include(index uint64) string {
	w.t.Helper()
	size := int64(len(w.entries))
	path := ensure[tlog.RecordProof](w.t)(tlog.ProveRecord(size, int64(index), w.hashes))
	return string(ledger.FormatInclusion(&ledger.Inclusion{Index: index, Hashes: path, Checkpoint: w.checkpoint()}))
}

func (w *world) logged(index uint64) Logged {
	return Logged{Entry: w.entries[index], Inclusion: w.include(index)}
}

// trust gives the trust file that pins this world and others.
func (w *world) trust(others ...*world) *Trust {
	t := &Trust{Format: TrustFormat, Development: "allow", Circuits: []TrustedCircuit{{
		Name: w.circuit.Name, Version: w.circuit.Version, Circuit: w.circuit.Circuit, VK: w.circuit.VK, Setup: w.circuit.Setup,
	}}}
	for _, x := range append([]*world{w}, others...) {
		t.Logs = append(t.Logs, TrustedLog{Key: x.vkey})
		t.Registries = append(t.Registries, TrustedRegistry{Registry: x.schema.Registry, Issuer: x.schemaEntry.Issuer, Log: x.origin})
	}
	return t
}

// record is what a test's proofs claim to be of.
type record struct {
	key, subject string
	attributes   map[string]string
}

var testRecord = record{
	key: "LC-00042", subject: "OH-0001222",
	attributes: map[string]string{"assessed_value": "250000", "garage": "attached", "area": "12.50", "sale_date": "1997-05-01", "n0": "7"},
}

// tamper changes an answer before it is proved, so that the lie is a consistent one.
type tamper struct {
	question func(i int, q *statement.Question)
	entry    func(i int, e *ledger.ProofEntry)
	context  func(c *statement.Context)
	epoch    int // which one, from 0; the latest is the default, -1 the one before
	unlogged bool
}

// answer gives the world's answer to one fact of a request.
func (w *world) answer(r *statement.Request, name string, rec record, how tamper) (Fact, []Opening) {
	w.t.Helper()
	compiled := ensure[*statement.CompiledFact](w.t)(r.CompileFact(name, &w.schema))
	questions := ensure[[]statement.Question](w.t)(compiled.Questions())
	if compiled.Scope != nil && r.PledgeKey(name) == nil {
		r.SetPledgeKey(name, statement.ReleaseKey{1}) // the asker's
	}
	epoch := len(w.epochs) - 1 + how.epoch
	f := Fact{Name: name, Context: r.Context(name)}
	if how.context != nil {
		how.context(&f.Context)
	}
	leaf, linked := randomElement(w.t), randomElement(w.t)
	var openings []Opening
	var indexes []uint64
	for i, q := range questions {
		if how.question != nil {
			how.question(i, &q)
		}
		p := Proof{Question: q, Blind: randomElement(w.t)}
		for j, of := range q.Outputs {
			if of == statement.OutputNone {
				continue
			}
			o := w.output(r, name, rec, of)
			if of == statement.OutputLeaf && len(questions) > 1 && j == 0 {
				o.Randomness = linked
			}
			o.Proof, o.Output = i, j
			value := leaf.Fr()
			if of != statement.OutputLeaf {
				value, _ = o.element(&w.schema)
				openings = append(openings, o)
			}
			p.Outputs[j] = statement.Element(statement.Commit(value, o.Randomness.Fr()))
		}
		e := w.proofEntry(f, p, compiled, i, w.epochs[epoch])
		if how.entry != nil {
			how.entry(i, e)
		}
		w.prove(e)
		p.Entry = ensure[[]byte](w.t)(ledger.MarshalEntry(e))
		if !how.unlogged {
			indexes = append(indexes, w.addBytes(p.Entry))
		}
		f.Proofs = append(f.Proofs, p)
	}
	f.Circuit, f.Schema, f.Epoch = w.logged(w.circuitIndex), w.logged(w.schemaIndex), w.logged(w.epochIndex[epoch])
	for i, index := range indexes {
		f.Proofs[i].Inclusion = w.include(index)
	}
	return f, openings
}

func (w *world) output(r *statement.Request, fact string, rec record, of statement.Output) Opening {
	o := Opening{Of: of, Randomness: randomElement(w.t)}
	switch of {
	case statement.OutputKey, statement.OutputSubject:
		o.Value = rec.key
		if of == statement.OutputSubject {
			o.Value = rec.subject
		}
		if _, named := r.OutputText(fact, string(of)); named && r.Seed != nil {
			o.Randomness = r.Seed.OutputRandomness(r.OutputClass(fact, string(of)))
		}
	default:
		name, _ := of.Attribute()
		o.Value = rec.attributes[name]
	}
	return o
}

func (w *world) proofEntry(f Fact, p Proof, c *statement.CompiledFact, i int, epoch *ledger.EpochEntry) *ledger.ProofEntry {
	w.t.Helper()
	context, err := f.Context.Hash()
	w.sign(err)
	var outputs [statement.NumOutputs]fr.Element
	for j, o := range p.Outputs {
		outputs[j] = o.Fr()
	}
	q := ensure[fr.Element](w.t)(p.Question.Q(&w.schema, outputs, context, p.Blind.Fr()))
	e := &ledger.ProofEntry{Root: epoch.Root, Q: statement.Element(q), Public: statement.Public{
		Origin: w.origin, Circuit: w.circuit.Circuit, VK: w.circuit.VKHash(), Registry: w.schema.Registry,
		Schema: epoch.Schema, Epoch: ensure[statement.Digest](w.t)(epoch.Identity()),
	}}
	if c.Scope != nil && i == 0 {
		scope, err := statement.ScopeElement(c.Scope.Name)
		w.sign(err)
		e.Scope, e.Nullifier = statement.Element(scope), randomElement(w.t)
		e.Public.ReleaseKey = &statement.ReleaseKey{1}
	}
	return e
}

// prove signs the consent that a pledge needs and puts in the stand-in's proof.
func (w *world) prove(e *ledger.ProofEntry) {
	w.t.Helper()
	if e.IsPledge() && e.Consent == nil && w.schema.Scopes[0].Consent == statement.ConsentIssuer {
		w.sign(e.SignConsent(w.issuer))
	}
	e.Proof = encodeProof(keys().prove(w.t, ensure[statement.Element](w.t)(e.D())))
}

// bundle answers a request of one fact.
func (w *world) bundle(r *statement.Request, how tamper) (*Bundle, *Openings) {
	w.t.Helper()
	f, openings := w.answer(r, statement.FlatFact, testRecord, how)
	return &Bundle{Format: BundleFormat, Facts: []Fact{f}},
		&Openings{Kind: OpeningsFormat, Facts: map[string][]Opening{statement.FlatFact: openings}}
}

// export writes the log as a tlog-tiles directory.
func (w *world) export() string {
	w.t.Helper()
	dir := w.t.TempDir()
	write := func(path string, data []byte) {
		name := filepath.Join(dir, filepath.FromSlash(path))
		w.sign(os.MkdirAll(filepath.Dir(name), 0o755))
		w.sign(os.WriteFile(name, data, 0o644))
	}
	write(ledger.CheckpointPath, w.checkpoint())
	for p := range ledger.TilePaths(uint64(len(w.entries))) {
		if p.Entries {
			first := int(p.Index) * ledger.TileWidth
			write(p.String(), ensure[[]byte](w.t)(ledger.EncodeBundle(w.entries[first:first+p.Width])))
			continue
		}
		write(p.String(), ensure[[]byte](w.t)(ledger.ReadTile(p, w.hashes)))
	}
	return dir
}

func parseRequest(t testing.TB, lines ...string) *statement.Request {
	t.Helper()
	return ensure[*statement.Request](t)(statement.ParseRequest([]byte(strings.Join(lines, "\n") + "\n")))
}

// flatRequest is the request that most tests ask, filled in as a bank's tool does.
func flatRequest(t testing.TB, extra ...string) *statement.Request {
	t.Helper()
	r := parseRequest(t, slices.Concat([]string{
		"registry: titles", "subject: OH-0001222", "audience: bank-a", "purpose: underwriting",
		"expires: 2026-12-31T00:00:00Z", "where:", "  - assessed_value >= 200000", `  - garage in ["attached", "detached"]`,
	}, extra)...)
	if err := r.Fill(zeroReader{}); err != nil {
		t.Fatal(err)
	}
	return r
}

// zeroReader is no randomness at all: requests of tests repeat.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// reparse takes a bundle through its file form.
func reparse(t testing.TB, b *Bundle) *Bundle {
	t.Helper()
	return ensure[*Bundle](t)(ParseBundle(ensure[[]byte](t)(b.Marshal())))
}

func rawJSON(t testing.TB, v any) json.RawMessage {
	t.Helper()
	return ensure[[]byte](t)(canon.Marshal(v))
}
