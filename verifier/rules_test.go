package verifier

import (
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// TestRerandomisedProof: another proof of the same statement is as good, and is not
// the entry that was logged.
func TestRerandomisedProof(t *testing.T) {
	for unlogged, want := range map[bool][]string{true: nil, false: {CheckInclusion}} {
		w := newWorld(t, "agency.example/log", titleSchema())
		r := flatRequest(t)
		b, openings := w.bundle(r, tamper{unlogged: unlogged})
		e := ensure[ledger.Entry](t)(ledger.ParseEntry(b.Facts[0].Proofs[0].Entry)).(*ledger.ProofEntry)
		p := ensure[*Groth16Proof](t)(ParseProof(e.Proof))
		s := big.NewInt(7)
		p.a.ScalarMultiplication(&p.a, s)
		p.b.ScalarMultiplication(&p.b, s.ModInverse(s, fr.Modulus()))
		e.Proof = p.Marshal()
		b.Facts[0].Proofs[0].Entry = rawJSON(t, e)
		v, err := Verify(reparse(t, b), Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime})
		if err != nil || !slices.Equal(outcomes(t, v), want) {
			t.Errorf("unlogged %v: %v failed, want %v (%v)", unlogged, outcomes(t, v), want, err)
		}
	}
}

// TestRotatedLogKey: an old key counts for the checkpoints of its time alone.
func TestRotatedLogKey(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t)
	before, _ := w.bundle(r, tamper{})
	old, size := w.vkey, uint64(len(w.entries))
	skey, vkey, err := ledger.NewLogKey(w.origin)
	if err != nil {
		t.Fatal(err)
	}
	oldSigner := w.signer
	w.signer = ensure[note.Signer](t)(note.NewSigner(skey))
	after, _ := w.bundle(r, tamper{})
	w.signer = oldSigner
	forged, _ := w.bundle(r, tamper{}) // the old key, stolen, signs on
	trust := w.trust()
	trust.Logs = []TrustedLog{{Key: old, Window: Window{Until: index(size)}}, {Key: vkey, Window: Window{From: index(size)}}}
	for name, c := range map[string]struct {
		b    *Bundle
		want []string
	}{"before": {before, nil}, "after": {after, nil}, "forged": {forged, []string{CheckCheckpoint}}} {
		v, err := Verify(c.b, Options{Trust: trust, Request: r, At: testTime})
		if err != nil || !slices.Equal(outcomes(t, v), c.want) {
			t.Errorf("%s: %v failed, want %v (%v)", name, outcomes(t, v), c.want, err)
		}
	}
}

// TestAbsent: that there is no record with a key is another circuit's statement.
func TestAbsent(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	present := w.circuit
	absent := *w.circuit
	absent.Name, absent.Circuit, absent.Setup = CircuitAbsent, released(CircuitAbsent), ledger.SetupCeremony
	r := parseRequest(t, "registry: titles", "key: LC-00042", "absent: true")
	if err := r.Fill(zeroReader{}); err != nil {
		t.Fatal(err)
	}
	w.circuit, w.circuitIndex = &absent, w.add(&absent)
	trust := w.trust()
	trust.Development = ""
	b, openings := w.bundle(r, tamper{})
	v, err := Verify(reparse(t, b), Options{Trust: trust, Request: r, Openings: openings, At: testTime})
	if err != nil || !v.OK {
		t.Fatalf("%v\n%s", err, v.Text())
	}
	if c := find(t, v, CheckSetup); c.Outcome != Pass {
		t.Errorf("a ceremony: %s", c.Outcome)
	}
	w.circuit, w.circuitIndex = present, 0 // a proof that there is one
	there := func(_ int, q *statement.Question) {
		*q = statement.Question{Predicates: []statement.Predicate{}, Outputs: [2]statement.Output{statement.OutputKey, statement.OutputLeaf}}
	}
	b, openings = w.bundle(r, tamper{question: there})
	v, err = Verify(b, Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime})
	if err != nil || !slices.Equal(outcomes(t, v), []string{CheckRequest}) {
		t.Errorf("present passes for absent: %v %v", outcomes(t, v), err)
	}
	b, openings = w.bundle(r, tamper{}) // the question says absent, its circuit present
	v, err = Verify(b, Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime})
	if err != nil || !slices.Contains(outcomes(t, v), CheckQuestion) {
		t.Errorf("a question of absence passes under present: %v %v", outcomes(t, v), err)
	}
}

