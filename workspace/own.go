package workspace

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// ErrOwnFile says that a file is the workspace's own.
var ErrOwnFile = errors.New("it is a file of the workspace")

// The workspace's own files and directories. What else is in its directory is not its
// own: the directory may be the one that somebody works in.
var ownNames = []string{"keys", circuitsDir, registriesDir, releasesDir, grantsDir, aboutFile, lockFile, witnessesFile, releaseKeyFile, serviceFile, ControlSocket}

// RefuseOwn fails with [ErrOwnFile] where a file, named in whole with its links
// followed, is one that the workspace in a directory keeps or could keep.
func RefuseOwn(dir, name string) error {
	if target, err := filepath.EvalSymlinks(dir); err == nil {
		dir = target
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(dir, name)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(rel, string(filepath.Separator))
	if slices.Contains(ownNames, first) || strings.HasPrefix(first, ledgerFile) || first == serviceFile+rewriteEnding { // its guard, too
		return fmt.Errorf("%w in %s: %s", ErrOwnFile, dir, rel)
	}
	return nil
}
