package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
)

// Errors of directories that an export does not belong in.
var (
	errExportToStdout    = errors.New("an export is a directory, which cannot go to standard output")
	errExportInWorkspace = errors.New("an export is for everybody to see, and this directory is a workspace's or within one")
	errExportElsewhere   = errors.New("the directory is not empty, and holds no export")
)

// workspaceFile marks a workspace.
const workspaceFile = "workspace.json"

// tileDir is the folder of an export beside its checkpoint.
const tileDir = "tile"

// checkExportDir refuses to put an export where other files are: who then publishes
// the directory would publish them, too.
func checkExportDir(dir string) error {
	if dir == cli.Dash {
		return errExportToStdout
	}
	if err := checkNoWorkspace(dir); err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(files) == 0 || isExport(files) {
		return nil
	}
	return cli.Hint(fmt.Errorf("%s: %w", dir, errExportElsewhere), "name a new directory, or one that holds an earlier export")
}

// checkNoWorkspace looks for a workspace in a directory and everywhere above it.
func checkNoWorkspace(dir string) error {
	at, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for _, existing := range []string{at, filepath.Dir(at)} { // dir itself may be new
		if target, err := filepath.EvalSymlinks(existing); err == nil {
			at = target
			break
		}
	}
	for ; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, workspaceFile)); err == nil {
			return cli.Hint(fmt.Errorf("%s: %w", dir, errExportInWorkspace), "name a directory of its own, outside of %s", at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// isExport tells an export: a checkpoint and tiles, or tiles alone (and unfinished
// files) where the first export was interrupted, since the checkpoint comes last.
func isExport(files []fs.DirEntry) bool {
	var checkpoint, tiles, others bool
	for _, f := range files {
		switch {
		case f.Name() == ledger.CheckpointPath && f.Type().IsRegular():
			checkpoint = true
		case f.Name() == tileDir && f.IsDir():
			tiles = true
		case !strings.HasPrefix(f.Name(), "."+ledger.CheckpointPath+".partial-"):
			others = true
		}
	}
	return tiles && (checkpoint || !others)
}
