package circuits

import (
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// AbsentInput is what an assignment of [Absent] is made from.
type AbsentInput struct {
	P, Root        fr.Element
	Context, Blind fr.Element

	Key, Randomness fr.Element // the searched key, and the randomness of its commitment

	Low          imt.Leaf // the leaf with the largest key below Key
	Next         fr.Element
	LinkBlinding fr.Element
	Path         imt.Path
}

// Format implements fmt.Formatter: no verb shows the input.
func (in AbsentInput) Format(f fmt.State, _ rune) { fmt.Fprint(f, "circuits.AbsentInput(private)") }

// Output gives the commitment to the searched key.
func (in *AbsentInput) Output() fr.Element { return statement.Commit(in.Key, in.Randomness) }

// Statement gives the statement that the assignment claims.
func (in *AbsentInput) Statement() statement.Statement {
	q := statement.AbsentQ(in.Output(), in.Context, in.Blind)
	return statement.Statement{P: in.P, Root: in.Root, Q: q}
}

// Assignment gives the circuit's assignment. It checks nothing: a false claim's
// assignment does not satisfy the circuit.
func (in *AbsentInput) Assignment() *Absent {
	c := &Absent{
		D: in.Statement().D().Fr(), P: in.P, Root: in.Root, Context: in.Context, Blind: in.Blind,
		Key: in.Key, Randomness: in.Randomness,
		Low: in.Low.Key, Next: in.Next, LinkBlinding: in.LinkBlinding,
		AttributesHash: in.Low.AttributesHash(), Subject: in.Low.Subject, Holder: in.Low.Holder,
		SerialHash: in.Low.SerialHash, Blinding: in.Low.Blinding,
	}
	assignPath(in.Path, &c.Path, &c.PathTop)
	return c
}
