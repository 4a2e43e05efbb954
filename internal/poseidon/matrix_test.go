package poseidon

import (
	"flag"
	"fmt"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/poseidon2"
)

// matrixPowers is up to which power TestInternalMatrices looks at a matrix; the full
// count is go test ./internal/poseidon -run InternalMatrices -args -matrix-powers 32.
var matrixPowers = flag.Int("matrix-powers", 2, "powers of each internal matrix")

// TestInternalMatrices: a partial round has one S-box, so that the matrix alone must keep
// differences from staying clear of it. The Poseidon2 paper (eprint 2023/323, section 5.3)
// asks that the minimal polynomials of the internal matrix and of its powers up to
// 2t be irreducible and of degree t: then no proper subspace is invariant.
func TestInternalMatrices(t *testing.T) {
	for _, width := range []int{2, 4, 8, 12, 16} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Parallel()
			for k := 1; k <= min(*matrixPowers, 2*width); k++ {
				f, ok := minimalPolynomial(width, k)
				if !ok {
					t.Fatalf("power %d: a polynomial of a degree below %d", k, width)
				}
				if !f.irreducible() {
					t.Errorf("power %d: the minimal polynomial has factors", k)
				}
			}
		})
	}
	for _, p := range []struct {
		f    poly // without its leading 1
		want bool
	}{
		{poly{element(-1), element(0)}, false},                           // x^2 - 1
		{poly{element(-5), element(0)}, true},                            // x^2 - 5: 5 is no square
		{poly{element(25), element(0), element(-10), element(0)}, false}, // (x^2 - 5)^2
	} {
		if got := p.f.irreducible(); got != p.want {
			t.Errorf("%v: irreducible is %v", p.f, got)
		}
	}
}

func element(n int64) (e fr.Element) { return *e.SetInt64(n) }

// internalMatrix applies the matrix of the partial rounds to a vector.
func internalMatrix(v []fr.Element) []fr.Element {
	diagonal := []fr.Element{element(1), element(2)} // of width 2
	if len(v) > 3 {
		diagonal = poseidon2.NewParameters(len(v), FullRounds, PartialRounds(len(v))).DiagM1
	}
	var sum fr.Element
	for i := range v {
		sum.Add(&sum, &v[i])
	}
	out := make([]fr.Element, len(v))
	for i := range v {
		out[i].Mul(&v[i], &diagonal[i]).Add(&out[i], &sum)
	}
	return out
}

// minimalPolynomial gives that of the k-th power of a width's matrix, if its degree is
// the width: v, Mv, M²v, … are then independent for almost every v.
func minimalPolynomial(width, k int) (poly, bool) {
	v := make([]fr.Element, width)
	for i := range v {
		v[i] = element(int64(i*i + 1))
	}
	rows := make([][]fr.Element, width) // of the linear system: column j is M^j v
	for j := range width + 1 {
		for i := range rows {
			rows[i] = append(rows[i], v[i])
		}
		if j < width {
			for range k {
				v = internalMatrix(v)
			}
		}
	}
	if !solve(rows) {
		return nil, false
	}
	f := make(poly, width)
	for i := range f {
		f[i].Neg(&rows[i][width])
	}
	return f, true
}

// solve brings a square system with one more column to the identity.
func solve(rows [][]fr.Element) bool {
	for c := range rows {
		pivot := c
		for pivot < len(rows) && rows[pivot][c].IsZero() {
			pivot++
		}
		if pivot == len(rows) {
			return false
		}
		rows[c], rows[pivot] = rows[pivot], rows[c]
		var inverse fr.Element
		inverse.Inverse(&rows[c][c])
		for j := range rows[c] {
			rows[c][j].Mul(&rows[c][j], &inverse)
		}
		for i := range rows {
			factor := rows[i][c]
			for j := c; i != c && j < len(rows[i]); j++ {
				var x fr.Element
				x.Mul(&factor, &rows[c][j])
				rows[i][j].Sub(&rows[i][j], &x)
			}
		}
	}
	return true
}

// poly is a monic polynomial of degree len(poly), or a remainder modulo one: the
// coefficients from the constant upwards, without the leading 1.
type poly []fr.Element

// mulMod gives a·b modulo f.
func (f poly) mulMod(a, b poly) poly {
	n := len(f)
	product := make(poly, 2*n)
	var x fr.Element
	for i := range a {
		for j := range b {
			x.Mul(&a[i], &b[j])
			product[i+j].Add(&product[i+j], &x)
		}
	}
	for i := 2*n - 1; i >= n; i-- {
		for j := range f {
			x.Mul(&product[i], &f[j])
			product[i-n+j].Sub(&product[i-n+j], &x)
		}
	}
	return product[:n]
}

// frobenius gives a^r modulo f, r being the order of the field.
func (f poly) frobenius(a poly) poly {
	r := fr.Modulus()
	out := a
	for i := r.BitLen() - 2; i >= 0; i-- {
		if out = f.mulMod(out, out); r.Bit(i) == 1 {
			out = f.mulMod(out, a)
		}
	}
	return out
}

// irreducible is Rabin's test: x^(r^n) = x, and x^(r^(n/p)) - x has no factor in
// common with f for the primes p that divide n.
func (f poly) irreducible() bool {
	n := len(f)
	x := make(poly, n)
	x[1] = element(1)
	power := x
	for i := 1; i <= n; i++ {
		power = f.frobenius(power)
		proper := i == n/2 && n%2 == 0 || i == n/3 && n%3 == 0
		if proper && !f.coprimeTo(sub(power, x)) {
			return false
		}
	}
	difference := sub(power, x)
	for i := range difference {
		if !difference[i].IsZero() {
			return false
		}
	}
	return true
}

func sub(a, b poly) poly {
	out := make(poly, len(a))
	for i := range a {
		out[i].Sub(&a[i], &b[i])
	}
	return out
}

// coprimeTo tells whether a remainder is invertible modulo f: whether multiplication
// by it is.
func (f poly) coprimeTo(a poly) bool {
	n := len(f)
	rows := make([][]fr.Element, n)
	for j := range n {
		unit := make(poly, n)
		unit[j] = element(1)
		for i, c := range f.mulMod(a, unit) {
			rows[i] = append(rows[i], c)
		}
	}
	for i := range rows {
		rows[i] = append(rows[i], fr.Element{})
	}
	return solve(rows)
}
