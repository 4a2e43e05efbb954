package verifier

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// outcomes gives the checks that fail, and fails the test where the verdict's OK
// does not follow from them.
func outcomes(t testing.TB, v *Verdict) []string {
	t.Helper()
	var failed []string
	for _, c := range v.Failures() {
		if !slices.Contains(failed, c.Check) {
			failed = append(failed, c.Check)
		}
	}
	if v.OK != (len(failed) == 0) {
		t.Fatalf("ok is %v with failures %v", v.OK, failed)
	}
	return failed
}

func find(t testing.TB, v *Verdict, check string) Check {
	t.Helper()
	for _, c := range v.Checks {
		if c.Check == check {
			return c
		}
	}
	t.Fatalf("no check %q", check)
	return Check{}
}

func TestHonestBundle(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t, "reveal: [area]")
	b, openings := w.bundle(r, tamper{})
	b = reparse(t, b)
	full := Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime}
	seedless := *r
	seedless.Seed = nil
	without := func(change func(*Options)) Options { o := full; change(&o); return o }
	cases := map[string]Options{
		"everything given":       full,
		"nothing given":          {Trust: w.trust(), At: testTime},
		"openings alone":         {Trust: w.trust(), Openings: openings, At: testTime},
		"request without a seed": without(func(o *Options) { o.Request = &seedless }),
		"audience":               without(func(o *Options) { o.Audience = "bank-a" }),
	}
	for name, o := range cases {
		v, err := Verify(b, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if failed := outcomes(t, v); len(failed) > 0 {
			t.Errorf("%s: %v failed\n%s", name, failed, v.Text())
		}
		if c := find(t, v, CheckSetup); c.Outcome != Warn {
			t.Errorf("%s: a development setup is %s, want %s", name, c.Outcome, Warn)
		}
	}
	v, err := Verify(b, full)
	if err != nil {
		t.Fatal(err)
	}
	if c := find(t, v, CheckOpenings); !strings.Contains(c.Observed, "area is 12.50") {
		t.Errorf("the revealed value is not shown: %q", c.Observed)
	}
}

// TestSkippedChecks: without a request nothing is compared, and the verdict says so.
func TestSkippedChecks(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	b, _ := w.bundle(flatRequest(t), tamper{})
	v, err := Verify(b, Options{Trust: w.trust(), At: testTime})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{CheckRequest, CheckNonce, CheckOpenings, CheckAsOf, CheckTies, CheckAge, CheckQuorum, CheckTree} {
		if c := find(t, v, name); c.Outcome != Skipped || (c.RestsOn != OnNothing && c.RestsOn != OnAgency) {
			t.Errorf("%s: %s resting on %s", name, c.Outcome, c.RestsOn)
		}
	}
	if c := find(t, v, CheckAudience); c.Outcome != Warn || c.RestsOn != OnNothing {
		t.Errorf("audience: %s", c.Outcome)
	}
	if !v.OK {
		t.Error("checks whose inputs are absent are not required")
	}
}

