package statement

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/poseidon"
)

// Tags of the hashes that the circuits compute; docs/spec/hashes.md says each one's input.
var (
	TagStatement      = poseidon.Tag("attestry/statement/v1")
	TagQuestion       = poseidon.Tag("attestry/question/v1")
	TagAbsentQuestion = poseidon.Tag("attestry/absent-question/v1")
	TagOutput         = poseidon.Tag("attestry/output/v1")
	TagNullifier      = poseidon.Tag("attestry/nullifier/v1")
	TagSerial         = poseidon.Tag("attestry/serial/v1")
	TagHolder         = poseidon.Tag("attestry/holder/v1")
	TagLeaf           = poseidon.Tag("attestry/leaf/v1")
	TagLink           = poseidon.Tag("attestry/link/v1")
)

// Lanes that separate hashes which carry no tag from all others of their width.
const (
	// AttributesLane is the output lane of the hash of 16 attributes (width 16);
	// the question's hash, of the same width, has lane 0 and a tag.
	AttributesLane = 1
)

// HashJSON gives SHA-256 over a tag line and the canonical JSON of v: the
// identity of every document that has one.
func HashJSON(tag string, v any) (Digest, error) {
	body, err := canon.Marshal(v)
	if err != nil {
		return Digest{}, err
	}
	h := sha256.New()
	h.Write([]byte(tag + "\n"))
	h.Write(body)
	return Digest(h.Sum(nil)), nil
}

// Nonce is a request's 128-bit nonce.
type Nonce [16]byte

