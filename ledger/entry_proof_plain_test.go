package ledger

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/statement"
)

func drawProof(rt *rapid.T) *ProofEntry {
	raw := func(name string, n int) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(rt, name) }
	element := func(name string) statement.Element { return statement.PRF(raw(name, 4), name) }
	text := rapid.OneOf(rapid.StringMatching(`[a-z/.<>&-]{1,20}`), rapid.StringMatching(`[!-~]{1,20}`), rapid.String())
	e := &ProofEntry{
		Root: element("root"), Q: element("q"), Proof: raw("proof", ProofBytes),
		Public: statement.Public{
			Origin: text.Draw(rt, "origin"), Registry: text.Draw(rt, "registry"),
			Circuit: statement.Digest(raw("circuit", 32)), VK: statement.Digest(raw("vk", 32)),
			Schema: statement.Digest(raw("schema", 32)), Epoch: statement.Digest(raw("epoch", 32)),
		},
	}
	if rapid.Bool().Draw(rt, "pledge") {
		key := statement.ReleaseKey(raw("release key", 32))
		e.Scope, e.Nullifier, e.Public.ReleaseKey = element("scope"), element("nullifier"), &key
		if rapid.Bool().Draw(rt, "consent") {
			e.Consent = raw("consent", 64)
		}
	}
	return e
}

// Proofs are written and read in the short way as in the long one, or not at all.
func TestPlainProofs(t *testing.T) {
	if n := reflect.TypeFor[ProofEntry]().NumField(); n != 8 {
		t.Fatalf("ProofEntry has %d members: appendCanonical knows 8", n)
	}
	plain, other := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		e := drawProof(rt)
		want, err := canon.Marshal(e)
		if err != nil {
			return // a text that no JSON holds
		}
		got, ok := e.appendCanonical(nil)
		if ok && !bytes.Equal(got, want) {
			rt.Fatalf("written %s\nnot %s", got, want)
		}
		read := parsePlainProof(want)
		if e.validate() != nil && read != nil {
			rt.Fatalf("read what is no entry: %s", want)
		}
		if read == nil {
			other++
			return
		}
		plain++
		var long ProofEntry
		if err := json.Unmarshal(want, &long); err != nil || !cmp.Equal(*read, long) {
			rt.Fatalf("read %+v\nnot %+v, %v", read, long, err)
		}
	})
	if plain == 0 || other == 0 {
		t.Errorf("%d plain ones, %d others", plain, other)
	}
}

// FuzzPlainProof: what is read in the short way is read in the long way, and alike.
func FuzzPlainProof(f *testing.F) {
	e := &ProofEntry{Proof: make([]byte, ProofBytes), Public: statement.Public{Origin: "o", Registry: "r"}}
	data, _ := e.appendCanonical(nil)
	f.Add(data)
	e.Public.ReleaseKey, e.Consent = new(statement.ReleaseKey), make([]byte, 64)
	e.Scope, e.Nullifier = statement.PRF(nil, "scope"), statement.PRF(nil, "nullifier")
	data, _ = e.appendCanonical(nil)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		read := parsePlainProof(data)
		if read == nil {
			return
		}
		var long ProofEntry
		if err := canon.Unmarshal(data, &long); err != nil || !cmp.Equal(*read, long) {
			t.Fatalf("%q: read %+v, not %+v, %v", data, read, long, err)
		}
	})
}