// TestFailures changes one thing of an honest answer or of what it is checked
// against, and wants exactly the checks that watch it to fail. The lies of tamper
// are proved: only the check named stands against them.
func TestFailures(t *testing.T) {
	cases := map[string]struct {
		how    tamper
		change func(w *world, b *Bundle, o *Options)
		want   []string
	}{
		"another root":                      {tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Root = randomElement(t) }}, nil, []string{CheckRoot}},
		"another registry in the statement": {tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Public.Registry = "liens" }}, nil, []string{CheckRoot, CheckRequest}},
		"another log in the statement":      {tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Public.Origin = "other.example/log" }}, nil, []string{CheckSchema, CheckEpoch, CheckCheckpoint}},
		"another epoch in the statement":    {tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Public.Epoch[0] ^= 1 }}, nil, []string{CheckProof}},
		"another schema in the statement":   {tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Public.Schema[0] ^= 1 }}, nil, []string{CheckProof}},
		"another circuit in the statement":  {tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Public.Circuit[0] ^= 1 }}, nil, []string{CheckCircuit, CheckSetup, CheckProof}},
		"a question that Q does not hide":   {tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Q = randomElement(t) }}, nil, []string{CheckQuestion}},
		"a predicate less":                  {tamper{question: func(_ int, q *statement.Question) { q.Predicates = q.Predicates[:1] }}, nil, []string{CheckRequest}},
		"a weaker predicate":                {tamper{question: func(_ int, q *statement.Question) { q.Predicates[0].Values = []string{"100000"} }}, nil, []string{CheckRequest}},
		"another audience":                  {tamper{context: func(c *statement.Context) { c.Audience = "bank-b" }}, nil, []string{CheckRequest, CheckAudience}},
		"no audience":                       {tamper{context: func(c *statement.Context) { c.Audience = "" }}, nil, []string{CheckRequest, CheckAudience}},
		"another purpose":                   {tamper{context: func(c *statement.Context) { c.Purpose = "marketing" }}, nil, []string{CheckRequest}},
		"another nonce":                     {tamper{context: func(c *statement.Context) { c.Nonce[3] ^= 1 }}, nil, []string{CheckNonce}},
		"a later expiry":                    {tamper{context: func(c *statement.Context) { c.Expires = "2027-12-31T00:00:00Z" }}, nil, []string{CheckRequest}},
		"a grant":                           {tamper{context: func(c *statement.Context) { n := canon.Uint64(3); c.Grant = &n }}, nil, []string{CheckRequest, CheckGrant}},
		"a pledge not asked for": {tamper{entry: func(_ int, e *ledger.ProofEntry) {
			e.Scope, e.Nullifier, e.Public.ReleaseKey = randomElement(t), randomElement(t), &statement.ReleaseKey{}
		}}, nil, []string{CheckRequest, CheckNullifier}},

		"another subject asked": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			r := *o.Request
			r.Subject = &statement.Ref{Value: "OH-0009999"}
			o.Request = &r
		}, []string{CheckOpenings}},
		"another subject asked, without the seed": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			r := *o.Request
			r.Subject, r.Seed = &statement.Ref{Value: "OH-0009999"}, nil
			o.Request = &r
		}, []string{CheckOpenings}},
		"another condition asked": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			r := *o.Request
			r.Where = []string{"assessed_value >= 300000"}
			o.Request = &r
		}, []string{CheckRequest}},
		"a key asked, too": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			r := *o.Request
			r.Key = &statement.Ref{Value: "LC-00042"}
			o.Request = &r
		}, []string{CheckRequest}},
		"another registry asked": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			r := *o.Request
			r.Registry = "liens"
			o.Request = &r
		}, []string{CheckRequest}},
		"absence asked": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			o.Request, o.Openings = parseRequest(t, "registry: titles", "key: LC-1", "absent: true"), nil
		}, []string{CheckRequest}},
		"a holder asked": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			r := *o.Request
			r.Holder = true
			o.Request = &r
		}, []string{CheckRequest}},
		"another fact asked": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			o.Request = parseRequest(t, "facts:", "  title: {registry: titles}")
		}, []string{CheckRequest}},
		"epoch 1 asked": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			r := *o.Request
			r.AsOf = statement.AsOf{Number: 1}
			o.Request = &r
		}, []string{CheckAsOf}},
		"an instant before the epoch asked": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			r := *o.Request
			r.AsOf = statement.AsOf{Time: testTime.Add(-2 * time.Hour)}
			o.Request = &r
		}, []string{CheckAsOf}},
		"an instant after the successor asked": {tamper{epoch: -1}, func(w *world, b *Bundle, o *Options) {
			r := *o.Request
			r.AsOf = statement.AsOf{Time: testTime}
			o.Request = &r
			s := w.logged(w.epochIndex[1])
			b.Facts[0].Successor = &s
		}, []string{CheckAsOf}},
		"a successor shown, latest asked": {tamper{epoch: -1}, func(w *world, b *Bundle, _ *Options) {
			s := w.logged(w.epochIndex[1])
			b.Facts[0].Successor = &s
		}, []string{CheckAsOf}},
		"a successor that does not follow": {tamper{}, func(w *world, b *Bundle, _ *Options) {
			s := w.logged(w.epochIndex[0])
			b.Facts[0].Successor = &s
		}, []string{CheckEpoch, CheckAsOf}},

		"expired":             {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.At = time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC) }, []string{CheckExpiry}},
		"verified by another": {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Audience = "bank-b" }, []string{CheckAudience}},
		"trusted by another":  {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.Audience = "bank-b" }, []string{CheckAudience}},
		"too old":             {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.MaxAge = "30m" }, []string{CheckAge}},
		"too old for the request": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			r := *o.Request
			r.MaxAge = "30m"
			o.Request, o.Trust.MaxAge = &r, "720h"
		}, []string{CheckAge}},
		"development not allowed": {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.Development = "" }, []string{CheckSetup}},
		"circuit not pinned":      {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.Circuits = nil }, []string{CheckCircuit, CheckSetup, CheckProof}},
		"circuit under another key": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			o.Trust.Circuits[0].VK = otherKeys().vk.Marshal()
		}, []string{CheckCircuit, CheckSetup, CheckProof}},
		"circuit of another version": {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.Circuits[0].Version = 2 }, []string{CheckCircuit}},
		"circuit sunset":             {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.Circuits[0].Until = index(4) }, []string{CheckCircuit}},
		"circuit not yet":            {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.Circuits[0].From = index(5) }, []string{CheckCircuit}},
		"issuer not pinned":          {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.Registries = nil }, []string{CheckSchema, CheckEpoch}},
		"another issuer":             {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.Registries[0].Issuer[0] ^= 1 }, []string{CheckSchema, CheckEpoch}},
		"issuer's key ended":         {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.Registries[0].Until = index(3) }, []string{CheckEpoch}},
		"log's key ended":            {tamper{}, func(_ *world, _ *Bundle, o *Options) { o.Trust.Logs[0].Until = index(4) }, []string{CheckCheckpoint}},
		"another log's key": {tamper{}, func(w *world, _ *Bundle, o *Options) {
			_, vkey, err := ledger.NewLogKey(w.origin)
			w.sign(err)
			o.Trust.Logs[0].Key = vkey
		}, []string{CheckCheckpoint, CheckCosignatures}},
		"a quorum missing": {tamper{}, func(w *world, _ *Bundle, o *Options) {
			_, vkey := newWitness(w.t, "witness.example/1")
			o.Trust.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{vkey}}
		}, []string{CheckQuorum}},
		"not logged though required": {tamper{unlogged: true}, func(_ *world, _ *Bundle, o *Options) { o.Trust.RequireLogged = true }, []string{CheckInclusion}},
		"schema not logged":          {tamper{}, func(_ *world, b *Bundle, _ *Options) { b.Facts[0].Schema.Inclusion = "" }, []string{CheckInclusion, CheckCheckpoint}},
		"another entry's place": {tamper{}, func(_ *world, b *Bundle, _ *Options) {
			b.Facts[0].Schema.Inclusion = b.Facts[0].Epoch.Inclusion
		}, []string{CheckInclusion}},
		"another epoch's entry": {tamper{}, func(w *world, b *Bundle, _ *Options) {
			b.Facts[0].Epoch = w.logged(w.epochIndex[0])
		}, []string{CheckProof, CheckRoot}},
		"another proof": {tamper{}, func(w *world, b *Bundle, _ *Options) {
			e := ensure[ledger.Entry](w.t)(ledger.ParseEntry(b.Facts[0].Proofs[0].Entry)).(*ledger.ProofEntry)
			e.Proof = encodeProof(keys().prove(w.t, randomElement(w.t)))
			b.Facts[0].Proofs[0].Entry, b.Facts[0].Proofs[0].Inclusion = rawJSON(w.t, e), ""
		}, []string{CheckProof}},
		"another blind":  {tamper{}, func(w *world, b *Bundle, _ *Options) { b.Facts[0].Proofs[0].Blind = randomElement(w.t) }, []string{CheckQuestion}},
		"another output": {tamper{}, func(w *world, b *Bundle, _ *Options) { b.Facts[0].Proofs[0].Outputs[0] = randomElement(w.t) }, []string{CheckQuestion, CheckOpenings}},
		"another name": {tamper{}, func(w *world, b *Bundle, o *Options) {
			b.Facts[0].Name, b.Facts[0].Context.Fact = "title", "title"
			o.Request, o.Openings = nil, nil
		}, []string{CheckQuestion}},
		"openings of another value": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			o.Openings.Facts["fact"][0].Value = "OH-0009999"
		}, []string{CheckOpenings}},
		"openings with other randomness": {tamper{}, func(w *world, _ *Bundle, o *Options) {
			o.Openings.Facts["fact"][0].Randomness = randomElement(w.t)
		}, []string{CheckOpenings}},
		"openings of a fact that is not there": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			o.Openings.Facts["title"] = []Opening{}
		}, []string{CheckOpenings}},
		"openings without a request, of another value": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			o.Request = nil
			o.Openings.Facts["fact"][0].Value = "OH-0009999"
		}, []string{CheckOpenings}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "agency.example/log", titleSchema())
			r := flatRequest(t)
			b, openings := w.bundle(r, c.how)
			o := Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime}
			if c.change != nil {
				c.change(w, b, &o)
			}
			v, err := Verify(reparse(t, b), o)
			if err != nil {
				t.Fatal(err)
			}
			if failed := outcomes(t, v); !slices.Equal(failed, c.want) {
				t.Errorf("failed: %v, want %v\n%s", failed, c.want, v.Text())
			}
		})
	}
}

