package witness

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	witnessnote "github.com/transparency-dev/formats/note"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/ledger"
)

// The files of a witness's directory.
const (
	keyFile  = "witness.key"
	lockFile = "lock"
	logsDir  = "logs"
)

// Init makes a witness's directory, which must not be there or be empty, with a
// fresh key of this name (C2SP advises a schema-less URL), and gives the verifier key
// that trust files and logs pin.
func Init(dir, name string) (vkey string, err error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	skey, vkey, err := ledger.NewWitnessKey(name, key)
	if err != nil {
		return "", err
	}
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if len(files) > 0 {
		return "", fmt.Errorf("%w, or something else: %s is not empty", ErrExists, dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, logsDir), 0o700); err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return "", err
	}
	return vkey, atomicfile.Write(filepath.Join(dir, keyFile), []byte(skey+"\n"), 0o600)
}

// Key gives the verifier key of the witness in a directory.
func Key(dir string) (vkey string, err error) {
	k, err := readKey(dir)
	if err != nil {
		return "", err
	}
	return k.vkey, nil
}

type key struct {
	signer *witnessnote.Signer
	public *ledger.WitnessKey
	vkey   string
}

func readKey(dir string) (*key, error) {
	path := filepath.Join(dir, keyFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s (attestry witness init makes one)", ErrNone, dir)
	}
	if err != nil {
		return nil, err
	}
	k, err := parseKey(string(content))
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not a witness's key", ErrDamaged, path) // never the key itself
	}
	return k, nil
}

// parseKey reads exactly what [Init] writes.
func parseKey(content string) (*key, error) {
	parts := strings.SplitN(content, "+", 5) // PRIVATE+KEY+name+hash+secret
	if len(parts) != 5 {
		return nil, ErrDamaged
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(parts[4], "\n"))
	if err != nil || len(secret) != 1+ed25519.SeedSize {
		return nil, ErrDamaged
	}
	skey, vkey, err := ledger.NewWitnessKey(parts[2], ed25519.NewKeyFromSeed(secret[1:]))
	if err != nil || skey+"\n" != content {
		return nil, ErrDamaged
	}
	k := &key{vkey: vkey}
	if k.signer, err = witnessnote.NewSignerForCosignatureV1(skey); err != nil {
		return nil, ErrDamaged
	}
	k.public, err = ledger.ParseWitnessKey(vkey)
	return k, err
}
