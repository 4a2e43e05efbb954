package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
)

var servedBackups = flag.Int("served-backups", 2, "how many backups TestServedBackups makes")

// TestServedBackups backs a workspace up while its server answers requests, and loses it.
// In each restored workspace a bank that sends everything again has each request answered
// once: what was answered, being proved or waiting at that moment goes on.
func TestServedBackups(t *testing.T) {
	dir := newWorkspace(t)
	must(t, dir, "registry", "create", file(t, "schema.yaml", canarySchema))
	must(t, dir, "registry", "import", "titles", file(t, "records.csv", canaryRecords))
	must(t, dir, "registry", "commit", "titles")
	token := newKey(t, dir, access.Organisation{ID: "bank-a", Role: access.RoleBank, Audience: "audience-kanari-d44"})
	config, question := file(t, "attestry.yaml", "answer: {automatic: all}\nbudget: {questions: 0}\n"), file(t, "question.yaml", canaryQuestion)
	documents := make([]string, 3**servedBackups)
	for i := range documents {
		documents[i] = must(t, dir, "request", "new", question, "--seal-to", "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq").out
	}
	l := newLife(t, dir, config)
	backups := t.TempDir()
	for i := range *servedBackups {
		sendAll(t, l, token, documents[3*i:3*i+3], 3*i)
		must(t, dir, "backup", filepath.Join(backups, fmt.Sprint(i)))
	}
	l.kill()
	_ = l.command.Wait()

	for i := range *servedBackups {
		again := filepath.Join(t.TempDir(), "w")
		must(t, again, "restore", filepath.Join(backups, fmt.Sprint(i)), "--accept-rollback")
		before := loggedProofs(t, again)
		l := newLife(t, again, config)
		checkAnswers(t, l, token, sendAll(t, l, token, documents, 0))
		l.kill()
		_ = l.command.Wait()
		if n := loggedProofs(t, again); n != len(documents) {
			t.Errorf("%d proofs in the ledger of %d requests, %d of them from the backup", n, len(documents), before)
		}
		must(t, again, "ledger", "fsck")
	}
}

// sendAll sends requests, each with the key of its number, and gives their ids.
func sendAll(t *testing.T, l life, token string, documents []string, first int) (ids []string) {
	t.Helper()
	for i, document := range documents {
		status, answer := l.send(token, "POST", "/v1/requests", document, fmt.Sprint("key-", first+i))
		var r api.Request
		if err := json.Unmarshal(answer, &r); err != nil || status != http.StatusCreated {
			t.Fatalf("%d: %s", status, answer)
		}
		ids = append(ids, r.Id)
	}
	return ids
}
