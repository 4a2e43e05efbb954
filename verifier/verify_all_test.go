package verifier

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// withProof gives a bundle whose proof i is another one, with its entry otherwise as
// it was.
func withProof(t *testing.T, b *Bundle, i int, change func(proof []byte)) *Bundle {
	t.Helper()
	out := reparse(t, b)
	e := ensure[ledger.Entry](t)(ledger.ParseEntry(out.Facts[0].Proofs[i].Entry)).(*ledger.ProofEntry)
	e.Proof = slices.Clone(e.Proof)
	change(e.Proof)
	out.Facts[0].Proofs[i].Entry = ensure[[]byte](t)(ledger.MarshalEntry(e))
	return out
}

// negate makes the proof of another point, well formed and false.
func negate(proof []byte) { proof[0] ^= 0x40 }

// batchOfBundles gives bundles of many kinds, each with its name.
func batchOfBundles(t *testing.T) (v *Verifier, names []string, items []BundleItem) {
	w, stranger := newWorld(t, "agency.example/log", titleSchema()), newWorld(t, "other.example/log", titleSchema())
	trust := w.trust()
	r := flatRequest(t, "reveal: [area]")
	plain, openings := w.bundle(r, tamper{})
	pledge, _ := w.bundle(flatRequest(t, "once: mortgage"), tamper{})
	foreign, _ := stranger.bundle(flatRequest(t), tamper{})
	unlogged, _ := w.bundle(flatRequest(t), tamper{unlogged: true})
	elsewhere, _ := w.bundle(flatRequest(t), tamper{unlogged: true, entry: func(_ int, e *ledger.ProofEntry) { e.Public.Epoch = statement.Digest{1} }})
	wide := `where: [n0 >= 1, n0 <= 9, n1 >= 1, n1 <= 9, n2 >= 1, n2 <= 9, n3 >= 1, n3 <= 9, n4 >= 1, n4 <= 9, n5 != 3, n6 != 3]`
	linked, _ := w.bundle(parseRequest(t, "registry: titles", wide, "audience: bank-a"), tamper{})
	if len(linked.Facts[0].Proofs) < 2 {
		t.Fatal("the wide question is one proof")
	}
	_, log := w.audited(trust)
	add := func(name string, b *Bundle, o Options) {
		o.At = testTime
		names, items = append(names, name), append(items, BundleItem{b, o})
	}
	add("good", plain, Options{})
	add("good, with everything", plain, Options{Request: r, Openings: openings, Audience: "bank-a"})
	add("good, against an audit", pledge, Options{Log: log})
	add("pledge", pledge, Options{})
	add("not logged", unlogged, Options{})
	add("several proofs", linked, Options{})
	add("false", withProof(t, plain, 0, negate), Options{})
	add("no points", withProof(t, plain, 0, func(p []byte) { clear(p) }), Options{})
	add("false in the second proof", withProof(t, linked, 1, negate), Options{})
	add("no points in the second proof", withProof(t, linked, 1, func(p []byte) { clear(p) }), Options{})
	add("of another epoch", elsewhere, Options{})
	add("of a log that is not pinned", foreign, Options{})
	add("another audience", plain, Options{Audience: "bank-b"})
	add("a reveal without openings", plain, Options{Request: r})
	add("no bundle", nil, Options{})
	add("no facts", &Bundle{Format: BundleFormat}, Options{})
	return ensure[*Verifier](t)(New(trust)), names, items
}

// TestVerifyAll: what a bundle gets among others is what it gets alone.
func TestVerifyAll(t *testing.T) {
	v, names, items := batchOfBundles(t)
	for _, cores := range []int{0, 1, 3} {
		yes, no, errs := 0, 0, 0
		for i, got := range v.VerifyAll(items, cores) {
			want, err := v.Verify(items[i].Bundle, items[i].Options)
			if fmt.Sprint(got.Err) != fmt.Sprint(err) || errors.Is(got.Err, ErrMalformed) != errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %v, alone %v", names[i], got.Err, err)
			}
			if diff := cmp.Diff(want, got.Verdict); diff != "" {
				t.Errorf("%s (-alone +together):\n%s", names[i], diff)
			}
			switch {
			case err != nil:
				errs++
			case want.OK:
				yes++
			default:
				no++
			}
		}
		if yes < 5 || no < 5 || errs < 3 {
			t.Errorf("%d yes, %d no, %d errors: the items test little", yes, no, errs)
		}
	}
	if got := v.VerifyAll(nil, 0); len(got) != 0 {
		t.Errorf("%d results of nothing", len(got))
	}
}

// TestVerifyAllFalse: however many of a batch are false, each is found.
func TestVerifyAllFalse(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	v := ensure[*Verifier](t)(New(w.trust()))
	good, _ := w.bundle(flatRequest(t), tamper{})
	bad := withProof(t, good, 0, negate)
	for _, n := range []int{0, 1, 7, 20} {
		items := make([]BundleItem, 20)
		for i := range items {
			items[i] = BundleItem{good, Options{At: testTime}}
			if i*n/20 != (i+1)*n/20 {
				items[i].Bundle = bad
			}
		}
		found := 0
		for i, r := range v.VerifyAll(items, 2) {
			isBad := items[i].Bundle == bad
			if r.Err != nil || r.Verdict.OK == isBad {
				t.Errorf("%d false, item %d: ok is %v, %v", n, i, r.Verdict.OK, r.Err)
			}
			if isBad {
				found++
			}
		}
		if found != n {
			t.Fatalf("%d of %d items were false", found, n)
		}
	}
}
