package workspace

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// prepared proves a request and gives what a caller would keep, with the openings.
func prepared(t *testing.T, w *Workspace, r *statement.Request) ([]byte, *verifier.Openings) {
	t.Helper()
	p, err := w.Agency().Prepare(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	document, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return document, p.Openings
}

// logPrepared logs what was kept.
func logPrepared(t *testing.T, w *Workspace, document []byte, r *statement.Request) (*verifier.Bundle, error) {
	t.Helper()
	p, err := prover.ParsePrepared(document, r)
	if err != nil {
		t.Fatal(err)
	}
	return w.Agency().Log(t.Context(), p)
}

// entries gives the proofs' entries of a bundle.
func entries(b *verifier.Bundle) (all []string) {
	for _, f := range b.Facts {
		for _, p := range f.Proofs {
			all = append(all, string(p.Entry))
		}
	}
	return all
}

const twoFacts = "facts:\n" +
	"  title:   {registry: titles, subject: anna, where: [value >= 100], once: mortgage}\n" +
	"  no_lien: {registry: liens, key: {from: title.key}, absent: true}\n" +
	"audience: bank-a\n"

// The process ends anywhere between Prepare and the bundle, and begins anew with what
// it kept: each proof is in the ledger once, and the bundle is of the same statements.
func TestLogAgain(t *testing.T) {
	for name, text := range map[string]string{
		"a fact":          "registry: titles\nkey: P2\nwhere: [value >= 300]\nreveal: [garage]\n",
		"a pledge":        "registry: titles\nkey: P3\nonce: mortgage\n",
		"several facts":   twoFacts,
		"several proofs":  "registry: titles\nkey: P3\nwhere: [value >= 1, value >= 2, value >= 3, value >= 4, value >= 5, value >= 6, value >= 7, value >= 8, value >= 9]\nreveal: [garage, price]\n",
		"an instant":      "registry: titles\nkey: P3\nas_of: 2026-01-01T00:00:00Z\n",
		"of a past epoch": "registry: titles\nkey: P3\nas_of: 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := county(t)
			if name == "an instant" {
				_, epoch, _, err := w.Ledger.LatestEpoch("titles")
				if err != nil {
					t.Fatal(err)
				}
				text = strings.Replace(text, "2026-01-01T00:00:00Z", epoch.Time, 1)
				committed, err := statement.ParseTime(epoch.Time)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Until(committed.Add(time.Second))) // the next epoch is of another one
			}
			r := pledgeRequest(t, text)
			document, openings := prepared(t, w, r)
			size := w.Ledger.Size()
			first, err := logPrepared(t, w, document, r)
			if err != nil {
				t.Fatal(err)
			}
			grown := w.Ledger.Size()
			if want := uint64(len(entries(first))); grown != size+want {
				t.Fatalf("%d entries for %d proofs", grown-size, want)
			}
			// A later epoch is nothing to a proof that is logged already.
			load(t, w, strings.Replace(rows, "P2,anna,300", "P2,anna,301", 1))
			if _, err := w.Commit(t.Context(), "titles", nil); err != nil {
				t.Fatal(err)
			}
			grown = w.Ledger.Size()
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			w = reopen(t, w.Dir())
			again, err := logPrepared(t, w, document, r)
			if err != nil {
				t.Fatal(err)
			}
			if w.Ledger.Size() != grown {
				t.Errorf("logged twice: the ledger grew from %d to %d", grown, w.Ledger.Size())
			}
			if fmt.Sprint(entries(first)) != fmt.Sprint(entries(again)) {
				t.Error("the second bundle is of other entries")
			}
			for _, b := range []*verifier.Bundle{first, again} {
				if v := verify(t, w, r, &prover.Answer{Bundle: b, Openings: openings}); !v.OK {
					t.Errorf("the verdict: %+v", v.Failures())
				}
			}
		})
	}
}

