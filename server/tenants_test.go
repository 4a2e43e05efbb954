package server

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// answeredRequest has a bank's request answered.
func (x *world) answeredRequest(who, yaml string) (api.Request, document) {
	x.t.Helper()
	d := ask(x.t, yaml)
	r := want[api.Request](x, 201, who, "POST", "/v1/requests", d.text, "Prefer", "wait=60")
	if r.State != "answered" {
		x.t.Fatalf("%+v", r)
	}
	return r, d
}

// What is one organisation's is not there for any other: the same answer as for ids that
// nobody has.
func TestForeignIDs(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll}).start()
	r, _ := x.answeredRequest("bank-a", annasValue)
	paths := map[string]string{
		"GET /v1/requests/": "/v1/requests/" + r.Id, "GET document": "/v1/requests/" + r.Id + "/document",
		"DELETE /v1/requests/": "/v1/requests/" + r.Id, "POST refusal": "/v1/requests/" + r.Id + "/refusal",
		"GET /v1/proofs/": "/v1/proofs/" + r.Proof, "GET bundle": "/v1/proofs/" + r.Proof + "/bundle",
		"GET openings": "/v1/proofs/" + r.Proof + "/openings", "DELETE openings": "/v1/proofs/" + r.Proof + "/openings",
		"GET readers": "/v1/proofs/" + r.Proof + "/readers", "PUT readers": "/v1/proofs/" + r.Proof + "/readers/auditor",
		"DELETE readers": "/v1/proofs/" + r.Proof + "/readers/auditor",
		"GET /v1/jobs/":  "/v1/jobs/" + r.Job, "GET events": "/v1/jobs/" + r.Job + "/events", "DELETE /v1/jobs/": "/v1/jobs/" + r.Job,
	}
	compared := 0
	unknown := regexp.MustCompile(`[0-9a-f]{32}`)
	for name, path := range paths {
		method, _, _ := strings.Cut(name, " ")
		body := ""
		if method == "POST" {
			body = "{}"
		}
		for _, who := range []string{"bank-b", "other-agency", "auditor"} {
			got := x.call(who, method, path, body)
			none := x.call(who, method, unknown.ReplaceAllString(path, strings.Repeat("0", 32)), body)
			if got.StatusCode == http.StatusForbidden && none.StatusCode == http.StatusForbidden {
				continue // not for this role, whatever the id
			}
			compared++
			p, q := wantProblem(t, got, CodeNotFound), wantProblem(t, none, CodeNotFound)
			if p.Detail != q.Detail {
				t.Errorf("%s %s by %s: %q tells it from an unknown one, %q", method, path, who, p.Detail, q.Detail)
			}
		}
	}
	t.Logf("%d answers about what is another's compared with those about nothing", compared)
	for _, who := range []string{"bank-b", "other-agency", "auditor"} {
		for _, list := range []string{"/v1/requests", "/v1/proofs", "/v1/jobs"} {
			if got := x.call(who, "GET", list, ""); got.StatusCode == 200 && !strings.Contains(text(t, got), `"items":[]`) {
				t.Errorf("%s sees something at %s", who, list)
			}
		}
	}
	// Who may see it, and may not do everything.
	wantProblem(t, x.call("agency", "GET", "/v1/proofs/"+r.Proof+"/openings", ""), CodeForbidden)
	wantProblem(t, x.call("agency", "DELETE", "/v1/proofs/"+r.Proof+"/openings", ""), CodeForbidden)
	wantProblem(t, x.call("agency", "DELETE", "/v1/requests/"+r.Id, ""), CodeForbidden)
	wantProblem(t, x.call("operator", "GET", "/v1/requests/"+r.Id+"/document", ""), CodeForbidden)
	wantProblem(t, x.call("operator", "GET", "/v1/proofs/"+r.Proof+"/bundle", ""), CodeForbidden)
	if r.Refusal.Code != "" || want[api.Request](x, 200, "operator", "GET", "/v1/requests/"+r.Id, "").State != "answered" {
		t.Error("the operator does not see that it is answered")
	}
}

// The agency lets an auditor read a bundle, and no more.
func TestReaders(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll}).start()
	r, _ := x.answeredRequest("bank-a", annasValue)
	path := "/v1/proofs/" + r.Proof
	want[any](x, 204, "agency", "PUT", path+"/readers/auditor", "")
	want[any](x, 204, "agency", "PUT", path+"/readers/auditor", "")
	wantProblem(t, x.call("agency", "PUT", path+"/readers/bank-b", ""), CodeInvalid)
	wantProblem(t, x.call("agency", "PUT", path+"/readers/nobody", ""), CodeNotFound)
	if got := want[api.Readers](x, 200, "agency", "GET", path+"/readers", ""); !slices.Equal(got.Organisations, []string{"auditor"}) {
		t.Error(got)
	}
	if page := want[api.ProofPage](x, 200, "auditor", "GET", "/v1/proofs", ""); len(page.Items) != 1 {
		t.Errorf("%+v", page)
	}
	want[any](x, 200, "auditor", "GET", path+"/bundle", "")
	wantProblem(t, x.call("auditor", "GET", path+"/openings", ""), CodeForbidden)
	want[any](x, 204, "agency", "DELETE", path+"/readers/auditor", "")
	wantProblem(t, x.call("auditor", "GET", path+"/bundle", ""), CodeNotFound)
	actions := []string{}
	for _, a := range want[api.AuditPage](x, 200, "auditor", "GET", "/v1/audit", "").Items {
		actions = append(actions, a.Action)
	}
	wanted := []string{"reader.removed", "bundle.read", "reader.added", "reader.added", "request.answered", "request.created"}
	if !slices.Equal(actions, wanted) {
		t.Errorf("the audit log has %v, want %v", actions, wanted)
	}
}
