package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
)

// TestDemo plays the whole demonstration on all of the county's data, and then uses
// what it left.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "county")
	r := must(t, dir, "demo", "--json")
	var said demoResult
	if err := json.Unmarshal([]byte(r.out), &said); err != nil || !said.OK || len(said.Steps) != 8 || said.Dir != dir {
		t.Errorf("it says %s: %v", r.out, err)
	}
	text := r.errors // where the story goes beside JSON
	words := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{
		"25,357 parcels", "assessed_value >= 200000", "128 bytes", "pass the proof holds",
		"year_built is 1978", "0 problems", "fail question", "Refused",
		`fails "assessed_value >= 5000000"`, "development keys", "attestry-verify verify bundle.json",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the demonstration does not say %q", want)
		}
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > pageWidth && !strings.Contains(line, dir) {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	bank := filepath.Join(dir, "demo", "bank")
	var out bytes.Buffer
	code := verifycmd.Main(t.Context(), []string{
		"verify", filepath.Join(bank, "bundle.json"), "--trust", filepath.Join(bank, "trust.json"),
		"--request", filepath.Join(bank, "request.json"), "--openings", filepath.Join(bank, "openings.json"),
	}, cli.Streams{Out: &out, Err: &out})
	if code != cli.Done {
		t.Errorf("the bank's files do not verify: %s", &out)
	}
	must(t, dir, "ledger", "fsck")
	if r := attestry(t, dir, "demo"); r.code != cli.Could {
		t.Errorf("a second demonstration in the same directory gave exit code %d", r.code)
	}
}

// TestDemoLeavesNothing: without --dir it cleans up, also when it is interrupted, and
// never touches a workspace that the environment names.
func TestDemoLeavesNothing(t *testing.T) {
	temporary, named := t.TempDir(), filepath.Join(t.TempDir(), "workspace")
	t.Setenv("TMPDIR", temporary)
	t.Setenv(dirVariable, named)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, messages bytes.Buffer
	if code := run(ctx, []string{"demo"}, cli.Streams{Out: &out, Err: &messages}); code != cli.Could {
		t.Fatalf("exit code %d: %s", code, &messages)
	}
	if !strings.Contains(out.String(), "1. The land registry") {
		t.Errorf("it did not begin: %s", &out)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("it left %v: %v", left, err)
	}
	if _, err := os.Stat(named); err == nil {
		t.Error("it wrote to the workspace that the environment names")
	}
}

func TestPageWraps(t *testing.T) {
	var out bytes.Buffer
	p := &page{out: &out}
	p.para("%s", strings.Repeat("房产 ", 60))
	p.item("%s", strings.Repeat("word ", 40)+"\x1b[2J")
	p.code("a\n  b\n")
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(line) - 1; n > pageWidth {
			t.Errorf("a line of %d characters", n)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("a control character reaches the terminal")
	}
	if !strings.Contains(out.String(), "\n    word") || !strings.HasSuffix(out.String(), "\n\n    a\n      b\n") {
		t.Errorf("unexpected layout:\n%s", &out)
	}
}
