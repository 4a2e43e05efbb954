package verifier

import (
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

const (
	// teeth is how many bits of an exponent choose one of the kept elements. With 8
	// of them a power costs 32 multiplications and as many squarings, a third of
	// what it costs without a table, and the table has 256 elements: 98 kB.
	teeth = 8
	// columns is how many bits apart the teeth are.
	columns = 8 * fr.Bytes / teeth
)

// powers has what makes powers of one element of the pairing's target group cheap:
// the comb of Lim and Lee (CRYPTO 1994). Its time depends on the exponent, which a
// verifier's is no secret.
type powers struct {
	// products[i] is the product of base^(2^(columns*tooth)) over the bits of i.
	products [1 << teeth]curve.GT
}

// powersOf prepares a base, which a pairing gave: the squarings are those of the
// cyclotomic subgroup.
func powersOf(base curve.GT) *powers {
	p := &powers{}
	p.products[0].SetOne()
	for size := 1; size < len(p.products); size *= 2 {
		for i := range size {
			p.products[size+i].Mul(&p.products[i], &base)
		}
		for range columns {
			base.CyclotomicSquare(&base)
		}
	}
	return p
}

// power gives base^exponent.
func (p *powers) power(exponent fr.Element) (product curve.GT) {
	product.SetOne()
	words := exponent.Bits()
	for column := columns - 1; column >= 0; column-- {
		product.CyclotomicSquare(&product)
		chosen := uint64(0)
		for tooth := range teeth {
			at := tooth*columns + column
			chosen |= words[at/64] >> (at % 64) & 1 << tooth
		}
		product.Mul(&product, &p.products[chosen])
	}
	return product
}
