package verifier

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"runtime"
	"sync"
	"sync/atomic"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/statement"
)

// BatchItem is one proof of a batch: that it holds of the statement whose digest is
// D, under Key.
type BatchItem struct {
	Key   *VerifyingKey
	Proof *Groth16Proof
	D     statement.Element
}

const (
	// maxTogether is how many proofs one equation checks: beyond it the final
	// exponentiation, which they share, is a hundredth of the cost.
	maxTogether = 256
	// minTogether is how many proofs are worth an equation of their own to have them
	// checked on another core.
	minTogether = 16
	// fewTogether is how many proofs a failed equation may have to be checked each by
	// itself instead of by halves.
	fewTogether = 4
	// coefficientBytes is the size of a random coefficient: 128 bits.
	coefficientBytes = 16
)

// VerifyBatch checks many proofs for about a third of the cost of [VerifyingKey.Verify]
// of each, on every core that the program may use. It gives one error for each item,
// in their order: nil where the proof holds, [ErrProof] where it does not. An empty
// batch has no errors.
//
// The proofs of one key, which is told by its pointer, are checked by a random linear
// combination of their equations: with coefficients r of 128 bits from crypto/rand
//
//	prod e(r*A, B) = e(alpha, beta)^sum(r) * e(sum r*(K[0] + D*K[1]), gamma) * e(sum r*C, delta)
//
// holds if each proof does, and otherwise with a probability of at most 2^-128
// (Bellare, Garay, Rabin, EUROCRYPT 1998: the small exponents test). It needs every
// point to be in the subgroup of order r, which [ParseProof] has checked. Where the
// equation fails, the batch is halved until the false proofs are found, each half
// under fresh coefficients. A batch whose proofs are all false so costs some ten times
// what it costs when they all hold: who serves others bounds its size.
func VerifyBatch(items []BatchItem) []error {
	return verifyBatch(items, runtime.GOMAXPROCS(0))
}

func verifyBatch(items []BatchItem, cores int) []error {
	errs := make([]error, len(items))
	var pieces [][]int
	for _, group := range byKey(items, errs) {
		pieces = append(pieces, pieceUp(group, cores)...)
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(cores, len(pieces)) {
		workers.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(pieces)); n = next.Add(1) - 1 {
				verifyPiece(items, pieces[n], errs)
			}
		})
	}
	workers.Wait()
	return errs
}