func index(n uint64) *canon.Uint64 {
	i := canon.Uint64(n)
	return &i
}

// TestCannotCheck: what was asked cannot be answered either way without the file
// that shows it.
func TestCannotCheck(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t, "reveal: [area]")
	b, openings := w.bundle(r, tamper{})
	seedless := *r
	seedless.Seed = nil
	onlySubject := *openings
	onlySubject.Facts = map[string][]Opening{"fact": openings.Facts["fact"][:1]}
	cases := map[string]Options{
		"a reveal without openings":                {Request: r},
		"a reveal without its opening":             {Request: r, Openings: &onlySubject},
		"a subject with neither openings nor seed": {Request: &seedless},
	}
	for name, o := range cases {
		o.Trust, o.At = w.trust(), testTime
		if v, err := Verify(b, o); !errors.Is(err, ErrCannotCheck) || v != nil {
			t.Errorf("%s: %v, want %v", name, err, ErrCannotCheck)
		}
	}
}

// TestSeedFromOpenings: a plain request has no seed, and the prover's completed one
// does.
func TestSeedFromOpenings(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t)
	b, openings := w.bundle(r, tamper{})
	plain := *r
	plain.Seed, plain.Nonce = nil, nil
	openings.Facts = map[string][]Opening{} // the seed alone has to do
	openings.Request = rawJSON(t, r)
	o := Options{Trust: w.trust(), Request: &plain, Openings: ensure[*Openings](t)(ParseOpenings(ensure[[]byte](t)(openings.Marshal()))), At: testTime}
	v, err := Verify(b, o)
	if err != nil {
		t.Fatal(err)
	}
	if failed := outcomes(t, v); len(failed) > 0 {
		t.Errorf("%v failed\n%s", failed, v.Text())
	}
	if c := find(t, v, CheckNonce); c.Outcome != Skipped {
		t.Errorf("a nonce that the request lacks: %s", c.Outcome)
	}
	plain.Subject = &statement.Ref{Value: "OH-0009999"}
	if v, err = Verify(b, o); err != nil || !slices.Equal(outcomes(t, v), []string{CheckOpenings}) {
		t.Errorf("another subject: %v", err)
	}
}

