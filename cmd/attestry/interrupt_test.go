package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attestry/attestry/internal/cli"
)

// TestInterrupted: who interrupts a command is told that it did nothing, and it did
// nothing.
func TestInterrupted(t *testing.T) {
	dir, files := newWorkspace(t), t.TempDir()
	schema, records := file(t, "schema.yaml", smallSchema), file(t, "records.csv", smallRecords)
	question := file(t, "question.yaml", smallQuestion)
	must(t, dir, "registry", "create", schema)
	interrupted := func(args ...string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out, messages bytes.Buffer
		code := run(ctx, append([]string{"--dir", dir}, args...), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &messages})
		if want := "attestry: error: interrupted: nothing was changed\n"; code != cli.Could || messages.String() != want {
			t.Errorf("%v: exit code %d: %s", args, code, &messages)
		}
	}
	interrupted("registry", "import", "titles", records)
	must(t, dir, "registry", "import", "titles", records)
	interrupted("registry", "commit", "titles")
	if r := must(t, dir, "registry", "list"); !strings.Contains(r.out, "no epoch yet, an import is staged") {
		t.Errorf("after an interrupted commit: %s", r.out)
	}
	must(t, dir, "registry", "commit", "titles")
	interrupted("prove", question, "-o", filepath.Join(files, "bundle.json"), "--openings", filepath.Join(files, "openings.json"))
	if left, err := os.ReadDir(files); err != nil || len(left) != 0 {
		t.Errorf("an interrupted prove left %v: %v", left, err)
	}
	if r := must(t, dir, "ledger", "fsck"); !strings.Contains(r.out, "4 entries") {
		t.Errorf("after an interrupted prove: %s", r.out)
	}
}
