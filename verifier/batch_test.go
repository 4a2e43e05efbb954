package verifier

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"pgregory.net/rapid"

	"github.com/attestry/attestry/internal/simulator"
)

// simulated is a verifying key whose trapdoor is known.
type simulated struct {
	*simulator.Key
	vk *VerifyingKey
}

func newSimulated() *simulated {
	k := simulator.New()
	vk, err := NewVerifyingKey(k.Alpha, k.Beta, k.Gamma, k.Delta, k.K0, k.K1)
	if err != nil {
		panic(err)
	}
	return &simulated{k, vk}
}

// Two keys of the simulator.
var simKey, otherSimKey = sync.OnceValue(newSimulated), sync.OnceValue(newSimulated)

// item gives a proof of a statement of its own.
func (s *simulated) item(t testing.TB) BatchItem {
	t.Helper()
	d := randomElement(t)
	return BatchItem{s.vk, ensure[*Groth16Proof](t)(ParseProof(s.Prove(d.Fr()))), d}
}

func (s *simulated) items(t testing.TB, n int) []BatchItem {
	t.Helper()
	items := make([]BatchItem, n)
	for i := range items {
		items[i] = s.item(t)
	}
	return items
}

// falseItems gives the indexes of the items that do not hold, each with [ErrProof].
func falseItems(t testing.TB, errs []error) (out []int) {
	t.Helper()
	for i, err := range errs {
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrProof) {
			t.Errorf("item %d: %v", i, err)
		}
		out = append(out, i)
	}
	return out
}

// TestSimulatedProofs: gnark's verifier would say the same of them, as
// TestVerifyAgreesWithGnark says of Verify.
func TestSimulatedProofs(t *testing.T) {
	item := simKey().item(t)
	if err := item.Key.Verify(item.Proof, item.D); err != nil {
		t.Error(err)
	}
	if err := item.Key.Verify(item.Proof, plusOne(item.D)); err == nil {
		t.Error("a proof of another statement")
	}
}

func TestBatchNamesTheFalse(t *testing.T) {
	good := simKey().items(t, 256)
	real := BatchItem{keys().vk, nil, randomElement(t)}
	real.Proof = ensure[*Groth16Proof](t)(ParseProof(encodeProof(keys().prove(t, real.D))))
	wrong := func(item BatchItem) BatchItem { item.D = plusOne(item.D); return item }
	cases := map[string]struct {
		change func(items []BatchItem) []BatchItem
		want   []int
	}{
		"empty":      {func([]BatchItem) []BatchItem { return nil }, nil},
		"all hold":   {func(items []BatchItem) []BatchItem { return items }, nil},
		"one":        {func(items []BatchItem) []BatchItem { return items[:1] }, nil},
		"one, false": {func(items []BatchItem) []BatchItem { return []BatchItem{wrong(items[0])} }, []int{0}},
		"one false of 256": {func(items []BatchItem) []BatchItem {
			items[77] = wrong(items[77])
			return items
		}, []int{77}},
		"the first and the last": {func(items []BatchItem) []BatchItem {
			items[0], items[255] = wrong(items[0]), wrong(items[255])
			return items
		}, []int{0, 255}},
		"swapped inputs": {func(items []BatchItem) []BatchItem {
			items[10].D, items[11].D = items[11].D, items[10].D
			return items
		}, []int{10, 11}},
		"swapped proofs": {func(items []BatchItem) []BatchItem {
			items[10].Proof, items[200].Proof = items[200].Proof, items[10].Proof
			return items
		}, []int{10, 200}},
		"one twice": {func(items []BatchItem) []BatchItem {
			items[3] = items[4]
			return items
		}, nil},
		"mixed keys": {func(items []BatchItem) []BatchItem {
			for i := 0; i < len(items); i += 3 {
				items[i] = otherSimKey().item(t)
			}
			items[100] = real
			return items
		}, nil},
		"the other key": {func(items []BatchItem) []BatchItem {
			for i := 0; i < len(items); i += 3 {
				items[i] = otherSimKey().item(t)
			}
			items[3].Key, items[4].Key = items[4].Key, items[3].Key
			return items
		}, []int{3, 4}},
		"nothing to check": {func(items []BatchItem) []BatchItem {
			items[1].Key, items[2].Proof = nil, nil
			return items
		}, []int{1, 2}},
		"all false": {func(items []BatchItem) []BatchItem {
			items = items[:20]
			for i := range items {
				items[i] = wrong(items[i])
			}
			return items
		}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			items := c.change(slices.Clone(good))
			errs := VerifyBatch(items)
			if got := falseItems(t, errs); len(errs) != len(items) || !slices.Equal(got, c.want) {
				t.Errorf("%v do not hold, want %v", got, c.want)
			}
		})
	}
}

// TestBatchErrorsThatCancel is the attack on equal coefficients: one proof's C is too
// large by a point, another's too small by the same. The product of the two equations
// holds; neither proof does.
func TestBatchErrorsThatCancel(t *testing.T) {
	items := simKey().items(t, 64)
	_, _, x, _ := curve.Generators()
	plus, minus := *items[20].Proof, *items[21].Proof
	plus.c.Add(&plus.c, &x)
	minus.c.Sub(&minus.c, &x)
	items[20].Proof, items[21].Proof = &plus, &minus
	if !holdsUnderEqualCoefficients(t, items) {
		t.Fatal("the two errors do not cancel: the attack is wrong")
	}
	for range 5 {
		if got := falseItems(t, VerifyBatch(items)); !slices.Equal(got, []int{20, 21}) {
			t.Errorf("%v do not hold, want 20 and 21", got)
		}
	}
}

// holdsUnderEqualCoefficients multiplies the equations as they are.
func holdsUnderEqualCoefficients(t *testing.T, items []BatchItem) bool {
	t.Helper()
	var p []curve.G1Affine
	var q []curve.G2Affine
	for _, item := range items {
		vk, d := item.Key, item.D.Fr()
		var scalar big.Int
		var input, alpha, c curve.G1Affine
		input.ScalarMultiplication(&vk.k[1], d.BigInt(&scalar)).Add(&input, &vk.k[0])
		p = append(p, item.Proof.a, *alpha.Neg(&vk.alpha), *input.Neg(&input), *c.Neg(&item.Proof.c))
		q = append(q, item.Proof.b, vk.beta, vk.gamma, vk.delta)
	}
	return ensure[bool](t)(curve.PairingCheck(p, q))
}

// TestBatchLaw: a batch says of each proof what Verify says.
func TestBatchLaw(t *testing.T) {
	good := simKey().items(t, 40)
	rapid.Check(t, func(t *rapid.T) {
		items := slices.Clone(good[:rapid.IntRange(0, len(good)).Draw(t, "n")])
		for i := range items {
			if rapid.IntRange(0, 9).Draw(t, "false") == 0 {
				items[i].D = plusOne(items[i].D)
			}
		}
		for i, err := range VerifyBatch(items) {
			if want := items[i].Key.Verify(items[i].Proof, items[i].D); (err == nil) != (want == nil) {
				t.Fatalf("item %d: %v in the batch, %v alone", i, err, want)
			}
		}
	})
}

// BenchmarkVerifyBatch compares with BenchmarkVerify; "parsed" includes reading each
// proof from its bytes, as BenchmarkParseAndVerify does.
func BenchmarkVerifyBatch(b *testing.B) {
	for _, n := range []int{1, 16, 256, 1024} {
		items := simKey().items(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if got := falseItems(b, VerifyBatch(items)); got != nil {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/proof")
		})
	}
}