// The log's checkpoint fails after the append: the next Log gives the bundle of the
// entries that are there.
func TestLogInterrupted(t *testing.T) {
	w := county(t)
	r := pledgeRequest(t, twoFacts)
	p, err := w.Agency().Prepare(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	crash := errors.New("crash")
	a := w.Agency()
	a.Publish = func(context.Context) ([]byte, error) { return nil, crash }
	size := w.Ledger.Size()
	_, err = a.Log(t.Context(), p)
	var logged *prover.LoggedError
	if !errors.As(err, &logged) || !errors.Is(err, crash) || len(logged.Indexes) != 2 || w.Ledger.Size() != size+2 {
		t.Fatalf("%v, %d entries", err, w.Ledger.Size()-size)
	}
	bundle, err := w.Agency().Log(t.Context(), p)
	if err != nil || w.Ledger.Size() != size+2 {
		t.Fatalf("%v, %d entries", err, w.Ledger.Size()-size)
	}
	if v := verify(t, w, r, &prover.Answer{Bundle: bundle, Openings: p.Openings}); !v.OK {
		t.Errorf("the verdict: %+v", v.Failures())
	}
}

// Of concurrent Logs of one Prepared all give the bundle, and one appends.
func TestLogConcurrently(t *testing.T) {
	w := county(t)
	r := pledgeRequest(t, twoFacts)
	document, _ := prepared(t, w, r)
	size := w.Ledger.Size()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			p, err := prover.ParsePrepared(document, r)
			if err == nil {
				_, err = w.Agency().Log(t.Context(), p)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if w.Ledger.Size() != size+2 {
		t.Errorf("%d entries for two proofs", w.Ledger.Size()-size)
	}
}

// An epoch is committed between Prepare and Log: nothing is logged, and the request is
// to be proved anew. Where it asks for an epoch by its number, the proof is still right.
func TestStaleBetweenPrepareAndLog(t *testing.T) {
	w := county(t)
	latest, pledge, numbered := request(t, "registry: titles\nkey: P1\n"), pledgeRequest(t, "registry: titles\nkey: P1\nonce: mortgage\n"), request(t, "registry: titles\nkey: P1\nas_of: 1\n")
	documents := map[*statement.Request][]byte{}
	for _, r := range []*statement.Request{latest, pledge, numbered} {
		documents[r], _ = prepared(t, w, r)
	}
	load(t, w, strings.Replace(rows, "P2,anna,300", "P2,anna,301", 1))
	if _, err := w.Commit(t.Context(), "titles", nil); err != nil {
		t.Fatal(err)
	}
	size := w.Ledger.Size()
	for _, r := range []*statement.Request{latest, pledge} {
		if _, err := logPrepared(t, w, documents[r], r); !errors.Is(err, ledger.ErrStaleEpoch) || w.Ledger.Size() != size {
			t.Errorf("%v, and the ledger grew by %d", err, w.Ledger.Size()-size)
		}
		if a, err := w.Agency().Answer(t.Context(), r); err != nil || !verify(t, w, r, a).OK {
			t.Errorf("proved anew: %v", err)
		}
		size = w.Ledger.Size()
	}
	if _, err := logPrepared(t, w, documents[numbered], numbered); err != nil || w.Ledger.Size() != size+1 {
		t.Errorf("%v, and the ledger grew by %d", err, w.Ledger.Size()-size)
	}
}

// A pledge of an epoch that is not the latest is refused before it is proved.
func TestStalePledge(t *testing.T) {
	w := county(t)
	load(t, w, strings.Replace(rows, "P2,anna,300", "P2,anna,301", 1))
	if _, err := w.Commit(t.Context(), "titles", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Agency().Prepare(t.Context(), pledgeRequest(t, "registry: titles\nkey: P1\nonce: mortgage\nas_of: 1\n")); !errors.Is(err, ledger.ErrStaleEpoch) {
		t.Error(err)
	}
}

// A request that expires between Prepare and Log is not logged.
func TestExpiredBetweenPrepareAndLog(t *testing.T) {
	w := county(t)
	for margin := 2 * time.Second; ; margin *= 2 { // until a proof takes less
		soon := time.Now().Add(margin)
		r := request(t, "registry: titles\nkey: P1\nexpires: "+statement.FormatTime(soon)+"\n")
		p, err := w.Agency().Prepare(t.Context(), r)
		if err != nil && time.Now().After(soon.Truncate(time.Second)) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		size := w.Ledger.Size()
		time.Sleep(time.Until(soon))
		if _, err := w.Agency().Log(t.Context(), p); !errors.Is(err, statement.ErrBadRequest) || w.Ledger.Size() != size {
			t.Error(err)
		}
		return
	}
}

// What was kept is changed, or of something else: it is refused, and nothing is logged.
func TestLogRefuses(t *testing.T) {
	w, foreign := county(t), county(t) // the same log by name and keys, with other registries
	const text = "registry: titles\nkey: P2\nwhere: [value >= 300]\nonce: mortgage\n"
	r := pledgeRequest(t, text)
	document, _ := prepared(t, w, r)
	elsewhere, _ := prepared(t, foreign, r)
	another, _ := prepared(t, w, pledgeRequest(t, text))
	otherKey := pledgeRequest(t, text)
	otherKey.Nonce, otherKey.Seed = r.Nonce, r.Seed
	plain := *r
	plain.Once, plain.ReleaseKey = "", nil
	unpledged, _ := prepared(t, w, &plain)
	weaker := strings.Replace(text, "300", "200", 1)
	size := w.Ledger.Size()
	for name, c := range map[string]struct {
		document []byte
		r        *statement.Request
	}{
		"empty":                  {nil, r},
		"truncated":              {document[:len(document)-1], r},
		"trailing":               {append(bytes.Clone(document), '\n'), r},
		"another version":        {bytes.Replace(document, []byte("prepared/v1"), []byte("prepared/v2"), 1), r},
		"unknown member":         {bytes.Replace(document, []byte(`{"facts"`), []byte(`{"extra":true,"facts"`), 1), r},
		"no facts":               {[]byte(`{"facts":[],"format":"attestry/prepared/v1"}`), r},
		"another fact":           {bytes.Replace(document, []byte(`"name":"fact"`), []byte(`"name":"fakt"`), 1), r},
		"another ledger":         {elsewhere, r},
		"another request":        {another, r},
		"another release key":    {document, otherKey},
		"a proof for a pledge":   {unpledged, r},
		"a pledge for a proof":   {document, &plain},
		"another question":       {bytes.Replace(document, []byte("300"), []byte("200"), 1), r},
		"another question asked": {document, withWhere(t, r, weaker)},
		"another blind":          {changed(t, document, `"blind":"`), r},
		"another output":         {changed(t, document, `"outputs":["`), r},
		"another Q":              {changed(t, document, `"q":"`), r},
		"another root":           {changed(t, document, `"root":"`), r},
		"another epoch":          {changed(t, document, `"epoch":"`), r},
		"another schema":         {changed(t, document, `"schema":"`), r},
		"another circuit":        {changed(t, document, `"circuit":"`), r},
		"another scope":          {changed(t, document, `"scope":"`), r},
		"another nullifier":      {changed(t, document, `"nullifier":"`), r},
		"another proof":          {changed(t, document, `"proof":"`), r},
		"another consent":        {changed(t, document, `"consent":"`), r},
		"an inclusion":           {bytes.Replace(document, []byte(`,"outputs":`), []byte(`,"inclusion":"x","outputs":`), 1), r},
	} {
		t.Run(name, func(t *testing.T) {
			if bytes.Equal(c.document, document) && c.r == r {
				t.Fatal("nothing was changed")
			}
			p, err := prover.ParsePrepared(c.document, c.r)
			if err == nil {
				_, err = w.Agency().Log(t.Context(), p)
			}
			// The proof and the consent are the ledger's to refuse, as any other entry's.
			late := map[string]error{"another proof": ledger.ErrProofInvalid, "another nullifier": ledger.ErrConsent, "another consent": ledger.ErrConsent}[name]
			if !errors.Is(err, prover.ErrBadPrepared) && (late == nil || !errors.Is(err, late)) {
				t.Error(err)
			}
			if w.Ledger.Size() != size {
				t.Fatal("it was logged")
			}
		})
	}
	if _, err := logPrepared(t, w, document, r); err != nil {
		t.Errorf("unchanged it is refused, too: %v", err)
	}
}

// changed turns the value behind the first occurrence of a member's name into another
// of the same form.
func changed(t *testing.T, document []byte, name string) []byte {
	t.Helper()
	out := bytes.Clone(document)
	at := bytes.Index(out, []byte(name))
	if at < 0 {
		t.Fatalf("there is no %s", name)
	}
	digit := &out[at+len(name)+8]
	if *digit == 'A' {
		*digit = 'B'
	} else {
		*digit = 'A'
	}
	return out
}

// withWhere gives a request like another one with the conditions of a text.
func withWhere(t *testing.T, r *statement.Request, text string) *statement.Request {
	t.Helper()
	other := request(t, text)
	changed := *r
	changed.Where = other.Where
	return &changed
}

// What is kept of a proof holds nothing of the record that the bundle would not, and
// none of the openings; and no verb prints it.
func TestPreparedIsNoSecret(t *testing.T) {
	w := county(t)
	r := pledgeRequest(t, "registry: titles\nsubject: anna\nkey: P2\nreveal: [garage, price]\nonce: mortgage\n")
	p, err := w.Agency().Prepare(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	document, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{`"anna"`, `"P2"`, `"none"`, base64.StdEncoding.EncodeToString(r.Seed[:])}
	for _, o := range p.Openings.Facts[statement.FlatFact] {
		secrets = append(secrets, o.Randomness.String())
	}
	if len(secrets) != 8 {
		t.Fatalf("%d secrets", len(secrets))
	}
	for _, secret := range secrets {
		if bytes.Contains(document, []byte(secret)) {
			t.Errorf("what is kept holds %s", secret)
		}
	}
	if regexp.MustCompile(`[:,"\[]310[,"\]}]`).Match(document) { // the price, as a value of its own: its digits may be in any other
		t.Error("what is kept holds the price")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, p); got != "prover.Prepared(private)" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if _, err := canon.Marshal(p); err == nil {
		t.Error("it is written with its openings")
	}
}
