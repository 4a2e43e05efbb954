package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
)

// drainedRequests is how many requests TestServeDrained sends: more than are answered
// before the server is stopped.
const drainedRequests = 6

// TestServeDrained stops servers, as a service manager does, while jobs run and wait: one
// that has time for what runs, and one that has none. Both end well, and what they left is
// done by the next, each request once.
func TestServeDrained(t *testing.T) {
	dir := newWorkspace(t)
	must(t, dir, "registry", "create", file(t, "schema.yaml", canarySchema))
	must(t, dir, "registry", "import", "titles", file(t, "records.csv", canaryRecords))
	must(t, dir, "registry", "commit", "titles")
	token := newKey(t, dir, access.Organisation{ID: "bank-a", Role: access.RoleBank, Audience: "audience-kanari-d44"})
	question := file(t, "question.yaml", canaryQuestion)
	const settings = "answer: {automatic: all}\nbudget: {questions: 0}\n"
	var ids []string
	for _, timeout := range []string{"1m", "1s"} {
		l := newLife(t, dir, file(t, "attestry.yaml", settings+"queue: {workers: 1}\ndrain: {timeout: "+timeout+"}\n"))
		for i := range drainedRequests {
			document := must(t, dir, "request", "new", question, "--seal-to", "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq").out
			status, answer := l.send(token, "POST", "/v1/requests", document, fmt.Sprint("drain-", timeout, i))
			var r api.Request
			if err := json.Unmarshal(answer, &r); status != http.StatusCreated || err != nil {
				t.Fatalf("%d: %s", status, answer)
			}
			ids = append(ids, r.Id)
		}
		l.awaitState(t, token, "running")
		if err := l.command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := l.command.Wait(); err != nil {
			t.Errorf("drain.timeout %s: %v", timeout, err)
		}
		if n := loggedProofs(t, dir); n == len(ids) {
			t.Errorf("all %d requests were answered before the stop", n)
		}
	}
	l := newLife(t, dir, file(t, "attestry.yaml", settings))
	checkAnswers(t, l, token, ids)
	l.kill()
	_ = l.command.Wait()
	if n := loggedProofs(t, dir); n != len(ids) {
		t.Errorf("%d proofs in the ledger of %d requests", n, len(ids))
	}
	must(t, dir, "ledger", "fsck")
}

// awaitState waits for a job of this state.
func (l life) awaitState(t *testing.T, token, state string) {
	t.Helper()
	await(t, "a job that is "+state, func() bool {
		status, answer := l.send(token, "GET", "/v1/jobs?state="+state, "", "")
		var page api.JobPage
		if err := json.Unmarshal(answer, &page); status != http.StatusOK || err != nil {
			t.Fatalf("%d: %s", status, answer)
		}
		return len(page.Items) > 0
	})
}

// await waits for a condition, and a long time before it gives up.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestServeReady: /readyz names the keys when one is away, and is content when it is back.
func TestServeReady(t *testing.T) {
	dir := newWorkspace(t)
	log := &buffer{}
	address, _ := serve(t, log, "--dir", dir)
	ready := func() bool {
		code, _ := get(t, address+"/readyz")
		return code == http.StatusOK
	}
	if !ready() {
		t.Fatalf("not ready: %s", log)
	}
	proving, err := filepath.Glob(filepath.Join(dir, "circuits", "*.pk"))
	if err != nil || len(proving) == 0 {
		t.Fatal(proving, err)
	}
	if err := os.Rename(proving[0], proving[0]+".away"); err != nil {
		t.Fatal(err)
	}
	if code, answer := get(t, address+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(answer, "it does not hold: keys") {
		t.Errorf("without a proving key: %d: %s", code, answer)
	}
	if name := filepath.Base(proving[0]); !strings.Contains(log.String(), name) {
		t.Errorf("the log does not name %s: %s", name, log)
	}
	if err := os.Rename(proving[0]+".away", proving[0]); err != nil {
		t.Fatal(err)
	}
	if !ready() {
		t.Error("not ready with its key back")
	}
}
