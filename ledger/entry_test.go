package ledger_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/google/go-cmp/cmp"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

func TestEveryEntryRoundTrips(t *testing.T) {
	seen := map[ledger.EntryType]bool{}
	for _, e := range ledgertest.Every(t) {
		data := ledgertest.Marshal(t, e.Entry)
		parsed, err := ledger.ParseEntry(data)
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		if diff := cmp.Diff(e.Entry, parsed); diff != "" {
			t.Errorf("%s: %s", e.Name, diff)
		}
		seen[parsed.Type()] = true
	}
	if len(seen) != 11 {
		t.Errorf("%d entry types are covered, not 11", len(seen))
	}
}

// Every single-byte change is refused or gives another document, and never the
// same one in another spelling.
func TestEveryByteOfAnEntryCounts(t *testing.T) {
	for _, e := range ledgertest.Every(t) {
		data := ledgertest.Marshal(t, e.Entry)
		for i := range data {
			changed := bytes.Clone(data)
			changed[i] ^= 1
			parsed, err := ledger.ParseEntry(changed)
			if err == nil && cmp.Equal(e.Entry, parsed) {
				t.Errorf("%s: byte %d may be %q or %q", e.Name, i, data[i], changed[i])
			}
		}
	}
}

func TestParseEntryRefuses(t *testing.T) {
	proof := string(ledgertest.Marshal(t, ledgertest.Log(t)[4].Entry))
	for name, tt := range map[string]struct {
		doc  string
		want error
	}{
		"empty":              {"", ledger.ErrMalformed},
		"not JSON":           {"attestry", ledger.ErrMalformed},
		"no object":          {"[]", ledger.ErrMalformed},
		"no type":            {"{}", ledger.ErrMalformed},
		"type of a number":   {`{"type":1}`, ledger.ErrMalformed},
		"unknown type":       {`{"type":"attestry/other/v1"}`, ledger.ErrUnknownType},
		"unknown version":    {strings.Replace(proof, "proof/v1", "proof/v2", 1), ledger.ErrUnknownType},
		"huge type":          {`{"type":"` + strings.Repeat("a", 9999) + `"}`, ledger.ErrUnknownType},
		"other type":         {strings.Replace(proof, "attestry/proof/v1", "attestry/epoch/v1", 1), ledger.ErrMalformed},
		"white space":        {" " + proof, ledger.ErrMalformed},
		"inner white space":  {strings.Replace(proof, ":", ": ", 1), ledger.ErrMalformed},
		"trailing newline":   {proof + "\n", ledger.ErrMalformed},
		"trailing document":  {proof + proof, ledger.ErrMalformed},
		"order of members":   {`{"type":"attestry/proof/v1",` + strings.Replace(proof[1:], `,"type":"attestry/proof/v1"`, "", 1), ledger.ErrMalformed},
		"unknown member":     {strings.Replace(proof, `,"type"`, `,"typd":"x","type"`, 1), ledger.ErrMalformed},
		"unknown inner":      {strings.Replace(proof, `"vk":`, `"vj":"x","vk":`, 1), ledger.ErrMalformed},
		"duplicate member":   {strings.Replace(proof, `,"type":"attestry/proof/v1"`, `,"type":"attestry/proof/v1","type":"attestry/proof/v1"`, 1), ledger.ErrMalformed},
		"missing member":     {strings.Replace(proof, `,"type":"attestry/proof/v1"`, "", 1), ledger.ErrMalformed},
		"null":               {strings.Replace(proof, `"consent"`, `"consent":null`, 1) + "null", ledger.ErrMalformed},
		"upper case":         {strings.Replace(proof, `"root"`, `"Root"`, 1), ledger.ErrMalformed},
		"escaped letter":     {strings.Replace(proof, `"type"`, `"typ\u0065"`, 1), ledger.ErrMalformed},
		"too many bytes":     {`{"type":"` + strings.Repeat("a", ledger.MaxEntryBytes) + `"}`, ledger.ErrMalformed},
		"element of r":       {setElement(proof, "q", base64.StdEncoding.EncodeToString(fr.Modulus().Bytes())), ledger.ErrMalformed},
		"loose base64":       {setElement(proof, "q", strings.Repeat("A", 42)+"B="), ledger.ErrMalformed},
		"short element":      {setElement(proof, "q", "AAAA"), ledger.ErrMalformed},
		"nullifier alone":    {setElement(proof, "nullifier", strings.Repeat("A", 42)+"E="), ledger.ErrMalformed},
		"not UTF-8":          {strings.Replace(proof, "lucas", "luc\xffs", 1), ledger.ErrMalformed},
		"name with a space":  {strings.Replace(proof, "lucas-titles", "lucas titles", 1), ledger.ErrMalformed},
		"origin with a plus": {strings.Replace(proof, "attestry.test/log", "attestry.test+log", 1), ledger.ErrMalformed},
	} {
		if tt.doc == proof {
			t.Errorf("%s: the document was not changed", name)
		}
		if e, err := ledger.ParseEntry([]byte(tt.doc)); !errors.Is(err, tt.want) || e != nil {
			t.Errorf("%s: %v, %v; want %v", name, e, err, tt.want)
		}
	}
}

