package workspace

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

var liens = &statement.Schema{
	Registry: "liens", Key: "parcel",
	Attributes: []statement.Attribute{{Name: "total", Type: statement.Int}},
}

var pledgeable = &statement.Schema{
	Registry: "titles", Key: "parcel", Subject: "owner", Attributes: schema.Attributes,
	Scopes: []statement.Scope{{Name: "mortgage", Consent: statement.ConsentIssuer}, {Name: "insurance", Consent: statement.ConsentIssuer}},
}

// register creates a registry, imports a file and commits it.
func register(t *testing.T, w *Workspace, s *statement.Schema, csv string) {
	t.Helper()
	if err := w.CreateRegistry(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	store, err := w.Registry(s.Registry)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Import(t.Context(), strings.NewReader(csv), registry.CSV, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), s.Registry, nil); err != nil {
		t.Fatal(err)
	}
}

// county has titles P1 to P3, and a lien on P1.
func county(t *testing.T) *Workspace {
	w := open(t)
	register(t, w, pledgeable, rows)
	register(t, w, liens, "parcel,total\nP1,80\n")
	return w
}

func pledgeRequest(t *testing.T, text string) *statement.Request {
	t.Helper()
	r := request(t, text)
	for _, name := range r.PledgeFacts() {
		r.SetPledgeKey(name, statement.NewReleaseSecret().Public())
	}
	return r
}

func TestAbsence(t *testing.T) {
	w := county(t)
	r := request(t, "registry: liens\nkey: P2\nabsent: true\naudience: bank-a\n")
	a, err := w.Agency().Answer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if v := verify(t, w, r, a); !v.OK {
		t.Errorf("the verdict: %+v", v.Failures())
	}
	other := *r
	other.Key = &statement.Ref{Value: "P1"} // there is a lien on it
	trust, err := w.Trust()
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.Verify(a.Bundle, verifier.Options{Trust: trust, Request: &other, Openings: a.Openings})
	if err != nil || v.OK {
		t.Errorf("a proof that P2 has no lien passes for P1: %v", err)
	}
	_, err = w.Agency().Answer(t.Context(), request(t, "registry: liens\nkey: P1\nabsent: true\n"))
	if !errors.Is(err, prover.ErrFalse) {
		t.Errorf("a record that is there: %v", err)
	}
}

