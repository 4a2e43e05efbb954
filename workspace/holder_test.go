package workspace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// home is an agency whose record P1 has a holder.
type home struct {
	*Workspace
	t       *testing.T
	secret  statement.Element
	circuit *prover.Circuit
}

var held = &statement.Schema{
	Registry: "titles", Key: "parcel", Subject: "owner", Holder: "tag",
	Attributes: []statement.Attribute{{Name: "value", Type: statement.Int}, {Name: "garage", Type: statement.Text}},
	Scopes:     []statement.Scope{{Name: "mortgage", Consent: statement.ConsentHolder}, {Name: "insurance", Consent: statement.ConsentIssuer}},
}

func (h *home) rows(value int) string {
	tag := statement.Element(statement.HolderTag(h.secret.Fr()))
	return fmt.Sprintf("parcel,owner,value,garage,tag\nP1,anna,%d,none,%s\nP2,bert,500,none,\n", value, tag)
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{Workspace: open(t), t: t, secret: statement.RandomElement()}
	register(t, h.Workspace, held, h.rows(100))
	register(t, h.Workspace, liens, "parcel,total\nP1,80\n")
	var err error
	if h.circuit, err = h.Circuit(verifier.CircuitPresent); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *home) open(forPledging bool) *prover.RecordFile {
	h.t.Helper()
	f, err := h.Agency().OpenRecord(h.t.Context(), "titles", "P1", forPledging)
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

func (h *home) prove(f *prover.RecordFile, r *statement.Request) (*prover.Answer, error) {
	return f.Prove(h.t.Context(), r, statement.FlatFact, h.secret, h.circuit)
}

// entry gives the entry of an answer's first proof.
func (h *home) entry(a *prover.Answer) *ledger.ProofEntry {
	h.t.Helper()
	e, err := ledger.ParseEntry(a.Bundle.Facts[0].Proofs[0].Entry)
	if err != nil {
		h.t.Fatal(err)
	}
	return e.(*ledger.ProofEntry)
}

const mortgage = "registry: titles\nkey: P1\nwhere: [value >= 90]\nonce: mortgage\naudience: bank-a\n"

// A record file that was sealed and opened pledges its record, once, by the holder
// alone; the release frees it for a statement of another asking.
func TestHolderPledges(t *testing.T) {
	h := newHome(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := h.open(true).Seal(identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	file, err := prover.OpenRecordFile(sealed, identity)
	if err != nil {
		t.Fatal(err)
	}
	secret := statement.NewReleaseSecret()
	r := request(t, mortgage)
	r.SetPledgeKey(statement.FlatFact, secret.Public())
	a, err := h.prove(file, r)
	if err != nil {
		t.Fatal(err)
	}
	if v := verify(t, h.Workspace, r, a); v.OK {
		t.Error("a pledge that is not logged passes")
	}
	receipt, index, err := h.Agency().Submit(t.Context(), h.entry(a), false)
	if err != nil {
		t.Fatal(err)
	}
	if a.Bundle, err = a.Bundle.Complete(receipt); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, h.Workspace, r, a); !v.OK {
		t.Errorf("the verdict: %+v", v.Failures())
	}
	size := h.Ledger.Size()
	if _, again, err := h.Agency().Submit(t.Context(), h.entry(a), false); err != nil || again != index || h.Ledger.Size() != size {
		t.Errorf("submitted again: entry %d of %d, %v", again, h.Ledger.Size(), err)
	}
	second, err := h.prove(file, pledgeRequest(t, mortgage))
	if err != nil {
		t.Fatal(err)
	}
	var pledged *prover.PledgedError
	if _, _, err = h.Agency().Submit(t.Context(), h.entry(second), false); !errors.As(err, &pledged) || pledged.Entry != index || !errors.Is(err, prover.ErrPledged) {
		t.Errorf("a second pledge: %v", err)
	}
	release := &ledger.ReleaseEntry{
		Origin: h.Ledger.Origin(), Registry: "titles", Nullifier: h.entry(a).Nullifier,
		Leaf: statement.Digest(ledger.LeafHash(receipt.Logged.Entry)),
	}
	release.Pledge = canon.Uint64(index)
	if err := release.Sign(secret.Private()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Ledger.Append(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Agency().Submit(t.Context(), h.entry(second), false); err != nil {
		t.Errorf("a pledge after the release: %v", err)
	}
}

// The agency cannot do without the holder, nor the holder without the agency's rules.
func TestHolderPledgesRefused(t *testing.T) {
	h := newHome(t)
	agency := h.Agency()
	if _, err := agency.Answer(t.Context(), pledgeRequest(t, mortgage)); !errors.Is(err, prover.ErrNotProvable) {
		t.Errorf("the agency pledges without the holder's secret: %v", err)
	}
	if _, err := agency.Answer(t.Context(), pledgeRequest(t, strings.ReplaceAll(mortgage, "P1", "P2"))); !errors.Is(err, prover.ErrNotProvable) {
		t.Errorf("the agency pledges a record without holder in a scope of the holder's consent: %v", err)
	}
	if _, err := agency.OpenRecord(t.Context(), "titles", "P2", true); !errors.Is(err, prover.ErrNotProvable) || !strings.Contains(err.Error(), "no holder tag") {
		t.Errorf("a record without holder: %v", err)
	}
	file := h.open(true)
	if h.open(false).Serial != nil || file.Serial == nil {
		t.Error("the serial is not there for pledging alone")
	}
	for name, c := range map[string]struct {
		file *prover.RecordFile
		text string
		want error
	}{
		"no serial":          {h.open(false), mortgage, prover.ErrNotProvable},
		"no such scope":      {file, strings.Replace(mortgage, "mortgage", "loan", 1), statement.ErrBadRequest},
		"a false condition":  {file, strings.Replace(mortgage, "90", "101", 1), prover.ErrFalse},
		"another key":        {file, strings.Replace(mortgage, "P1", "P2", 1), prover.ErrFalse},
		"another registry":   {file, "registry: liens\nkey: P1\n", prover.ErrFalse},
		"absence":            {file, "registry: titles\nkey: P3\nabsent: true\n", prover.ErrNotProvable},
		"an instant before":  {file, strings.Replace(mortgage, "audience: bank-a", "as_of: 2020-01-01T00:00:00Z", 1), prover.ErrNoEpoch},
		"an epoch not there": {file, strings.Replace(mortgage, "audience: bank-a", "as_of: 7", 1), prover.ErrNoEpoch},
	} {
		if _, err := h.prove(c.file, pledgeRequest(t, c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.prove(file, request(t, mortgage)); !errors.Is(err, statement.ErrBadRequest) {
		t.Errorf("no release key: %v", err)
	}
	if _, err := file.Prove(t.Context(), pledgeRequest(t, mortgage), statement.FlatFact, statement.RandomElement(), h.circuit); !errors.Is(err, prover.ErrFalse) {
		t.Errorf("another's secret: %v", err)
	}
	plain, err := h.prove(file, request(t, "registry: titles\nkey: P1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := agency.Submit(t.Context(), h.entry(plain), false); !errors.Is(err, statement.ErrBadRequest) {
		t.Errorf("a proof that is no pledge is submitted: %v", err)
	}
}

// The log takes no entry that was changed, and none of an epoch that is past.
func TestSubmitRefuses(t *testing.T) {
	h := newHome(t)
	a, err := h.prove(h.open(true), pledgeRequest(t, mortgage))
	if err != nil {
		t.Fatal(err)
	}
	size := h.Ledger.Size()
	for name, change := range map[string]func(e *ledger.ProofEntry){
		"nullifier":   func(e *ledger.ProofEntry) { e.Nullifier = statement.RandomElement() },
		"q":           func(e *ledger.ProofEntry) { e.Q = statement.RandomElement() },
		"root":        func(e *ledger.ProofEntry) { e.Root = statement.RandomElement() },
		"release key": func(e *ledger.ProofEntry) { e.Public.ReleaseKey[0] ^= 1 },
		"proof":       func(e *ledger.ProofEntry) { e.Proof[5] ^= 1 },
		"origin":      func(e *ledger.ProofEntry) { e.Public.Origin = "other.example/log" },
		"consent":     func(e *ledger.ProofEntry) { e.Consent = make([]byte, 64) },
	} {
		e := h.entry(a)
		change(e)
		if _, _, err := h.Agency().Submit(t.Context(), e, false); err == nil {
			t.Errorf("another %s is taken", name)
		}
	}
	if _, _, err := h.Agency().Submit(t.Context(), h.entry(a), true); !errors.Is(err, ledger.ErrConsent) {
		t.Errorf("the issuer's consent in a scope of the holder's: %v", err)
	}
	load(t, h.Workspace, h.rows(110))
	if _, err := h.Commit(t.Context(), "titles", nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Agency().Submit(t.Context(), h.entry(a), false); !errors.Is(err, ledger.ErrStaleEpoch) {
		t.Errorf("a pledge of a past epoch: %v", err)
	}
	if h.Ledger.Size() != size+1 {
		t.Errorf("%d entries, want the epoch's alone", h.Ledger.Size()-size)
	}
	// A scope of the issuer's consent needs its signature, which is not given by itself.
	insured, err := h.prove(h.open(true), pledgeRequest(t, strings.Replace(mortgage, "mortgage", "insurance", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Agency().Submit(t.Context(), h.entry(insured), false); !errors.Is(err, ledger.ErrConsent) {
		t.Errorf("without the issuer's consent: %v", err)
	}
	if _, _, err := h.Agency().Submit(t.Context(), h.entry(insured), true); err != nil {
		t.Errorf("with the issuer's consent: %v", err)
	}
}

// A record file that was changed proves nothing: what is not the leaf's does not lead
// to the root, and the rest does not pass the verdict.
func TestChangedRecordFile(t *testing.T) {
	h := newHome(t)
	other := statement.RandomElement()
	for name, change := range map[string]func(f *prover.RecordFile){
		"serial":      func(f *prover.RecordFile) { f.Serial = &other },
		"serial hash": func(f *prover.RecordFile) { f.SerialHash = other },
		"both serials": func(f *prover.RecordFile) {
			f.Serial, f.SerialHash = &other, statement.Element(statement.SerialHash(other.Fr()))
		},
		"blinding":        func(f *prover.RecordFile) { f.Blinding = other },
		"link":            func(f *prover.RecordFile) { f.Link = other },
		"key":             func(f *prover.RecordFile) { f.Key = "P9" },
		"subject":         func(f *prover.RecordFile) { f.Subject = "bert" },
		"a value":         func(f *prover.RecordFile) { f.Values[0] = "900" },
		"no number":       func(f *prover.RecordFile) { f.Values[0] = "x" },
		"values":          func(f *prover.RecordFile) { f.Values = f.Values[:1] },
		"levels":          func(f *prover.RecordFile) { f.Path = f.Path[1:] },
		"a node too few":  func(f *prover.RecordFile) { f.Path[2] = f.Path[2][1:] },
		"a sibling":       func(f *prover.RecordFile) { f.Path[3][5] = other },
		"no epoch":        func(f *prover.RecordFile) { f.Epoch = f.Schema },
		"no schema":       func(f *prover.RecordFile) { f.Schema = f.Epoch },
		"no circuit":      func(f *prover.RecordFile) { f.Circuit = f.Epoch },
		"no inclusion":    func(f *prover.RecordFile) { f.Epoch.Inclusion = "" },
		"no holder":       func(f *prover.RecordFile) { f.Holder = statement.Element{} },
		"another's tag":   func(f *prover.RecordFile) { f.Holder = statement.Element(statement.HolderTag(other.Fr())) },
		"no leaf's tag":   func(f *prover.RecordFile) { f.Holder, f.Link = other, other },
		"format":          func(f *prover.RecordFile) { f.Kind = "attestry/record/v2" },
		"a longer record": func(f *prover.RecordFile) { f.Values = append(f.Values, "1") },
	} {
		f := h.open(true)
		change(f)
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := f.Seal(identity.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		if f, err = prover.OpenRecordFile(sealed, identity); err == nil {
			_, err = h.prove(f, pledgeRequest(t, "registry: titles\nonce: mortgage\n"))
		}
		if err == nil {
			t.Errorf("another %s: a proof is made", name)
		}
		if name == "serial" && !errors.Is(err, prover.ErrBadRecord) {
			t.Errorf("another serial: %v", err)
		}
	}
}

// A value that ties a holder's fact to another's and that the request does not name
// would be sealed by each with randomness of their own: such a tie never verifies.
func TestHolderTies(t *testing.T) {
	h := newHome(t)
	file := h.open(false)
	prove := func(r *statement.Request, fact string) error {
		_, err := file.Prove(t.Context(), r, fact, h.secret, h.circuit)
		return err
	}
	takes := request(t, "facts:\n  lien: {registry: liens}\n  title: {registry: titles, key: {from: lien.key}}\n")
	given := request(t, "facts:\n  title: {registry: titles}\n  lien: {registry: liens, key: {from: title.key}}\n")
	for name, r := range map[string]*statement.Request{"takes": takes, "gives": given} {
		if err := prove(r, "title"); !errors.Is(err, prover.ErrNotProvable) {
			t.Errorf("a holder's fact %s a value that nobody named: %v", name, err)
		}
		if _, err := h.Agency().Answer(t.Context(), r, "lien"); !errors.Is(err, prover.ErrNotProvable) {
			t.Errorf("the agency's fact, where the holder's %s a value that nobody named: %v", name, err)
		}
	}
	named := request(t, "facts:\n  lien: {registry: liens, key: P1}\n  title: {registry: titles, key: {from: lien.key}}\n")
	title, err := file.Prove(t.Context(), named, "title", h.secret, h.circuit)
	if err != nil {
		t.Fatal(err)
	}
	lien, err := h.Agency().Answer(t.Context(), named, "lien")
	if err != nil {
		t.Fatal(err)
	}
	if title.Bundle, err = verifier.JoinBundles(title.Bundle, lien.Bundle); err != nil {
		t.Fatal(err)
	}
	if title.Openings, err = verifier.JoinOpenings(title.Openings, lien.Openings); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, h.Workspace, named, title); !v.OK {
		t.Errorf("a tie to a value that the request names: %+v", v.Failures())
	}
	wrong := request(t, "facts:\n  lien: {registry: liens, key: P2}\n  title: {registry: titles, key: {from: lien.key}}\n")
	if err := prove(wrong, "title"); !errors.Is(err, prover.ErrFalse) {
		t.Errorf("the holder's record has another key: %v", err)
	}
}

// No verb and no log shows a record file.
func TestRecordFileIsNotPrinted(t *testing.T) {
	h := newHome(t)
	f := h.open(true)
	f.Key = "kanari"
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "file", f, "value", *f)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb+verb, f, *f)
	}
	for _, leak := range []string{"kanari", "6b616e617269", "anna", f.Serial.String(), f.Serial.Big().String()} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%s is printed: %s", leak, out.String())
		}
	}
}

// An epoch that lands between the choice of the record and the entry makes the answer
// be made anew, pledge or not: it is of the latest epoch.
func TestEpochLandsWhileProving(t *testing.T) {
	w := titles(t)
	a := w.Agency()
	landed := false
	opens := a.Registry
	a.Registry = func(name string) (*registry.Store, error) {
		if !landed {
			landed = true
			load(t, w, strings.Replace(rows, "P3,bert,500", "P3,bert,600", 1))
			if _, err := w.Commit(context.Background(), "titles", nil); err != nil {
				return nil, err
			}
		}
		return opens(name)
	}
	size := w.Ledger.Size()
	r := request(t, "registry: titles\nkey: P3\nwhere: [value >= 400]\n")
	answer, err := a.Answer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ledger.ParseEntry(answer.Bundle.Facts[0].Epoch.Entry)
	if err != nil || e.(*ledger.EpochEntry).Number != 2 {
		t.Errorf("proved of epoch %d, %v", e.(*ledger.EpochEntry).Number, err)
	}
	if v := verify(t, w, r, answer); !v.OK || w.Ledger.Size() != size+2 {
		t.Errorf("%d entries, %+v", w.Ledger.Size()-size, v.Failures())
	}
}
