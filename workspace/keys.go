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
	"github.com/attestry/attestry/ledger"
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
	private, err := ledger.LogPrivateKey(key)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %s", ErrBadKey, path)
	}
	public, err := ledger.PublicKeyOf(private)
	if err != nil {
		return nil, "", err
	}
	vkey, err := ledger.LogVerifierKey(origin, public)
	return signer, vkey, err
}

// issuerPrefix marks an issuer key file, so that no other file passes for one.
const issuerPrefix = "ATTESTRY-ISSUER-KEY+"

func formatKey(prefix string, key ed25519.PrivateKey) []byte {
	return []byte(prefix + base64.StdEncoding.EncodeToString(key.Seed()) + "\n")
}

func writeIssuerKey(path string, key ed25519.PrivateKey) error {
	return atomicfile.Write(path, formatKey(issuerPrefix, key), 0o600)
}

func readIssuerKey(path string) (ed25519.PrivateKey, error) { return readKey(path, issuerPrefix) }

// readKey reads a key file: a prefix that says what the key is for, and the seed.
func readKey(path, prefix string) (ed25519.PrivateKey, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(content)), prefix)
	seed, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: %s", ErrBadKey, path)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