func TestJoin(t *testing.T) {
	w := county(t)
	const noLien = `
facts:
  title:   {registry: titles, subject: %s, where: [value >= 100]}
  no_lien: {registry: liens, key: {from: title.key}, absent: true}
audience: bank-a
`
	// anna has P1 with a lien and P2 without: only P2 answers
	for range 2 {
		r := request(t, strings.Replace(noLien, "%s", "anna", 1))
		a, err := w.Agency().Answer(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if v := verify(t, w, r, a); !v.OK {
			t.Errorf("the verdict: %+v", v.Failures())
		}
		// The asker named the owner and not the parcel: the tie does not open to it.
		for _, f := range a.Openings.Facts {
			for _, o := range f {
				if o.Of == statement.OutputKey {
					t.Error("the openings show a key that nobody named")
				}
			}
		}
		title := a.Bundle.Facts[1]
		guess, err := pledgeable.HashKey("P2")
		if err != nil {
			t.Fatal(err)
		}
		sealed := statement.Element(statement.Commit(guess, r.Seed.OutputRandomness(r.OutputClass("title", "key")).Fr()))
		for _, output := range title.Proofs[0].Outputs {
			if output == sealed {
				t.Error("the asker's seed opens the tie to a guess of the parcel")
			}
		}
		broken := *a.Bundle
		broken.Facts = []verifier.Fact{broken.Facts[0], another(t, w, r).Bundle.Facts[1]}
		if v := verify(t, w, r, &prover.Answer{Bundle: &broken, Openings: a.Openings}); v.OK {
			t.Error("facts of two answers are taken for one")
		}
	}
	_, err := w.Agency().Answer(t.Context(), request(t, "facts:\n  title: {registry: titles, key: P1}\n  no_lien: {registry: liens, key: {from: title.key}, absent: true}\n"))
	if !errors.Is(err, prover.ErrFalse) {
		t.Errorf("a parcel with a lien: %v", err)
	}
	r := request(t, "facts:\n  title: {registry: titles, subject: anna}\n  lien: {registry: liens, key: {from: title.key}, where: [total <= 80]}\n")
	a, err := w.Agency().Answer(t.Context(), r)
	if err != nil || !verify(t, w, r, a).OK {
		t.Errorf("a lien of at most 80: %v", err)
	}
}

func another(t *testing.T, w *Workspace, r *statement.Request) *prover.Answer {
	t.Helper()
	a, err := w.Agency().Answer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPledge(t *testing.T) {
	w := county(t)
	const text = "registry: titles\nkey: P3\nonce: mortgage\naudience: bank-a\n"
	r := pledgeRequest(t, text)
	first, err := w.Agency().Answer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if v := verify(t, w, r, first); !v.OK {
		t.Errorf("the verdict: %+v", v.Failures())
	}
	size := w.Ledger.Size()
	_, err = w.Agency().Answer(t.Context(), pledgeRequest(t, text))
	if !errors.Is(err, prover.ErrPledged) || !strings.Contains(err.Error(), "since entry") || strings.Contains(err.Error(), "bank") {
		t.Errorf("a second pledge: %v", err)
	}
	if w.Ledger.Size() != size {
		t.Error("a refused pledge left an entry")
	}
	if _, err := w.Agency().Answer(t.Context(), pledgeRequest(t, strings.Replace(text, "mortgage", "insurance", 1))); err != nil {
		t.Errorf("another scope: %v", err)
	}
	if _, err := w.Agency().Answer(t.Context(), request(t, text)); !errors.Is(err, statement.ErrBadRequest) {
		t.Errorf("a pledge without a release key: %v", err)
	}
	// the record changes: its nullifier stays
	load(t, w, strings.Replace(rows, "P3,bert,500", "P3,bert,600", 1))
	if _, err := w.Commit(t.Context(), "titles", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Agency().Answer(t.Context(), pledgeRequest(t, text)); !errors.Is(err, prover.ErrPledged) {
		t.Errorf("a second pledge of the changed record: %v", err)
	}
	if _, err := w.Agency().Answer(t.Context(), pledgeRequest(t, text+"as_of: 1\n")); !errors.Is(err, prover.ErrPledged) {
		t.Errorf("a pledge of the record's past: %v", err)
	}
	if _, err := w.Agency().Answer(t.Context(), pledgeRequest(t, strings.Replace(text, "P3", "P2", 1)+"as_of: 1\n")); !errors.Is(err, ledger.ErrStaleEpoch) {
		t.Errorf("a pledge of an epoch that is not the latest: %v", err)
	}
}

// A pledge of any record takes one that is free, until none is.
func TestPledgeAny(t *testing.T) {
	w := county(t)
	for range 3 {
		r := pledgeRequest(t, "registry: titles\nonce: mortgage\n")
		if a, err := w.Agency().Answer(t.Context(), r); err != nil || !verify(t, w, r, a).OK {
			t.Fatalf("a free record: %v", err)
		}
	}
	if _, err := w.Agency().Answer(t.Context(), pledgeRequest(t, "registry: titles\nonce: mortgage\n")); !errors.Is(err, prover.ErrFalse) || !errors.Is(err, prover.ErrPledged) {
		t.Errorf("no free record: %v", err)
	}
}

// pledges is how many concurrent pledges TestConcurrentPledges makes; the full
// count is go test ./workspace -run ConcurrentPledges -args -pledges 64.
var pledges = flag.Int("pledges", 4, "concurrent pledges of one record")

// Of concurrent pledges of the same record exactly one wins, and the ledger's check
// and an auditor's replay agree that it is the only one.
func TestConcurrentPledges(t *testing.T) {
	w := county(t)
	var wait sync.WaitGroup
	outcomes := make([]error, *pledges)
	for i := range outcomes {
		r := pledgeRequest(t, "registry: titles\nkey: P3\nonce: mortgage\n")
		wait.Go(func() { _, outcomes[i] = w.Agency().Answer(t.Context(), r) })
	}
	wait.Wait()
	won := 0
	for _, err := range outcomes {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, prover.ErrPledged) && !errors.Is(err, ledger.ErrPledged):
			t.Errorf("a loser's error: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d pledges won", won, len(outcomes))
	}
	if err := w.Ledger.Check(t.Context()); err != nil {
		t.Error(err)
	}
	export := filepath.Join(t.TempDir(), "export")
	if err := w.Ledger.Export(export, nil); err != nil {
		t.Fatal(err)
	}
	trust, err := w.Trust()
	if err != nil {
		t.Fatal(err)
	}
	report, err := verifier.Audit(t.Context(), export, trust, nil)
	if err != nil || !report.OK || report.Proofs != 1 {
		t.Errorf("the audit: %+v, %v", report, err)
	}
}

// Two agencies with logs of their own answer one request, each its facts and under its own
// grant, with equal commitments to the subject that the asker named. What the asker did not name
// cannot be tied across agencies.
func TestTwoAgencies(t *testing.T) {
	land := county(t)
	dir := filepath.Join(t.TempDir(), "licensing") // with a log and keys of its own
	if err := Init(t.Context(), dir, InitOptions{Origin: "licences.example/log"}); err != nil {
		t.Fatal(err)
	}
	licensing := reopen(t, dir)
	register(t, licensing, &statement.Schema{
		Registry: "licences", Key: "number", Subject: "person",
		Attributes: []statement.Attribute{{Name: "valid_until", Type: statement.Date}},
	}, "number,person,valid_until\nL1,anna,2030-01-01\nL2,bert,2020-01-01\n")
	const granted = "audience: bank-a\npurposes: [underwriting]\nvalid_until: 2099-01-01T00:00:00Z\nregistries: "
	_, titleGrant := issue(t, land, granted+"{titles: {attributes: [value]}}\n")
	_, licenceGrant := issue(t, licensing, granted+"{licences: {attributes: [valid_until]}}\n")
	r := request(t, `
facts:
  title:   {registry: titles, subject: anna, where: [value >= 100]}
  licence: {registry: licences, subject: {from: title.subject}, where: ['valid_until >= date("2026-12-01")']}
audience: bank-a
purpose: underwriting
`)
	r.Grants = map[string]canon.Uint64{"title": canon.Uint64(titleGrant), "licence": canon.Uint64(licenceGrant)}
	title, err := land.Agency().Answer(t.Context(), r, "title")
	if err != nil {
		t.Fatal(err)
	}
	licence, err := licensing.Agency().Answer(t.Context(), r, "licence")
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := verifier.JoinBundles(title.Bundle, licence.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	openings, err := verifier.JoinOpenings(title.Openings, licence.Openings)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := land.Trust()
	if err != nil {
		t.Fatal(err)
	}
	second, err := licensing.Trust()
	if err != nil {
		t.Fatal(err)
	}
	second.RequireGrants = true
	if trust, err = verifier.JoinTrust(trust, second); err != nil {
		t.Fatal(err)
	}
	if v, err := verifier.Verify(bundle, verifier.Options{Trust: trust, Request: r, Openings: openings}); err != nil || !v.OK {
		t.Fatalf("both facts: %v, %+v", err, v.Failures())
	}
	if v := verify(t, land, r, title); v.OK {
		t.Error("one fact passes for both")
	}
	unnamed := request(t, "facts:\n  title: {registry: titles}\n  licence: {registry: licences, subject: {from: title.subject}}\n")
	if _, err := licensing.Agency().Answer(t.Context(), unnamed, "licence"); !errors.Is(err, prover.ErrNotProvable) {
		t.Errorf("a tie to a value that nobody named: %v", err)
	}
	if _, err := land.Agency().Answer(t.Context(), r, "lien"); !errors.Is(err, statement.ErrBadRequest) {
		t.Errorf("a fact that the request does not have: %v", err)
	}
}

// Facts that take values from each other are refused, not dropped.
func TestFactsFromEachOther(t *testing.T) {
	w := county(t)
	r := request(t, "facts:\n  a: {registry: titles, key: {from: b.key}}\n  b: {registry: titles, subject: {from: a.subject}}\n")
	if _, err := w.Agency().Answer(t.Context(), r); !errors.Is(err, prover.ErrNotProvable) {
		t.Errorf("facts that take values from each other: %v", err)
	}
}

// Two facts of one request pledge two records, whichever the draw.
func TestTwoPledgesOfOneRequest(t *testing.T) {
	w := county(t)
	both := "facts:\n  a: {registry: titles, subject: anna, once: mortgage}\n  b: {registry: titles, subject: anna, once: mortgage}\n"
	r := pledgeRequest(t, both)
	if a, err := w.Agency().Answer(t.Context(), r); err != nil || !verify(t, w, r, a).OK {
		t.Errorf("anna's two parcels: %v", err)
	}
	if _, err := w.Agency().Answer(t.Context(), pledgeRequest(t, strings.ReplaceAll(both, "anna", "bert"))); !errors.Is(err, prover.ErrPledged) {
		t.Errorf("bert's one parcel, twice: %v", err)
	}
}

// A record that only its holder can prove about is passed over where another will do.
func TestHoldersArePassedOver(t *testing.T) {
	w := county(t)
	register(t, w, &statement.Schema{
		Registry: "licences", Key: "number", Subject: "person", Holder: "tag",
		Attributes: []statement.Attribute{{Name: "year", Type: statement.Int}},
	}, "number,person,year,tag\nL1,anna,2030,"+statement.Element(statement.HolderTag(statement.RandomElement().Fr())).String()+"\nL2,bert,2030,\n")
	for range 3 {
		r := request(t, "facts:\n  a: {registry: titles}\n  b: {registry: licences, subject: {from: a.subject}}\n")
		if _, err := w.Agency().Answer(t.Context(), r); err != nil {
			t.Errorf("bert's licence will do: %v", err)
		}
	}
	if _, err := w.Agency().Answer(t.Context(), request(t, "registry: licences\nkey: L1\n")); !errors.Is(err, prover.ErrNotProvable) {
		t.Errorf("a holder's record by its key: %v", err)
	}
}

// A trust file in which one agency could answer for another's registry is not made.
func TestJoinTrustRefusesASharedName(t *testing.T) {
	w := county(t)
	trust, err := w.Trust()
	if err != nil {
		t.Fatal(err)
	}
	skey, vkey, err := ledger.NewLogKey("other.example/log")
	if err != nil || skey == "" {
		t.Fatal(err)
	}
	other := *trust
	other.Logs = []verifier.TrustedLog{{Key: vkey}}
	other.Registries = []verifier.TrustedRegistry{{Registry: "titles", Issuer: trust.Registries[0].Issuer, Log: "other.example/log"}}
	if _, err := verifier.JoinTrust(trust, &other); !errors.Is(err, verifier.ErrBadTrust) {
		t.Errorf("titles in two logs: %v", err)
	}
	if _, err := verifier.JoinTrust(trust, trust); err != nil {
		t.Errorf("the same file twice: %v", err)
	}
}

// A request whose facts do not narrow each other down is given up, not searched for ever.
func TestSearchIsBounded(t *testing.T) {
	w := open(t)
	var many strings.Builder
	many.WriteString("parcel,owner,value,price,garage\n")
	for i := range 300 {
		fmt.Fprintf(&many, "P%d,anna,100,90,none\n", i)
	}
	register(t, w, pledgeable, many.String())
	register(t, w, liens, "parcel,total\nP1,80\n")
	_, err := w.Agency().Answer(t.Context(), request(t, "facts:\n  a: {registry: titles}\n  b: {registry: liens, where: [total >= 81]}\n"))
	if !errors.Is(err, prover.ErrNotProvable) || !strings.Contains(err.Error(), "100 tries") {
		t.Errorf("an impossible second fact: %v", err)
	}
}
