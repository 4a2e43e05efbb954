// Package ledgertest makes well-formed, properly signed ledger entries for tests.
// Its keys derive from names and are no secret; its proofs are no proofs, but
// something that [Verify] recognises.
package ledgertest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// Origin is the origin of the tests' log.
const Origin = "attestry.test/log"

// The scopes of the tests' registries.
const (
	ScopeIssuer = "mortgage" // needs the issuer's consent; has a recovery key
	ScopeHolder = "tenancy"  // needs the holder's consent; has none
)

// Key gives the Ed25519 key of a name.
func Key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("ledgertest key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// PublicKey gives the public half of the key of a name.
func PublicKey(name string) ledger.PublicKey {
	return ledger.PublicKey(Key(name).Public().(ed25519.PublicKey))
}

// LogKey gives the log's key in its two signed-note forms.
func LogKey(t testing.TB) (skey, vkey string) {
	t.Helper()
	key := Key("log")
	vkey, err := note.NewEd25519VerifierKey(Origin, key.Public().(ed25519.PublicKey))
	must(t, err)
	const algEd25519 = 1
	secret := base64.StdEncoding.EncodeToString(append([]byte{algEd25519}, key.Seed()...))
	return "PRIVATE+KEY+" + Origin + "+" + strings.Split(vkey, "+")[1] + "+" + secret, vkey
}

// Digest gives a digest that stands for something of this name.
func Digest(name string) statement.Digest { return sha256.Sum256([]byte(name)) }

// Element gives an element that stands for something of this name.
func Element(name string) statement.Element {
	return statement.PRF([]byte("ledgertest"), name)
}

// Scope gives a scope's element.
func Scope(name string) statement.Element {
	e, err := statement.ScopeElement(name)
	if err != nil {
		panic(err) // the tests' names are plain
	}
	return statement.Element(e)
}

// Schema gives the schema of a registry with both scopes.
func Schema(registry string) statement.Schema {
	return statement.Schema{
		Registry: registry, Key: "parcel_id", Subject: "owner_id", Holder: "holder_tag",
		Attributes: []statement.Attribute{
			{Name: "assessed_value", Type: statement.Int, Unit: "USD"},
			{Name: "area", Column: "建筑面积", Type: statement.Decimal, Scale: 2, Optional: true},
		},
		Domains: map[string]statement.TextDomain{"key": {Name: "parcel-id", Normalise: []string{statement.Trim, statement.Upper}}},
		Scopes: []statement.Scope{
			{Name: ScopeIssuer, Consent: statement.ConsentIssuer, Recovery: PublicKey("recovery").String()},
			{Name: ScopeHolder, Consent: statement.ConsentHolder},
		},
	}
}

// SchemaEntry gives a registry's first schema entry, signed by the issuer of that name.
func SchemaEntry(t testing.TB, registry, issuer string) *ledger.SchemaEntry {
	t.Helper()
	e := &ledger.SchemaEntry{Schema: Schema(registry), Serial: Digest("serial of " + registry)}
	must(t, e.Sign(Key(issuer)))
	return e
}

// CircuitEntry gives a circuit entry of version 1.
func CircuitEntry(name string) *ledger.CircuitEntry {
	return &ledger.CircuitEntry{
		Name: name, Version: 1, Circuit: Digest("circuit " + name),
		VK: []byte("verifying key of " + name), Setup: ledger.SetupDevelopment,
	}
}

// EpochEntry gives the epoch that follows another one (nil for the first) of the
// schema's registry, an hour later.
func EpochEntry(t testing.TB, schema *ledger.SchemaEntry, previous *ledger.EpochEntry, issuer string) *ledger.EpochEntry {
	t.Helper()
	e := &ledger.EpochEntry{
		Registry: schema.Schema.Registry, Schema: Identity(t, schema), Number: 1,
		Time: statement.FormatTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	if previous != nil {
		identity := Identity(t, previous)
		at, err := statement.ParseTime(previous.Time)
		must(t, err)
		e.Previous, e.Number, e.Time = &identity, previous.Number+1, statement.FormatTime(at.Add(time.Hour))
	}
	e.Root = Element(fmt.Sprintf("root %s %d", e.Registry, e.Number))
	must(t, e.Sign(Key(issuer)))
	return e
}

// ProofEntry gives a proof of a question of this name on an epoch.
func ProofEntry(t testing.TB, circuit *ledger.CircuitEntry, epoch *ledger.EpochEntry, question string) *ledger.ProofEntry {
	t.Helper()
	e := &ledger.ProofEntry{
		Public: statement.Public{
			Origin: Origin, Circuit: circuit.Circuit, VK: circuit.VKHash(),
			Registry: epoch.Registry, Schema: epoch.Schema, Epoch: Identity(t, epoch),
		},
		Root: epoch.Root, Q: Element("question " + question),
	}
	Prove(t, e)
	return e
}

// PledgeEntry gives a pledge of a record of this name in a scope, with the issuer's
// consent where the scope is [ScopeIssuer]. Its release key is that of the
// question's name.
func PledgeEntry(t testing.TB, circuit *ledger.CircuitEntry, epoch *ledger.EpochEntry, scope, record, question, issuer string) *ledger.ProofEntry {
	t.Helper()
	e := ProofEntry(t, circuit, epoch, question)
	release := statement.ReleaseKey(PublicKey("release " + question))
	e.Public.ReleaseKey = &release
	e.Scope = Scope(scope)
	e.Nullifier = Element("nullifier " + record + " " + scope)
	if scope == ScopeIssuer {
		must(t, e.SignConsent(Key(issuer)))
	}
	Prove(t, e)
	return e
}

// ReleaseEntry gives the release of a pledge by the release key of a question.
func ReleaseEntry(t testing.TB, pledge *ledger.ProofEntry, index uint64, question string) *ledger.ReleaseEntry {
	t.Helper()
	e := &ledger.ReleaseEntry{
		Origin: Origin, Registry: pledge.Public.Registry, Nullifier: pledge.Nullifier,
		Pledge: canon.Uint64(index), Leaf: statement.Digest(ledger.LeafHash(Marshal(t, pledge))),
	}
	must(t, e.Sign(Key("release "+question)))
	return e
}

// ForcedReleaseEntry gives the release of a pledge by the recovery key.
func ForcedReleaseEntry(t testing.TB, pledge *ledger.ProofEntry, index uint64) *ledger.ForcedReleaseEntry {
	t.Helper()
	e := &ledger.ForcedReleaseEntry{
		Origin: Origin, Registry: pledge.Public.Registry, Nullifier: pledge.Nullifier, Pledge: canon.Uint64(index),
		Leaf: statement.Digest(ledger.LeafHash(Marshal(t, pledge))), Reason: "court order 17/2026",
	}
	must(t, e.Sign(Key("recovery")))
	return e
}

// Prove sets what [Verify] takes for a proof of the entry: its D first.
func Prove(t testing.TB, e *ledger.ProofEntry) {
	t.Helper()
	d, err := e.D()
	must(t, err)
	b := d.Bytes()
	e.Proof = append(b[:], make([]byte, ledger.ProofBytes-len(b))...)
}

// Verify is a stand-in for the check of a Groth16 proof. Like that, it holds for
// many encodings of one statement's proof.
func Verify(e *ledger.ProofEntry, c *ledger.CircuitEntry) error {
	d, err := e.D()
	if err != nil {
		return err
	}
	b := d.Bytes()
	if !bytes.HasPrefix(e.Proof, b[:]) {
		return errors.New("it is not a proof of D")
	}
	if e.Public.VK != c.VKHash() {
		return errors.New("it is checked under another verifying key")
	}
	return nil
}

// Rules gives the rules of the tests' log.
func Rules() *ledger.Rules {
	return &ledger.Rules{Origin: Origin, Verify: Verify, LogKeys: []ledger.PublicKey{PublicKey("log")}}
}

// Identity gives an entry's identity.
func Identity(t testing.TB, e interface {
	Identity() (statement.Digest, error)
}) statement.Digest {
	t.Helper()
	identity, err := e.Identity()
	must(t, err)
	return identity
}

// Marshal gives an entry's bytes.
func Marshal(t testing.TB, e ledger.Entry) []byte {
	t.Helper()
	data, err := ledger.MarshalEntry(e)
	must(t, err)
	return data
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