// TestLinkedProofs: a question that one proof does not hold.
func TestLinkedProofs(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t, "reveal: [area, garage, n0]")
	for _, n := range []string{"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"} {
		r.Where = append(r.Where, n+" >= 1")
	}
	b, openings := w.bundle(r, tamper{})
	if n := len(b.Facts[0].Proofs); n < 2 {
		t.Fatalf("%d proofs: the case tests nothing", n)
	}
	o := Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime}
	v, err := Verify(reparse(t, b), o)
	if err != nil || !v.OK {
		t.Fatalf("%v\n%s", err, v.Text())
	}
	other, _ := w.bundle(r, tamper{}) // of another record, as its commitment to the leaf says
	b.Facts[0].Proofs[1] = other.Facts[0].Proofs[1]
	o.Openings = nil
	r.Reveal, r.Subject = nil, nil
	if v, err = Verify(b, o); err != nil || !slices.Contains(outcomes(t, v), CheckLinked) {
		t.Errorf("proofs of two records pass as one's: %v", err)
	}
}

func TestSecondPledgeAmongLinkedProofs(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t, "reveal: [area, garage, n0]", "once: mortgage")
	b, openings := w.bundle(r, tamper{entry: func(i int, e *ledger.ProofEntry) {
		scope, _ := statement.ScopeElement("mortgage")
		e.Scope, e.Nullifier, e.Public.ReleaseKey = statement.Element(scope), randomElement(t), &statement.ReleaseKey{1}
	}})
	v, err := Verify(b, Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime})
	if err != nil || !slices.Equal(outcomes(t, v), []string{CheckLinked}) {
		t.Errorf("%v, %v", outcomes(t, v), err)
	}
}

