package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// An API key is written attestry_<id>_<secret>: a prefix that scanners for leaked secrets
// can look for, the key's id, and 256 random bits in hexadecimal.
const (
	tokenPrefix = "attestry_"
	idLength    = 16 // of base32: 80 bits
	secretBytes = 32
)

// secret is the secret part of an API key. It does not format as itself.
type secret [secretBytes]byte

// String implements fmt.Stringer.
func (secret) String() string { return "(secret)" }

// GoString implements fmt.GoStringer.
func (secret) GoString() string { return "(secret)" }

// hash is what is kept of a secret. The secret is uniformly random, so that a fast hash
// without salt is as good as any.
func (s secret) hash() [sha256.Size]byte { return sha256.Sum256(s[:]) }

func drawSecret() (s secret) {
	_, _ = rand.Read(s[:]) // never fails: it ends the program instead
	return s
}

func drawID() string { return strings.ToLower(rand.Text())[:idLength] }

func formatToken(id string, s secret) string {
	return tokenPrefix + id + "_" + hex.EncodeToString(s[:])
}

// parseToken reads an API key in its one spelling.
func parseToken(text string) (id string, s secret, ok bool) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok {
		return "", s, false
	}
	id, hexadecimal, ok := strings.Cut(rest, "_")
	if !ok || !IsKeyID(id) || len(hexadecimal) != hex.EncodedLen(secretBytes) {
		return "", s, false
	}
	if _, err := hex.Decode(s[:], []byte(hexadecimal)); err != nil || formatToken(id, s) != text {
		return "", s, false
	}
	return id, s, true
}

// IsKeyID tells whether a text has the form of a credential's id.
func IsKeyID(text string) bool {
	foreign := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') }
	return len(text) == idLength && !strings.ContainsFunc(text, foreign)
}

// KeyIDOf gives the id that a text names: an id, or an API key in whole, whose id is part of it.
func KeyIDOf(text string) (id string, ok bool) {
	if id, _, ok := parseToken(text); ok {
		return id, true
	}
	return text, IsKeyID(text)
}
