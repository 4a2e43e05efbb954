package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/workspace"
)

// newKey makes an organisation in a workspace, and gives its API key.
func newKey(t *testing.T, dir string, o access.Organisation) string {
	t.Helper()
	w, err := workspace.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	d, err := directory(w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateOrganisation(o); err != nil {
		t.Fatal(err)
	}
	_, token, err := d.CreateKey(access.NewKey{Organisation: o.ID})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// asBank makes a request of a bank, as it would with curl alone, and wants it to succeed.
func asBank(t *testing.T, token, method, url string, body []byte) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", "wait=60")
	if body == nil {
		r.Header.Del("Content-Type")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %s", method, url, response.Status, answer)
	}
	return answer
}

// A bank with the program and an API key: ask, wait, fetch, open, verify. The keys of what
// is sealed are age's.
func TestServeOrganisations(t *testing.T) {
	dir, files := newWorkspace(t), t.TempDir()
	path := func(name string) string { return filepath.Join(files, name) }
	must(t, dir, "registry", "create", file(t, "schema.yaml", canarySchema))
	must(t, dir, "registry", "import", "titles", file(t, "records.csv", canaryRecords))
	must(t, dir, "registry", "commit", "titles")
	must(t, dir, "trust", "export", "-o", path("trust.json"))
	token := newKey(t, dir, access.Organisation{ID: "bank-a", Role: access.RoleBank, Audience: "audience-kanari-d44"})
	var log buffer
	address, stop := serve(t, &log, "--dir", dir, "--config", file(t, "attestry.yaml", "answer: {automatic: all}\n"))

	made := must(t, files, "request", "new", file(t, "question.yaml", canaryQuestion), "--key", path("bank.key"), "-o", path("request.json"))
	if !strings.Contains(made.errors, "openings are sealed to it") {
		t.Error(made.errors)
	}
	if info, err := os.Stat(path("bank.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	var request api.Request
	if err := json.Unmarshal(asBank(t, token, "POST", address+"/v1/requests", read(t, path("request.json"))), &request); err != nil {
		t.Fatal(err)
	}
	if request.State != "answered" {
		t.Fatalf("%+v\n%s", request, log.String())
	}
	for name, url := range map[string]string{"bundle.json": "/bundle", "openings.age": "/openings"} {
		content := asBank(t, token, "GET", address+"/v1/proofs/"+request.Proof+url, nil)
		if err := os.WriteFile(path(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(t, files, "openings", "open", path("openings.age"), "--key", path("bank.key"), "-o", path("openings.json"))
	verdict := must(t, files, "verify", path("bundle.json"), "--trust", path("trust.json"), "--request", path("request.json"), "--openings", path("openings.json"))
	if !strings.Contains(verdict.out, "VERIFIED") {
		t.Error(verdict.out)
	}
	asBank(t, token, "DELETE", address+"/v1/proofs/"+request.Proof+"/openings", nil)
	stop()
	for _, c := range newCanaries(t).records {
		for what, data := range map[string][]byte{"logs": []byte(log.String()), "openings.age": read(t, path("openings.age"))} {
			if found := c.in(data); len(found) > 0 {
				t.Errorf("the %s hold %v", what, found)
			}
		}
	}
	if strings.Contains(log.String(), token) || !strings.Contains(log.String(), "action=request.answered") {
		t.Error("the log holds the key, or lacks the audit log's lines")
	}
}

// What is not sealed to a key does not open with it, and what opens is checked.
func TestOpeningsOpen(t *testing.T) {
	files := t.TempDir()
	path := func(name string) string { return filepath.Join(files, name) }
	question := file(t, "question.yaml", canaryQuestion)
	must(t, files, "request", "new", question, "--key", path("a.key"), "-o", path("a.json"))
	must(t, files, "request", "new", question, "--key", path("a.key"), "-o", path("b.json")) // the key is taken again
	must(t, files, "request", "new", question, "--key", path("b.key"), "-o", path("c.json"))
	recipient := func(name string) string {
		var r struct {
			SealTo string `json:"seal_to"`
		}
		if err := json.Unmarshal(read(t, path(name)), &r); err != nil {
			t.Fatal(err)
		}
		return r.SealTo
	}
	if recipient("a.json") != recipient("b.json") || recipient("a.json") == recipient("c.json") || !strings.HasPrefix(recipient("a.json"), "age1") {
		t.Error(recipient("a.json"), recipient("b.json"), recipient("c.json"))
	}
	must(t, files, "request", "new", question, "--seal-to", recipient("a.json"), "-o", path("d.json"))
	for _, args := range [][]string{
		{"request", "new", question, "--seal-to", "age1nonsense", "-o", path("e.json")},
		{"request", "new", question, "--seal-to", recipient("a.json"), "--key", path("a.key"), "-o", path("e.json")},
		{"request", "new", path("a.json"), "--key", path("b.key"), "-o", path("e.json")},
		{"request", "new", question, "--key", question, "-o", path("e.json")},
		{"openings", "open", path("a.json"), "--key", path("a.key"), "-o", path("e.json")},
		{"openings", "open", path("a.json"), "--key", path("b.json"), "-o", path("e.json")},
		{"openings", "open", path("a.json"), "-o", path("e.json")},
	} {
		if r := attestry(t, files, args...); r.code != 2 {
			t.Errorf("%v: exit code %d: %s", args, r.code, r.errors)
		}
		if _, err := os.Stat(path("e.json")); err == nil {
			t.Errorf("%v wrote something", args)
		}
	}
}
