package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/statement"
)

// A bank asks, is answered at once, fetches, verifies and acknowledges.
func TestAskAndFetch(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll}).start()
	d := ask(t, annasValue)
	created := x.call("bank-a", "POST", "/v1/requests", d.text, "Prefer", "wait=60")
	conform(t, "/v1/requests", "POST", created)
	if got := created.Header.Get("Preference-Applied"); got != "wait=60" {
		t.Errorf("Preference-Applied %q", got)
	}
	r := want[api.Request](x, 200, "bank-a", "GET", created.Header.Get("Location"), "")
	if r.State != "answered" || r.Proof == "" || r.Organisation != "bank-a" || !r.Facts[0].Subject || r.Facts[0].Registry != "titles" {
		t.Fatalf("%+v", r)
	}
	p := want[api.Proof](x, 200, "bank-a", "GET", "/v1/proofs/"+r.Proof, "")
	if p.Openings.State != "waiting" || len(p.Facts) != 1 || p.Facts[0].Epoch != 1 || p.Timings.Proofs != 1 || p.Timings.ProveMs == 0 {
		t.Errorf("%+v", p)
	}
	bundle := text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/bundle", ""))
	sealed := text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/openings", ""))
	openings := d.unseal(t, []byte(sealed))
	plain := string(must(openings.Marshal())(t))
	verdict := want[api.Verdict](x, 200, "", "POST", "/v1/verify", object("bundle", bundle, "request", d.text, "openings", plain))
	if !verdict.OK {
		t.Errorf("%+v", verdict)
	}
	if !strings.Contains(plain, "anna-canary") || strings.Contains(sealed, "anna-canary") || strings.Contains(bundle, "anna-canary") {
		t.Error("the subject is to be in the opened openings alone")
	}
	j := want[api.Job](x, 200, "bank-a", "GET", "/v1/jobs/"+r.Job, "")
	if j.State != "done" || j.Request != r.Id || j.Proof != r.Proof || j.Timings != p.Timings {
		t.Errorf("%+v", j)
	}
	want[any](x, 204, "bank-a", "DELETE", "/v1/proofs/"+r.Proof+"/openings", "")
	want[any](x, 204, "bank-a", "DELETE", "/v1/proofs/"+r.Proof+"/openings", "")
	wantProblem(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/openings", ""), CodeGone)
	wantProblem(t, x.call("bank-a", "GET", "/v1/requests/"+r.Id+"/document", ""), CodeGone)
	if again := text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/bundle", "")); again != bundle {
		t.Error("the bundle went with the openings")
	}
}

// What the agency does by hand: see, answer, refuse.
func TestAnswerByHand(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticNone}).start()
	var ids []string
	for range 2 {
		r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
		if r.State != "asked" || r.Job != "" {
			t.Fatalf("%+v", r)
		}
		ids = append(ids, r.Id)
	}
	if page := want[api.RequestPage](x, 200, "agency", "GET", "/v1/requests?state=asked", ""); len(page.Items) != 2 {
		t.Fatalf("%+v", page)
	}
	j := want[api.Job](x, 200, "agency", "POST", "/v1/proofs", object("request", `"`+ids[0]+`"`), "Prefer", "wait=60")
	if j.State != "done" || j.Request != ids[0] {
		t.Fatalf("%+v", j)
	}
	wantProblem(t, x.call("agency", "POST", "/v1/proofs", object("request", `"`+ids[0]+`"`)), CodeWrongState)
	r := want[api.Request](x, 200, "agency", "POST", "/v1/requests/"+ids[1]+"/refusal", `{"message":"ask for a grant first"}`)
	if r.State != "refused" || r.Refusal.Code != "refused" || r.Refusal.Message != "ask for a grant first" {
		t.Errorf("%+v", r)
	}
	wantProblem(t, x.call("bank-a", "DELETE", "/v1/requests/"+ids[1], ""), CodeWrongState)
}

// A request that came by mail: the agency is its asker, and cannot read the openings.
func TestAnswerDocument(t *testing.T) {
	x := newWorld(t, service.Config{}).start()
	d := ask(t, strings.Replace(annasValue, "bank-a", "somebody else", 1))
	j := want[api.Job](x, 200, "agency", "POST", "/v1/proofs", object("request", d.text), "Prefer", "wait=60")
	if j.State != "done" {
		t.Fatalf("%+v", j)
	}
	sealed := text(t, x.call("agency", "GET", "/v1/proofs/"+j.Proof+"/openings", ""))
	d.unseal(t, []byte(sealed))
	wantProblem(t, x.call("other-agency", "POST", "/v1/proofs", object("request", ask(t, annasValue).text)), CodeForbidden)
	wantProblem(t, x.call("bank-a", "GET", "/v1/proofs/"+j.Proof, ""), CodeNotFound)
}

