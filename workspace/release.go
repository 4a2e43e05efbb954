package workspace

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/statement"
)

// releaseKeyFile holds a bank's master release secret, in the bank's own directory.
// A bank needs nothing else there.
const releaseKeyFile = "release.key"

const releasePrefix = "ATTESTRY-RELEASE-KEY+"

// ReleaseMaster reads the master release secret of a directory. It fails with
// [fs.ErrNotExist] where there is none.
func ReleaseMaster(dir string) (statement.ReleaseSecret, error) {
	return readReleaseSecret(filepath.Join(dir, releaseKeyFile))
}

func readReleaseSecret(path string) (s statement.ReleaseSecret, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(content)), releasePrefix)
	if !ok || s.UnmarshalText([]byte(text)) != nil {
		return s, fmt.Errorf("%w: %s", ErrBadKey, path)
	}
	return s, nil
}

// MakeReleaseMaster reads the master release secret of a directory, or draws one
// and keeps it there. made tells which.
func MakeReleaseMaster(dir string) (s statement.ReleaseSecret, made bool, err error) {
	s, err = ReleaseMaster(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, false, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return s, false, err
	}
	s = statement.NewReleaseSecret()
	text := releasePrefix + base64.StdEncoding.EncodeToString(s[:]) + "\n"
	return s, true, atomicfile.Write(filepath.Join(dir, releaseKeyFile), []byte(text), 0o600)
}

// releasesDir holds the secrets of pledges whose bundles are not with the asker yet.
const releasesDir = "releases"

func keptRelease(dir string, key statement.ReleaseKey) string {
	return filepath.Join(dir, releasesDir, hex.EncodeToString(key[:])+".key")
}

// KeepRelease keeps a release secret in a workspace's directory, durably, until
// [DropRelease]: from before its pledge is logged until the asker has it. Whatever
// happens in between, the pledge can be released.
func KeepRelease(dir string, s statement.ReleaseSecret) error {
	if err := os.MkdirAll(filepath.Join(dir, releasesDir), 0o700); err != nil {
		return err
	}
	text := releasePrefix + base64.StdEncoding.EncodeToString(s[:]) + "\n"
	return atomicfile.Write(keptRelease(dir, s.Public()), []byte(text), 0o600)
}

// DropRelease forgets a secret that [KeepRelease] kept.
func DropRelease(dir string, s statement.ReleaseSecret) error {
	return os.Remove(keptRelease(dir, s.Public()))
}

// KeptRelease gives the secret kept for a release key. It fails with
// [fs.ErrNotExist] where there is none.
func KeptRelease(dir string, key statement.ReleaseKey) (statement.ReleaseSecret, error) {
	return readReleaseSecret(keptRelease(dir, key))
}