func TestPledge(t *testing.T) {
	cases := map[string]struct {
		how    tamper
		change func(w *world, b *Bundle, o *Options)
		want   []string
	}{
		"honest":     {},
		"not logged": {tamper{unlogged: true}, nil, []string{CheckInclusion}},
		"in an undeclared scope": {tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Scope = randomElement(t) }}, nil,
			[]string{CheckRequest, CheckNullifier}},
		"without the issuer's consent": {tamper{entry: func(_ int, e *ledger.ProofEntry) { e.Consent = make([]byte, 64) }}, nil, []string{CheckNullifier}},
		"with another release key": {tamper{}, func(_ *world, _ *Bundle, o *Options) {
			o.Request.ReleaseKey = &statement.ReleaseKey{2}
		}, []string{CheckRequest}},
		"without the pledge": {tamper{entry: func(_ int, e *ledger.ProofEntry) {
			e.Scope, e.Nullifier, e.Public.ReleaseKey = statement.Element{}, statement.Element{}, nil
		}}, nil, []string{CheckRequest}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "agency.example/log", titleSchema())
			r := flatRequest(t, "once: mortgage")
			b, openings := w.bundle(r, c.how)
			o := Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime}
			if c.change != nil {
				c.change(w, b, &o)
			}
			v, err := Verify(reparse(t, b), o)
			if err != nil {
				t.Fatal(err)
			}
			if failed := outcomes(t, v); !slices.Equal(failed, c.want) {
				t.Errorf("failed: %v, want %v\n%s", failed, c.want, v.Text())
			}
		})
	}
}

// TestHolderConsent: a scope that takes the holder's consent shows it in the question.
func TestHolderConsent(t *testing.T) {
	schema := titleSchema()
	schema.Scopes[0].Consent = statement.ConsentHolder
	for holder, want := range map[bool][]string{true: nil, false: {CheckRequest, CheckNullifier}} {
		w := newWorld(t, "agency.example/log", schema)
		r := flatRequest(t, "once: mortgage")
		b, openings := w.bundle(r, tamper{question: func(_ int, q *statement.Question) { q.Holder = holder }})
		v, err := Verify(b, Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime})
		if err != nil {
			t.Fatal(err)
		}
		if failed := outcomes(t, v); !slices.Equal(failed, want) {
			t.Errorf("holder %v: %v failed, want %v", holder, failed, want)
		}
	}
	// An agency pledges the record of nobody, with no holder's secret: the verdict does
	// not need the request to see it.
	w := newWorld(t, "agency.example/log", schema)
	r := flatRequest(t, "once: mortgage")
	for name, lie := range map[string]tamper{
		"no secret": {question: func(_ int, q *statement.Question) { q.Holder = false }},
		"the issuer's consent for the holder's": {
			question: func(_ int, q *statement.Question) { q.Holder = false },
			entry:    func(_ int, e *ledger.ProofEntry) { w.sign(e.SignConsent(w.issuer)) },
		},
		"the issuer's consent beside the holder's": {entry: func(_ int, e *ledger.ProofEntry) { w.sign(e.SignConsent(w.issuer)) }},
	} {
		b, _ := w.bundle(r, lie)
		v, err := Verify(b, Options{Trust: w.trust(), At: testTime})
		if err != nil || !slices.Equal(outcomes(t, v), []string{CheckNullifier}) {
			t.Errorf("%s: %v %v", name, outcomes(t, v), err)
		}
	}
}

// TestAsOfInstant: with the successor the epoch was the last one then, and without
// it that is so only as far as the checkpoint goes.
func TestAsOfInstant(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t)
	r.AsOf = statement.AsOf{Time: testTime.Add(-24 * time.Hour)}
	b, openings := w.bundle(r, tamper{epoch: -1})
	o := Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime}
	v, err := Verify(b, o)
	if err != nil || !v.OK {
		t.Fatal(err, v.Text())
	}
	if c := find(t, v, CheckAsOf); c.RestsOn != OnLog || !strings.Contains(c.Observed, "relative to the checkpoint") {
		t.Errorf("without the successor: %+v", c)
	}
	s := w.logged(w.epochIndex[1])
	b.Facts[0].Successor = &s
	if v, err = Verify(reparse(t, b), o); err != nil || !v.OK {
		t.Fatal(err, v.Text())
	}
	if c := find(t, v, CheckAsOf); c.RestsOn != OnPinned {
		t.Errorf("with the successor: %+v", c)
	}
}

