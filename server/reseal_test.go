package server

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/attestry/attestry/server/budget"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/workspace"
)

// What was asked and answered in the clear, then sealed, then sealed under another key, is
// read as before, and nothing of it stays in the clear.
func TestReseal(t *testing.T) {
	x := newProbed(t, service.AutomaticAll, budget.Limits{Window: 24 * time.Hour, Questions: 3}).start()
	r, d := x.answeredRequest("bank-a", annasValue)
	bundle := text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/bundle", ""))
	pending := ask(t, strings.Replace(annasValue, "value >= 200", "value >= 222", 1))
	x.restart()
	x.call("bank-a", "POST", "/v1/requests", pending.text) // a job that waits
	x.close()

	identity := must(age.GenerateX25519Identity())(t)
	unlock := func() ([]age.Identity, error) { return []age.Identity{identity}, nil }
	steps := []func(w *workspace.Workspace) error{
		func(w *workspace.Workspace) error {
			return w.Encrypt(context.Background(), []string{identity.Recipient().String()}, unlock, func(string) {}, service.Reseal, budget.Reseal)
		},
		func(w *workspace.Workspace) error {
			return w.RotateDataKey(context.Background(), func(string) {}, service.Reseal, budget.Reseal)
		},
	}
	for i, step := range steps {
		w := must(workspace.OpenWith(x.dir, workspace.Options{Unlock: x.unlock}))(t)
		if err := step(w); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		x.unlock = unlock
		file := string(must(os.ReadFile(filepath.Join(x.dir, "service.db")))(t))
		if strings.Contains(file, "canary") || strings.Contains(file, "value >= 2") {
			t.Errorf("step %d: service.db holds a question in the clear", i)
		}
		x.open()
		if again := text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/bundle", "")); again != bundle {
			t.Errorf("step %d: another bundle: %.300s", i, again)
		}
		if o := d.unseal(t, []byte(text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/openings", "")))); len(o.Facts) != 1 {
			t.Errorf("step %d: openings of %d facts", i, len(o.Facts))
		}
		if i < len(steps)-1 {
			x.close()
		}
	}
	x.start()
	if all := text(t, x.call("bank-a", "GET", "/v1/requests", "")); strings.Count(all, `"id"`) != 2 {
		t.Errorf("requests: %s", all)
	}
	// What was charged before is charged under the new keys.
	if r := x.call("bank-a", "POST", "/v1/requests", ask(t, annasValue).text); r.StatusCode != 201 {
		t.Errorf("the third question: %s", text(t, r))
	}
	wantProblem(t, x.call("bank-a", "POST", "/v1/requests", ask(t, annasValue).text), CodeBudgetSpent)
}
