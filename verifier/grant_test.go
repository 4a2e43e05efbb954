package verifier

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// grantOf gives the grant that the requests of these tests are under, after a change.
func grantOf(change func(*statement.Grant)) *statement.Grant {
	g := &statement.Grant{
		Format: statement.GrantFormat, Audience: "bank-a", Purposes: []string{"underwriting"}, ValidUntil: "2027-01-01T00:00:00Z",
		Registries: map[string]statement.Permission{"titles": {Attributes: []string{"assessed_value", "garage"}, Scopes: []string{"mortgage"}}},
		Blind:      statement.NewGrantBlind(),
	}
	if change != nil {
		change(g)
	}
	return g
}

// grant appends a grant's entry, after a change, and gives its index.
func (w *world) grant(g *statement.Grant, key ed25519.PrivateKey, change func(*ledger.GrantEntry)) uint64 {
	w.t.Helper()
	e := &ledger.GrantEntry{Origin: w.origin, Registry: w.schema.Registry, Grant: ensure[statement.Digest](w.t)(g.Digest())}
	if change != nil {
		change(e)
	}
	w.sign(e.Sign(key))
	return w.add(e)
}

func (w *world) revokeGrant(index uint64) uint64 {
	w.t.Helper()
	e := &ledger.GrantRevocationEntry{
		Origin: w.origin, Registry: w.schema.Registry, Grant: canon.Uint64(index),
		Leaf: statement.Digest(ledger.LeafHash(w.entries[index])),
	}
	w.sign(e.Sign(w.issuer))
	return w.add(e)
}

// underGrant answers the tests' request under the grant of an entry, which the bundle shows.
func (w *world) underGrant(index uint64, g *statement.Grant, how tamper, extra ...string) (*Bundle, *statement.Request, *Openings) {
	w.t.Helper()
	r := flatRequest(w.t, extra...)
	r.Grant = &index
	b, openings := w.bundle(r, how)
	b.Facts[0].Grant = &Granted{Document: g, Logged: w.logged(index)}
	return b, r, openings
}

func TestGrant(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	g := grantOf(nil)
	index := w.grant(g, w.issuer, nil)
	b, r, openings := w.underGrant(index, g, tamper{}, "once: mortgage")
	for _, require := range []bool{false, true} {
		trust := w.trust()
		trust.RequireGrants = require
		v := ensure[*Verdict](t)(Verify(reparse(t, b), Options{Trust: trust, Request: r, Openings: openings, At: testTime}))
		if c := find(t, v, CheckGrant); !v.OK || c.Outcome != Pass || c.RestsOn != OnLog {
			t.Errorf("%+v\n%s", c, v.Text())
		}
	}
	_, log := w.audited(w.trust())
	if c := find(t, wantFailing(t, "audited", b, w.trust(), log), CheckGrant); c.Outcome != Pass || c.RestsOn != OnAudit {
		t.Errorf("%+v", c)
	}
	plain, _ := w.bundle(flatRequest(t), tamper{})
	if c := find(t, wantFailing(t, "no grant", plain, w.trust(), nil), CheckGrant); c.Outcome != Skipped {
		t.Errorf("%+v", c)
	}
	trust := w.trust()
	trust.RequireGrants = true
	wantFailing(t, "no grant where one is required", plain, trust, nil, CheckGrant)
	held := tamper{question: func(_ int, q *statement.Question) { q.Holder = true }}
	holders, _ := w.bundle(flatRequest(t), held)
	wantFailing(t, "a holder's proof, where one is required", holders, trust, nil)
}

