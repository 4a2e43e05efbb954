package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/prover/provertest"
	"github.com/attestry/attestry/workspace"
)

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){
		"attestry":        main,
		"attestry-verify": func() { os.Exit(verifycmd.Main(context.Background(), os.Args[1:], cli.Standard())) },
	})
}

// tests removes the template when all tests are done.
type tests struct{ *testing.M }

func (m tests) Run() int {
	code := m.M.Run()
	if dir, err := template(); err == nil {
		_ = os.RemoveAll(dir)
	}
	return code
}

// template has a fresh workspace in its folder workspace, made once because circuit keys take seconds: every
// test works on a copy.
var template = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "attestry-template-*")
	if err != nil {
		return "", err
	}
	workspaceDir := filepath.Join(dir, "workspace")
	if err := workspace.Init(context.Background(), workspaceDir, workspace.InitOptions{Origin: "registry.example/test"}); err != nil {
		return dir, err
	}
	return dir, provertest.ShareTables(filepath.Join(workspaceDir, "circuits"), dir)
})

// copyTemplate puts a fresh workspace into a directory that is not there yet.
func copyTemplate(dir string) error {
	from, err := template()
	if err != nil {
		return err
	}
	return os.CopyFS(dir, os.DirFS(filepath.Join(from, "workspace")))
}

// newWorkspace gives a fresh workspace.
func newWorkspace(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "workspace")
	if err := copyTemplate(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// result is what one command line gave.
type result struct {
	code        int
	out, errors string
}

// attestry runs one command line over a workspace, within this process.
func attestry(t *testing.T, dir string, args ...string) result {
	t.Helper()
	var out, messages bytes.Buffer
	code := run(t.Context(), append([]string{"--dir", dir}, args...), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &messages})
	return result{code, out.String(), messages.String()}
}

// must runs a command line that has to succeed.
func must(t *testing.T, dir string, args ...string) result {
	t.Helper()
	r := attestry(t, dir, args...)
	if r.code != cli.Done {
		t.Fatalf("attestry %s gave exit code %d: %s", strings.Join(args, " "), r.code, r.errors)
	}
	return r
}

// file writes a test's file and gives its path.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
