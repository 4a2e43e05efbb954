package verifier

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/attestry/attestry/statement"
)

var update = flag.Bool("update", false, "make the test vectors anew")

var vectorsFile = filepath.Join("..", "docs", "vectors", "verifier.json")

// vectors are one example of each format that this package owns, made once.
type vectors struct {
	VerifyingKey struct {
		Encoding []byte           `json:"encoding"`
		Digest   statement.Digest `json:"digest"`
	} `json:"verifying_key"`
	Proofs      []proofVector   `json:"proofs"`
	Trust       json.RawMessage `json:"trust"`
	Fingerprint string          `json:"fingerprint"`
	At          string          `json:"at"`
	Request     json.RawMessage `json:"request"`
	Bundle      json.RawMessage `json:"bundle"`
	Openings    json.RawMessage `json:"openings"`
	Verdict     []outcomeVector `json:"verdict"`
}

// outcomeVector is what of a check is stable: its words for people are not.
type outcomeVector struct {
	Check   string  `json:"check"`
	Fact    string  `json:"fact,omitempty"`
	Outcome Outcome `json:"outcome"`
	RestsOn RestsOn `json:"rests_on"`
}

func outcomeVectors(v *Verdict) []outcomeVector {
	var out []outcomeVector
	for _, c := range v.Checks {
		out = append(out, outcomeVector{c.Check, c.Fact, c.Outcome, c.RestsOn})
	}
	return out
}

// proofVector says whether a proof of D parses and holds under the vectors' key.
type proofVector struct {
	What  string            `json:"what"`
	D     statement.Element `json:"d"`
	Proof []byte            `json:"proof"`
	Holds bool              `json:"holds"`
}

func readVectors(t testing.TB) *vectors {
	t.Helper()
	v := &vectors{}
	if err := json.Unmarshal(ensure[[]byte](t)(os.ReadFile(vectorsFile)), v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	v := readVectors(t)
	vk := ensure[*VerifyingKey](t)(ParseVerifyingKey(v.VerifyingKey.Encoding))
	if vk.Digest() != v.VerifyingKey.Digest {
		t.Error("the verifying key has another digest")
	}
	for _, c := range v.Proofs {
		p, err := ParseProof(c.Proof)
		if err == nil {
			err = vk.Verify(p, c.D)
		}
		if (err == nil) != c.Holds {
			t.Errorf("%s: %v, where holds is %v", c.What, err, c.Holds)
		}
	}
	trust := ensure[*Trust](t)(ParseTrust(v.Trust))
	if f := ensure[string](t)(trust.Fingerprint()); f != v.Fingerprint {
		t.Errorf("fingerprint %s, want %s", f, v.Fingerprint)
	}
	verdict, err := Verify(ensure[*Bundle](t)(ParseBundle(v.Bundle)), v.options(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomeVectors(verdict); !verdict.OK || !slices.Equal(got, v.Verdict) {
		t.Errorf("verdict\n%v\nwant\n%v", got, v.Verdict)
	}
}

func (v *vectors) options(t testing.TB) Options {
	t.Helper()
	o := Options{Trust: ensure[*Trust](t)(ParseTrust(v.Trust)), Request: ensure[*statement.Request](t)(statement.ParseRequest(v.Request))}
	o.Openings = ensure[*Openings](t)(ParseOpenings(v.Openings))
	var err error
	if o.At, err = statement.ParseTime(v.At); err != nil {
		t.Fatal(err)
	}
	return o
}

func writeVectors(t *testing.T) {
	v := &vectors{At: statement.FormatTime(testTime)}
	v.VerifyingKey.Encoding, v.VerifyingKey.Digest = keys().vk.Marshal(), keys().vk.Digest()
	d := randomElement(t)
	for what, m := range proofMutations {
		p, input := *keys().prove(t, d), d
		m.change(&p, &input)
		v.Proofs = append(v.Proofs, proofVector{what, input, encodeProof(&p), m.holds})
	}
	good := encodeProof(keys().prove(t, d))
	v.Proofs = append(v.Proofs,
		proofVector{"zeros", d, make([]byte, ProofSize), false},
		proofVector{"a trailing byte", d, append(good, 0), false})
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t, "reveal: [area]", "once: mortgage")
	b, openings := w.bundle(r, tamper{})
	trust := w.trust()
	v.Trust, v.Fingerprint = rawJSON(t, trust), ensure[string](t)(trust.Fingerprint())
	v.Request, v.Bundle, v.Openings = rawJSON(t, r), rawJSON(t, b), rawJSON(t, openings)
	v.Verdict = outcomeVectors(ensure[*Verdict](t)(Verify(b, Options{Trust: trust, Request: r, Openings: openings, At: testTime})))
	out := append(ensure[[]byte](t)(json.MarshalIndent(v, "", "  ")), '\n')
	if err := os.MkdirAll(filepath.Dir(vectorsFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsFile, out, 0o644); err != nil {
		t.Fatal(err)
	}
}
