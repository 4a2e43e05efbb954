package server

import (
	"slices"
	"strings"
	"testing"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// An operator lets a bank in, gives it a key, and puts it out again.
func TestOrganisations(t *testing.T) {
	x := newWorld(t, service.Config{})
	made := x.call("operator", "POST", "/v1/organisations", `{"id":"bank-c","role":"bank","audience":"Bank C"}`)
	conform(t, "/v1/organisations", "POST", made)
	if made.StatusCode != 201 || made.Header.Get("Location") != "/v1/organisations/bank-c" {
		t.Fatal(text(t, made))
	}
	for body, code := range map[string]Code{
		`{"id":"bank-c","role":"bank"}`:                               CodeExists,
		`{"id":"bank-d","role":"bank","audience":"Bank C"}`:           CodeExists,
		`{"id":"bank-d","role":"bank","registries":["titles"]}`:       CodeInvalid,
		`{"id":"Bank","role":"bank"}`:                                 CodeMalformed,
		`{"id":"bank-d","role":"king"}`:                               CodeMalformed,
		`{"id":"bank-d"}`:                                             CodeMalformed,
		`{"id":"bank-d","role":"bank","more":1}`:                      CodeMalformed,
		`{"id":"x","role":"agency","registries":["titles","titles"]}`: CodeMalformed,
	} {
		wantProblem(t, x.call("operator", "POST", "/v1/organisations", body), code)
	}
	keys := "/v1/organisations/bank-c/keys"
	issued := want[api.IssuedKey](x, 201, "operator", "POST", keys, `{"scopes":["requests-read"]}`)
	if issued.Key.Organisation != "bank-c" || issued.Key.State != "valid" || issued.Key.Kind != "secret" || !strings.HasPrefix(issued.Secret, "attestry_") {
		t.Errorf("%+v", issued.Key)
	}
	x.tokens["bank-c"] = issued.Secret
	me := want[api.Me](x, 200, "bank-c", "GET", "/v1/me", "")
	if me.Organisation != "bank-c" || me.Audience != "Bank C" || me.Role != "bank" || !slices.Equal(me.Scopes, []string{"requests-read"}) || me.Credential == "" {
		t.Errorf("%+v", me)
	}
	want[api.RequestPage](x, 200, "bank-c", "GET", "/v1/requests", "")
	wantProblem(t, x.call("bank-c", "GET", "/v1/proofs", ""), CodeForbidden)
	wantProblem(t, x.call("operator", "POST", keys, `{"scopes":["requests"]}`), CodeInvalid)
	wantProblem(t, x.call("operator", "POST", keys, `{"scopes":[]}`), CodeMalformed) // which is not all
	wantProblem(t, x.call("operator", "POST", keys, `{"expires":"2020-01-01T00:00:00Z"}`), CodeInvalid)
	wantProblem(t, x.call("operator", "POST", "/v1/organisations/nobody/keys", `{}`), CodeNotFound)
	list := text(t, x.call("operator", "GET", keys, ""))
	if strings.Contains(list, issued.Secret) || strings.Contains(list, strings.Split(issued.Secret, "_")[2]) {
		t.Error("a list of keys shows a secret")
	}
	wantProblem(t, x.call("operator", "DELETE", "/v1/organisations/bank-a/keys/"+issued.Key.Id, ""), CodeNotFound)
	want[any](x, 204, "operator", "DELETE", keys+"/"+issued.Key.Id, "")
	wantProblem(t, x.call("bank-c", "GET", "/v1/me", ""), CodeUnauthenticated)
	if all := want[api.KeyList](x, 200, "operator", "GET", keys, ""); all.Items[0].State != "revoked" {
		t.Errorf("%+v", all)
	}
	want[any](x, 204, "operator", "DELETE", "/v1/organisations/bank-b", "")
	wantProblem(t, x.call("bank-b", "GET", "/v1/me", ""), CodeUnauthenticated)
	if o := want[api.Organisation](x, 200, "agency", "GET", "/v1/organisations/bank-b", ""); !o.Disabled {
		t.Errorf("%+v", o)
	}
	wantProblem(t, x.call("operator", "DELETE", "/v1/organisations/operator", ""), CodeInvalid)
	var actions []string
	for _, a := range want[api.AuditPage](x, 200, "auditor", "GET", "/v1/audit?organisation=operator", "").Items {
		actions = append(actions, a.Action+" "+strings.ReplaceAll(a.Target, issued.Key.Id, "KEY"))
	}
	wanted := []string{"organisation.disabled bank-b", "key.revoked KEY", "key.created KEY", "organisation.created bank-c"}
	if !slices.Equal(actions, wanted) {
		t.Errorf("the audit log has %q, want %q", actions, wanted)
	}
}

// The ledger, the trust file and the counts, as a person would look at them.
func TestLooking(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll}).start()
	x.answeredRequest("bank-a", annasValue)
	want[api.Request](x, 201, "bank-b", "POST", "/v1/requests", ask(t, "registry: titles\nkey: nothing\naudience: bank-b\n").text, "Prefer", "wait=60")
	l := want[api.Ledger](x, 200, "bank-a", "GET", "/v1/ledger", "")
	if l.Origin != "example.org/test" || l.Entries != 5 || l.Checkpoint != text(t, x.call("", "GET", "/checkpoint", "")) {
		t.Errorf("%+v", l)
	}
	e := want[api.Entry](x, 200, "bank-a", "GET", "/v1/ledger/entries/4", "")
	if e.Type != "attestry/proof/v1" || e.Index != 4 || e.Leaf == "" || !strings.Contains(string(e.Entry), `"registry":"titles"`) {
		t.Errorf("%+v", e)
	}
	wantProblem(t, x.call("bank-a", "GET", "/v1/ledger/entries/5", ""), CodeNotFound)
	wantProblem(t, x.call("bank-a", "GET", "/v1/ledger/entries/-1", ""), CodeNotFound)
	if c := want[api.CircuitList](x, 200, "bank-a", "GET", "/v1/circuits", ""); len(c.Items) != 2 || c.Items[0].Setup != "development" {
		t.Errorf("%+v", c)
	}
	if trust := text(t, x.call("bank-a", "GET", "/v1/trust", "")); !strings.Contains(trust, "attestry/trust/v1") {
		t.Error(trust)
	}
	for who, requests := range map[string]map[string]int{
		"agency": {"answered": 1, "refused": 1}, "operator": {"answered": 1, "refused": 1}, "bank-a": {"answered": 1}, "bank-b": {"refused": 1},
		"other-agency": {}, "auditor": {"answered": 1, "refused": 1},
	} {
		o := want[api.Overview](x, 200, who, "GET", "/v1/overview", "")
		if o.Entries != 5 || o.Checkpoint != 5 || o.Registries != 1 {
			t.Errorf("%s: %+v", who, o)
		}
		if len(o.Requests) != len(requests) || o.Requests["answered"] != requests["answered"] || o.Requests["refused"] != requests["refused"] {
			t.Errorf("%s: %v, want %v", who, o.Requests, requests)
		}
	}
}

// More jobs than a page of them are counted, too.
func TestOverviewOfManyJobs(t *testing.T) {
	const many = 103
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll})
	for range many {
		want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
	}
	for _, who := range []string{"bank-a", "agency", "operator"} {
		if o := want[api.Overview](x, 200, who, "GET", "/v1/overview", ""); o.Jobs["queued"] != many {
			t.Errorf("%s: %v", who, o.Jobs)
		}
	}
}
