package statement

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/attestry/attestry/internal/canon"
)

// RequestFormat is the format member of a request.
const RequestFormat = "attestry/request/v1"

// FlatFact is the name of the one fact of a request in the flat form.
const FlatFact = "fact"

// Ref is the subject or key that a fact asks for: a text, or the same value as
// another fact's, From "name.key" or "name.subject".
type Ref struct {
	Value string
	From  string
}

// MarshalJSON gives a string, or an object with from.
func (r Ref) MarshalJSON() ([]byte, error) {
	if r.From == "" {
		return plainJSON(r.Value)
	}
	return plainJSON(struct {
		From string `json:"from"`
	}{r.From})
}

// FactRequest asks for one fact of one registry.
type FactRequest struct {
	Registry string   `json:"registry,omitempty"`
	AsOf     AsOf     `json:"as_of,omitzero"`
	MaxAge   string   `json:"max_age,omitempty"` // of the epoch, as 720h or 90m
	Subject  *Ref     `json:"subject,omitempty"`
	Key      *Ref     `json:"key,omitempty"`
	Where    []string `json:"where,omitempty"`
	Reveal   []string `json:"reveal,omitempty"`
	// Absent asks for a proof that no record has the key.
	Absent bool `json:"absent,omitempty"`
	// Once names the scope that the record is to be pledged in.
	Once string `json:"once,omitempty"`
	// Holder asks for a proof by the record's holder.
	Holder bool `json:"holder,omitempty"`
}

// Request is an asker's question: one fact in the flat form, several by name in
// the join form (Facts), and what binds the answer to the asker. Its secrets are
// the seed (shared with the agency) alone.
type Request struct {
	Format string `json:"format"`
	ID     string `json:"id,omitempty"`
	FactRequest
	Facts map[string]FactRequest `json:"facts,omitempty"`

	Audience string `json:"audience,omitempty"`
	Purpose  string `json:"purpose,omitempty"`
	Expires  string `json:"expires,omitempty"` // as ParseTime reads it
	// Grant is the ledger index of the grant that allows the request; Grants, in the join
	// form, are those of single facts, which may be of other logs.
	Grant  *uint64                 `json:"grant,omitempty,string"`
	Grants map[string]canon.Uint64 `json:"grants,omitempty"`
	Nonce  *Nonce                  `json:"nonce,omitempty"`
	Seed   *Seed                   `json:"seed,omitempty"`
	// ReleaseKey is the flat form's, ReleaseKeys the join form's by fact.
	ReleaseKey  *ReleaseKey           `json:"release_key,omitempty"`
	ReleaseKeys map[string]ReleaseKey `json:"release_keys,omitempty"`
	SealTo      string                `json:"seal_to,omitempty"`
}

// IsJoin tells whether the request has the join form.
func (r *Request) IsJoin() bool { return r.Facts != nil }

// NamedFacts gives the facts by name; the flat form's is named [FlatFact].
func (r *Request) NamedFacts() map[string]FactRequest {
	if r.IsJoin() {
		return r.Facts
	}
	return map[string]FactRequest{FlatFact: r.FactRequest}
}

// FactNames gives the names of the facts in byte order.
func (r *Request) FactNames() []string { return slices.Sorted(maps.Keys(r.NamedFacts())) }

// PledgeKey gives the release key of a fact, nil where there is none.
func (r *Request) PledgeKey(fact string) *ReleaseKey {
	if !r.IsJoin() {
		return r.ReleaseKey
	}
	if k, ok := r.ReleaseKeys[fact]; ok {
		return &k
	}
	return nil
}

// Fill sets what the asker's tool puts in where it is missing: a random id, nonce
// and seed, read from random (crypto/rand.Reader outside tests).
func (r *Request) Fill(random io.Reader) error {
	r.Format = RequestFormat
	var id [16]byte
	var nonce Nonce
	var seed Seed
	for _, b := range [][]byte{id[:], nonce[:], seed[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return fmt.Errorf("reading random bytes: %w", err)
		}
	}
	if r.ID == "" {
		r.ID = hex.EncodeToString(id[:])
	}
	if r.Nonce == nil {
		r.Nonce = &nonce
	}
	if r.Seed == nil {
		r.Seed = &seed
	}
	return nil
}

// Context gives what binds the proofs of a fact to the request. A request without a
// nonce has the nonce of zeros here: see [Request.Fill].
func (r *Request) Context(fact string) Context {
	c := Context{Fact: fact, Audience: r.Audience, Purpose: r.Purpose, Expires: r.Expires, Grant: r.GrantOf(fact)}
	if r.Nonce != nil {
		c.Nonce = *r.Nonce
	}
	return c
}

// GrantOf gives the ledger index of the grant that allows a fact, nil where the request
// names none for it.
func (r *Request) GrantOf(fact string) *canon.Uint64 {
	if n, ok := r.Grants[fact]; ok {
		return &n
	}
	if r.Grant == nil {
		return nil
	}
	n := canon.Uint64(*r.Grant)
	return &n
}

// MarshalJSON gives the request as one JSON object, its format named.
func (r Request) MarshalJSON() ([]byte, error) {
	type plain Request
	p := plain(r)
	p.Format = RequestFormat
	return plainJSON(p)
}

// UnmarshalJSON reads what [ParseRequest] reads, JSON alone.
func (r *Request) UnmarshalJSON(data []byte) error {
	parsed, err := ParseRequest(data)
	if err == nil {
		*r = *parsed
	}
	return err
}

// JSON gives the request as an indented file, for people to read and edit.
// [ParseRequest] reads it back to an equal request.
func (r *Request) JSON() ([]byte, error) {
	plain, err := r.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, plain, "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), err
}

// plainJSON leaves < > & as they are: conditions are full of them.
func plainJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}
