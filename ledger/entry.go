package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/internal/canon"
)

// MaxEntryBytes is the largest entry: what the two length bytes of a C2SP
// tlog-tiles entry bundle can say.
const MaxEntryBytes = 1<<16 - 1

// MaxNameBytes bounds the names that entries hold: registries, origins, circuits.
const MaxNameBytes = 255

// EntryType is an entry's kind and format version. It is the tag of whatever is
// hashed or signed of the entry, too.
type EntryType string

// The entry types.
const (
	TypeSchema          EntryType = "attestry/schema/v1"
	TypeCircuit         EntryType = "attestry/circuit/v1"
	TypeEpoch           EntryType = "attestry/epoch/v1"
	TypeProof           EntryType = "attestry/proof/v1"
	TypeRelease         EntryType = "attestry/release/v1"
	TypeForcedRelease   EntryType = "attestry/forced-release/v1"
	TypeGrant           EntryType = "attestry/grant/v1"
	TypeGrantRevocation EntryType = "attestry/grant-revocation/v1"
	TypeKeyRotation     EntryType = "attestry/key-rotation/v1"
	TypeRevocation      EntryType = "attestry/revocation/v1"
	TypeSunset          EntryType = "attestry/sunset/v1"
)

// Entry is one entry of the log: a pointer to one of this package's entry structs.
type Entry interface {
	// Type gives the entry's type, also of a nil entry.
	Type() EntryType
	// validate checks what the decoding of single members does not.
	validate() error
}

// newEntry gives an empty entry of a type, or nil.
func newEntry(t EntryType) Entry {
	switch t {
	case TypeSchema:
		return new(SchemaEntry)
	case TypeCircuit:
		return new(CircuitEntry)
	case TypeEpoch:
		return new(EpochEntry)
	case TypeProof:
		return new(ProofEntry)
	case TypeRelease:
		return new(ReleaseEntry)
	case TypeForcedRelease:
		return new(ForcedReleaseEntry)
	case TypeGrant:
		return new(GrantEntry)
	case TypeGrantRevocation:
		return new(GrantRevocationEntry)
	case TypeKeyRotation:
		return new(KeyRotationEntry)
	case TypeRevocation:
		return new(RevocationEntry)
	case TypeSunset:
		return new(SunsetEntry)
	}
	return nil
}

// ParseEntry reads an entry from exactly the bytes that [MarshalEntry] writes: any
// other spelling of the same JSON document is refused, because the bytes are the
// leaf. It fails with [ErrMalformed], or with [ErrUnknownType] where the document
// is canonical JSON of a type that this version does not know.
func ParseEntry(data []byte) (Entry, error) {
	if len(data) > MaxEntryBytes {
		return nil, fmt.Errorf("%w: %d bytes, over the limit of %d", ErrMalformed, len(data), MaxEntryBytes)
	}
	if entry := parseExact(data); entry != nil {
		return entry, nil
	}
	canonical, err := canon.Canonicalize(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(canonical, data) {
		return nil, fmt.Errorf("%w: not in the canonical form of RFC 8785", ErrMalformed)
	}
	entry, err := entryOf(data)
	if err != nil {
		return nil, err
	}
	if err := canon.Unmarshal(data, entry); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, entry.Type(), err)
	}
	if err := entry.validate(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, entry.Type(), err)
	}
	return entry, nil
}

// parseExact reads an entry that is written again with exactly the same bytes, which
// is all that [ParseEntry] asks for. It gives nil for anything else, and leaves it to
// the slower steps to say what is wrong.
func parseExact(data []byte) Entry {
	if proof := parsePlainProof(data); proof != nil {
		return proof
	}
	entry := guessEntry(data)
	if entry == nil || json.Unmarshal(data, entry) != nil {
		return nil
	}
	if again, err := MarshalEntry(entry); err != nil || !bytes.Equal(again, data) {
		return nil
	}
	return entry
}

// guessEntry gives an empty entry of the type that a document seems to name. If that
// is wrong, the document cannot be decoded into it.
func guessEntry(data []byte) Entry {
	_, rest, ok := bytes.Cut(data, []byte(`"type":"attestry/`))
	if !ok {
		return nil
	}
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	return newEntry(EntryType("attestry/" + string(name)))
}

// entryOf gives an empty entry of the type that a document names.
func entryOf(data []byte) (Entry, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	var t EntryType
	if err := json.Unmarshal(members["type"], &t); err != nil {
		return nil, fmt.Errorf("%w: no member \"type\" with a text", ErrMalformed)
	}
	entry := newEntry(t)
	if entry == nil {
		return nil, fmt.Errorf("%w: %q", ErrUnknownType, shorten(string(t)))
	}
	return entry, nil
}

func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

// MarshalEntry gives an entry's canonical bytes. It refuses what [ParseEntry]
// would: an unsigned entry, a proof of the wrong length, too large an entry.
func MarshalEntry(e Entry) ([]byte, error) {
	if err := e.validate(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, e.Type(), err)
	}
	if proof, ok := e.(*ProofEntry); ok {
		if data, ok := proof.appendCanonical(nil); ok && len(data) <= MaxEntryBytes {
			return data, nil
		}
	}
	data, err := canon.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, e.Type(), err)
	}
	if len(data) > MaxEntryBytes {
		return nil, fmt.Errorf("%w: %s of %d bytes, over the limit of %d", ErrMalformed, e.Type(), len(data), MaxEntryBytes)
	}
	return data, nil
}

// LeafHash gives the RFC 6962 leaf hash of an entry's bytes.
func LeafHash(data []byte) tlog.Hash { return tlog.RecordHash(data) }

// typeOf is an entry's member "type": it has no content, since the Go type says
// it all, and in JSON it is the text of [Entry.Type] and no other.
type typeOf[E Entry] struct{}

// MarshalText implements encoding.TextMarshaler.
func (typeOf[E]) MarshalText() ([]byte, error) {
	var e E // a nil pointer: Type does not look at its entry
	return []byte(e.Type()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (typeOf[E]) UnmarshalText(text []byte) error {
	var e E
	if EntryType(text) != e.Type() {
		return fmt.Errorf("%w: type %q where %s was expected", ErrMalformed, shorten(string(text)), e.Type())
	}
	return nil
}

// checkName holds a name to what key notes, file formats and logs can carry:
// printable UTF-8 without white space or '+'.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is empty", what)
	case len(name) > MaxNameBytes:
		return fmt.Errorf("%s has %d bytes, over the limit of %d", what, len(name), MaxNameBytes)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool {
		return r == '+' || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}):
		return fmt.Errorf("%s holds white space, '+' or what is not printable UTF-8", what)
	}
	return nil
}

func checkSignature(what string, signature []byte) error {
	if len(signature) != ed25519.SignatureSize {
		return fmt.Errorf("%s has %d bytes, not %d", what, len(signature), ed25519.SignatureSize)
	}
	return nil
}
