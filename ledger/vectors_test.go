package ledger_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
	"github.com/attestry/attestry/statement"
)

var update = flag.Bool("update", false, "write docs/vectors/ledger.json anew")

const vectorsFile = "../docs/vectors/ledger.json"

type vectors struct {
	About   string            `json:"about"`
	Seeds   map[string][]byte `json:"ed25519_seeds"` // by the key's public half in base64
	Entries []entryVector     `json:"entries"`
	Log     logVector         `json:"log"`
	Tiles   []tileVector      `json:"tile_paths"`
	Bundle  bundleVector      `json:"entry_bundle"`
}

type entryVector struct {
	Name      string           `json:"name"`
	Type      ledger.EntryType `json:"type"`
	Canonical string           `json:"canonical"`
	LeafHash  statement.Digest `json:"leaf_hash"`
	// SigningBytes are what Identity is the SHA-256 of and what Signatures sign.
	SigningBytes string            `json:"signing_bytes,omitempty"`
	Identity     *statement.Digest `json:"identity,omitempty"`
	Signatures   []signatureVector `json:"signatures,omitempty"`
	Proof        *proofVector      `json:"proof,omitempty"`
}

type signatureVector struct {
	Member    string           `json:"member"`
	Key       ledger.PublicKey `json:"key"`
	Signature []byte           `json:"signature"`
}

type proofVector struct {
	PublicBytes  string             `json:"public_bytes"` // P is the first 31 bytes of their SHA-256
	P            statement.Element  `json:"p"`
	D            statement.Element  `json:"d"`
	ConsentBytes string             `json:"consent_bytes,omitempty"`
	VKHash       statement.Digest   `json:"vk"`
	ReleaseKey   *ledger.PublicKey  `json:"release_key,omitempty"`
	ScopeName    string             `json:"scope_name,omitempty"`
	Scope        *statement.Element `json:"scope,omitempty"`
}

type logVector struct {
	About      string      `json:"about"`
	Origin     string      `json:"origin"`
	SecretKey  string      `json:"secret_key"`
	LogKey     string      `json:"log_key"`
	Roots      []tlog.Hash `json:"roots"` // of the log's first 0, 1, 2, … entries
	Checkpoint string      `json:"checkpoint"`
	Index      uint64      `json:"index"`
	TlogProof  string      `json:"tlog_proof"`
}

type tileVector struct {
	Path    string `json:"path"`
	Entries bool   `json:"entries,omitempty"`
	Level   int    `json:"level,omitempty"`
	Index   uint64 `json:"index"`
	Width   int    `json:"width"`
}

type bundleVector struct {
	Entries []string `json:"entries"`
	Bundle  []byte   `json:"bundle"`
}

func TestVectors(t *testing.T) {
	got, err := json.MarshalIndent(makeVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(vectorsFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("a permanent format has changed: %s", diff)
	}
}

func makeVectors(t *testing.T) vectors {
	v := vectors{
		About: "Test vectors of docs/spec/ledger.md. Texts are given as texts, bytes and hashes in base64. The keys are no secret.",
		Seeds: map[string][]byte{},
	}
	for _, name := range []string{"issuer", "next issuer", "log", "next log", "recovery", "release loan", "release lease", "release second loan"} {
		v.Seeds[ledgertest.PublicKey(name).String()] = ledgertest.Key(name).Seed()
	}
	for _, e := range ledgertest.Every(t) {
		v.Entries = append(v.Entries, makeEntryVector(t, e))
	}
	v.Log = makeLogVector(t)
	for _, path := range []string{
		"tile/0/000", "tile/0/000.p/1", "tile/0/001.p/255", "tile/1/999", "tile/2/x001/000.p/8",
		"tile/3/x001/x234/067", "tile/entries/000", "tile/entries/067.p/8", "tile/entries/x001/x234/067",
	} {
		p, err := ledger.ParseTilePath(path)
		mustSign(t, err)
		v.Tiles = append(v.Tiles, tileVector{p.String(), p.Entries, p.Level, p.Index, p.Width})
	}
	v.Bundle.Entries = []string{"a", strings.Repeat("b", 257), "建筑面积"}
	var raw [][]byte
	for _, entry := range v.Bundle.Entries {
		raw = append(raw, []byte(entry))
	}
	bundle, err := ledger.EncodeBundle(raw)
	mustSign(t, err)
	v.Bundle.Bundle = bundle
	return v
}

// signerOf names the keys of each type's signature members.
func signerOf(e ledgertest.Named) map[string]string {
	switch entry := e.Entry.(type) {
	case *ledger.SchemaEntry, *ledger.EpochEntry, *ledger.GrantEntry, *ledger.GrantRevocationEntry:
		return map[string]string{"signature": "issuer"}
	case *ledger.ReleaseEntry:
		return map[string]string{"signature": "release loan"}
	case *ledger.ForcedReleaseEntry:
		return map[string]string{"signature": "recovery"}
	case *ledger.RevocationEntry, *ledger.SunsetEntry:
		return map[string]string{"signature": "log"}
	case *ledger.KeyRotationEntry:
		if entry.Role == ledger.RoleLog {
			return map[string]string{"signature_old": "log", "signature_new": "next log"}
		}
		return map[string]string{"signature_old": "issuer", "signature_new": "next issuer"}
	}
	return nil
}

// makeEntryVector derives everything from the entry's bytes by the words of the
// specification, and holds the package to it.
func makeEntryVector(t *testing.T, e ledgertest.Named) entryVector {
	t.Helper()
	data := ledgertest.Marshal(t, e.Entry)
	v := entryVector{Name: e.Name, Type: e.Entry.Type(), Canonical: string(data), LeafHash: sha256.Sum256(append([]byte{0}, data...))}
	if statement.Digest(ledger.LeafHash(data)) != v.LeafHash {
		t.Errorf("%s: leaf hash", e.Name)
	}
	members := map[string]json.RawMessage{}
	mustSign(t, json.Unmarshal(data, &members))
	if proof, ok := e.Entry.(*ledger.ProofEntry); ok {
		v.Proof = makeProofVector(t, proof, members)
		if proof.Consent != nil {
			v.Signatures = []signatureVector{checkSigned(t, "consent", issuer, v.Proof.ConsentBytes, members)}
		}
		return v
	}
	keys := signerOf(e)
	signed := maps.Clone(members)
	for member := range keys {
		delete(signed, member)
	}
	v.SigningBytes = string(e.Entry.Type()) + "\n" + document(t, signed)
	for _, member := range slices.Sorted(maps.Keys(keys)) {
		v.Signatures = append(v.Signatures, checkSigned(t, member, keys[member], v.SigningBytes, members))
	}
	if named, ok := e.Entry.(interface {
		Identity() (statement.Digest, error)
	}); ok {
		identity := statement.Digest(sha256.Sum256([]byte(v.SigningBytes)))
		if ledgertest.Identity(t, named) != identity {
			t.Errorf("%s: identity", e.Name)
		}
		v.Identity = &identity
	}
	return v
}

// document gives members as canonical JSON: their names are in ASCII order.
func document(t *testing.T, members map[string]json.RawMessage) string {
	t.Helper()
	var out bytes.Buffer
	for i, name := range slices.Sorted(maps.Keys(members)) {
		out.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + `"` + name + `":`)
		out.Write(members[name])
	}
	return out.String() + "}"
}