// setElement replaces a member's text.
func setElement(doc, member, value string) string {
	start := strings.Index(doc, `"`+member+`":"`) + len(member) + 4
	end := start + strings.IndexByte(doc[start:], '"')
	return doc[:start] + value + doc[end:]
}

func TestMarshalEntryRefuses(t *testing.T) {
	const issuer = "issuer"
	log := ledgertest.Log(t)
	for name, change := range map[string]func() ledger.Entry{
		"unsigned schema": func() ledger.Entry {
			e := ledgertest.SchemaEntry(t, "titles", issuer)
			e.Signature = nil
			return e
		},
		"invalid schema": func() ledger.Entry {
			e := ledgertest.SchemaEntry(t, "titles", issuer)
			e.Schema.Attributes = nil
			return e
		},
		"short signature": func() ledger.Entry {
			e := ledgertest.SchemaEntry(t, "titles", issuer)
			e.Signature = e.Signature[1:]
			return e
		},
		"circuit of version 0":        func() ledger.Entry { e := ledgertest.CircuitEntry("c"); e.Version = 0; return e },
		"circuit without a name":      func() ledger.Entry { e := ledgertest.CircuitEntry(""); return e },
		"circuit without a key":       func() ledger.Entry { e := ledgertest.CircuitEntry("c"); e.VK = nil; return e },
		"circuit of an unknown setup": func() ledger.Entry { e := ledgertest.CircuitEntry("c"); e.Setup = "none"; return e },
		"too large a circuit":         func() ledger.Entry { e := ledgertest.CircuitEntry("c"); e.VK = make([]byte, 50000); return e },
		"epoch 0":                     func() ledger.Entry { e := epochOf(log, 2); e.Number = 0; return e },
		"epoch 2 without predecessor": func() ledger.Entry { e := epochOf(log, 3); e.Previous = nil; return e },
		"epoch 1 with predecessor": func() ledger.Entry {
			e := epochOf(log, 2)
			d := ledgertest.Digest("x")
			e.Previous = &d
			return e
		},
		"epoch with a transition": func() ledger.Entry { e := epochOf(log, 2); e.Transition = []byte{1}; return e },
		"epoch at a zone's time":  func() ledger.Entry { e := epochOf(log, 2); e.Time = "2026-01-01T00:00:00+01:00"; return e },
		"epoch at a fraction":     func() ledger.Entry { e := epochOf(log, 2); e.Time = "2026-01-01T00:00:00.5Z"; return e },
		"proof of 127 bytes":      func() ledger.Entry { e := proofOf(log, 4); e.Proof = e.Proof[1:]; return e },
		"proof of 129 bytes":      func() ledger.Entry { e := proofOf(log, 4); e.Proof = append(e.Proof, 0); return e },
		"scope without nullifier": func() ledger.Entry { e := proofOf(log, 4); e.Scope = ledgertest.Element("s"); return e },
		"release key without scope": func() ledger.Entry {
			e := proofOf(log, 4)
			e.Public.ReleaseKey = proofOf(log, 5).Public.ReleaseKey
			return e
		},
		"pledge without release key": func() ledger.Entry { e := proofOf(log, 5); e.Public.ReleaseKey = nil; return e },
		"pledge without nullifier": func() ledger.Entry {
			e := proofOf(log, 5)
			e.Nullifier = proofOf(log, 4).Nullifier
			return e
		},
		"consent without pledge": func() ledger.Entry { e := proofOf(log, 4); e.Consent = proofOf(log, 5).Consent; return e },
		"short consent":          func() ledger.Entry { e := proofOf(log, 5); e.Consent = e.Consent[1:]; return e },
		"forced without reason": func() ledger.Entry {
			e := *log[9].Entry.(*ledger.ForcedReleaseEntry)
			e.Reason = ""
			return &e
		},
		"rotation to the same key": func() ledger.Entry {
			e := &ledger.KeyRotationEntry{Origin: ledgertest.Origin, Role: ledger.RoleLog}
			mustSign(t, e.Sign(ledgertest.Key("log"), ledgertest.Key("log")))
			return e
		},
		"rotation of another role": func() ledger.Entry {
			e := &ledger.KeyRotationEntry{Origin: ledgertest.Origin, Role: "witness"}
			mustSign(t, e.Sign(ledgertest.Key("log"), ledgertest.Key("next")))
			return e
		},
		"log key of a registry": func() ledger.Entry {
			e := &ledger.KeyRotationEntry{Origin: ledgertest.Origin, Role: ledger.RoleLog, Registry: "titles"}
			mustSign(t, e.Sign(ledgertest.Key("log"), ledgertest.Key("next")))
			return e
		},
	} {
		if data, err := ledger.MarshalEntry(change()); !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s: %s, %v; want ErrMalformed", name, data, err)
		}
	}
}

