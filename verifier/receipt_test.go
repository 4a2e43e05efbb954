package verifier

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// submitted is a pledge that was proved elsewhere, and the receipt of its entry.
func submitted(t testing.TB, w *world, r *statement.Request) (*Bundle, *Openings, *Receipt) {
	t.Helper()
	b, openings := w.bundle(r, tamper{unlogged: true})
	index := w.addBytes(b.Facts[0].Proofs[0].Entry)
	return b, openings, &Receipt{Format: ReceiptFormat, Logged: w.logged(index)}
}

func TestComplete(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t, "once: mortgage")
	b, openings, receipt := submitted(t, w, r)
	w.commit(testTime) // the log goes on
	o := Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime}
	v, err := Verify(b, o)
	if err != nil || !slices.Equal(outcomes(t, v), []string{CheckInclusion}) {
		t.Fatalf("before it is logged: %v %v", outcomes(t, v), err)
	}
	before := ensure[[]byte](t)(b.Marshal())
	complete, err := b.Complete(ensure[*Receipt](t)(ParseReceipt(ensure[[]byte](t)(receipt.Marshal()))))
	if err != nil {
		t.Fatal(err)
	}
	if v, err = Verify(reparse(t, complete), o); err != nil || !v.OK {
		t.Errorf("complete: %v %v", outcomes(t, v), err)
	}
	if !slices.Equal(before, ensure[[]byte](t)(b.Marshal())) {
		t.Error("the bundle given was changed")
	}
	_, _, other := submitted(t, w, r)
	if _, err := b.Complete(other); !errors.Is(err, ErrOtherReceipt) {
		t.Errorf("the receipt of another pledge: %v", err)
	}
}

// TestCompleteTakesTheLoggedProof: somebody else's proof of the same statement may be
// the one that the log took.
func TestCompleteTakesTheLoggedProof(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t, "once: mortgage")
	b, openings := w.bundle(r, tamper{unlogged: true})
	e := ensure[ledger.Entry](t)(ledger.ParseEntry(b.Facts[0].Proofs[0].Entry)).(*ledger.ProofEntry)
	p := ensure[*Groth16Proof](t)(ParseProof(e.Proof))
	s := big.NewInt(7)
	p.a.ScalarMultiplication(&p.a, s)
	p.b.ScalarMultiplication(&p.b, s.ModInverse(s, fr.Modulus()))
	e.Proof = p.Marshal()
	complete, err := b.Complete(&Receipt{Format: ReceiptFormat, Logged: w.logged(w.add(e))})
	if err != nil {
		t.Fatal(err)
	}
	v, err := Verify(complete, Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime})
	if err != nil || !v.OK {
		t.Errorf("%v %v", outcomes(t, v), err)
	}
}

var receiptMutations = flag.Int("receipt-mutations", 300, "how many single-byte changes of a receipt TestChangedReceipts makes")

// TestChangedReceipts: a bundle that was completed with a changed receipt does not pass.
func TestChangedReceipts(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t, "once: mortgage")
	b, openings, receipt := submitted(t, w, r)
	good := ensure[[]byte](t)(receipt.Marshal())
	verify := ensure[*Verifier](t)(New(w.trust()))
	passes := func(data []byte) bool {
		receipt, err := ParseReceipt(data)
		if err != nil {
			return false
		}
		complete, err := b.Complete(receipt)
		if err != nil {
			return false
		}
		v, err := verify.Verify(complete, Options{Request: r, Openings: openings, At: testTime})
		return err == nil && v.OK
	}
	if !passes(good) {
		t.Fatal("the receipt as it is does not complete the bundle")
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range *receiptMutations {
		changed, at := slices.Clone(good), random.IntN(len(good))
		changed[at] ^= byte(1 << random.IntN(8))
		if same, err := canon.Canonicalize(changed); passes(changed) && (err != nil || !slices.Equal(same, good)) {
			t.Errorf("byte %d changed from %q to %q passes", at, good[at], changed[at])
		}
	}
}

func TestParseReceiptIsStrict(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	_, _, receipt := submitted(t, w, flatRequest(t, "once: mortgage"))
	good := string(ensure[[]byte](t)(receipt.Marshal()))
	cases := strictCases(good, `"format"`)
	cases["another format"] = strings.Replace(good, ReceiptFormat, BundleFormat, 1)
	cases["another index"] = strings.Replace(good, `index 4\n`, `index 3\n`, 1)
	cases["another size"] = strings.Replace(good, `\n5\n`, `\n6\n`, 1)
	cases["an entry that is no proof"] = strings.Replace(good, string(receipt.Logged.Entry), string(w.entries[w.schemaIndex]), 1)
	cases["too long"] = good + strings.Repeat(" ", MaxBundleBytes)
	for name, data := range cases {
		if data == good {
			t.Fatalf("%s: the case changes nothing", name)
		}
		if _, err := ParseReceipt([]byte(data)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (&Receipt{Format: ReceiptFormat, Logged: Logged{Entry: receipt.Logged.Entry}}).Marshal(); !errors.Is(err, ErrMalformed) {
		t.Errorf("a receipt without inclusion: %v", err)
	}
}

func FuzzParseReceipt(f *testing.F) {
	w := newWorld(f, "agency.example/log", titleSchema())
	b, _, receipt := submitted(f, w, flatRequest(f, "once: mortgage"))
	f.Add(ensure[[]byte](f)(receipt.Marshal()))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseReceipt(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		again, err := ParseReceipt(ensure[[]byte](t)(r.Marshal()))
		if err != nil || string(again.Logged.Entry) == "" {
			t.Fatalf("a receipt does not read back: %v", err)
		}
		if _, err := b.Complete(r); err != nil && !errors.Is(err, ErrOtherReceipt) {
			t.Fatal(err)
		}
	})
}

// TestOpeningsAreNotPrinted: no verb and no log shows what the openings hold.
func TestOpeningsAreNotPrinted(t *testing.T) {
	o := Openings{Kind: OpeningsFormat, Request: []byte(`"kanari"`), Facts: map[string][]Opening{"kanari": {{Value: "kanari", Of: "kanari"}}}}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "openings", o, "pointer", &o, "opening", o.Facts["kanari"][0])
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, v := range []any{o, &o, o.Facts["kanari"][0], o.Facts["kanari"], struct{ O Openings }{o}} {
			fmt.Fprintf(&log, verb, v)
		}
	}
	for _, leak := range []string{"kanari", "6b616e617269", "107 97 110"} {
		if strings.Contains(log.String(), leak) {
			t.Errorf("%s is printed: %s", leak, log.String())
		}
	}
}