// A bank learns that a claim is not provable, or pledged already; the agency learns why.
func TestWhatABankLearns(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll}).start()
	asked := func(yaml string) (bank, agency api.Request) {
		t.Helper()
		r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, yaml).text, "Prefer", "wait=60")
		return r, want[api.Request](x, 200, "agency", "GET", "/v1/requests/"+r.Id, "")
	}
	const pledge = "registry: titles\nkey: PARCEL-K1\nonce: mortgage\naudience: bank-a\n"
	if bank, _ := asked(pledge); bank.State != "answered" {
		t.Fatalf("%+v", bank)
	}
	live := want[api.PledgePage](x, 200, "bank-b", "GET", "/v1/pledges?state=live", "")
	if len(live.Items) != 1 || live.Items[0].Scope != "mortgage" {
		t.Fatalf("%+v", live)
	}
	for _, c := range []struct {
		yaml, code, why string
		entry           bool
	}{
		{"registry: titles\nkey: PARCEL-K3\nwhere: [value >= 200]\naudience: bank-a\n", "not_provable", "PARCEL-K3", false},
		{"registry: titles\nkey: nothing\naudience: bank-a\n", "not_provable", "no record", false},
		{"registry: titles\nsubject: nobody\nwhere: [value >= 200]\naudience: bank-a\n", "not_provable", "no record", false},
		{"registry: titles\nas_of: 7\nkey: PARCEL-K3\naudience: bank-a\n", "not_provable", "no such epoch", false},
		{pledge, "already_pledged", "", true},
	} {
		bank, agency := asked(c.yaml)
		if bank.State != "refused" || bank.Refusal.Code != c.code || bank.Refusal.Detail != "" || bank.Refusal.Message != "" {
			t.Errorf("%s: %+v", c.yaml, bank)
		}
		if (bank.Refusal.Entry != nil) != c.entry || c.entry && *bank.Refusal.Entry != live.Items[0].Index {
			t.Errorf("%s: entry %v", c.yaml, bank.Refusal.Entry)
		}
		if !strings.Contains(agency.Refusal.Detail, c.why) || agency.Refusal.Detail == "" {
			t.Errorf("%s: the agency is told %q", c.yaml, agency.Refusal.Detail)
		}
		forBank := want[api.Job](x, 200, "bank-a", "GET", "/v1/jobs/"+bank.Job, "")
		forAgency := want[api.Job](x, 200, "agency", "GET", "/v1/jobs/"+bank.Job, "")
		if forBank.State != "failed" || forBank.Code != c.code || forBank.Detail != "" || !strings.Contains(forAgency.Detail, c.why) {
			t.Errorf("%s: %+v, %+v", c.yaml, forBank, forAgency)
		}
	}
}

// Documents that are refused, each before anything is kept.
func TestBadRequests(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll})
	good := ask(t, annasValue)
	without := func(change func(d *document)) string {
		d := ask(t, annasValue)
		change(&d)
		return string(must(d.request.JSON())(t))
	}
	for what, c := range map[string]struct {
		body string
		code Code
	}{
		"no nonce":          {without(func(d *document) { d.request.Nonce = nil }), CodeIncomplete},
		"no seed":           {without(func(d *document) { d.request.Seed = nil }), CodeIncomplete},
		"no recipient":      {without(func(d *document) { d.request.SealTo = "" }), CodeIncomplete},
		"another recipient": {without(func(d *document) { d.request.SealTo = "ssh-ed25519 AAAA" }), CodeIncomplete},
		"no release key":    {without(func(d *document) { d.request.Once = "mortgage" }), CodeIncomplete},
		"another audience":  {without(func(d *document) { d.request.Audience = "bank-b" }), CodeWrongAudience},
		"expired":           {without(func(d *document) { d.request.Expires = "2020-01-01T00:00:00Z" }), CodeRequestExpired},
		"unknown registry":  {without(func(d *document) { d.request.Registry = "ships" }), CodeMalformed},
		"unknown attribute": {without(func(d *document) { d.request.Where = []string{"height > 3"} }), CodeMalformed},
		"no condition":      {without(func(d *document) { d.request.Where = []string{"value >"} }), CodeMalformed},
		"unknown scope":     {without(func(d *document) { d.request.Once, d.request.ReleaseKey = "ship", &statement.ReleaseKey{} }), CodeMalformed},
		"an unknown member": {strings.Replace(good.text, `"audience"`, `"audiences"`, 1), CodeMalformed},
		"a member twice":    {strings.Replace(good.text, `"audience"`, `"nonce": "", "audience"`, 1), CodeMalformed},
		"not an object":     {`"x"`, CodeMalformed},
		"nothing":           {"", CodeUnsupportedMedia},
		"bytes after it":    {good.text + "{}", CodeMalformed},
	} {
		p := wantProblem(t, x.call("bank-a", "POST", "/v1/requests", c.body), c.code)
		if strings.Contains(p.Detail, "canary") {
			t.Errorf("%s: the problem tells a value: %s", what, p.Detail)
		}
	}
	wantProblem(t, x.call("bank-a", "POST", "/v1/requests?fact=lien", good.text), CodeMalformed)
	wantProblem(t, x.call("bank-a", "POST", "/v1/requests?facts=fact", good.text), CodeMalformed)
	if page := want[api.RequestPage](x, 200, "bank-a", "GET", "/v1/requests", ""); len(page.Items) != 0 {
		t.Errorf("%d requests are kept", len(page.Items))
	}
	want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", good.text)
	p := wantProblem(t, x.call("bank-a", "POST", "/v1/requests", good.text), CodeExists)
	if !strings.Contains(p.Detail, "/v1/requests/") {
		t.Error(p.Detail)
	}
	if r := x.call("bank-b", "POST", "/v1/requests", strings.Replace(good.text, "bank-a", "bank-b", 1)); r.StatusCode != http.StatusCreated {
		t.Errorf("another bank's nonce counts: %s", text(t, r))
	}
}