// TestJoin ties facts of two agencies with a log each.
func TestJoin(t *testing.T) {
	schema := titleSchema()
	schema.Registry = "licences"
	one, two := newWorld(t, "agency.example/log", titleSchema()), newWorld(t, "other.example/log", schema)
	r := parseRequest(t, "facts:", "  title: {registry: titles, subject: OH-0001222}", "  licence: {registry: licences, subject: {from: title.subject}, key: LC-7}")
	if err := r.Fill(zeroReader{}); err != nil {
		t.Fatal(err)
	}
	licence, _ := two.answer(r, "licence", record{key: "LC-7", subject: "OH-0001222"}, tamper{})
	title, _ := one.answer(r, "title", testRecord, tamper{})
	b := &Bundle{Format: BundleFormat, Facts: []Fact{licence, title}}
	o := Options{Trust: one.trust(two), Request: r, At: testTime}
	v, err := Verify(reparse(t, b), o)
	if err != nil || !v.OK {
		t.Fatalf("%v\n%s", err, v.Text())
	}
	if c := find(t, v, CheckTies); c.Outcome != Pass {
		t.Errorf("the tie: %s", c.Outcome)
	}
	b.Facts[0], _ = two.answer(r, "licence", record{key: "LC-7", subject: "OH-0000001"}, tamper{})
	if v, err = Verify(b, o); err != nil || !slices.Equal(outcomes(t, v), []string{CheckOpenings, CheckTies}) {
		t.Errorf("facts of two owners: %v %v", err, outcomes(t, v))
	}
	b.Facts = b.Facts[1:]
	if v, err = Verify(b, o); err != nil || !slices.Equal(outcomes(t, v), []string{CheckRequest, CheckTies}) {
		t.Errorf("a fact missing: %v %v", err, outcomes(t, v))
	}
}

// TestFactsOfTwoAskings: facts that were proved for different askings are no answer,
// though a request without nonce, or none at all, has nothing to hold them to.
func TestFactsOfTwoAskings(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	grant := canon.Uint64(3)
	cases := map[string]struct {
		change func(c *statement.Context)
		want   []string
	}{
		"one asking":      {func(*statement.Context) {}, nil},
		"another nonce":   {func(c *statement.Context) { c.Nonce[0] ^= 1 }, []string{CheckContext}},
		"another bank":    {func(c *statement.Context) { c.Audience = "bank-b" }, []string{CheckContext}},
		"another purpose": {func(c *statement.Context) { c.Purpose = "marketing" }, []string{CheckContext}},
		"another expiry":  {func(c *statement.Context) { c.Expires = "2027-01-01T00:00:00Z" }, []string{CheckContext}},
		"a grant":         {func(c *statement.Context) { c.Grant = &grant }, []string{CheckGrant}}, // of its own log, which is not shown
	}
	for name, c := range cases {
		r := parseRequest(t, "facts:", "  a: {registry: titles}", "  b: {registry: titles}")
		if err := r.Fill(zeroReader{}); err != nil {
			t.Fatal(err)
		}
		a, _ := w.answer(r, "a", testRecord, tamper{})
		b, _ := w.answer(r, "b", testRecord, tamper{context: c.change})
		bundle := reparse(t, &Bundle{Format: BundleFormat, Facts: []Fact{a, b}})
		v, err := Verify(bundle, Options{Trust: w.trust(), At: testTime})
		if err != nil || !slices.Equal(outcomes(t, v), c.want) {
			t.Errorf("%s: %v failed, want %v (%v)", name, outcomes(t, v), c.want, err)
		}
	}
	// A plain request has no nonce to compare.
	r := parseRequest(t, "facts:", "  a: {registry: titles}", "  b: {registry: titles}")
	plain := *r
	if err := r.Fill(zeroReader{}); err != nil {
		t.Fatal(err)
	}
	a, _ := w.answer(r, "a", testRecord, tamper{})
	b, _ := w.answer(r, "b", testRecord, tamper{context: func(c *statement.Context) { c.Nonce[0] ^= 1 }})
	v, err := Verify(&Bundle{Format: BundleFormat, Facts: []Fact{a, b}}, Options{Trust: w.trust(), Request: &plain, At: testTime})
	if err != nil || !slices.Equal(outcomes(t, v), []string{CheckContext}) {
		t.Errorf("a plain request: %v %v", outcomes(t, v), err)
	}
}

