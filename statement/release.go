package statement

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// ReleaseKey is the Ed25519 public key that may release a pledge. In JSON it is
// base64; the key of a proof that is no pledge is left out.
type ReleaseKey [ed25519.PublicKeySize]byte

// MarshalText implements encoding.TextMarshaler.
func (k ReleaseKey) MarshalText() ([]byte, error) { return encodeBase64(k[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *ReleaseKey) UnmarshalText(text []byte) error { return decodeBase64(k[:], text) }

// ReleaseSecret is the seed (RFC 8032) of a release key: whoever has it can release
// the pledge. It stays with the bank that holds the pledge.
type ReleaseSecret [ed25519.SeedSize]byte

// NewReleaseSecret draws a secret from crypto/rand.
func NewReleaseSecret() (s ReleaseSecret) {
	_, _ = rand.Read(s[:]) // never fails: it ends the program instead
	return s
}

// DeriveReleaseSecret gives the secret for one fact of one request, under a bank's
// master secret: HMAC-SHA256 over "attestry/release-key/v1", the nonce's base64 and
// the fact's name, each as its length in decimal, a colon and its bytes. A bank
// that keeps its master secret and its bundles can always release.
func DeriveReleaseSecret(master ReleaseSecret, nonce Nonce, fact string) (s ReleaseSecret) {
	mac := hmac.New(sha256.New, master[:])
	for _, part := range []string{"attestry/release-key/v1", base64.StdEncoding.EncodeToString(nonce[:]), fact} {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	copy(s[:], mac.Sum(nil))
	return s
}

// Private gives the signing key.
func (s ReleaseSecret) Private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(s[:]) }

// Public gives the release key, which a statement names.
func (s ReleaseSecret) Public() ReleaseKey {
	return ReleaseKey(s.Private().Public().(ed25519.PublicKey))
}

// Format implements fmt.Formatter: no verb shows the secret.
func (s ReleaseSecret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "statement.ReleaseSecret(private)") }

// MarshalText implements encoding.TextMarshaler: base64.
func (s ReleaseSecret) MarshalText() ([]byte, error) { return encodeBase64(s[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *ReleaseSecret) UnmarshalText(text []byte) error { return decodeBase64(s[:], text) }

// PledgeFacts names the facts that pledge a record and have no release key yet.
func (r *Request) PledgeFacts() (names []string) {
	for _, name := range r.FactNames() {
		if r.NamedFacts()[name].Once != "" && r.PledgeKey(name) == nil {
			names = append(names, name)
		}
	}
	return names
}

// SetPledgeKey gives a fact's pledge its release key.
func (r *Request) SetPledgeKey(fact string, key ReleaseKey) {
	if !r.IsJoin() {
		r.ReleaseKey = &key
		return
	}
	if r.ReleaseKeys == nil {
		r.ReleaseKeys = map[string]ReleaseKey{}
	}
	r.ReleaseKeys[fact] = key
}
