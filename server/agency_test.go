package server

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/consensys/gnark/logger"
	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/internal/standin"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

func TestMain(m *testing.M) {
	logger.Disable()
	dir, err := os.MkdirTemp("", "attestry-server-test-*")
	if err != nil {
		panic(err)
	}
	testDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// verifyAt is the server's clock in tests.
var verifyAt = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// standInKeys are keys of the stand-in circuit, so that an honest bundle can be made
// in milliseconds.
type standInKeys struct {
	gnark *standin.Keys
	vk    *verifier.VerifyingKey
}

var keys = sync.OnceValue(func() *standInKeys {
	made, err := standin.Setup()
	if err != nil {
		panic(err)
	}
	g := made.VK
	ours, err := verifier.NewVerifyingKey(g.G1.Alpha, g.G2.Beta, g.G2.Gamma, g.G2.Delta, g.G1.K[0], g.G1.K[1])
	if err != nil {
		panic(err)
	}
	return &standInKeys{made, ours}
})

// prove gives the proof of D = d.
func (k *standInKeys) prove(t testing.TB, d statement.Element) []byte {
	t.Helper()
	proof := must(k.gnark.Prove(d.Big()))(t)
	a, b, c := proof.Ar.Bytes(), proof.Bs.Bytes(), proof.Krs.Bytes()
	return slices.Concat(a[:], b[:], c[:])
}

// must gives a value, or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// agency is a log on disk with a registry of one epoch.
type agency struct {
	store   *store.Store
	signer  note.Signer
	vkey    string
	schema  *ledger.SchemaEntry
	circuit *ledger.CircuitEntry
	epoch   *ledger.EpochEntry
}

func newAgency(t testing.TB) *agency {
	t.Helper()
	skey, vkey, err := ledger.NewLogKey(ledgertest.Origin)
	if err != nil {
		t.Fatal(err)
	}
	a := &agency{vkey: vkey, signer: must(note.NewSigner(skey))(t)}
	a.store = must(store.Create(filepath.Join(t.TempDir(), "ledger.db"), ledgertest.Origin, store.Options{Verify: verifyEntry}))(t)
	t.Cleanup(func() {
		if err := a.store.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
	a.circuit = ledgertest.CircuitEntry(verifier.CircuitPresent)
	a.circuit.Circuit, _ = verifier.Relation(verifier.CircuitPresent, 1)
	a.circuit.VK = keys().vk.Marshal()
	a.schema = ledgertest.SchemaEntry(t, "titles", "issuer")
	a.epoch = ledgertest.EpochEntry(t, a.schema, nil, "issuer")
	a.append(t, a.circuit, a.schema, a.epoch)
	a.publish(t)
	return a
}

func verifyEntry(e *ledger.ProofEntry, c *ledger.CircuitEntry) error {
	vk, err := verifier.ParseVerifyingKey(c.VK)
	if err != nil {
		return err
	}
	return vk.VerifyEntry(e)
}

func (a *agency) append(t testing.TB, entries ...ledger.Entry) []uint64 {
	t.Helper()
	return must(a.store.Append(t.Context(), entries...))(t)
}

func (a *agency) publish(t testing.TB) {
	t.Helper()
	must(a.store.PublishCheckpoint(a.signer))(t)
}

func (a *agency) trust() *verifier.Trust {
	return &verifier.Trust{
		Format: verifier.TrustFormat, Development: "allow",
		Logs:       []verifier.TrustedLog{{Key: a.vkey}},
		Registries: []verifier.TrustedRegistry{{Registry: "titles", Issuer: a.schema.Issuer, Log: ledgertest.Origin}},
		Circuits: []verifier.TrustedCircuit{{
			Name: a.circuit.Name, Version: a.circuit.Version, Circuit: a.circuit.Circuit, VK: a.circuit.VK, Setup: a.circuit.Setup,
		}},
	}
}

// answer is what a bank has in hand: its request, the bundle and the openings, as
// the files hold them.
type answer struct {
	requestYAML, request, bundle, openings string
}

// The question of the tests, and values of the record that only openings may show.
const (
	askedSubject  = "OH-0001222"
	revealedValue = "251777"
)

// answer answers a request for a fact about askedSubject, and logs the proof.
func (a *agency) answer(t testing.TB) answer {
	t.Helper()
	text := strings.Join([]string{
		"registry: titles", "subject: " + askedSubject, "where: [assessed_value >= 200000]", "reveal: [assessed_value]",
		"audience: bank-a", "expires: 2026-12-31T00:00:00Z", "",
	}, "\n")
	r := must(statement.ParseRequest([]byte(text)))(t)
	r.Nonce, r.Seed = &statement.Nonce{1}, &statement.Seed{2}
	schema := &a.schema.Schema
	compiled := must(r.CompileFact(statement.FlatFact, schema))(t)
	questions := must(compiled.Questions())(t)
	context := r.Context(statement.FlatFact)
	proof := verifier.Proof{Question: questions[0], Blind: statement.RandomElement()}
	subject := must(schema.HashSubject(askedSubject))(t)
	value := must(schema.Encode(schema.Attributes[0], must(schema.ParseLiteral(schema.Attributes[0], revealedValue))(t)))(t)
	opening := verifier.Opening{Output: 1, Of: statement.OutputAttribute("assessed_value"), Value: revealedValue, Randomness: statement.RandomElement()}
	proof.Outputs[0] = statement.Element(statement.Commit(subject, r.Seed.OutputRandomness(r.OutputClass(statement.FlatFact, statement.FieldSubject)).Fr()))
	proof.Outputs[1] = statement.Element(statement.Commit(value, opening.Randomness.Fr()))
	index := a.logProof(t, context, &proof)
	proof.Inclusion = a.include(t, index)
	b := &verifier.Bundle{Format: verifier.BundleFormat, Facts: []verifier.Fact{{
		Name: statement.FlatFact, Context: context,
		Circuit: a.logged(t, 0), Schema: a.logged(t, 1), Epoch: a.logged(t, 2), Proofs: []verifier.Proof{proof},
	}}}
	o := &verifier.Openings{Kind: verifier.OpeningsFormat, Facts: map[string][]verifier.Opening{statement.FlatFact: {opening}}}
	return answer{
		requestYAML: text, request: string(must(json.Marshal(r))(t)),
		bundle: string(must(b.Marshal())(t)), openings: string(must(o.Marshal())(t)),
	}
}

// logProof proves what the proof shows, puts its entry in it and in the log, and
// gives the entry's index.
func (a *agency) logProof(t testing.TB, context statement.Context, p *verifier.Proof) uint64 {
	t.Helper()
	hidden := statement.Private{
		Layout: must(p.Question.Layout(&a.schema.Schema))(t), Context: must(context.Hash())(t), Blind: p.Blind.Fr(),
	}
	for i, o := range p.Outputs {
		hidden.Outputs[i] = o.Fr()
	}
	e := ledgertest.ProofEntry(t, a.circuit, a.epoch, "")
	e.Q = statement.Element(hidden.Q())
	e.Proof = keys().prove(t, must(e.D())(t))
	p.Entry = ledgertest.Marshal(t, e)
	index := a.append(t, e)[0]
	a.publish(t)
	return index
}

func (a *agency) include(t testing.TB, index uint64) string {
	t.Helper()
	return string(ledger.FormatInclusion(must(a.store.Prove(index, nil))(t)))
}

func (a *agency) logged(t testing.TB, index uint64) verifier.Logged {
	t.Helper()
	return verifier.Logged{Entry: must(a.store.Entry(index))(t), Inclusion: a.include(t, index)}
}
