package ledger

import (
	"crypto/ed25519"

	"golang.org/x/mod/sumdb/note"
)

// LogVerifierKey gives the signed-note verifier key of a log's key, which trust
// files pin. The key's name is the log's origin.
func LogVerifierKey(origin string, key PublicKey) (string, error) {
	if err := CheckOrigin(origin); err != nil {
		return "", err
	}
	return note.NewEd25519VerifierKey(origin, ed25519.PublicKey(key[:]))
}
