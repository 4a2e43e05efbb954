package workspace

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/internal/atomicfile"
)

// ErrBadKey says that a key file is not what this package wrote.
var ErrBadKey = errors.New("not a key of this workspace")

// readLogKey reads the log's signer key, and gives its verifier key with it.
func readLogKey(path, origin string) (note.Signer, string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	key := strings.TrimSpace(string(content))
	signer, err := note.NewSigner(key)
	if err != nil || signer.Name() != origin {
		return nil, "", fmt.Errorf("%w: %s", ErrBadKey, path) // never the key itself
	}
	// PRIVATE+KEY+name+hash+secret; a name has no '+', but the secret's base64 may.
	// The secret is the algorithm's byte and the seed.
	parts := strings.SplitN(key, "+", 5)
	secret, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(secret) != 1+ed25519.SeedSize {
		return nil, "", fmt.Errorf("%w: %s", ErrBadKey, path)
	}
	public := ed25519.NewKeyFromSeed(secret[1:]).Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey(origin, public)
	return signer, vkey, err
}

// issuerPrefix marks an issuer key file, so that no other file passes for one.
const issuerPrefix = "ATTESTRY-ISSUER-KEY+"

func writeIssuerKey(path string, key ed25519.PrivateKey) error {
	text := issuerPrefix + base64.StdEncoding.EncodeToString(key.Seed()) + "\n"
	return atomicfile.Write(path, []byte(text), 0o600)
}

func readIssuerKey(path string) (ed25519.PrivateKey, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(content)), issuerPrefix)
	seed, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: %s", ErrBadKey, path)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
