// Package provertest helps tests that work with copies of circuit keys.
package provertest

import (
	"os"
	"path/filepath"

	"github.com/attestry/attestry/prover"
)

// ShareTables moves the tables in a directory of circuit keys into another one and
// leaves symbolic links, which copies of the directory share: the tables are large, and
// a test run makes hundreds of copies of a workspace.
func ShareTables(circuits, to string) error {
	files, err := filepath.Glob(filepath.Join(circuits, "*"+prover.TablesEnding))
	if err != nil {
		return err
	}
	if to, err = filepath.Abs(to); err != nil {
		return err
	}
	for _, name := range files {
		moved := filepath.Join(to, filepath.Base(name))
		if err := os.Rename(name, moved); err != nil {
			return err
		}
		if err := os.Symlink(moved, name); err != nil {
			return err
		}
	}
	return nil
}
