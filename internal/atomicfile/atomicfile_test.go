package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	for _, content := range []string{"one", "two"} {
		if err := Write(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != content {
			t.Fatalf("read %q, %v; want %q", got, err, content)
		}
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// a failure leaves the old content and no debris
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "d"), []byte("x"), 0o600); err == nil {
		t.Error("a directory was replaced by a file")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("%d files left, %v; want 2", len(left), err)
	}
}

func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	f, err := Create(name, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Fatalf("%d files beside it, %v; want the temporary one", len(left), err)
	}
	if err := f.Discard(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%d files left, %v; want none", len(left), err)
	}
	if f, err = Create(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit([]byte("x")); err != nil {
		t.Error(err)
	}
	if err := f.Discard(); err != nil {
		t.Errorf("after it was written: %v", err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "x" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := Create(filepath.Join(dir, "no", "f"), 0o600); err == nil {
		t.Error("a file in no directory")
	}
}
