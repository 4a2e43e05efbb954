package verifier

import (
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
)

// VerifyBatch checks many proofs for about a third of the cost of [VerifyingKey.Verify]
// of each, on every core that the program may use. It gives one error for each item,
// in their order: nil where the proof holds, [ErrProof] where it does not. An empty
// batch has no errors.
//
// The proofs of one key, which is told by its pointer, are checked by a random linear
// combination of their equations: with coefficients r, each one of 2^128 from crypto/rand,
//
//	prod e(r*A, B) = (e(alpha, beta) * e(K[0], gamma))^sum(r) * e(K[1], gamma)^sum(r*D) * e(sum r*C, delta)
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
	e, coefficients := newEndomorphism(), newCoefficients(len(piece))
	multiples, c := make([]curve.G1Jac, len(piece)), make([]curve.G1Affine, len(piece))
	b := make([]curve.G2Affine, len(piece), len(piece)+1)
	var sum, weighted fr.Element // of the coefficients, and of them times D
	for n, i := range piece {
		p, r, d := items[i].Proof, coefficients[n].element(&e), items[i].D.Fr()
		moved := e.of(&p.a)
		multiples[n] = coefficients[n].times(&p.a, &moved)
		b[n], c[n] = p.b, p.c
		sum.Add(&sum, &r)
		weighted.Add(&weighted, d.Mul(&d, &r))
	}
	// The last pair is that of delta.
	a := curve.BatchJacobianToAffineG1(append(multiples, sumOfMultiples(&e, c, coefficients)))
	got, err := curve.Pair(a, append(b, vk.deltaNeg))
	if err != nil {
		return false
	}
	var constant curve.GT
	var exponent big.Int
	constant.ExpGLV(vk.constant, sum.BigInt(&exponent))
	want := vk.inputs.power(weighted)
	return got.Equal(want.Mul(&want, &constant))
}
