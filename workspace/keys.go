package workspace

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/ledger"
)

// ErrBadKey says that a key file is not what this package wrote.
var ErrBadKey = errors.New("not a key of this workspace")

// sealedPrefix marks a key file whose content is sealed at rest.
const sealedPrefix = "ATTESTRY-SEALED-KEY+"

// keyPlace is what a key file is sealed for: its name, which a rotation's next key has
// beforehand.
func keyPlace(path string) []byte {
	return []byte("workspace/keys/" + strings.TrimSuffix(filepath.Base(path), nextEnding))
}

// readSecret reads a key file, sealed where there is a key.
func readSecret(key *atrest.Key, path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text, sealed := strings.CutPrefix(strings.TrimSpace(string(content)), sealedPrefix)
	switch {
	case !sealed && key == nil:
		return content, nil
	case !sealed:
		content, err := key.Open(keyPlace(path), content) // given as it is while encryption is being enabled
		if err != nil {
			err = fmt.Errorf("%w: %s: %w", ErrBadKey, path, err)
		}
		return content, err
	case key == nil:
		return nil, fmt.Errorf("%w: %s is sealed, and there is no %s: put it back", ErrBadKey, path, dataKeyFile)
	}
	value, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil {
		value, err = key.Open(keyPlace(path), value)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadKey, path, err)
	}
	return value, nil
}

// writeSecret writes a key file, sealed where there is a key.
func writeSecret(key *atrest.Key, path string, content []byte) error {
	if key != nil {
		content = []byte(sealedPrefix + base64.StdEncoding.EncodeToString(key.Seal(keyPlace(path), content)) + "\n")
	}
	return atomicfile.Write(path, content, 0o600)
}

// readLogKey reads the log's signer key, and gives its verifier key with it.
func readLogKey(at *atrest.Key, path, origin string) (note.Signer, string, error) {
	content, err := readSecret(at, path)
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

func writeIssuerKey(at *atrest.Key, path string, key ed25519.PrivateKey) error {
	return writeSecret(at, path, formatKey(issuerPrefix, key))
}

func readIssuerKey(at *atrest.Key, path string) (ed25519.PrivateKey, error) {
	return readKey(at, path, issuerPrefix)
}

// readKey reads a key file: a prefix that says what the key is for, and the seed.
func readKey(at *atrest.Key, path, prefix string) (ed25519.PrivateKey, error) {
	content, err := readSecret(at, path)
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