// TestGrantAttacks: every answer here is truly proved, logged and signed, and beyond
// what was granted.
func TestGrantAttacks(t *testing.T) {
	_, thief, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, attack := range map[string]struct {
		make  func(t *testing.T, w *world) *Bundle
		says  string
		also  []string // other checks that fail
		timed bool     // no matter of an audit, which is of no instant
	}{
		"of another bank": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(func(g *statement.Grant) { g.Audience = "bank-b" }))
		}, `the grant is for "bank-b", and "bank-a" asks`, nil, false},
		"for another purpose": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(func(g *statement.Grant) { g.Purposes = []string{"marketing"} }))
		}, `the purpose "underwriting" is not among those`, nil, false},
		"of another registry": {func(t *testing.T, w *world) *Bundle {
			g := grantOf(func(g *statement.Grant) {
				g.Registries = map[string]statement.Permission{"liens": {Exists: true}}
			})
			index := w.grant(g, w.issuer, func(e *ledger.GrantEntry) { e.Registry = "liens" })
			b, _, _ := w.underGrant(index, g, tamper{})
			return b
		}, "the grant says nothing of registry titles", nil, false},
		"entry of a registry that the grant does not name": {func(t *testing.T, w *world) *Bundle {
			g := grantOf(nil)
			b, _, _ := w.underGrant(w.grant(g, w.issuer, func(e *ledger.GrantEntry) { e.Registry = "liens" }), g, tamper{})
			return b
		}, "the grant's entry is of registry liens", nil, false},
		"a condition on another attribute": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(nil), "  - n0 >= 5")
		}, "a condition on n0", nil, false},
		"attribute against attribute, on the left": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(nil), "  - n0 * 3 <= assessed_value")
		}, "a condition on n0", nil, false},
		"attribute against attribute, on the right": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(nil), "  - assessed_value < n0 * 7")
		}, "a condition on n0", nil, false},
		"revealed": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(nil), "reveal: [assessed_value]")
		}, "assessed_value is to be revealed", nil, false},
		"one attribute of a second proof": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(nil), conditions("assessed_value", 9)...)
		}, "", nil, false},
		"another attribute, in a second proof": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(nil), append(conditions("assessed_value", 9), "  - n1 >= 5")...)
		}, "a condition on n1", nil, false},
		"a pledge": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(func(g *statement.Grant) {
				g.Registries["titles"] = statement.Permission{Attributes: []string{"assessed_value", "garage"}}
			}), "once: mortgage")
		}, "a pledge for mortgage", nil, false},
		"any record": {func(t *testing.T, w *world) *Bundle {
			g := grantOf(nil)
			index := w.grant(g, w.issuer, nil)
			r := parseRequest(t, "registry: titles", "audience: bank-a", "purpose: underwriting", "where: [assessed_value >= 1]")
			w.sign(r.Fill(zeroReader{}))
			r.Grant = &index
			b, _ := w.bundle(r, tamper{})
			b.Facts[0].Grant = &Granted{Document: g, Logged: w.logged(index)}
			return b
		}, "neither a key nor a subject", nil, false},
		"nobody's grant": {func(t *testing.T, w *world) *Bundle {
			b := w.granted(grantOf(nil))
			b.Facts[0].Grant = nil
			return b
		}, "which the bundle does not show", nil, false},
		"a grant that nobody named": {func(t *testing.T, w *world) *Bundle {
			g := grantOf(nil)
			index := w.grant(g, w.issuer, nil)
			b, _ := w.bundle(flatRequest(t), tamper{})
			b.Facts[0].Grant = &Granted{Document: g, Logged: w.logged(index)}
			return b
		}, "the proofs name none", nil, false},
		"expired": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(func(g *statement.Grant) { g.ValidUntil = statement.FormatTime(testTime) }))
		}, "the grant expired at", nil, true},
		"expired when the epoch was committed": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(func(g *statement.Grant) { g.ValidUntil = statement.FormatTime(testTime.Add(-2 * time.Hour)) }))
		}, "when the grant had expired", nil, false},
		"too early": {func(t *testing.T, w *world) *Bundle {
			return w.granted(grantOf(func(g *statement.Grant) { g.ValidFrom = statement.FormatTime(testTime.Add(time.Second)) }))
		}, "the grant counts from", nil, true},
		"a wider document in its place": {func(t *testing.T, w *world) *Bundle {
			b := w.granted(grantOf(nil), "reveal: [assessed_value]")
			wide := *b.Facts[0].Grant.Document
			wide.Registries = map[string]statement.Permission{"titles": {Attributes: []string{"garage"}, Reveal: []string{"assessed_value"}}}
			b.Facts[0].Grant.Document = &wide
			return b
		}, "of another document", nil, false},
		"another blind": {func(t *testing.T, w *world) *Bundle {
			b := w.granted(grantOf(nil))
			b.Facts[0].Grant.Document.Blind = statement.NewGrantBlind()
			return b
		}, "of another document", nil, false},
		"another grant's entry": {func(t *testing.T, w *world) *Bundle {
			g, other := grantOf(nil), grantOf(nil)
			index, second := w.grant(g, w.issuer, nil), w.grant(other, w.issuer, nil)
			b, _, _ := w.underGrant(index, g, tamper{})
			b.Facts[0].Grant = &Granted{Document: other, Logged: w.logged(second)}
			return b
		}, "the proofs name the grant of entry", nil, false},
		"the context of another grant": {func(t *testing.T, w *world) *Bundle {
			g, other := grantOf(nil), grantOf(nil)
			index, second := w.grant(g, w.issuer, nil), w.grant(other, w.issuer, nil)
			b, _, _ := w.underGrant(index, g, tamper{})
			b.Facts[0].Grant = &Granted{Document: other, Logged: w.logged(second)}
			n := canon.Uint64(second)
			b.Facts[0].Context.Grant = &n
			return b
		}, "", []string{CheckQuestion}, false},
		"signed by another key": {func(t *testing.T, w *world) *Bundle {
			g := grantOf(nil)
			b, _, _ := w.underGrant(w.grant(g, thief, nil), g, tamper{})
			return b
		}, "bad signature", nil, false},
		"signed by the log's key": {func(t *testing.T, w *world) *Bundle {
			g := grantOf(nil)
			b, _, _ := w.underGrant(w.grant(g, w.logKey, nil), g, tamper{})
			return b
		}, "bad signature", nil, false},
		"for another log": {func(t *testing.T, w *world) *Bundle {
			g := grantOf(nil)
			b, _, _ := w.underGrant(w.grant(g, w.issuer, func(e *ledger.GrantEntry) { e.Origin = "other.example/log" }), g, tamper{})
			return b
		}, "the grant is of log other.example/log", nil, false},
		"granted after the proof": {func(t *testing.T, w *world) *Bundle {
			g := grantOf(nil)
			r := flatRequest(t)
			index := uint64(len(w.entries)) + 1
			r.Grant = &index
			b, _ := w.bundle(r, tamper{})
			if at := w.grant(g, w.issuer, nil); at != index {
				t.Fatalf("entry %d", at)
			}
			b.Facts[0].Grant = &Granted{Document: g, Logged: w.logged(index)}
			return b
		}, "proof 0 was made before the grant", nil, false},
		"not logged": {func(t *testing.T, w *world) *Bundle {
			b := w.granted(grantOf(nil))
			b.Facts[0].Grant.Inclusion = ""
			return b
		}, "the grant is not logged", []string{CheckInclusion, CheckCheckpoint}, false},
		"an entry beyond the checkpoint": {func(t *testing.T, w *world) *Bundle {
			g := grantOf(nil)
			before := w.fork(t)
			index := w.grant(g, w.issuer, nil)
			b, _, _ := w.underGrant(index, g, tamper{unlogged: true})
			in := ensure[*ledger.Inclusion](t)(ledger.ParseInclusion([]byte(b.Facts[0].Grant.Inclusion)))
			in.Checkpoint = before.checkpoint()
			b.Facts[0].Grant.Inclusion = string(ledger.FormatInclusion(in))
			return b
		}, "", []string{CheckInclusion}, false},
		"an entry in no tree": {func(t *testing.T, w *world) *Bundle {
			g := grantOf(nil)
			index := uint64(3)
			b, _, _ := w.underGrant(index, g, tamper{context: func(c *statement.Context) { n := canon.Uint64(index); c.Grant = &n }})
			e := &ledger.GrantEntry{Origin: w.origin, Registry: "titles", Grant: ensure[statement.Digest](t)(g.Digest())}
			w.sign(e.Sign(w.issuer))
			b.Facts[0].Grant.Entry = ensure[[]byte](t)(ledger.MarshalEntry(e))
			return b
		}, "", []string{CheckInclusion}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "agency.example/log", titleSchema())
			b := reparse(t, attack.make(t, w))
			want := slices.Clone(attack.also)
			if attack.says != "" {
				want = append(want, CheckGrant)
			}
			v := wantFailing(t, name, b, w.trust(), nil, want...)
			if c := find(t, v, CheckGrant); !strings.Contains(c.Observed, attack.says) {
				t.Errorf("it says %q, not %q", c.Observed, attack.says)
			}
			if attack.says == "" || attack.timed {
				return
			}
			report, _ := auditWith(t, w.export(), w.trust(), AuditOptions{Bundles: bundleDir(t, map[string][]byte{"b.json": marshalBundle(t, b)})})
			found := func(p Problem) bool { return p.Check == AuditBundle && strings.Contains(p.Detail, attack.says) }
			if !slices.ContainsFunc(report.Problems, found) {
				t.Errorf("an audit does not find it: %v", report.Problems)
			}
		})
	}
}

