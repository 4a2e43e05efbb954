package workspace

import (
	"encoding/base64"
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
func ReleaseMaster(dir string) (s statement.ReleaseSecret, err error) {
	path := filepath.Join(dir, releaseKeyFile)
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