func mustSign(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func epochOf(log []ledgertest.Named, i int) *ledger.EpochEntry {
	e := *log[i].Entry.(*ledger.EpochEntry)
	return &e
}

func proofOf(log []ledgertest.Named, i int) *ledger.ProofEntry {
	e := *log[i].Entry.(*ledger.ProofEntry)
	e.Proof = bytes.Clone(e.Proof)
	return &e
}

// What a proof entry may show, and nothing else: a member that is added here would
// be public for ever.
func TestProofEntryShowsOnlyThis(t *testing.T) {
	want := map[string][]string{
		"ProofEntry": {"type", "public", "root", "nullifier", "scope", "q", "proof", "consent,omitempty"},
		"Public":     {"origin", "circuit", "vk", "registry", "schema", "epoch", "release_key,omitempty"},
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[ledger.ProofEntry](), reflect.TypeFor[ledger.ProofEntry]().Field(1).Type} {
		var got []string
		for i := range typ.NumField() {
			got = append(got, typ.Field(i).Tag.Get("json"))
		}
		if diff := cmp.Diff(want[typ.Name()], got); diff != "" {
			t.Errorf("%s: %s", typ.Name(), diff)
		}
	}
}

// An identity is of what is claimed: neither a signature nor proof bytes change it.
func TestIdentitiesIgnoreSignaturesAndProofs(t *testing.T) {
	log := ledgertest.Log(t)
	schema := *log[0].Entry.(*ledger.SchemaEntry)
	epoch := *epochOf(log, 2)
	wantSchema, wantEpoch := ledgertest.Identity(t, &schema), ledgertest.Identity(t, &epoch)
	schema.Signature, epoch.Signature = make([]byte, 64), make([]byte, 64)
	if ledgertest.Identity(t, &schema) != wantSchema || ledgertest.Identity(t, &epoch) != wantEpoch {
		t.Error("a signature is part of an identity")
	}
	epoch.Root = ledgertest.Element("another root")
	if ledgertest.Identity(t, &epoch) == wantEpoch {
		t.Error("the root is no part of the epoch's identity")
	}
	proof := proofOf(log, 5)
	want, err := proof.D()
	mustSign(t, err)
	proof.Proof[100] ^= 1
	proof.Consent = make([]byte, 64)
	if got, err := proof.D(); err != nil || got != want {
		t.Errorf("D depends on the proof's bytes or the consent: %v", err)
	}
}

func TestSignatures(t *testing.T) {
	other := ledgertest.PublicKey("somebody else")
	issuer, recovery := ledgertest.PublicKey("issuer"), ledgertest.PublicKey("recovery")
	for _, named := range ledgertest.Every(t) {
		var right, wrong error
		switch e := named.Entry.(type) {
		case *ledger.SchemaEntry:
			right, wrong = e.VerifySignature(issuer), e.VerifySignature(other)
		case *ledger.EpochEntry:
			right, wrong = e.VerifySignature(issuer), e.VerifySignature(other)
		case *ledger.ReleaseEntry:
			right, wrong = e.VerifySignature(ledgertest.PublicKey("release loan")), e.VerifySignature(other)
		case *ledger.ForcedReleaseEntry:
			right, wrong = e.VerifySignature(recovery), e.VerifySignature(other)
		case *ledger.GrantEntry:
			right, wrong = e.VerifySignature(issuer), e.VerifySignature(other)
		case *ledger.GrantRevocationEntry:
			right, wrong = e.VerifySignature(issuer), e.VerifySignature(other)
		case *ledger.RevocationEntry:
			right, wrong = e.VerifySignature(ledgertest.PublicKey("log")), e.VerifySignature(other)
		case *ledger.SunsetEntry:
			right, wrong = e.VerifySignature(ledgertest.PublicKey("log")), e.VerifySignature(other)
		case *ledger.KeyRotationEntry:
			right = e.VerifySignatures()
			changed := *e
			changed.New = other
			wrong = changed.VerifySignatures()
		default:
			continue
		}
		if right != nil || !errors.Is(wrong, ledger.ErrBadSignature) {
			t.Errorf("%s: the right key: %v; another key: %v", named.Name, right, wrong)
		}
	}
}

// One type's signature is never another's: the tag is part of what is signed.
func TestSignatureOfAnotherTypeIsRefused(t *testing.T) {
	log := ledgertest.Log(t)
	release := log[7].Entry.(*ledger.ReleaseEntry)
	forced := &ledger.ForcedReleaseEntry{
		Origin: release.Origin, Registry: release.Registry, Nullifier: release.Nullifier,
		Pledge: release.Pledge, Leaf: release.Leaf, Signature: release.Signature,
	}
	if err := forced.VerifySignature(ledgertest.PublicKey("release loan")); !errors.Is(err, ledger.ErrBadSignature) {
		t.Errorf("a release's signature passes for a forced release's: %v", err)
	}
}
