package ledger

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// LogPrivateKey gives the Ed25519 key in a log's secret key, as [NewLogKey] makes
// them: what signs the log's own entries. Its errors do not show the key.
func LogPrivateKey(skey string) (ed25519.PrivateKey, error) {
	if _, err := note.NewSigner(skey); err != nil {
		return nil, fmt.Errorf("%w: log key: not a signed-note signer key", ErrBadKey)
	}
	// PRIVATE+KEY+name+hash+secret; a name has no '+', but the secret's base64 may.
	// The secret is the algorithm's byte and the seed.
	parts := strings.SplitN(skey, "+", 5)
	secret, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(secret) != 1+ed25519.SeedSize {
		return nil, fmt.Errorf("%w: log key: not an Ed25519 key", ErrBadKey)
	}
	return ed25519.NewKeyFromSeed(secret[1:]), nil
}

// LogVerifierKey gives the signed-note verifier key of a log's key, which trust
// files pin. The key's name is the log's origin.
func LogVerifierKey(origin string, key PublicKey) (string, error) {
	if err := CheckOrigin(origin); err != nil {
		return "", err
	}
	return note.NewEd25519VerifierKey(origin, ed25519.PublicKey(key[:]))
}
