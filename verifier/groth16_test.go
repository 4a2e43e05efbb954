package verifier

import (
	"bytes"
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	groth16bn254 "github.com/consensys/gnark/backend/groth16/bn254"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

func randomElement(t testing.TB) statement.Element {
	t.Helper()
	var e fr.Element
	if _, err := e.SetRandom(); err != nil {
		t.Fatal(err)
	}
	return statement.Element(e)
}

// TestVerifyAgreesWithGnark holds Verify against gnark's verifier, on proofs and on
// what an attacker makes of them.
func TestVerifyAgreesWithGnark(t *testing.T) {
	k := keys()
	for i := range 12 {
		d := randomElement(t)
		if i == 0 {
			d = statement.Element{}
		}
		for name, m := range proofMutations {
			p := *k.prove(t, d)
			input := d
			m.change(&p, &input)
			gnark := k.verifyByGnark(&p, input.Big()) == nil
			if gnark != m.holds {
				t.Fatalf("%s: gnark says %v: the case is wrong", name, gnark)
			}
			parsed, err := ParseProof(encodeProof(&p))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := k.vk.Verify(parsed, input); (err == nil) != gnark || (err != nil && !errors.Is(err, ErrProof)) {
				t.Errorf("%s: gnark says %v, Verify %v", name, gnark, err)
			}
		}
	}
}

var proofMutations = map[string]struct {
	holds  bool
	change func(p *groth16bn254.Proof, d *statement.Element)
}{
	"as made":     {true, func(*groth16bn254.Proof, *statement.Element) {}},
	"negated A":   {false, func(p *groth16bn254.Proof, _ *statement.Element) { p.Ar.Neg(&p.Ar) }},
	"negated C":   {false, func(p *groth16bn254.Proof, _ *statement.Element) { p.Krs.Neg(&p.Krs) }},
	"A and C":     {false, func(p *groth16bn254.Proof, _ *statement.Element) { p.Ar, p.Krs = p.Krs, p.Ar }},
	"other input": {false, func(_ *groth16bn254.Proof, d *statement.Element) { *d = plusOne(*d) }},
	"A and B negated": {true, func(p *groth16bn254.Proof, _ *statement.Element) {
		p.Ar.Neg(&p.Ar)
		p.Bs.Neg(&p.Bs)
	}},
	// Why no proof byte is an identity: anyone can make another proof of the same statement.
	"re-randomised": {true, func(p *groth16bn254.Proof, _ *statement.Element) {
		s := big.NewInt(123456789)
		p.Ar.ScalarMultiplication(&p.Ar, s)
		p.Bs.ScalarMultiplication(&p.Bs, new(big.Int).ModInverse(s, fr.Modulus()))
	}},
	"re-randomised by half": {false, func(p *groth16bn254.Proof, _ *statement.Element) {
		p.Ar.ScalarMultiplication(&p.Ar, big.NewInt(2))
	}},
	"generators": {false, func(p *groth16bn254.Proof, _ *statement.Element) {
		_, _, p.Ar, p.Bs = curve.Generators()
	}},
}

func plusOne(d statement.Element) statement.Element {
	e, one := d.Fr(), fr.One()
	return statement.Element(*e.Add(&e, &one))
}

func TestOtherKeyRefuses(t *testing.T) {
	d := randomElement(t)
	p, err := ParseProof(encodeProof(keys().prove(t, d)))
	if err != nil {
		t.Fatal(err)
	}
	if err := otherKeys().vk.Verify(p, d); !errors.Is(err, ErrProof) {
		t.Errorf("a proof under another setup's key: %v", err)
	}
}

// TestInputBeyondModulus: D + r is the same field element and never the same bytes.
func TestInputBeyondModulus(t *testing.T) {
	sum := new(big.Int).Add(big.NewInt(5), fr.Modulus())
	if _, err := statement.ElementFromBytes(sum.FillBytes(make([]byte, fr.Bytes))); err == nil {
		t.Error("an element of r + 5 was read")
	}
}

// outsideSubgroup gives a point of the twist that is not of order r: the twist's
// cofactor is not 1, so a random point of it almost never is.
func outsideSubgroup(t testing.TB) curve.G2Affine {
	t.Helper()
	for i := uint64(1); ; i++ {
		var e curve.E2
		e.A0.SetUint64(i)
		e.A1.SetUint64(1)
		jac := curve.GeneratePointNotInG2(e)
		var p curve.G2Affine
		p.FromJacobian(&jac)
		if p.IsOnCurve() && !p.IsInSubGroup() {
			return p
		}
	}
}

func TestParseProofRefuses(t *testing.T) {
	good := encodeProof(keys().prove(t, randomElement(t)))
	outside := outsideSubgroup(t)
	notInSubgroup := outside.Bytes()
	splice := func(at int, b []byte) []byte { return slices.Concat(good[:at], b, good[at+len(b):]) }
	infinity := append([]byte{0x40}, make([]byte, sizeG2-1)...)
	huge := bytes.Repeat([]byte{0xff}, 32) // x of p or more, in every flag
	cases := map[string][]byte{
		"empty":                nil,
		"short":                good[:ProofSize-1],
		"trailing byte":        append(slices.Clone(good), 0),
		"zeros":                make([]byte, ProofSize),
		"A infinity":           splice(0, infinity[:sizeG1]),
		"B infinity":           splice(sizeG1, infinity),
		"C infinity":           splice(sizeG1+sizeG2, infinity[:sizeG1]),
		"all infinity":         slices.Concat(infinity[:sizeG1], infinity, infinity[:sizeG1]),
		"B not in subgroup":    splice(sizeG1, notInSubgroup[:]),
		"A beyond the modulus": splice(0, huge),
		"B beyond the modulus": splice(sizeG1+32, huge),
		"C beyond the modulus": splice(sizeG1+sizeG2, huge),
		"uncompressed A":       uncompressed(t, good),
	}
	for name, data := range cases {
		if p, err := ParseProof(data); !errors.Is(err, ErrEncoding) || p != nil {
			t.Errorf("%s: %v, want %v", name, err, ErrEncoding)
		}
	}
}

// uncompressed begins with the raw encoding of A, cut to a proof's length.
func uncompressed(t testing.TB, good []byte) []byte {
	t.Helper()
	p, err := ParseProof(good)
	if err != nil {
		t.Fatal(err)
	}
	raw := p.a.RawBytes()
	return append(raw[:], good[len(raw):]...)
}

// TestProofFlags sets each of the other values of each point's two flag bits.
func TestProofFlags(t *testing.T) {
	d := randomElement(t)
	good := encodeProof(keys().prove(t, d))
	for _, at := range []int{0, sizeG1, sizeG1 + sizeG2} {
		for flip := byte(1); flip < 4; flip++ {
			data := slices.Clone(good)
			data[at] ^= flip << 6
			p, err := ParseProof(data)
			if err == nil {
				err = keys().vk.Verify(p, d)
			}
			if err == nil {
				t.Errorf("flags %#x of the point at %d flipped: verifies", flip<<6, at)
			}
		}
	}
}

// TestProofBytes changes every byte of a proof: none of the results verifies.
func TestProofBytes(t *testing.T) {
	d := randomElement(t)
	good := encodeProof(keys().prove(t, d))
	for i := range good {
		data := slices.Clone(good)
		data[i] ^= byte(1 + rand.IntN(255))
		p, err := ParseProof(data)
		if err == nil {
			err = keys().vk.Verify(p, d)
		}
		if err == nil {
			t.Errorf("byte %d changed: verifies", i)
		}
	}
}

func TestVerifyingKeyRoundTrip(t *testing.T) {
	data := keys().vk.Marshal()
	if len(data) != 314 || VerifyingKeySize != 314 || ProofSize != ledger.ProofBytes {
		t.Errorf("a key of %d bytes, a proof of %d", len(data), ProofSize)
	}
	vk, err := ParseVerifyingKey(data)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(vk.Marshal(), data) || vk.Digest() != keys().vk.Digest() {
		t.Error("a verifying key reads back as another")
	}
	if otherKeys().vk.Digest() == vk.Digest() {
		t.Error("two setups share a digest")
	}
}

func TestParseVerifyingKeyRefuses(t *testing.T) {
	good := keys().vk.Marshal()
	infinity := append([]byte{0x40}, make([]byte, sizeG2-1)...)
	outside := outsideSubgroup(t)
	notInSubgroup := outside.Bytes()
	cases := map[string][]byte{
		"empty":         nil,
		"short":         good[:len(good)-1],
		"trailing byte": append(slices.Clone(good), 0),
		"other version": append([]byte("attestry/groth16-bn254/v2\n"), good[len(vkMagic):]...),
	}
	g1 := map[string]int{"alpha": 0, "K0": sizeG1 + 3*sizeG2, "K1": 2*sizeG1 + 3*sizeG2}
	g2 := map[string]int{"beta": sizeG1, "gamma": sizeG1 + sizeG2, "delta": sizeG1 + 2*sizeG2}
	put := func(at int, b []byte) []byte {
		out := slices.Clone(good)
		copy(out[len(vkMagic)+at:], b)
		return out
	}
	for name, at := range g1 {
		cases[name+" infinity"] = put(at, infinity[:sizeG1])
	}
	for name, at := range g2 {
		cases[name+" infinity"] = put(at, infinity)
		cases[name+" not in subgroup"] = put(at, notInSubgroup[:])
	}
	for name, data := range cases {
		if vk, err := ParseVerifyingKey(data); !errors.Is(err, ErrEncoding) || vk != nil {
			t.Errorf("%s: %v, want %v", name, err, ErrEncoding)
		}
	}
}

// TestNewVerifyingKeyRefusesUnusedInput is rule 1: a key whose K[1] is at infinity
// would accept one proof for every statement.
func TestNewVerifyingKeyRefusesUnusedInput(t *testing.T) {
	vk := keys().vk
	if _, err := NewVerifyingKey(vk.alpha, vk.beta, vk.gamma, vk.delta, vk.k[0], curve.G1Affine{}); !errors.Is(err, ErrEncoding) {
		t.Errorf("K[1] at infinity: %v", err)
	}
}

func FuzzParseProof(f *testing.F) {
	v := readVectors(f)
	vk := ensure[*VerifyingKey](f)(ParseVerifyingKey(v.VerifyingKey.Encoding))
	for _, p := range v.Proofs {
		f.Add(p.Proof)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProof(data)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Marshal(), data) {
			t.Fatal("a proof reads back as other bytes")
		}
		if vk.Verify(p, statement.Element{}) == nil {
			t.Fatal("a proof of 0, which no vector proves")
		}
	})
}

func FuzzParseVerifyingKey(f *testing.F) {
	f.Add(readVectors(f).VerifyingKey.Encoding)
	f.Fuzz(func(t *testing.T, data []byte) {
		if vk, err := ParseVerifyingKey(data); err == nil && !bytes.Equal(vk.Marshal(), data) {
			t.Fatal("a verifying key reads back as other bytes")
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	p, err := ParseProof(encodeProof(keys().prove(b, statement.Element{})))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := keys().vk.Verify(p, statement.Element{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAndVerify(b *testing.B) {
	data := encodeProof(keys().prove(b, statement.Element{}))
	for b.Loop() {
		p, err := ParseProof(data)
		if err != nil {
			b.Fatal(err)
		}
		if err := keys().vk.Verify(p, statement.Element{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseVerifyingKey(b *testing.B) {
	data := keys().vk.Marshal()
	for b.Loop() {
		if _, err := ParseVerifyingKey(data); err != nil {
			b.Fatal(err)
		}
	}
}