// granted logs a grant and answers the tests' request under it.
func (w *world) granted(g *statement.Grant, extra ...string) *Bundle {
	w.t.Helper()
	b, _, _ := w.underGrant(w.grant(g, w.issuer, nil), g, tamper{}, extra...)
	return b
}

// conditions gives more conditions on an attribute than one proof holds.
func conditions(name string, n int) (lines []string) {
	for i := range n {
		lines = append(lines, "  - "+name+" >= "+strings.Repeat("1", i+1))
	}
	return lines
}

// TestGrantRevoked: proofs before the end of a grant stay granted, whatever comes after.
func TestGrantRevoked(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	g := grantOf(nil)
	index := w.grant(g, w.issuer, nil)
	before, _, _ := w.underGrant(index, g, tamper{})
	holders, _, _ := w.underGrant(index, g, tamper{unlogged: true})
	end := w.revokeGrant(index)
	after, _, _ := w.underGrant(index, g, tamper{})
	trust := w.trust()
	_, log := w.audited(trust)
	wantFailing(t, "before", before, trust, log)
	wantFailing(t, "after, without the log", after, trust, nil)
	v := wantFailing(t, "after", after, trust, log, CheckGrant)
	wantObserved(t, v, CheckGrant, "revoked the grant")
	wantFailing(t, "never logged", holders, trust, log, CheckGrant)
	report, _ := auditWith(t, w.export(), trust, AuditOptions{Bundles: bundleDir(t, map[string][]byte{
		"before.json": marshalBundle(t, before), "after.json": marshalBundle(t, after),
	})})
	if len(report.Problems) != 1 || !strings.Contains(report.Problems[0].Detail, "after.json: fact fact: grant: entry ") || *report.Problems[0].Index != end+1 {
		t.Errorf("%v", report.Problems)
	}
}