// MarshalText implements encoding.TextMarshaler: base64.
func (n Nonce) MarshalText() ([]byte, error) { return encodeBase64(n[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *Nonce) UnmarshalText(text []byte) error { return decodeBase64(n[:], text) }

// Context binds a proof to its request. Every part of it is inside Q.
type Context struct {
	// Fact is the name of the fact in its request; "fact" where the request has one.
	Fact     string `json:"fact"`
	Audience string `json:"audience,omitempty"`
	Purpose  string `json:"purpose,omitempty"`
	Nonce    Nonce  `json:"nonce"`
	// Expires is an instant in RFC 3339, UTC, whole seconds; empty for never.
	Expires string `json:"expires,omitempty"`
	// Grant is the ledger index of the grant that allows the request, if any.
	Grant *canon.Uint64 `json:"grant,omitempty"`
}

// Hash gives the context's element: 248 bits of SHA-256.
func (c Context) Hash() (fr.Element, error) {
	d, err := HashJSON("attestry/context/v1", c)
	return d.truncated(), err
}

// FormatTime gives an instant as formats hold it: RFC 3339, UTC, whole seconds.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// ParseTime reads what [FormatTime] writes, and nothing else.
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse("2006-01-02T15:04:05Z", s)
	if err != nil || FormatTime(t) != s {
		return time.Time{}, fmt.Errorf("%w: not an instant like 2026-12-31T00:00:00Z", ErrBadValue)
	}
	return t, nil
}

// Public is what P commits to: where the statement's truth is anchored. All of it
// is public in the ledger.
type Public struct {
	Origin     string      `json:"origin"`  // of the log
	Circuit    Digest      `json:"circuit"` // hash of the constraint system
	VK         Digest      `json:"vk"`      // SHA-256 of the verifying key's encoding
	Registry   string      `json:"registry"`
	Schema     Digest      `json:"schema"` // identity of the schema entry
	Epoch      Digest      `json:"epoch"`  // identity of the epoch entry
	ReleaseKey *ReleaseKey `json:"release_key,omitempty"`
}

// P gives the statement's public part: 248 bits of SHA-256.
func (p Public) P() (fr.Element, error) {
	const tag = "attestry/public/v1"
	if document, ok := p.AppendCanonical([]byte(tag + "\n")); ok {
		return Digest(sha256.Sum256(document)).truncated(), nil
	}
	d, err := HashJSON(tag, p)
	return d.truncated(), err
}

// Statement is what one proof claims, as its digest sees it.
type Statement struct {
	P         fr.Element
	Root      fr.Element
	Nullifier fr.Element
	Scope     fr.Element
	Q         fr.Element
}

// D gives the statement's digest: the circuit's one public input and the
// statement's identity.
func (s Statement) D() Element {
	return Element(poseidon.Compress(0, TagStatement, s.P, s.Root, s.Nullifier, s.Scope, s.Q, fr.Element{}, fr.Element{}))
}

// Private is what Q hides from the ledger and the bundle shows to the asker.
type Private struct {
	Layout  *Layout
	Outputs [NumOutputs]fr.Element
	Context fr.Element
	Blind   fr.Element
}

// QInput lists the 30 elements that Q hashes after its tag: the layout's 26,
// the outputs, the context and the blind.
func (p Private) QInput() []fr.Element {
	in := p.Layout.Elements()
	in = append(in, p.Outputs[:]...)
	return append(in, p.Context, p.Blind)
}

// Q gives the hash of the question, the outputs, the context and the blind: two
// compressions of width 16, the second one's first element the first one's output.
func (p Private) Q() fr.Element {
	in := p.QInput()
	first := poseidon.Compress(0, append([]fr.Element{TagQuestion}, in[:15]...)...)
	return poseidon.Compress(0, append([]fr.Element{first}, in[15:]...)...)
}

// AbsentQ gives Q of a proof of absence, whose question is the commitment to the
// searched key alone.
func AbsentQ(output, context, blind fr.Element) fr.Element {
	return poseidon.Compress(0, TagAbsentQuestion, output, context, blind)
}

// Commit gives an output: a hiding commitment to a value.
func Commit(value, randomness fr.Element) fr.Element {
	return poseidon.Compress(0, TagOutput, value, randomness, fr.Element{})
}

// Nullifier gives a record's public tag in a scope.
func Nullifier(serial, scope fr.Element) fr.Element {
	return poseidon.Compress(0, TagNullifier, serial, scope, fr.Element{})
}

// SerialHash gives what a leaf holds of the record's serial.
func SerialHash(serial fr.Element) fr.Element { return poseidon.Compress(0, TagSerial, serial) }

// HolderTag gives what a leaf holds of its holder's secret.
func HolderTag(secret fr.Element) fr.Element { return poseidon.Compress(0, TagHolder, secret) }

// ScopeElement gives a scope's element; the empty scope, of a proof that is no
// pledge, is 0.
func ScopeElement(scope string) (fr.Element, error) {
	if scope == "" {
		return fr.Element{}, nil
	}
	return TextDomain{Name: "scope"}.Hash(scope)
}

// Seed is a request's 256-bit seed, from which the randomness of the outputs that
// the request names derives. It is the asker's secret, shared with the agency.
type Seed [32]byte

// Format implements fmt.Formatter: no verb shows the seed.
func (s Seed) Format(f fmt.State, _ rune) { fmt.Fprint(f, "statement.Seed(private)") }

// MarshalText implements encoding.TextMarshaler.
func (s Seed) MarshalText() ([]byte, error) { return encodeBase64(s[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Seed) UnmarshalText(text []byte) error { return decodeBase64(s[:], text) }

// OutputRandomness derives the randomness of an output that the request names:
// 248 bits of HMAC-SHA256 under the seed. class names the set of tied outputs: the
// first of their "fact.key" and "fact.subject" names in byte order.
func (s Seed) OutputRandomness(class string) Element {
	return PRF(s[:], "attestry/output-randomness/v1", class)
}

// PRF gives 248 bits of HMAC-SHA256 under a secret over a purpose and labels,
// each with its length, as an element.
func PRF(secret []byte, purpose string, labels ...string) Element {
	mac := hmac.New(sha256.New, secret)
	for _, part := range append([]string{purpose}, labels...) {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return Element(Digest(mac.Sum(nil)).truncated())
}

// RandomElement draws 248 random bits from crypto/rand.
func RandomElement() Element {
	var b [31]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	var e fr.Element
	e.SetBytes(b[:])
	return Element(e)
}
