package groth16

import (
	"math/big"
	"testing"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

func randomPoints(n int) []curve.G1Affine {
	scalars := make(fr.Vector, n)
	scalars.MustSetRandom()
	_, _, g, _ := curve.Generators()
	return curve.BatchScalarMultiplicationG1(&g, scalars)
}

func TestScale(t *testing.T) {
	points := randomPoints(700)
	scalars := make(fr.Vector, len(points))
	scalars.MustSetRandom()
	scalars[0].SetOne()
	scalars[1].SetInt64(-1)
	scalars[2].SetUint64(2)
	scalars[3].SetInt64(-2)
	scalars[4].SetString("4407920970296243842393367215006156084916469457145843978461") // lambda
	scalars[5].Neg(&scalars[4])
	want := make([]curve.G1Affine, len(points))
	for i := range want {
		want[i].ScalarMultiplication(&points[i], scalars[i].BigInt(new(big.Int)))
	}
	c := newCrew(2)
	scale(c, <-c.free, points, scalars)
	for i := range want {
		if points[i] != want[i] {
			t.Fatalf("point %d is wrong", i)
		}
	}
}

func BenchmarkScale(b *testing.B) {
	points := randomPoints(512)
	scalars := make(fr.Vector, len(points))
	scalars.MustSetRandom()
	s := newScratch()
	start := cpuTime()
	for b.Loop() {
		scaleSome(s, newEndomorphism(), points, scalars)
	}
	perItem(b, start, 512)
}

func BenchmarkAdd(b *testing.B) {
	points := randomPoints(2048)
	refs := make([]ref, 2048)
	for i := range refs {
		refs[i] = newRef(i, false)
	}
	g := newG1Lanes(g1LaneCount)
	g.gather(0, points, refs)
	g.gather(2048, points, refs)
	g.double(2048, 1024)
	g.double(2048+1024, 1024)
	start := cpuTime()
	for b.Loop() {
		g.add([]span{{0, 1024, 512}, {512, 2048, 512}})
	}
	perItem(b, start, 1024)
}

func BenchmarkAddG2(b *testing.B) {
	_, _, _, p := curve.Generators()
	scalars := make(fr.Vector, 1024)
	scalars.MustSetRandom()
	points := curve.BatchScalarMultiplicationG2(&p, scalars)
	refs := make([]ref, 1024)
	for i := range refs {
		refs[i] = newRef(i, false)
	}
	g := newG2Lanes(g2LaneCount)
	g.gather(0, points, refs)
	start := cpuTime()
	for b.Loop() {
		g.add([]span{{0, 512, 256}, {256, 768, 256}})
	}
	perItem(b, start, 512)
}

func TestHalves(t *testing.T) {
	e := newEndomorphism()
	var lambda fr.Element
	lambda.SetString("4407920970296243842393367215006156084916469457145843978461")
	for i := range 2000 {
		var k, got, high fr.Element
		k.MustSetRandom()
		if i < 20 {
			k.SetInt64(int64(i - 10))
		}
		h := e.halves(k.BigInt(new(big.Int)))
		got.SetBigInt(&h[0])
		if got.Add(&got, high.Mul(high.SetBigInt(&h[1]), &lambda)); got != k {
			t.Fatalf("the halves of %s are of %s", &k, &got)
		}
		for j := range h {
			if h[j].Bit(0) == 0 || h[j].BitLen() > 129 {
				t.Fatalf("half %d of %s has %d bits", j, &k, h[j].BitLen())
			}
			sum := new(big.Int)
			for d, digit := range odd(&h[j]) {
				if digit&1 == 0 || digit > 15 || digit < -15 {
					t.Fatalf("digit %d is %d", d, digit)
				}
				sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(digit)), uint(4*d)))
			}
			if sum.Cmp(&h[j]) != 0 {
				t.Fatalf("the digits of %s give %s", &h[j], sum)
			}
		}
	}
}
