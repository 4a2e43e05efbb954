package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/attestry/attestry/client/api"
)

const (
	readmeSection = "## A bank with curl alone\n"
	readmeAddress = "127.0.0.1:8080"
)

// readmeLines gives the command lines of a section of README.md: what is set off in it.
func readmeLines(t *testing.T, section string) []string {
	t.Helper()
	_, text, ok := strings.Cut(string(read(t, "../../README.md")), section)
	if !ok {
		t.Fatalf("README.md has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var lines []string
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			lines = append(lines, command)
		}
	}
	return lines
}

// freeAddress gives an address that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestReadme runs what README.md says of a bank that has curl, line by line, at a free
// address.
func TestReadme(t *testing.T) {
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not here, and README.md's lines need it: %v", program, err)
		}
	}
	lines := readmeLines(t, readmeSection)
	if len(lines) < 15 || !strings.Contains(strings.Join(lines, ""), readmeAddress) {
		t.Fatalf("README.md has these lines: %q", lines)
	}
	dir := t.TempDir()
	script := strings.ReplaceAll(strings.Join(lines, ""), readmeAddress, freeAddress(t))
	shown := runScript(t, dir, script)
	path := func(name string) string { return filepath.Join(dir, name) }
	var answered api.Request
	if err := json.Unmarshal(read(t, path("answered.json")), &answered); err != nil || answered.State != api.RequestStateAnswered {
		t.Errorf("%v: %+v\n%s", err, answered, shown)
	}
	var verdict api.Verdict
	if err := json.Unmarshal(read(t, path("verdict.json")), &verdict); err != nil || !verdict.OK {
		t.Errorf("%v: %+v", err, verdict)
	}
	if text := string(read(t, path("verdict.txt"))); !strings.Contains(text, "year_built is 1") || !strings.Contains(text, "VERIFIED") {
		t.Error(text)
	}
	for _, private := range []string{"bank-a.key", "bank-a.header", "bank.key", "openings.json"} {
		if info, err := os.Stat(path(private)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", private, info, err)
		}
	}
}

// runScript runs lines of bash in a directory, each of which has to succeed, and gives
// what they show. What they leave running is killed.
func runScript(t *testing.T, dir, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euxo", "pipefail", "-c", script)
	var shown bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = dir, &shown, &shown
	c.Env = append(os.Environ(), "no_proxy=127.0.0.1", dirVariable+"=", trustVariable+"=")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	group := func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.Cancel, c.WaitDelay = group, 10*time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	err := c.Wait()
	if killed := group(); killed != nil && !errors.Is(killed, syscall.ESRCH) {
		t.Error(killed)
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "serve.log"))
		t.Fatalf("%v\n%s\n%s", err, &shown, log)
	}
	return shown.String()
}