// TestGrantOfAStolenKey: a grant that the issuer's key signed after its theft is void.
func TestGrantOfAStolenKey(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	pinned, stolen := w.trust(), w.issuer
	g := grantOf(nil)
	early := w.grant(g, stolen, nil)
	bEarly, _, _ := w.underGrant(early, g, tamper{})
	theft := grantOf(nil)
	late := w.grant(theft, stolen, nil)
	bLate, _, _ := w.underGrant(late, theft, tamper{})
	w.rotateIssuer()
	w.revoke("titles", stolen, late)
	trust := w.updated(pinned)
	_, log := w.audited(pinned)
	wantFailing(t, "before the theft", bEarly, trust, nil)
	wantFailing(t, "before the theft, with the log", bEarly, pinned, log)
	wantFailing(t, "after the theft", bLate, trust, nil, CheckGrant)
	wantFailing(t, "after the theft, with the log", bLate, pinned, log, CheckGrant)
}

// TestGrantOfAFork: the audited log has another entry in the grant's place.
func TestGrantOfAFork(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	fork := w.fork(t)
	g := grantOf(nil)
	b, _, _ := w.underGrant(w.grant(g, w.issuer, nil), g, tamper{unlogged: true})
	fork.grant(grantOf(nil), w.issuer, nil)
	_, log := fork.audited(w.trust())
	wantFailing(t, "a fork", b, w.trust(), log, CheckInclusion, CheckGrant)
}

// TestGrantAsAsked: with the request, a tie to a record that nobody named is seen to be
// a question about any record.
func TestGrantAsAsked(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	g := grantOf(nil)
	index := w.grant(g, w.issuer, nil)
	for text, want := range map[string][]string{
		"facts: {a: {registry: titles, key: LC-00042}, b: {registry: titles, key: {from: a.key}}}": nil,
		"facts: {a: {registry: titles}, b: {registry: titles, key: {from: a.key}}}":                {CheckGrant, CheckTies}, // the world seals each by itself
	} {
		r := parseRequest(t, text, "audience: bank-a", "purpose: underwriting")
		w.sign(r.Fill(zeroReader{}))
		r.Grant = &index
		b := &Bundle{Format: BundleFormat}
		o := &Openings{Kind: OpeningsFormat, Facts: map[string][]Opening{}}
		for _, name := range r.FactNames() {
			f, openings := w.answer(r, name, testRecord, tamper{})
			f.Grant = &Granted{Document: g, Logged: w.logged(index)}
			b.Facts, o.Facts[name] = append(b.Facts, f), openings
		}
		if failed := outcomes(t, ensure[*Verdict](t)(Verify(b, Options{Trust: w.trust(), At: testTime}))); len(failed) > 0 {
			t.Errorf("%s, without the request: %v", text, failed)
		}
		v := ensure[*Verdict](t)(Verify(b, Options{Trust: w.trust(), Request: r, Openings: o, At: testTime}))
		if failed := outcomes(t, v); !slices.Equal(failed, want) {
			t.Errorf("%s: %v failed, want %v\n%s", text, failed, want, v.Text())
		}
	}
}