// byKey groups the indexes of the items by their keys, in the order of their first
// use. Items without a key or proof fail at once.
func byKey(items []BatchItem, errs []error) (groups [][]int) {
	at := map[*VerifyingKey]int{}
	for i, item := range items {
		if item.Key == nil || item.Proof == nil {
			errs[i] = fmt.Errorf("%w: there is no proof or no key", ErrProof)
			continue
		}
		n, known := at[item.Key]
		if !known {
			n = len(groups)
			at[item.Key] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	return groups
}

// pieceUp cuts a group into pieces that are checked together, for every core one and
// none needlessly small.
func pieceUp(group []int, cores int) (pieces [][]int) {
	size := min(max((len(group)+cores-1)/cores, minTogether), maxTogether)
	for len(group) > 0 {
		n := min(size, len(group))
		pieces, group = append(pieces, group[:n]), group[n:]
	}
	return pieces
}

// verifyPiece checks items of one key on this core and sets the errors of those that
// do not hold.
func verifyPiece(items []BatchItem, piece []int, errs []error) {
	if len(piece) <= fewTogether {
		for _, i := range piece {
			errs[i] = items[i].Key.Verify(items[i].Proof, items[i].D)
		}
		return
	}
	if holdTogether(items, piece) {
		return
	}
	half := len(piece) / 2
	verifyPiece(items, piece[:half], errs)
	verifyPiece(items, piece[half:], errs)
}

// holdTogether tells whether the equation over all items of a piece holds, under
// coefficients that nobody could know before.
func holdTogether(items []BatchItem, piece []int) bool {
	vk := items[piece[0]].Key
	coefficients := newCoefficients(len(piece))
	a, b := make([]curve.G1Affine, len(piece)), make([]curve.G2Affine, len(piece))
	c := make([]curve.G1Affine, len(piece))
	var sum, weighted fr.Element // of the coefficients, and of them times D
	for n, i := range piece {
		var scalar big.Int
		a[n].ScalarMultiplication(&items[i].Proof.a, coefficients[n].BigInt(&scalar))
		b[n], c[n] = items[i].Proof.b, items[i].Proof.c
		d := items[i].D.Fr()
		sum.Add(&sum, &coefficients[n])
		weighted.Add(&weighted, d.Mul(&d, &coefficients[n]))
	}
	variable, err := curve.MillerLoop(a, b)
	if err != nil {
		return false
	}
	inputs, cs := combine(vk, sum, weighted, c, coefficients)
	// The loop writes into the lines that it is given: it gets its own copy.
	fixed, err := curve.MillerLoopFixedQ([]curve.G1Affine{inputs, cs}, []lines{vk.gammaNeg, vk.deltaNeg})
	if err != nil {
		return false
	}
	var want curve.GT
	var exponent big.Int
	want.ExpGLV(vk.alphaBeta, sum.BigInt(&exponent))
	got := curve.FinalExponentiation(&variable, &fixed)
	return got.Equal(&want)
}

// combine gives the points that are paired with gamma and delta.
func combine(vk *VerifyingKey, sum, weighted fr.Element, c []curve.G1Affine, coefficients []fr.Element) (inputs, cs curve.G1Affine) {
	var x, y big.Int
	var joint curve.G1Jac
	joint.JointScalarMultiplication(&vk.k[0], &vk.k[1], sum.BigInt(&x), weighted.BigInt(&y))
	total := sumOfMultiples(c, coefficients)
	return *inputs.FromJacobian(&joint), *cs.FromJacobian(&total)
}

// window is how many bits of every coefficient [sumOfMultiples] takes at a time. For
// some hundred points 5 is best, and no bad choice for a few.
const window = 5

// sumOfMultiples gives the sum of the points, each times its coefficient of at most 128
// bits, by Pippenger's buckets. gnark-crypto's MultiExp does the same for any number
// of points, with code for every window up to 16 bits: half a megabyte, of which the
// auditor's program would use one case.
func sumOfMultiples(points []curve.G1Affine, coefficients []fr.Element) (sum curve.G1Jac) {
	digits := make([][fr.Bytes]byte, len(coefficients))
	for i, r := range coefficients {
		digits[i] = r.Bytes()
	}
	for at := (8*coefficientBytes - 1) / window * window; at >= 0; at -= window {
		for range window {
			sum.DoubleAssign()
		}
		var buckets [1 << window]curve.G1Jac
		for i := range points {
			if d := bitsAt(&digits[i], at); d != 0 {
				buckets[d].AddMixed(&points[i])
			}
		}
		var running, total curve.G1Jac // total is the sum of d * buckets[d]
		for d := len(buckets) - 1; d > 0; d-- {
			running.AddAssign(&buckets[d])
			total.AddAssign(&running)
		}
		sum.AddAssign(&total)
	}
	return sum
}

// bitsAt gives the window of bits that begins at the at-th lowest one of a big-endian
// number.
func bitsAt(number *[fr.Bytes]byte, at int) int {
	low := fr.Bytes - 1 - at/8
	return (int(number[low]) | int(number[low-1])<<8) >> (at % 8) & (1<<window - 1)
}

// newCoefficients gives uniform numbers below 2^128.
func newCoefficients(n int) []fr.Element {
	var random [coefficientBytes]byte
	out := make([]fr.Element, n)
	for i := range out {
		_, _ = rand.Read(random[:]) // it never fails: it ends the program instead
		out[i].SetBytes(random[:])
	}
	return out
}
