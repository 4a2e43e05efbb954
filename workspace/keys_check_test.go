package workspace

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
)

// Each key file that is away, damaged, another's or unreadable is named, and nothing is
// wrong any more once it is back.
func TestCheckKeys(t *testing.T) {
	w := open(t)
	c := w.CheckKeys()
	if err := c.Holds(); err != nil {
		t.Fatal(err)
	}
	skey, _, err := ledger.NewLogKey("example.org/test")
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := os.ReadFile(w.path(issuerKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	proving, err := filepath.Glob(w.path(circuitsDir + "/*.pk"))
	if err != nil || len(proving) == 0 {
		t.Fatal(proving, err)
	}
	changes := map[string]func(path string) error{
		"away":      os.Remove,
		"a folder":  func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"cut off":   func(path string) error { return os.Truncate(path, 40) },
		"another's": func(path string) error { return os.WriteFile(path, []byte(skey+"\n"), 0o600) },
		"a kind's":  func(path string) error { return os.WriteFile(path, append(issuer, ' '), 0o600) },
	}
	for _, path := range []string{w.path(logKeyFile), w.path(issuerKeyFile), proving[0]} {
		for name, change := range changes {
			if name == "a kind's" && path == w.path(issuerKeyFile) {
				continue // it is the same key
			}
			keep := path + ".kept"
			if err := os.Rename(path, keep); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(keep)
			if err := errors.Join(err, os.WriteFile(path, content, 0o600), change(path)); err != nil {
				t.Fatal(err)
			}
			if err := c.Holds(); err == nil || !strings.Contains(err.Error(), filepath.Base(path)) {
				t.Errorf("%s %s: %v", filepath.Base(path), name, err)
			}
			if err := errors.Join(os.RemoveAll(path), os.Rename(keep, path)); err != nil {
				t.Fatal(err)
			}
			if err := c.Holds(); err != nil {
				t.Errorf("%s is back: %v", filepath.Base(path), err)
			}
		}
	}
}

// A file that has not changed is not read again; one that may have is.
func TestCheckKeysOnce(t *testing.T) {
	w := open(t)
	c := w.CheckKeys()
	read := 0
	for path, check := range c.checks {
		c.checks[path] = func() error { read++; return check() }
	}
	for range 3 {
		if err := c.Holds(); err != nil {
			t.Fatal(err)
		}
	}
	if all := len(c.checks); read != all || all != 2+2*len(w.manifest.Circuits) {
		t.Errorf("%d files were read in three checks of %d", read, all)
	}
	path := keyFileOf(t, w)
	content, err := os.ReadFile(path)
	if err := errors.Join(err, os.Remove(path), os.WriteFile(path, content, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := c.Holds(); err != nil || read != len(c.checks)+1 {
		t.Errorf("%d files were read, and one was written again: %v", read, err)
	}
	if err := os.WriteFile(path, append(content, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is wrong is looked at each time
		if err := c.Holds(); !errors.Is(err, prover.ErrDamagedKeys) {
			t.Errorf("a byte more: %v", err)
		}
	}
	if read != len(c.checks)+3 {
		t.Errorf("%d files were read", read)
	}
}

// keyFileOf gives the file of a circuit's proving key.
func keyFileOf(t *testing.T, w *Workspace) string {
	t.Helper()
	for path := range w.manifest.Circuits[0].KeyFiles(w.path(circuitsDir)) {
		if strings.HasSuffix(path, ".pk") {
			return path
		}
	}
	t.Fatal("no proving key")
	return ""
}
