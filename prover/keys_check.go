package prover

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/attestry/attestry/statement"
)

// KeyFiles gives the files of a directory that hold a circuit's keys, and their SHA-256.
func (k CircuitKeys) KeyFiles(dir string) map[string]statement.Digest {
	return map[string]statement.Digest{keyFile(dir, k.PK, ".pk"): k.PK, keyFile(dir, k.VK, ".vk"): k.VK}
}

// CheckKeyFile reads a key's file whole, and holds it to its hash, without keeping it. It
// fails with [ErrNoKeys] or [ErrDamagedKeys].
func CheckKeyFile(path string, want statement.Digest) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	if statement.Digest(h.Sum(nil)) != want {
		return fmt.Errorf("%w: %s has another hash than its name: restore it from a backup", ErrDamagedKeys, path)
	}
	return nil
}
