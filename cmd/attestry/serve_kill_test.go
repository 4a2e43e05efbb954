package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/workspace"
)

var (
	killedRequests = flag.Int("killed-requests", 12, "how many requests TestServeKilled sends")
	serverKills    = flag.Int("server-kills", 4, "how often TestServeKilled kills the server")
)

// life is one process of a server.
type life struct {
	command *exec.Cmd
	address string
	private string // of the listener for metrics, if there is one
}

func newLife(t *testing.T, dir, config string) life {
	t.Helper()
	return startLife(t, "attestry", "--dir", dir, "serve", "--listen", "127.0.0.1:0", "--json", "--config", config)
}

// startLife starts a server, which says where it listens.
func startLife(t *testing.T, program string, args ...string) life {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log buffer
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var said serveResult
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&said); err != nil {
		t.Fatalf("the server did not start: %v: %v\n%s", err, c.Wait(), log.String())
	}
	return life{c, said.Listening, said.Private}
}

// kill kills the process; whoever made it waits for its end, and nobody else.
func (l life) kill() { _ = l.command.Process.Kill() }

// send makes a request of a bank's, and gives the answer if there was one.
func (l life) send(token, method, path, body, key string) (status int, answer []byte) {
	r, err := http.NewRequest(method, l.address+path, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
	}
	r.Header.Set("Prefer", map[bool]string{true: "wait=60", false: ""}[body == ""])
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		return 0, nil
	}
	return response.StatusCode, answer
}

// killLater kills the process after a while, and logs what it was at: how many jobs waited
// and how many ran.
func (l life) killLater(t *testing.T, token string, running *atomic.Int64) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(time.Duration(50+rand.IntN(600)) * time.Millisecond)
		status, answer := l.send(token, "GET", "/v1/overview", "", "")
		l.kill()
		var o api.Overview
		if err := json.Unmarshal(answer, &o); status != http.StatusOK || err != nil {
			t.Errorf("%d: %s", status, answer)
			return
		}
		running.Add(int64(o.Jobs["running"]))
		t.Logf("killed with the jobs %v and the requests %v", o.Jobs, o.Requests)
	}()
	return done
}

// TestServeKilled kills a server again and again while it takes and answers requests. In
// the end each request that was sent has one answer, and the ledger one proof of it, also
// of those whose sending had to be repeated.
func TestServeKilled(t *testing.T) {
	dir := newWorkspace(t)
	must(t, dir, "registry", "create", file(t, "schema.yaml", canarySchema))
	must(t, dir, "registry", "import", "titles", file(t, "records.csv", canaryRecords))
	must(t, dir, "registry", "commit", "titles")
	token := newKey(t, dir, access.Organisation{ID: "bank-a", Role: access.RoleBank, Audience: "audience-kanari-d44"})
	config, question := file(t, "attestry.yaml", "answer: {automatic: all}\nbudget: {questions: 0}\n"), file(t, "question.yaml", canaryQuestion)
	documents := make([]string, *killedRequests)
	ids := make([]string, len(documents))
	for i := range documents {
		documents[i] = must(t, dir, "request", "new", question, "--seal-to", "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq").out
	}
	missing := len(documents)
	var running atomic.Int64 // jobs, at all kills
	for kill := 0; ; kill++ {
		l := newLife(t, dir, config)
		last := kill >= *serverKills
		killed := make(chan struct{})
		if last {
			close(killed)
		} else {
			killed = l.killLater(t, token, &running)
		}
		for i, document := range documents {
			if ids[i] != "" {
				continue
			}
			status, answer := l.send(token, "POST", "/v1/requests", document, fmt.Sprint("key-", i))
			var r api.Request
			if status == http.StatusCreated && json.Unmarshal(answer, &r) == nil {
				ids[i] = r.Id
				missing--
			} else if status != 0 {
				t.Fatalf("%d: %s", status, answer)
			} else {
				break // it is dead
			}
		}
		if last && missing == 0 {
			checkAnswers(t, l, token, ids)
			l.kill()
		}
		<-killed
		_ = l.command.Wait()
		if last && missing == 0 {
			break
		}
		if last {
			t.Fatal("the last server went away by itself")
		}
	}
	if *serverKills >= 10 && running.Load() == 0 {
		t.Error("no kill found a job that ran")
	}
	if n := loggedProofs(t, dir); n != len(documents) {
		t.Errorf("%d proofs in the ledger of %d requests", n, len(documents))
	}
	must(t, dir, "ledger", "fsck")
}

// checkAnswers waits for the answers of requests, each its own.
func checkAnswers(t *testing.T, l life, token string, ids []string) {
	t.Helper()
	proofs := map[string]bool{}
	for _, id := range ids {
		_, answer := l.send(token, "GET", "/v1/requests/"+id, "", "")
		var r api.Request
		if err := json.Unmarshal(answer, &r); err != nil || r.State != "answered" || proofs[r.Proof] {
			t.Errorf("%v: %s", err, answer)
			continue
		}
		proofs[r.Proof] = true
		for _, part := range []string{"bundle", "openings"} {
			if status, answer := l.send(token, "GET", "/v1/proofs/"+r.Proof+"/"+part, "", ""); status != http.StatusOK {
				t.Errorf("%s: %d: %s", part, status, answer)
			}
		}
	}
}

func loggedProofs(t *testing.T, dir string) (n int) {
	t.Helper()
	w, err := workspace.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	for i := range w.Ledger.Size() {
		data, err := w.Ledger.Entry(i)
		if err != nil {
			t.Fatal(err)
		}
		entry, err := ledger.ParseEntry(data)
		if err != nil {
			t.Fatal(err)
		}
		if entry.Type() == ledger.TypeProof {
			n++
		}
	}
	return n
}
