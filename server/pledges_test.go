package server

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

const pledgeYAML = "registry: titles\nkey: PARCEL-K1\nonce: mortgage\naudience: bank-a\n"

// proved gives the entry of a pledge that is proved and not logged.
func (x *world) proved(d document) string {
	x.t.Helper()
	p := must(x.w.Agency().Prepare(x.t.Context(), d.request))(x.t)
	var prepared struct {
		Facts []struct {
			Proofs []struct{ Entry json.RawMessage }
		}
	}
	if err := json.Unmarshal(must(p.Marshal())(x.t), &prepared); err != nil {
		x.t.Fatal(err)
	}
	return string(prepared.Facts[0].Proofs[0].Entry)
}

// release signs the release of a pledge with the key that ask gave it.
func (x *world) release(d document, pledge api.Pledge) string {
	x.t.Helper()
	entry := must(x.w.Ledger.Entry(pledge.Index))(x.t)
	e := &ledger.ReleaseEntry{
		Origin: "example.org/test", Registry: "titles", Pledge: canon.Uint64(pledge.Index), Leaf: statement.Digest(ledger.LeafHash(entry)),
	}
	if err := e.Nullifier.UnmarshalText([]byte(pledge.Nullifier)); err != nil {
		x.t.Fatal(err)
	}
	if err := e.Sign(statement.DeriveReleaseSecret(statement.ReleaseSecret{7}, *d.request.Nonce, statement.FlatFact).Private()); err != nil {
		x.t.Fatal(err)
	}
	return string(ledgertest.Marshal(x.t, e))
}

// A pledge that was proved elsewhere is appended and gets its receipt, also twice; it is
// released by its key and may be made again.
func TestPledges(t *testing.T) {
	x := newWorld(t, service.Config{})
	d := ask(t, pledgeYAML)
	entry := x.proved(d)
	wantProblem(t, x.call("bank-a", "POST", "/v1/pledges?consent=true", entry), CodeForbidden)
	submitted := want[api.SubmittedPledge](x, 201, "bank-a", "POST", "/v1/pledges", entry)
	p := submitted.Pledge
	if p.State != "live" || p.Scope != "mortgage" || p.Registry != "titles" {
		t.Errorf("%+v", p)
	}
	if _, err := verifier.ParseReceipt(submitted.Receipt); err != nil {
		t.Error(err)
	}
	if again := want[api.SubmittedPledge](x, 201, "agency", "POST", "/v1/pledges", entry); again.Pledge != p {
		t.Errorf("%+v", again.Pledge)
	}
	second := x.proved(ask(t, "registry: titles\nkey: PARCEL-K2\nonce: mortgage\naudience: bank-a\n"))
	path := fmt.Sprintf("/v1/pledges/%d/release", p.Index)
	released := x.release(d, p)
	for what, c := range map[string]struct {
		path, body string
		code       Code
	}{
		"no pledge":        {"/v1/pledges/0/release", released, CodeRefusedByLedger},
		"another pledge":   {fmt.Sprintf("/v1/pledges/%d/release", p.Index+1), released, CodeRefusedByLedger},
		"another key":      {path, x.release(ask(t, pledgeYAML), p), CodeRefusedByLedger},
		"a pledge":         {path, entry, CodeMalformed},
		"a release":        {"/v1/pledges", released, CodeMalformed},
		"not an entry":     {path, `{"type":"attestry/release/v9"}`, CodeMalformed},
		"not canonical":    {path, " " + released[:1] + " " + released[1:], CodeMalformed},
		"an altered proof": {"/v1/pledges", string(replaceByte(second)), CodeRefusedByLedger},
	} {
		t.Run(what, func(t *testing.T) { wantProblem(t, x.call("bank-a", "POST", c.path, c.body), c.code) })
	}
	for range 2 { // once more is no error
		if p := want[api.Pledge](x, 200, "bank-a", "POST", path, released); p.State != "released" || p.ReleasedBy == nil {
			t.Errorf("%+v", p)
		}
	}
	if p := want[api.Pledge](x, 200, "auditor", "GET", fmt.Sprintf("/v1/pledges/%d", p.Index), ""); p.State != "released" {
		t.Errorf("%+v", p)
	}
	wantProblem(t, x.call("auditor", "GET", "/v1/pledges/1", ""), CodeNotFound)
	wantProblem(t, x.call("auditor", "GET", "/v1/pledges/99", ""), CodeNotFound)
	want[api.SubmittedPledge](x, 201, "bank-a", "POST", "/v1/pledges", x.proved(ask(t, pledgeYAML)))
	wantProblem(t, x.call("bank-a", "POST", "/v1/pledges", entry[:len(entry)-1]), CodeMalformed)
}

// replaceByte spoils an entry's proof.
func replaceByte(entry string) []byte {
	out := []byte(entry)
	for i := range out {
		if string(out[i:min(i+9, len(out))]) == `"proof":"` {
			out[i+9] ^= 1
			break
		}
	}
	return out
}

// Two banks ask for a pledge of the same record: one gets it.
func TestSecondPledge(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll})
	var ids [2]api.Request
	for i, who := range []string{"bank-a", "bank-b"} {
		d := ask(t, "registry: titles\nkey: PARCEL-K1\nonce: mortgage\naudience: "+who+"\n")
		ids[i] = want[api.Request](x, 201, who, "POST", "/v1/requests", d.text)
	}
	x.start()
	states := map[api.RequestState]int{}
	for i, who := range []string{"bank-a", "bank-b"} {
		r := want[api.Request](x, 200, who, "GET", "/v1/requests/"+ids[i].Id, "", "Prefer", "wait=60")
		states[r.State]++
		if r.State == "refused" && r.Refusal.Code != "already_pledged" {
			t.Errorf("%+v", r)
		}
	}
	if states["answered"] != 1 || states["refused"] != 1 {
		t.Errorf("%v", states)
	}
}
