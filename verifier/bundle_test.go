package verifier

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/statement"
)

func TestParseBundleIsStrict(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	b, openings := w.bundle(flatRequest(t), tamper{})
	good := string(ensure[[]byte](t)(b.Marshal()))
	cases := strictCases(good, `"format"`)
	number := func(n string) string { return strings.Replace(good, `"context":{`, `"context":{"grant":`+n+`,`, 1) }
	cases["a number for a string"] = number("3")
	cases["an over-long number"] = number(`"18446744073709551616"`)
	cases["a number with leading zeros"] = number(`"03"`)
	cases["an exponent"] = number("1e3")
	cases["too long"] = good + strings.Repeat(" ", MaxBundleBytes)
	cases["deep nesting"] = strings.Repeat("[", 100000)
	// r, the first value that is no element, and what base64 decodes alike
	zero, _ := statement.Element{}.MarshalText()
	r := base64.StdEncoding.EncodeToString(fr.Modulus().Bytes())
	blind := b.Facts[0].Proofs[0].Blind.String()
	cases["a blind of r"] = strings.Replace(good, blind, r, 1)
	cases["a short blind"] = strings.Replace(good, blind, string(zero[4:]), 1)
	cases["loose base64"] = strings.Replace(good, blind, blind[:42]+loosen(blind[42])+"=", 1)
	for name, data := range cases {
		if data == good {
			t.Fatalf("%s: the case changes nothing", name)
		}
		if _, err := ParseBundle([]byte(data)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	document := string(ensure[[]byte](t)(openings.Marshal()))
	for name, data := range strictCases(document, `"format"`) {
		if _, err := ParseOpenings([]byte(data)); !errors.Is(err, ErrMalformed) {
			t.Errorf("openings: %s: %v", name, err)
		}
	}
}

// loosen gives a letter that a lax reader decodes to the same bits before the "=".
func loosen(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return string(alphabet[strings.IndexByte(alphabet, c)|1])
}

func TestOrderAndSpaceAreFree(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	b, _ := w.bundle(flatRequest(t), tamper{})
	good := ensure[[]byte](t)(b.Marshal())
	var tree any
	if err := json.Unmarshal(good, &tree); err != nil {
		t.Fatal(err)
	}
	indented := ensure[[]byte](t)(json.MarshalIndent(tree, " ", "\t"))
	again := ensure[*Bundle](t)(ParseBundle(indented))
	if !slices.Equal(ensure[[]byte](t)(again.Marshal()), good) {
		t.Error("an indented bundle reads as another")
	}
	v, err := Verify(again, Options{Trust: w.trust(), At: testTime})
	if err != nil || !v.OK {
		t.Errorf("an indented bundle does not verify: %v", err)
	}
}

func TestBundleRefuses(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	cases := map[string]func(b *Bundle){
		"another format":            func(b *Bundle) { b.Format = "attestry/bundle/v2" },
		"no facts":                  func(b *Bundle) { b.Facts = []Fact{} },
		"too many facts":            func(b *Bundle) { b.Facts = slices.Repeat(b.Facts, MaxFacts+1) },
		"a fact twice":              func(b *Bundle) { b.Facts = append(b.Facts, b.Facts[0]) },
		"facts out of order":        func(b *Bundle) { b.Facts = append(b.Facts, renamed(b.Facts[0], "a")) },
		"another name":              func(b *Bundle) { b.Facts[0].Name = "title" },
		"no name":                   func(b *Bundle) { b.Facts[0] = renamed(b.Facts[0], "") },
		"no proofs":                 func(b *Bundle) { b.Facts[0].Proofs = []Proof{} },
		"too many proofs":           func(b *Bundle) { b.Facts[0].Proofs = slices.Repeat(b.Facts[0].Proofs, MaxProofs+1) },
		"an expiry in words":        func(b *Bundle) { b.Facts[0].Context.Expires = "tomorrow" },
		"an entry of nothing":       func(b *Bundle) { b.Facts[0].Schema.Entry = rawJSON(t, struct{}{}) },
		"an unknown entry":          func(b *Bundle) { b.Facts[0].Schema.Entry = []byte(`{"type":"attestry/gift/v1"}`) },
		"an entry of another type":  func(b *Bundle) { b.Facts[0].Schema.Entry = b.Facts[0].Epoch.Entry },
		"a proof that is a schema":  func(b *Bundle) { b.Facts[0].Proofs[0].Entry = b.Facts[0].Schema.Entry },
		"an inclusion that is none": func(b *Bundle) { b.Facts[0].Schema.Inclusion = "c2sp.org/tlog-proof@v1\n" },
		"an inclusion with extra data": func(b *Bundle) {
			b.Facts[0].Schema.Inclusion = strings.Replace(b.Facts[0].Schema.Inclusion, "index", "extra AAAA\nindex", 1)
		},
		"a successor of another type": func(b *Bundle) { b.Facts[0].Successor = &b.Facts[0].Schema },
	}
	for name, change := range cases {
		b, _ := w.bundle(flatRequest(t), tamper{})
		change(b)
		_, err := Verify(b, Options{Trust: w.trust(), At: testTime})
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want %v", name, err, ErrMalformed)
		}
	}
	if _, err := Verify(nil, Options{Trust: w.trust()}); !errors.Is(err, ErrMalformed) {
		t.Errorf("no bundle: %v", err)
	}
}

func renamed(f Fact, name string) Fact {
	f.Name, f.Context.Fact = name, name
	return f
}

func TestOpeningsRefuse(t *testing.T) {
	good := Opening{Of: statement.OutputKey, Value: "LC-1"}
	cases := map[string]func(o *Openings){
		"another format":     func(o *Openings) { o.Kind = "" },
		"a negative proof":   func(o *Openings) { o.Facts["fact"][0].Proof = -1 },
		"a proof too many":   func(o *Openings) { o.Facts["fact"][0].Proof = MaxProofs },
		"an output too many": func(o *Openings) { o.Facts["fact"][0].Output = statement.NumOutputs },
		"the leaf":           func(o *Openings) { o.Facts["fact"][0].Of = statement.OutputLeaf },
		"an unknown output":  func(o *Openings) { o.Facts["fact"][0].Of = "owner" },
	}
	for name, change := range cases {
		o := &Openings{Kind: OpeningsFormat, Facts: map[string][]Opening{"fact": {good}}}
		change(o)
		if _, err := o.Marshal(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newWorld(t, "agency.example/log", titleSchema())
	b, _ := w.bundle(flatRequest(t), tamper{})
	o := &Openings{Kind: OpeningsFormat, Request: []byte(`{"registry":1}`)}
	if _, err := Verify(b, Options{Trust: w.trust(), Openings: o, At: testTime}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a request that is none: %v", err)
	}
}

// FuzzVerify: no bundle makes the verifier panic, and none but the honest one passes.
func FuzzVerify(f *testing.F) {
	vectors := readVectors(f)
	o := vectors.options(f)
	good := ensure[[]byte](f)(ensure[*Bundle](f)(ParseBundle(vectors.Bundle)).Marshal())
	v := ensure[*Verifier](f)(New(o.Trust))
	f.Add(good, []byte(vectors.Openings))
	f.Fuzz(func(t *testing.T, bundle, openings []byte) {
		b, err := ParseBundle(bundle)
		if err != nil {
			return
		}
		if o.Openings, err = ParseOpenings(openings); err != nil {
			o.Openings = nil
		}
		verdict, err := v.Verify(b, o)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrCannotCheck) {
				t.Fatal(err)
			}
			return
		}
		_ = verdict.Text()
		if same, err := b.Marshal(); verdict.OK && (err != nil || !slices.Equal(same, good)) {
			t.Fatal("another bundle than the honest one passes")
		}
	})
}
