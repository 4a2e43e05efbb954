package ledger

import (
	"bytes"
	"encoding"
	"encoding/base64"

	"github.com/attestry/attestry/statement"
)

// Nearly all entries of a log are proofs, and a log reads each one again and again: on
// appending it, in every check and in every audit. Here they are written and read
// without the detours of encoding/json. What is read is held to what would be written,
// byte by byte, so that a document is read in this way or not at all; and what is
// written is held to canon.Marshal by a test.

// appendCanonical writes the entry's canonical JSON. It gives false where a text needs an
// escape or is not ASCII.
func (e *ProofEntry) appendCanonical(out []byte) ([]byte, bool) {
	out = append(out, '{')
	if len(e.Consent) > 0 {
		out = appendMember(out, `"consent":"`, e.Consent)
		out = append(out, ',')
	}
	nullifier, q, root, scope := e.Nullifier.Bytes(), e.Q.Bytes(), e.Root.Bytes(), e.Scope.Bytes()
	out = appendMember(out, `"nullifier":"`, nullifier[:])
	out = appendMember(out, `,"proof":"`, e.Proof)
	out, ok := e.Public.AppendCanonical(append(out, `,"public":`...))
	out = appendMember(out, `,"q":"`, q[:])
	out = appendMember(out, `,"root":"`, root[:])
	out = appendMember(out, `,"scope":"`, scope[:])
	return append(out, `,"type":"`+string(TypeProof)+`"}`...), ok
}

// appendMember writes a member whose value is base64.
func appendMember(out []byte, name string, value []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(out, name...), value), '"')
}

// parsePlainProof reads a proof entry that [ProofEntry.appendCanonical] writes. It gives
// nil for anything else.
func parsePlainProof(data []byte) *ProofEntry {
	e := &ProofEntry{}
	r := plainReader{rest: data}
	r.take(`{`)
	if bytes.HasPrefix(r.rest, []byte(`"consent":`)) {
		e.Consent = r.bytes(`"consent":"`)
		r.take(`,`)
	}
	r.into(`"nullifier":"`, &e.Nullifier)
	e.Proof = r.bytes(`,"proof":"`)
	r.take(`,"public":{`)
	r.into(`"circuit":"`, &e.Public.Circuit)
	r.into(`,"epoch":"`, &e.Public.Epoch)
	e.Public.Origin = string(r.text(`,"origin":"`))
	e.Public.Registry = string(r.text(`,"registry":"`))
	if bytes.HasPrefix(r.rest, []byte(`,"release_key":`)) {
		e.Public.ReleaseKey = new(statement.ReleaseKey)
		r.into(`,"release_key":"`, e.Public.ReleaseKey)
	}
	r.into(`,"schema":"`, &e.Public.Schema)
	r.into(`,"vk":"`, &e.Public.VK)
	r.take(`}`)
	r.into(`,"q":"`, &e.Q)
	r.into(`,"root":"`, &e.Root)
	r.into(`,"scope":"`, &e.Scope)
	if r.failed || e.validate() != nil {
		return nil
	}
	if again, ok := e.appendCanonical(make([]byte, 0, len(data))); !ok || !bytes.Equal(again, data) {
		return nil
	}
	return e
}

// plainReader reads members one after another, until one is not what is expected.
type plainReader struct {
	rest   []byte
	failed bool
}

// take reads exactly this.
func (r *plainReader) take(literal string) {
	rest, ok := bytes.CutPrefix(r.rest, []byte(literal))
	r.rest, r.failed = rest, r.failed || !ok
}

// text reads a member's value, up to the next quotation mark.
func (r *plainReader) text(name string) []byte {
	r.take(name)
	value, rest, ok := bytes.Cut(r.rest, []byte(`"`))
	r.rest, r.failed = rest, r.failed || !ok
	return value
}

func (r *plainReader) bytes(name string) []byte {
	value, err := base64.StdEncoding.AppendDecode(nil, r.text(name))
	r.failed = r.failed || err != nil
	return value
}

func (r *plainReader) into(name string, value encoding.TextUnmarshaler) {
	if value.UnmarshalText(r.text(name)) != nil {
		r.failed = true
	}
}