func checkSigned(t *testing.T, member, key, message string, members map[string]json.RawMessage) signatureVector {
	t.Helper()
	v := signatureVector{Member: member, Key: ledgertest.PublicKey(key)}
	mustSign(t, json.Unmarshal(members[member], &v.Signature))
	if !ed25519.Verify(v.Key[:], []byte(message), v.Signature) {
		t.Errorf("%s by %s is not over %q", member, key, message)
	}
	return v
}

func makeProofVector(t *testing.T, e *ledger.ProofEntry, members map[string]json.RawMessage) *proofVector {
	t.Helper()
	v := &proofVector{PublicBytes: "attestry/public/v1\n" + string(members["public"]), VKHash: e.Public.VK}
	hash := sha256.Sum256([]byte(v.PublicBytes))
	p, err := statement.ElementFromBytes(append([]byte{0}, hash[:31]...))
	mustSign(t, err)
	s, err := e.Statement()
	mustSign(t, err)
	if statement.Element(s.P) != p {
		t.Error("P is not the first 31 bytes of the hash")
	}
	v.P = p
	if v.D, err = e.D(); err != nil {
		t.Fatal(err)
	}
	if !e.IsPledge() {
		return v
	}
	release := ledger.PublicKey(*e.Public.ReleaseKey)
	v.ReleaseKey, v.Scope = &release, &e.Scope
	for _, name := range []string{ledgertest.ScopeIssuer, ledgertest.ScopeHolder} {
		if ledgertest.Scope(name) == e.Scope {
			v.ScopeName = name
		}
	}
	if e.Consent != nil {
		v.ConsentBytes = "attestry/consent/v1\n" + `{"d":"` + v.D.String() + `"}`
	}
	return v
}

func makeLogVector(t *testing.T) logVector {
	t.Helper()
	skey, vkey := ledgertest.LogKey(t)
	v := logVector{About: "the log of the first 11 entries above, in their order", Origin: ledgertest.Origin, SecretKey: skey, LogKey: vkey, Index: 5}
	var leaves [][]byte
	var hashes memoryHashes
	for i, e := range ledgertest.Log(t) {
		leaves = append(leaves, ledgertest.Marshal(t, e.Entry))
		added, err := tlog.StoredHashes(int64(i), leaves[i], hashes)
		mustSign(t, err)
		hashes = append(hashes, added...)
	}
	v.Roots = []tlog.Hash{sha256.Sum256(nil)}
	for size := 1; size <= len(leaves); size++ {
		v.Roots = append(v.Roots, rootOf(leaves[:size]))
	}
	signer, err := note.NewSigner(skey)
	mustSign(t, err)
	signed, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: v.Origin, Size: uint64(len(leaves)), Root: v.Roots[len(leaves)]}, signer)
	mustSign(t, err)
	path, err := tlog.ProveRecord(int64(len(leaves)), int64(v.Index), hashes)
	mustSign(t, err)
	inclusion := &ledger.Inclusion{Index: v.Index, Hashes: path, Checkpoint: signed}
	if _, err := inclusion.Verify(leaves[v.Index], vkey); err != nil {
		t.Error(err)
	}
	v.Checkpoint, v.TlogProof = string(signed), string(ledger.FormatInclusion(inclusion))
	return v
}
