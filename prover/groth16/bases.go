package groth16

import (
	"fmt"
	"slices"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	gnark "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/constraint"
	cs "github.com/consensys/gnark/constraint/bn254"
)

// bases are the points that C of a proof with r = s = 0 is summed up from (A and B are
// summed up from those of the key): with w the wires,
//
//	C = sum of w[cWires]·c + sum of (a·b)[coset]·z.
//
// None is infinity.
type bases struct {
	cWires []uint32
	c, z   []curve.G1Affine
}

// makeBases derives the bases from a proving key alone.
//
// In the usual prover C has the sum of h_k·Z_k over the coefficients of
// h = (a·b - c)/(X^n - 1), and so seven Fourier transforms. Here the points are
// transformed, once and for all. On the coset g·H, with g² the generator of the domain H, X^n - 1 is -2,
// so h is the polynomial whose values there are those of -(a·b - c)/2. Any sum of
// coefficients times points is a sum of values times the transformed points:
//
//   - z_i = -1/2 · (1/n)·sum_k (g·w^i)^(-k)·Z_k belongs to the value of a·b at g·w^i;
//   - c's coefficients are linear in its values on H, which are linear in the wires:
//     with y_i = (1/n)·sum_k w^(-i·k)·Z_k, wire j adds w_j·sum_i O_ij·y_i/2, which
//     goes into the point that the wire has in C anyway.
//
// The transforms of a and b, of values on H to values on g·H, are made without the
// factor 1/n each; it is in z. Z_(n-1), which a key does not have because h has a lower
// degree, can be any point: its coefficient in the a·b part and that in the c part
// cancel.
func makeBases(c *crew, own *scratch, system *cs.R1CS, pk *gnark.ProvingKey) (*bases, error) {
	n := int(pk.Domain.Cardinality)
	if err := suits(system, pk); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(slices.Concat(pk.G1.A, pk.G1.Z), func(p curve.G1Affine) bool { return p.IsInfinity() }) ||
		slices.ContainsFunc(pk.G2.B, func(p curve.G2Affine) bool { return p.IsInfinity() }) {
		return nil, fmt.Errorf("%w: a point of the key is infinity", ErrUnsuitable)
	}
	_, _, generator, _ := curve.Generators()
	z := append(append(make([]curve.G1Affine, 0, n), pk.G1.Z...), generator)
	y := append([]curve.G1Affine{}, z...)
	root := cosetRoot(n)
	rootInverse := root
	rootInverse.Inverse(&rootInverse)

	// pk.G1.Z is in bit-reversed order, as the transform wants it.
	zFactor, yFactor := scalings(n)
	zScalars, yScalars := make([]fr.Element, n), make([]fr.Element, n)
	for i := range zScalars {
		k := reverse(i, n)
		zScalars[i] = power(rootInverse, k)
		zScalars[i].Mul(&zScalars[i], &zFactor)
		yScalars[i] = yFactor
	}
	scale(c, own, z, zScalars)
	scale(c, own, y, yScalars)
	var generatorInverse fr.Element
	generatorInverse.Square(&rootInverse)
	inverseFourier(c, own, z, generatorInverse)
	inverseFourier(c, own, y, generatorInverse)
	b := &bases{z: z}
	b.fold(c, own, system, pk, y)
	return b, nil
}

// suits refuses what the engine does not prove with.
func suits(system *cs.R1CS, pk *gnark.ProvingKey) error {
	wires := system.GetNbPublicVariables() + system.GetNbSecretVariables() + system.GetNbInternalVariables()
	n := int(pk.Domain.Cardinality)
	switch {
	case system.Type != constraint.SystemR1CS, len(pk.CommitmentKeys) != 0:
		return fmt.Errorf("%w: the system is not rank-1, or has commitments", ErrUnsuitable)
	case len(pk.InfinityA) != wires, len(pk.InfinityB) != wires,
		len(pk.G1.A) != len(finite(pk.InfinityA)), len(pk.G2.B) != len(finite(pk.InfinityB)),
		len(pk.G1.K) != wires-system.GetNbPublicVariables(),
		n < system.GetNbConstraints(), n&(n-1) != 0, n < 2, len(pk.G1.Z) != n-1:
		return fmt.Errorf("%w: the key is for another system", ErrUnsuitable)
	}
	return nil
}

// scalings gives the constant factors of z and y: with the 1/n of each of the transforms
// of a and b, -1/(2n³) and 1/(2n).
func scalings(n int) (z, y fr.Element) {
	y.SetUint64(uint64(2 * n)).Inverse(&y)
	var size fr.Element
	size.SetUint64(uint64(n)).Inverse(&size)
	z.Mul(&y, &size).Mul(&z, &size).Neg(&z)
	return z, y
}

// fold makes the wires' points in C: what the key has, and what c adds.
func (b *bases) fold(c *crew, own *scratch, system *cs.R1CS, pk *gnark.ProvingKey, y []curve.G1Affine) {
	public := system.GetNbPublicVariables()
	sums := make([]curve.G1Jac, public+len(pk.G1.K))
	for i := range pk.G1.K {
		sums[public+i].FromAffine(&pk.G1.K[i])
	}
	var points []curve.G1Affine // of the terms whose coefficient is not 1
	var scalars []fr.Element
	var wires []int
	for i, row := range system.GetR1Cs() {
		for _, term := range row.O {
			switch coefficient := system.Coefficients[term.CoeffID()]; {
			case coefficient.IsOne():
				sums[term.WireID()].AddMixed(&y[i])
			case !coefficient.IsZero():
				points, scalars, wires = append(points, y[i]), append(scalars, coefficient), append(wires, term.WireID())
			}
		}
	}
	scale(c, own, points, scalars)
	for i, wire := range wires {
		sums[wire].AddMixed(&points[i])
	}
	for wire, p := range curve.BatchJacobianToAffineG1(sums) {
		if !p.IsInfinity() {
			b.cWires, b.c = append(b.cWires, uint32(wire)), append(b.c, p)
		}
	}
}

// finite gives the wires whose points a key has: it leaves out those at infinity.
func finite(infinity []bool) (wires []uint32) {
	for wire, is := range infinity {
		if !is {
			wires = append(wires, uint32(wire))
		}
	}
	return wires
}