// TestUnloggedProofs: nothing shows when one was made.
func TestUnloggedProofs(t *testing.T) {
	cases := map[string]struct {
		window Window
		want   []string
	}{
		"no window":               {Window{}, nil},
		"a start in the past":     {Window{From: index(3)}, nil},
		"a start to come":         {Window{From: index(4)}, []string{CheckCircuit}},
		"an end, even if to come": {Window{Until: index(1000)}, []string{CheckCircuit}},
	}
	for name, c := range cases {
		w := newWorld(t, "agency.example/log", titleSchema())
		r := flatRequest(t)
		b, _ := w.bundle(r, tamper{unlogged: true})
		trust := w.trust()
		trust.Circuits[0].Window = c.window
		v, err := Verify(b, Options{Trust: trust, Request: r, At: testTime})
		if err != nil || !slices.Equal(outcomes(t, v), c.want) {
			t.Errorf("%s: %v failed, want %v (%v)", name, outcomes(t, v), c.want, err)
		}
	}
}

// TestEpochFromTheFuture: a clock that is behind is told so, and is no reason to refuse.
func TestEpochFromTheFuture(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t)
	r.MaxAge = "24h"
	b, _ := w.bundle(r, tamper{})
	for ago, want := range map[time.Duration]Outcome{0: Pass, 61 * time.Minute: Pass, 24 * time.Hour: Warn} {
		v, err := Verify(b, Options{Trust: w.trust(), Request: r, At: testTime.Add(-ago)})
		if err != nil || !v.OK {
			t.Fatalf("%s ago: %v", ago, err)
		}
		if c := find(t, v, CheckAge); c.Outcome != want {
			t.Errorf("%s ago: %s, want %s", ago, c.Outcome, want)
		}
	}
}

// TestVerifierIsShared: one verifier serves many goroutines.
func TestVerifierIsShared(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t)
	b, openings := w.bundle(r, tamper{})
	v := ensure[*Verifier](t)(New(w.trust()))
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 5 {
				if verdict, err := v.Verify(b, Options{Request: r, Openings: openings, At: testTime}); err != nil || !verdict.OK {
					t.Error(err)
				}
			}
		})
	}
}

func BenchmarkVerifyBundle(b *testing.B) {
	w := newWorld(b, "agency.example/log", titleSchema())
	r := flatRequest(b, "reveal: [area]")
	bundle, openings := w.bundle(r, tamper{})
	data := ensure[[]byte](b)(bundle.Marshal())
	v := ensure[*Verifier](b)(New(w.trust()))
	for b.Loop() {
		parsed, err := ParseBundle(data)
		if err != nil {
			b.Fatal(err)
		}
		verdict, err := v.Verify(parsed, Options{Request: r, Openings: openings, At: testTime})
		if err != nil || !verdict.OK {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(data)), "bytes")
}

// TestPledgeWithoutAReleaseKey: the agency must not be able to put in a key of its
// own, release the pledge behind the bank's back and pledge the record again.
func TestPledgeWithoutAReleaseKey(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t, "once: mortgage")
	b, openings := w.bundle(r, tamper{})
	asked := *r
	asked.ReleaseKey = nil
	v, err := Verify(b, Options{Trust: w.trust(), Request: &asked, Openings: openings, At: testTime})
	if err != nil || !slices.Equal(outcomes(t, v), []string{CheckRequest}) {
		t.Errorf("no key to compare: %v %v", outcomes(t, v), err)
	}
	completed, err := r.JSON() // as the prover completed it, in the openings
	if err != nil {
		t.Fatal(err)
	}
	openings.Request = completed
	v, err = Verify(b, Options{Trust: w.trust(), Request: &asked, Openings: openings, At: testTime})
	if err != nil || !v.OK {
		t.Errorf("with the completed request: %v %v", outcomes(t, v), err)
	}
	other := statement.ReleaseKey{2}
	asked.ReleaseKey = &other
	v, err = Verify(b, Options{Trust: w.trust(), Request: &asked, Openings: openings, At: testTime})
	if err != nil || !slices.Equal(outcomes(t, v), []string{CheckRequest}) {
		t.Errorf("another key: %v %v", outcomes(t, v), err)
	}
}

// TestRequestIsWrong: a request that does not compile says nothing of the bundle.
func TestRequestIsWrong(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t)
	b, openings := w.bundle(r, tamper{})
	for _, where := range []string{"no_such_attribute >= 1", "assessed_value >= 1 || assessed_value <= 2", `assessed_value >= "x"`} {
		asked := *r
		asked.Where = []string{where}
		if _, err := Verify(b, Options{Trust: w.trust(), Request: &asked, Openings: openings, At: testTime}); !errors.Is(err, ErrCannotCheck) {
			t.Errorf("%s: %v, want ErrCannotCheck", where, err)
		}
	}
}

// TestInstantToCome: nobody knows yet which epoch will be the last one then.
func TestInstantToCome(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t)
	r.AsOf = statement.AsOf{Time: testTime.Add(24 * time.Hour)}
	b, openings := w.bundle(r, tamper{})
	v, err := Verify(b, Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime})
	if err != nil || !slices.Equal(outcomes(t, v), []string{CheckAsOf}) {
		t.Errorf("an instant to come: %v %v", outcomes(t, v), err)
	}
}
