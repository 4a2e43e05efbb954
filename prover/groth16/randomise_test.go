package groth16

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"math/big"
	"reflect"
	"testing"
	"unsafe"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// replaceRandom has the proofs of a test take their randomness from r.
func replaceRandom(t *testing.T, r io.Reader) {
	t.Helper()
	real := rand.Reader
	t.Cleanup(func() { rand.Reader = real })
	rand.Reader = r
}

// recorder is randomness that is remembered.
type recorder struct {
	source io.Reader
	taken  bytes.Buffer
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.source.Read(p)
	r.taken.Write(p[:n])
	return n, err
}

// A proof is that of r = s = 0 with the t and u that its own randomness gives, which is as
// long as both, and fresh.
func TestRandomisedAsTold(t *testing.T) {
	f := newFixture(t)
	v := vector(f.randomWitness(t))
	a, b := f.fixed(t, v)
	r := &recorder{source: rand.Reader}
	for range 4 {
		r.taken.Reset()
		replaceRandom(t, r)
		p, err := f.engine.Prove(t.Context(), v)
		if err != nil || f.verify(p, v[0]) != nil {
			t.Fatal(err)
		}
		if n := r.taken.Len(); n < 2*fr.Bytes || n%fr.Bytes != 0 {
			t.Fatalf("%d bytes of randomness", n)
		}
		replaceRandom(t, bytes.NewReader(r.taken.Bytes()))
		by, inverse, u, err := randomisers()
		if err != nil {
			t.Fatal(err)
		}
		var wantA curve.G1Affine
		var wantB curve.G2Affine
		wantA.ScalarMultiplication(&a, inverse)
		wantB.ScalarMultiplication(&f.pk.G2.Delta, u)
		wantB.Add(&wantB, &b)
		wantB.ScalarMultiplication(&wantB, by)
		if p.Ar != wantA || p.Bs != wantB {
			t.Error("the proof is randomised otherwise")
		}
		if wantA.ScalarMultiplication(&wantA, by); wantA != a {
			t.Error("1/t is not the inverse of t")
		}
	}
}

// Randomness that is 0 is drawn again for t; where there is none, there is no proof.
func TestRandomnessThatFails(t *testing.T) {
	f := newFixture(t)
	v := vector(f.randomWitness(t))
	one := make([]byte, fr.Bytes)
	one[0] = 1
	replaceRandom(t, bytes.NewReader(bytes.Join([][]byte{make([]byte, 2*fr.Bytes), one, make([]byte, fr.Bytes)}, nil)))
	by, inverse, u, err := randomisers()
	if err != nil || by.Sign() == 0 || u.Sign() != 0 || new(big.Int).Mod(by.Mul(by, inverse), fr.Modulus()).Cmp(big.NewInt(1)) != 0 {
		t.Errorf("t = %s, 1/t = %s, u = %s: %v", by, inverse, u, err)
	}
	for _, n := range []int{0, fr.Bytes - 1, fr.Bytes, 2*fr.Bytes - 1} {
		replaceRandom(t, bytes.NewReader(bytes.Repeat([]byte{1}, n)))
		if p, err := f.engine.Prove(t.Context(), v); p != nil || err == nil {
			t.Errorf("a proof with %d bytes of randomness: %v", n, err)
		}
	}
}

// Sums that are no points of the groups, or an A at infinity, which no t hides, are not
// randomised.
func TestSumsThatCannotBeHidden(t *testing.T) {
	f := newFixture(t)
	v := vector(f.randomWitness(t))
	a, _ := f.fixed(t, v)
	if f.engine.aWires[0] != 0 {
		t.Fatal("the constant 1 has no point in A")
	}
	for name, forge := range map[string]func(points []curve.G1Affine){
		"A is infinity":  func(points []curve.G1Affine) { points[0].Sub(&points[0], &a) },
		"off the curve":  func(points []curve.G1Affine) { points[0].Y.Double(&points[0].Y) },
		"off, of others": func(points []curve.G1Affine) { points[0] = curve.G1Affine{X: points[1].X, Y: points[0].Y} },
	} {
		forged, tables := *f.tables.a, *f.tables
		forged.points = append([]curve.G1Affine{}, forged.points...)
		forge(forged.points)
		tables.a = &forged
		engine, err := New(f.system, &f.pk, &tables, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := engine.Prove(t.Context(), v); p != nil || !errors.Is(err, ErrTables) {
			t.Errorf("%s: %v", name, err)
		}
	}
	off := f.pk
	off.G1.Alpha.Y.Double(&off.G1.Alpha.Y)
	engine, err := New(f.system, &off, f.tables, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := engine.Prove(t.Context(), v); p != nil || !errors.Is(err, ErrTables) {
		t.Errorf("alpha off the curve: %v", err)
	}
}

// All memory that a proof was made in, up to the capacity of each slice, is zero once it is
// done, whether there is a proof or not; but for what the circuit and the tables give.
func TestNothingIsLeft(t *testing.T) {
	f := newFixture(t)
	engine, err := New(f.system, &f.pk, f.tables, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	v := vector(f.randomWitness(t))
	for _, satisfied := range []bool{true, false} {
		if !satisfied {
			v[0].Double(&v[0])
		}
		if _, err := engine.Prove(t.Context(), v); (err == nil) != satisfied {
			t.Fatal(err)
		}
		p := <-engine.idle
		seen := 0
		for name, memory := range memoryOf(reflect.ValueOf(p).Elem(), "proving", map[string][]byte{}) {
			seen += len(memory)
			if len(bytes.Trim(memory, "\x00")) > 0 {
				t.Errorf("satisfied %v: %s is not wiped", satisfied, name)
			}
		}
		if a, b, c := p.a.result(), p.b.result(), p.c.result(); !a.IsInfinity() || !b.IsInfinity() || !c.IsInfinity() {
			t.Errorf("satisfied %v: the proof of r = s = 0 is there yet", satisfied)
		}
		if seen < 100_000 {
			t.Errorf("%d bytes were looked at", seen)
		}
		engine.idle <- p
	}
}

// memoryOf gives the memory of the slices that a value leads to.
func memoryOf(v reflect.Value, name string, out map[string][]byte) map[string][]byte {
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type() == reflect.TypeFor[*table[curve.G1Affine]]() || v.Type() == reflect.TypeFor[*table[curve.G2Affine]]() || v.IsNil() {
			return out
		}
		memoryOf(v.Elem(), name, out)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i).Name; field != "arrays" { // those have the same shape for all witnesses
				memoryOf(v.Field(i), name+"."+field, out)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			memoryOf(v.Index(i), name, out)
		}
	case reflect.Slice:
		out[name] = append(out[name], unsafe.Slice((*byte)(v.UnsafePointer()), v.Cap()*int(v.Type().Elem().Size()))...)
	}
	return out
}
