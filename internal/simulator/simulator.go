// Package simulator makes Groth16 proofs of statements that need not be true, for
// tests and benchmarks alone: it makes a verifying key whose trapdoor it keeps, and
// with the trapdoor a proof of any statement in a fraction of the time of a real one.
// To a verifier they are the same. No program of this project that is shipped
// reaches this package: a test of cmd/ holds them to that.
package simulator

import (
	"math/big"
	"slices"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// Key is a verifying key of one public input with its trapdoor.
type Key struct {
	// The verifying key's points, as verifier.NewVerifyingKey takes them.
	Alpha              curve.G1Affine
	Beta, Gamma, Delta curve.G2Affine
	K0, K1             curve.G1Affine

	alphaBeta, gamma, deltaInverse, k0, k1 fr.Element // discrete logarithms
}

// New makes a key.
func New() *Key {
	var alpha, beta, delta fr.Element
	k := &Key{}
	for _, e := range []*fr.Element{&alpha, &beta, &delta, &k.gamma, &k.k0, &k.k1} {
		random(e)
	}
	k.alphaBeta.Mul(&alpha, &beta)
	k.deltaInverse.Inverse(&delta)
	k.Alpha, k.K0, k.K1 = g1(alpha), g1(k.k0), g1(k.k1)
	k.Beta, k.Gamma, k.Delta = g2(beta), g2(k.gamma), g2(delta)
	return k
}

// Prove gives the encoding of a proof of the statement with a public input: with A = a
// and B = b at random,
//
//	C = (a*b - alpha*beta - (k0 + input*k1)*gamma) / delta
func (k *Key) Prove(input fr.Element) []byte {
	var a, b, c, statement fr.Element
	random(&a)
	random(&b)
	statement.Mul(&input, &k.k1)
	statement.Add(&statement, &k.k0).Mul(&statement, &k.gamma)
	c.Mul(&a, &b)
	c.Sub(&c, &k.alphaBeta).Sub(&c, &statement).Mul(&c, &k.deltaInverse)
	pa, pb, pc := g1(a), g2(b), g1(c)
	ea, eb, ec := pa.Bytes(), pb.Bytes(), pc.Bytes()
	return slices.Concat(ea[:], eb[:], ec[:])
}

func random(e *fr.Element) {
	if _, err := e.SetRandom(); err != nil {
		panic(err) // crypto/rand never fails
	}
}

func g1(e fr.Element) (p curve.G1Affine) {
	var scalar big.Int
	return *p.ScalarMultiplicationBase(e.BigInt(&scalar))
}

func g2(e fr.Element) (p curve.G2Affine) {
	var scalar big.Int
	return *p.ScalarMultiplicationBase(e.BigInt(&scalar))
}
