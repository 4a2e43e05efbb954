package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

const annasGrant = `{"audience": "bank-a", "purposes": ["purpose-canary"], "valid_until": "2099-01-01T00:00:00Z",
	"registries": {"titles": {"attributes": ["value"], "reveal": ["garage"]}}}`

// grant issues a grant as the agency.
func (x *world) grant(document string) api.Grant {
	x.t.Helper()
	return want[api.Grant](x, 201, "agency", "POST", "/v1/grants", document)
}

// under completes bank-a's request under a grant.
func under(t testing.TB, index uint64, yaml string) document {
	t.Helper()
	return ask(t, fmt.Sprintf("audience: bank-a\ngrant: %d\n%s", index, yaml))
}

const granted = "registry: titles\nsubject: anna-canary\nwhere: [value >= 200]\nreveal: [garage]\npurpose: purpose-canary\n"

// What a grant covers is answered at once, and the bundle shows it to who wants that.
func TestAskUnderGrant(t *testing.T) {
	x := newWorld(t, service.Config{}).start()
	g := x.grant(annasGrant)
	d := under(t, g.Index, granted)
	r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", d.text, "Prefer", "wait=60")
	if r.State != "answered" || *r.Grant != g.Index || *r.Facts[0].Grant != g.Index {
		t.Fatalf("%+v", r)
	}
	document := text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/bundle", ""))
	bundle := must(verifier.ParseBundle([]byte(document)))(t)
	openings := d.unseal(t, []byte(text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/openings", ""))))
	trust := must(x.w.Trust())(t)
	trust.RequireGrants = true
	verdict := must(verifier.Verify(bundle, verifier.Options{Trust: trust, Request: d.request, Openings: openings}))(t)
	if i := slices.IndexFunc(verdict.Checks, func(c verifier.Check) bool { return c.Check == "grant" }); !verdict.OK || i < 0 || verdict.Checks[i].Outcome != verifier.Pass {
		t.Errorf("%+v", verdict)
	}
	// The one without a grant is good for who does not ask for one alone.
	bare := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
	if bare.State != "asked" {
		t.Fatalf("%+v", bare)
	}
	j := want[api.Job](x, 200, "agency", "POST", "/v1/proofs", object("request", `"`+bare.Id+`"`), "Prefer", "wait=60")
	bundle = must(verifier.ParseBundle([]byte(text(t, x.call("bank-a", "GET", "/v1/proofs/"+j.Proof+"/bundle", "")))))(t)
	for _, required := range []bool{false, true} {
		trust.RequireGrants = required
		if verdict := must(verifier.Verify(bundle, verifier.Options{Trust: trust}))(t); verdict.OK == required {
			t.Errorf("grants required %v: %+v", required, verdict)
		}
	}
}

// What a grant covers is answered at once, whether it is true or not; whatever it does not waits for the agency, and is refused if the agency has
// it answered; the refusal says no more than that, whatever the registry has.
func TestAskOutsideGrant(t *testing.T) {
	x := newWorld(t, service.Config{}).start()
	live := x.grant(annasGrant).Index
	expired := x.grant(strings.Replace(annasGrant, "2099", "2020", 1)).Index
	early := x.grant(strings.Replace(annasGrant, `"valid_until"`, `"valid_from": "2098-01-01T00:00:00Z", "valid_until"`, 1)).Index
	foreign := x.grant(strings.Replace(annasGrant, "bank-a", "bank-b", 1)).Index
	revoked := x.grant(annasGrant).Index
	want[api.Grant](x, 200, "agency", "POST", fmt.Sprintf("/v1/grants/%d/revocation", revoked), "")
	narrow := x.grant(strings.Replace(annasGrant, `, "reveal": ["garage"]`, "", 1)).Index
	for what, c := range map[string]struct {
		grant uint64
		yaml  string
	}{
		"another attribute":  {narrow, "registry: titles\nsubject: anna-canary\nwhere: ['garage == \"none\"']\npurpose: purpose-canary\n"},
		"an attribute more":  {live, strings.Replace(granted, "reveal: [garage]", "reveal: [garage, value]", 1)},
		"another purpose":    {live, strings.Replace(granted, "purpose-canary", "marketing", 1)},
		"no purpose":         {live, strings.Replace(granted, "purpose: purpose-canary\n", "", 1)},
		"a pledge":           {live, granted + "once: mortgage\n"},
		"any record":         {live, strings.Replace(granted, "subject: anna-canary\n", "", 1)},
		"absence":            {live, "registry: titles\nkey: PARCEL-K7\nabsent: true\npurpose: purpose-canary\n"},
		"expired":            {expired, granted},
		"early":              {early, granted},
		"another bank's":     {foreign, granted},
		"revoked":            {revoked, granted},
		"no grant's entry":   {1, granted},
		"no entry":           {1000, granted},
		"a fact that is not": {live, "facts: {one: {registry: titles, subject: anna-canary, where: [value >= 200]}, two: {registry: titles, subject: bert-canary, reveal: [value]}}\npurpose: purpose-canary\n"},
	} {
		t.Run(what, func(t *testing.T) {
			r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", under(t, c.grant, c.yaml).text)
			if r.State != "asked" || r.Job != "" {
				t.Fatalf("%+v", r)
			}
			want[api.Job](x, 200, "agency", "POST", "/v1/proofs", object("request", `"`+r.Id+`"`), "Prefer", "wait=60")
			bank := want[api.Request](x, 200, "bank-a", "GET", "/v1/requests/"+r.Id, "")
			agency := want[api.Request](x, 200, "agency", "GET", "/v1/requests/"+r.Id, "")
			if bank.State != "refused" || bank.Refusal.Code != "not_granted" || bank.Refusal.Detail != "" || bank.Refusal.Message != "" || agency.Refusal.Detail == "" {
				t.Errorf("%+v %+v", bank.Refusal, agency.Refusal)
			}
		})
	}
	for what, yaml := range map[string]string{
		"false":                               strings.Replace(granted, "anna", "bert", 1),
		"a condition on what may be revealed": strings.Replace(granted, "value >= 200", `garage == "ruin"`, 1),
	} {
		r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", under(t, live, yaml).text, "Prefer", "wait=60")
		if r.State != "refused" || r.Refusal.Code != "not_provable" {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

// A grant that ends while a request waits for its turn ends it, too.
func TestRevokedWhileWaiting(t *testing.T) {
	x := newWorld(t, service.Config{})
	g := x.grant(annasGrant)
	r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", under(t, g.Index, granted).text)
	if r.State != "answering" {
		t.Fatalf("%+v", r)
	}
	size := x.w.Ledger.Size()
	want[api.Grant](x, 200, "agency", "POST", fmt.Sprintf("/v1/grants/%d/revocation", g.Index), "")
	x.start()
	r = want[api.Request](x, 200, "bank-a", "GET", "/v1/requests/"+r.Id, "", "Prefer", "wait=60")
	if r.State != "refused" || r.Refusal.Code != "not_granted" || x.w.Ledger.Size() != size+1 {
		t.Errorf("%+v, %d entries", r, x.w.Ledger.Size()-size)
	}
}

// So does one whose time is over by then.
func TestExpiredWhileWaiting(t *testing.T) {
	x := newWorld(t, service.Config{})
	until := time.Now().UTC().Add(2 * time.Second).Truncate(time.Second)
	g := x.grant(strings.Replace(annasGrant, "2099-01-01T00:00:00Z", until.Format(time.RFC3339), 1))
	r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", under(t, g.Index, granted).text)
	if r.State != "answering" {
		t.Fatalf("%+v", r)
	}
	size := x.w.Ledger.Size()
	time.Sleep(time.Until(until.Add(time.Second)))
	x.start()
	r = want[api.Request](x, 200, "bank-a", "GET", "/v1/requests/"+r.Id, "", "Prefer", "wait=60")
	if r.State != "refused" || r.Refusal.Code != "not_granted" || x.w.Ledger.Size() != size {
		t.Errorf("%+v, %d entries", r, x.w.Ledger.Size()-size)
	}
}

// Who sees which grants, and what of them.
func TestGrantsSeen(t *testing.T) {
	x := newWorld(t, service.Config{})
	d := x.server.config.Directory
	must(d.CreateOrganisation(access.Organisation{ID: "titles-agency", Role: access.RoleAgency, Registries: []string{"titles"}}))(t)
	_, token, err := d.CreateKey(access.NewKey{Organisation: "titles-agency"})
	if err != nil {
		t.Fatal(err)
	}
	x.tokens["titles-agency"] = token
	a := x.grant(annasGrant)
	b := want[api.Grant](x, 201, "titles-agency", "POST", "/v1/grants", strings.ReplaceAll(annasGrant, "bank-a", "bank-b"))
	ended := x.grant(annasGrant)
	for range 2 { // once more is no error
		ended = want[api.Grant](x, 200, "titles-agency", "POST", fmt.Sprintf("/v1/grants/%d/revocation", ended.Index), "")
	}
	if ended.State != "revoked" || *ended.RevokedBy != ended.Index+1 || a.State != "live" || a.ValidUntil.Year() != 2099 || a.Registries[0] != "titles" {
		t.Errorf("%+v %+v", ended, a)
	}
	for who, c := range map[string]struct {
		seen     []uint64
		document bool
	}{
		"agency":        {[]uint64{a.Index, b.Index, ended.Index}, true},
		"titles-agency": {[]uint64{a.Index, b.Index, ended.Index}, true},
		"other-agency":  {nil, true},
		"bank-a":        {[]uint64{a.Index, ended.Index}, true},
		"bank-b":        {[]uint64{b.Index}, true},
		"auditor":       {[]uint64{a.Index, b.Index, ended.Index}, false},
		"operator":      {[]uint64{a.Index, b.Index, ended.Index}, false},
	} {
		all, _ := x.pages(who, "/v1/grants", 500)
		if one, _ := x.pages(who, "/v1/grants", 1); !slices.Equal(one, all) {
			t.Errorf("%s: another list by pages of one", who)
		}
		var seen []uint64
		for _, item := range all {
			var g api.Grant
			if err := json.Unmarshal([]byte(item), &g); err != nil {
				t.Fatal(err)
			}
			seen = append(seen, g.Index)
			if (g.Document != nil) != c.document || strings.Contains(item, "canary") != c.document || strings.Contains(item, "2099") != c.document {
				t.Errorf("%s sees %s", who, item)
			}
			if !c.document && g.State != "revoked" && g.State != "unknown" {
				t.Errorf("%s learns from the state %q what the document says", who, g.State)
			}
		}
		if !slices.Equal(seen, c.seen) {
			t.Errorf("%s sees %v, want %v", who, seen, c.seen)
		}
		for _, g := range []api.Grant{a, b, ended} {
			r := x.call(who, "GET", fmt.Sprintf("/v1/grants/%d", g.Index), "")
			if slices.Contains(c.seen, g.Index) {
				conform(t, "/v1/grants/{index}", "GET", r)
			} else if p, q := wantProblem(t, r, CodeNotFound), wantProblem(t, x.call(who, "GET", "/v1/grants/1", ""), CodeNotFound); p.Detail != q.Detail {
				t.Errorf("%s: %q tells it from what is not there, %q", who, p.Detail, q.Detail)
			}
		}
	}
	if live, _ := x.pages("agency", "/v1/grants?state=live", 1); len(live) != 2 {
		t.Errorf("%d live grants", len(live))
	}
	wantProblem(t, x.call("other-agency", "POST", fmt.Sprintf("/v1/grants/%d/revocation", a.Index), ""), CodeNotFound)
	wantProblem(t, x.call("agency", "POST", "/v1/grants/1/revocation", ""), CodeNotFound)
	audit := text(t, x.call("auditor", "GET", "/v1/audit", ""))
	if strings.Count(audit, `"grant.issued"`) != 3 || strings.Count(audit, `"grant.revoked"`) != 1 || strings.Contains(audit, "canary") {
		t.Error(audit)
	}
	if log := x.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, "grant.issued") {
		t.Error("the log tells what was granted, or not that it was")
	}
}

func TestBadGrants(t *testing.T) {
	x := newWorld(t, service.Config{})
	size := x.w.Ledger.Size()
	change := func(old, with string) string { return strings.Replace(annasGrant, old, with, 1) }
	blind := must(statement.NewGrantBlind().MarshalText())(t)
	for what, c := range map[string]struct {
		who, body string
		code      Code
	}{
		"a bank's":             {"bank-a", annasGrant, CodeForbidden},
		"a foreign registry's": {"other-agency", annasGrant, CodeForbidden},
		"an unknown registry":  {"agency", change(`"titles"`, `"ships"`), CodeBadGrant},
		"an unknown attribute": {"agency", change(`"value"`, `"height"`), CodeBadGrant},
		"no audience":          {"agency", change(`"bank-a"`, `""`), CodeBadGrant},
		"no purpose":           {"agency", change(`"purpose-canary"`, ``), CodeBadGrant},
		"nothing granted":      {"agency", change(`{"attributes": ["value"], "reveal": ["garage"]}`, `{}`), CodeBadGrant},
		"a bad time":           {"agency", change(`2099-01-01T00:00:00Z`, `tomorrow`), CodeBadGrant},
		"an unknown member":    {"agency", change(`"audience"`, `"for": "x", "audience"`), CodeBadGrant},
		"a member twice":       {"agency", change(`"audience"`, `"audience": "x", "audience"`), CodeMalformed},
		"a blind":              {"agency", change(`"audience"`, `"blind": "`+string(blind)+`", "audience"`), CodeBadGrant},
		"not an object":        {"agency", `[]`, CodeMalformed},
	} {
		t.Run(what, func(t *testing.T) { wantProblem(t, x.call(c.who, "POST", "/v1/grants", c.body), c.code) })
	}
	if x.w.Ledger.Size() != size {
		t.Error("what is refused is in the ledger")
	}
	yaml := "audience: bank-a\npurposes: [p]\nvalid_until: 2099-01-01T00:00:00Z\nregistries: {titles: {exists: true}}\n"
	if r := x.call("agency", "POST", "/v1/grants", yaml, "Content-Type", "application/yaml"); r.StatusCode != http.StatusCreated {
		t.Errorf("YAML: %s", text(t, r))
	}
}

// An idempotency key gives one grant, also where a crash kept it from being said.
func TestGrantOnce(t *testing.T) {
	x := newWorld(t, service.Config{})
	issue := func(document string) *http.Response {
		return x.call("agency", "POST", "/v1/grants", document, "Idempotency-Key", "one")
	}
	first := issue(annasGrant)
	location, body := first.Header.Get("Location"), text(t, first)
	if again := issue(annasGrant); again.Header.Get("Location") != location || text(t, again) != body {
		t.Error("another answer under the same key")
	}
	wantProblem(t, issue(strings.Replace(annasGrant, "2099", "2098", 1)), CodeIdempotencyMismatch)
	size := x.w.Ledger.Size()
	// The grant is there and its answer is not, as after a crash between the two.
	x.config.Now = func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }
	x.restart()
	if err := x.service.Sweep(); err != nil {
		t.Fatal(err)
	}
	if again := issue(annasGrant); again.Header.Get("Location") != location || text(t, again) != body {
		t.Error("a grant that is issued again by its key is another one")
	}
	if x.w.Ledger.Size() != size {
		t.Error("a second entry")
	}
	if other := x.call("agency", "POST", "/v1/grants", annasGrant, "Idempotency-Key", "two").Header.Get("Location"); other == location {
		t.Error("another key gives the same grant")
	}
}