// TestTieOfUnnamedValue: nobody said the value, so the commitments' equality is all.
func TestTieOfUnnamedValue(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := parseRequest(t, "facts:", "  a: {registry: titles}", "  b: {registry: titles, key: {from: a.key}}")
	if err := r.Fill(zeroReader{}); err != nil {
		t.Fatal(err)
	}
	a, _ := w.answer(r, "a", testRecord, tamper{})
	b, _ := w.answer(r, "b", testRecord, tamper{}) // with randomness of its own
	v, err := Verify(&Bundle{Format: BundleFormat, Facts: []Fact{a, b}}, Options{Trust: w.trust(), Request: r, At: testTime})
	if err != nil || !slices.Equal(outcomes(t, v), []string{CheckTies}) {
		t.Errorf("%v %v", err, outcomes(t, v))
	}
}

// TestSplitView: two trees of one size in one bundle are evidence against the log.
func TestSplitView(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t)
	b, _ := w.bundle(r, tamper{unlogged: true})
	w.entries, w.hashes = w.entries[:3], w.hashes[:tlogStored(3)] // another history after epoch 1
	other := *w.epochs[1]
	other.Root = randomElement(t)
	w.sign(other.Sign(w.issuer))
	w.add(&other)
	b.Facts[0].Schema = w.logged(w.schemaIndex)
	v, err := Verify(b, Options{Trust: w.trust(), Request: r, At: testTime})
	if err != nil || !slices.Equal(outcomes(t, v), []string{CheckCheckpoint}) {
		t.Errorf("%v %v", err, outcomes(t, v))
	}
	if c := find(t, v, CheckCheckpoint); !strings.Contains(c.Observed, "two trees") {
		t.Errorf("%q", c.Observed)
	}
}

// TestChangedBytes changes single bytes of a bundle, at random: no change but one
// to an equal JSON document ever passes, with a request or without.
func TestChangedBytes(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	signer, vkey := newWitness(t, "witness.example/1")
	w.cosigners = append(w.cosigners, signer)
	trust := w.trust()
	trust.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{vkey}}
	v := ensure[*Verifier](t)(New(trust))
	g := grantOf(nil)
	index := w.grant(g, w.issuer, nil)
	b, r, _ := w.underGrant(index, g, tamper{epoch: -1}, "once: mortgage", "as_of: "+statement.FormatTime(testTime.Add(-24*time.Hour)))
	s := w.logged(w.epochIndex[1])
	b.Facts[0].Successor = &s
	good := ensure[[]byte](t)(b.Marshal())
	if verdict, err := v.Verify(ensure[*Bundle](t)(ParseBundle(good)), Options{Request: r, At: testTime}); err != nil || !verdict.OK {
		t.Fatalf("%v\n%s", err, verdict.Text())
	}
	for name, o := range map[string]Options{"with a request": {Request: r, At: testTime}, "without": {At: testTime}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judged := 0
			for i := range 500 {
				if judgeChange(t, v, good, rand.New(rand.NewPCG(1, uint64(i))), o) {
					judged++
				}
			}
			if judged < 100 {
				t.Errorf("only %d of the changes came as far as a verdict", judged)
			}
		})
	}
}

// judgeChange changes a byte and tells whether the result came as far as a verdict.
func judgeChange(t *testing.T, v *Verifier, good []byte, random *rand.Rand, o Options) bool {
	data := slices.Clone(good)
	at := random.IntN(len(data))
	switch random.IntN(3) {
	case 0:
		data[at] ^= 1 << random.IntN(8)
	case 1:
		data[at] = byte(random.IntN(256))
	default:
		data[at] = "0Aa=+/ \n\"{}[],:"[random.IntN(15)]
	}
	if same, err := canon.Canonicalize(data); err == nil && string(same) == string(good) {
		return false
	}
	b, err := ParseBundle(data)
	if err != nil {
		return false
	}
	verdict, err := v.Verify(b, o)
	if err == nil && verdict.OK {
		t.Fatalf("byte %d changed from %q to %q: passes, near %q", at, good[at], data[at], good[max(0, at-60):at+20])
	}
	if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrCannotCheck) {
		t.Fatalf("byte %d: %v is none of the errors that Verify may give", at, err)
	}
	return true
}
