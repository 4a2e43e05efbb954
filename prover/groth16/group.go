package groth16

import (
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
)

// The lanes of one worker: what fits beside the rest into the second level cache.
const (
	g1LaneCount = 8192 // 512 KiB
	g2LaneCount = 4096 // 512 KiB
)

// group is what sums need of G1 or G2.
type group[P comparable] interface {
	// of gives a worker's lanes.
	of(s *scratch) lanes[P]
	// lanes is the number of lanes of a worker.
	lanes() int
	// weigh gives the sum of (i+1)·points[i].
	weigh(points []P) P
	// raise gives 2^shift·high + low.
	raise(high P, shift int, low P) P
}

type g1 struct{}

func (g1) of(s *scratch) lanes[curve.G1Affine] { return s.g1 }
func (g1) lanes() int                          { return g1LaneCount }

func (g1) weigh(points []curve.G1Affine) curve.G1Affine {
	var running, total curve.G1Jac
	for i := len(points) - 1; i >= 0; i-- {
		running.AddMixed(&points[i])
		total.AddAssign(&running)
	}
	var out curve.G1Affine
	out.FromJacobian(&total)
	return out
}

func (g1) raise(high curve.G1Affine, shift int, low curve.G1Affine) curve.G1Affine {
	var p curve.G1Jac
	p.FromAffine(&high)
	for range shift {
		p.DoubleAssign()
	}
	p.AddMixed(&low)
	high.FromJacobian(&p)
	return high
}

type g2 struct{}

func (g2) of(s *scratch) lanes[curve.G2Affine] { return s.g2 }
func (g2) lanes() int                          { return g2LaneCount }

func (g2) weigh(points []curve.G2Affine) curve.G2Affine {
	var running, total curve.G2Jac
	for i := len(points) - 1; i >= 0; i-- {
		running.AddMixed(&points[i])
		total.AddAssign(&running)
	}
	var out curve.G2Affine
	out.FromJacobian(&total)
	return out
}

func (g2) raise(high curve.G2Affine, shift int, low curve.G2Affine) curve.G2Affine {
	var p curve.G2Jac
	p.FromAffine(&high)
	for range shift {
		p.DoubleAssign()
	}
	p.AddMixed(&low)
	high.FromJacobian(&p)
	return high
}
