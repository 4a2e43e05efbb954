package workspace

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

const titlesGrant = `
audience: bank-a
purposes: [underwriting]
valid_until: 2099-01-01T00:00:00Z
registries:
  titles: {attributes: [value], reveal: [garage], scopes: [mortgage]}
  liens: {absent: true}
`

func issue(t *testing.T, w *Workspace, text string) (*statement.Grant, uint64) {
	t.Helper()
	g, err := statement.ParseGrant([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	issued, index, err := w.IssueGrant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return issued, index
}

// under gives a request under a grant.
func under(t *testing.T, index uint64, text string) *statement.Request {
	t.Helper()
	r := pledgeRequest(t, "audience: bank-a\npurpose: underwriting\n"+text)
	r.Grant = &index
	return r
}

const noLien = "facts:\n  title: {registry: titles, subject: anna, where: [value >= 100], reveal: [garage]}\n  no_lien: {registry: liens, key: {from: title.key}, absent: true}\n"

func TestAnswerUnderGrant(t *testing.T) {
	w := county(t)
	g, index := issue(t, w, titlesGrant)
	for _, text := range []string{noLien, "registry: titles\nkey: P3\nwhere: [value >= 500]\nonce: mortgage\n"} {
		r := under(t, index, text)
		if err := w.Agency().CheckGrants(r); err != nil {
			t.Fatal(err)
		}
		a, err := w.Agency().Answer(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		trust, err := w.Trust()
		if err != nil {
			t.Fatal(err)
		}
		trust.RequireGrants = true
		v, err := verifier.Verify(a.Bundle, verifier.Options{Trust: trust, Request: r, Openings: a.Openings})
		if err != nil || !v.OK {
			t.Fatalf("%v %+v", err, v)
		}
		for _, f := range a.Bundle.Facts {
			if f.Grant == nil || f.Grant.Document.Blind == nil || *f.Grant.Document.Blind != *g.Blind {
				t.Errorf("fact %s does not show the grant", f.Name)
			}
		}
	}
}

// TestLogTellsNothingOfGrants: the entry is the same, but for its digest and signature,
// whatever is granted to whom.
func TestLogTellsNothingOfGrants(t *testing.T) {
	w := county(t)
	var lengths []int
	for _, text := range []string{titlesGrant, "audience: a-much-longer-name-of-a-bank\npurposes: [a, b]\nvalid_until: 2030-01-01T00:00:00Z\nregistries: {liens: {exists: true}, titles: {attributes: [value, price, garage]}}\n"} {
		g, index := issue(t, w, text)
		data, err := w.Ledger.Entry(index)
		if err != nil {
			t.Fatal(err)
		}
		lengths = append(lengths, len(data))
		for _, secret := range append([]string{g.Audience, g.ValidUntil, "value"}, g.Purposes[0]+`"`) {
			if strings.Contains(string(data), secret) {
				t.Errorf("the entry shows %q", secret)
			}
		}
		if _, again := issue(t, w, text); again == index {
			t.Error("the same grant again is the same entry")
		}
	}
	if lengths[0] != lengths[1] {
		t.Errorf("entries of %v bytes", lengths)
	}
}

// TestAnswerNotGranted: what the grant does not cover is not proved, whatever the
// registry says, and leaves no entry.
func TestAnswerNotGranted(t *testing.T) {
	w := county(t)
	_, index := issue(t, w, titlesGrant)
	_, expired := issue(t, w, strings.Replace(titlesGrant, "2099", "2020", 1))
	_, early := issue(t, w, strings.Replace(titlesGrant, "valid_until", "valid_from: 2098-01-01T00:00:00Z\nvalid_until", 1))
	_, revoked := issue(t, w, titlesGrant)
	if _, err := w.RevokeGrant(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	foreign := under(t, index, noLien)
	foreign.Audience = "bank-b"
	aimless := under(t, index, noLien)
	aimless.Purpose = "marketing"
	mixed := under(t, index, noLien)
	mixed.Grants = map[string]canon.Uint64{"title": canon.Uint64(expired)}
	size := w.Ledger.Size()
	for name, c := range map[string]struct {
		r    *statement.Request
		want error
	}{
		"another bank":           {foreign, statement.ErrNotGranted},
		"another purpose":        {aimless, statement.ErrNotGranted},
		"price, true":            {under(t, index, "registry: titles\nkey: P2\nwhere: [price >= 1]\n"), statement.ErrNotGranted},
		"price, false":           {under(t, index, "registry: titles\nkey: P2\nwhere: [price >= 1000]\n"), statement.ErrNotGranted},
		"price, of nobody":       {under(t, index, "registry: titles\nkey: P9\nwhere: [price >= 1]\n"), statement.ErrNotGranted},
		"value against price":    {under(t, index, "registry: titles\nkey: P2\nwhere: [value <= price]\n"), statement.ErrNotGranted},
		"price revealed":         {under(t, index, "registry: titles\nkey: P2\nreveal: [price]\n"), statement.ErrNotGranted},
		"absent title":           {under(t, index, "registry: titles\nkey: P9\nabsent: true\n"), statement.ErrNotGranted},
		"a lien":                 {under(t, index, "registry: liens\nkey: P1\n"), statement.ErrNotGranted},
		"any title":              {under(t, index, "registry: titles\nwhere: [value >= 1]\n"), statement.ErrNotGranted},
		"another scope":          {under(t, index, "registry: titles\nkey: P2\nonce: insurance\n"), statement.ErrNotGranted},
		"one fact of two":        {under(t, index, strings.Replace(noLien, "value", "price", 1)), statement.ErrNotGranted},
		"expired":                {under(t, expired, noLien), statement.ErrNotGranted},
		"expired, for one fact":  {mixed, statement.ErrNotGranted},
		"too early":              {under(t, early, noLien), statement.ErrNotGranted},
		"revoked":                {under(t, revoked, noLien), prover.ErrNoGrant},
		"the revocation's entry": {under(t, revoked+1, noLien), prover.ErrNoGrant},
		"an epoch's entry":       {under(t, 3, noLien), prover.ErrNoGrant},
		"beyond the log":         {under(t, 1<<40, noLien), prover.ErrNoGrant},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.Agency().Answer(t.Context(), c.r); !errors.Is(err, c.want) {
				t.Errorf("answer: %v, want %v", err, c.want)
			}
			if err := w.Agency().CheckGrants(c.r); !errors.Is(err, c.want) {
				t.Errorf("check: %v, want %v", err, c.want)
			}
		})
	}
	if w.Ledger.Size() != size {
		t.Error("a refused request left an entry")
	}
	if err := w.Agency().CheckGrants(request(t, "registry: titles\nkey: P1\n")); !errors.Is(err, prover.ErrNoGrant) {
		t.Errorf("no grant at all: %v", err)
	}
}

// TestGrantRevokedMeanwhile: a grant that ends while its request is proved.
func TestGrantRevokedMeanwhile(t *testing.T) {
	w := county(t)
	_, index := issue(t, w, titlesGrant)
	size := w.Ledger.Size()
	agency := w.Agency()
	consent := agency.Consent
	agency.Consent = func(e *ledger.ProofEntry) error { // after the proof, before its entry
		if _, err := w.RevokeGrant(t.Context(), index); err != nil {
			t.Error(err)
		}
		return consent(e)
	}
	_, err := agency.Answer(t.Context(), under(t, index, "registry: titles\nkey: P3\nonce: mortgage\n"))
	if !errors.Is(err, prover.ErrNoGrant) || w.Ledger.Size() != size+1 {
		t.Errorf("%v, and %d more entries", err, w.Ledger.Size()-size)
	}
}

func TestIssueGrantRefusals(t *testing.T) {
	w := county(t)
	size := w.Ledger.Size()
	for change, want := range map[[2]string]error{
		{"liens:", "ships:"}:      ErrNoRegistry,
		{"[value]", "[colour]"}:   statement.ErrBadGrant,
		{"[mortgage]", "[lease]"}: statement.ErrBadGrant,
	} {
		g, err := statement.ParseGrant([]byte(strings.Replace(titlesGrant, change[0], change[1], 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.IssueGrant(t.Context(), g); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", change[1], err, want)
		}
	}
	if w.Ledger.Size() != size {
		t.Error("a refused grant left an entry")
	}
	if _, err := w.RevokeGrant(t.Context(), 2); !errors.Is(err, prover.ErrNoGrant) {
		t.Errorf("revoke what is none: %v", err)
	}
	_, index := issue(t, w, titlesGrant)
	end, err := w.RevokeGrant(t.Context(), index)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.RevokeGrant(t.Context(), index)
	if d, ok := errors.AsType[*ledger.DuplicateError](err); !ok || d.Index != end {
		t.Errorf("revoked twice: %v", err)
	}
}

// TestGrantDocumentLost: the ledger cannot give a document back, the grantee can.
func TestGrantDocumentLost(t *testing.T) {
	w := county(t)
	g, index := issue(t, w, titlesGrant)
	entry, _, err := w.Ledger.Grant(index)
	if err != nil {
		t.Fatal(err)
	}
	path := w.grantPath(entry.Grant)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	g.Audience = "bank-b"
	other, err := g.JSON()
	if err != nil {
		t.Fatal(err)
	}
	r := under(t, index, noLien)
	for name, damage := range map[string]func() error{
		"changed": func() error { return os.WriteFile(path, other, 0o600) },
		"damaged": func() error { return os.WriteFile(path, []byte("{"), 0o600) },
		"lost":    func() error { return os.Remove(path) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Agency().Answer(t.Context(), r); err == nil {
			t.Errorf("%s: answered", name)
		}
	}
	g.Audience = "bank-a"
	copied, err := g.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, copied, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Agency().Answer(t.Context(), r); err != nil {
		t.Errorf("put back: %v", err)
	}
}
