package circuits

import (
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/std/math/bits"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// keyBits is the length of a tree key.
const keyBits = 248

// Absent is the circuit "absent": no record under a root has the committed key.
//
// Public input: D, the statement's digest, with nullifier and scope 0.
//
// Relation. There are a key, randomness, a low leaf with its link opened, and a
// path with
//
//	D      = H(P, Root, 0, 0, Q)
//	Q      = H(output, Context, Blind)
//	output = Commit(Key, Randomness)
//	the low leaf is under Root (as in [Present]), and its link is H(Low, Next, LinkBlinding)
//	Key - Low - 1 and Next - Key - 1 are both in [0, 2^248)
//
// The differences are taken in the field. With Low and Next below 2^248 (the
// issuer's word, as in [Present]) neither can wrap around: Key = Low + 1 + a with
// a < 2^248 is below 2^250, and so Low < Key < Next as integers. The sentinel's key
// is 0 and the end marker 2^248 - 1, so every hash of a key lies between them, and
// a key that equals Low or Next is not absent.
type Absent struct {
	D frontend.Variable `gnark:",public"`

	P, Root, Context, Blind frontend.Variable

	Key, Randomness frontend.Variable

	Low, Next, LinkBlinding                               frontend.Variable
	AttributesHash, Subject, Holder, SerialHash, Blinding frontend.Variable

	Path    [imt.Levels - 1][8]frontend.Variable
	PathTop [12]frontend.Variable
}

// Define implements frontend.Circuit.
func (c *Absent) Define(api frontend.API) error {
	h, err := newHasher(api)
	if err != nil {
		return err
	}
	membership(api, h, c.low(h), c.Path, c.PathTop, c.Root)
	c.between(api)
	q := c.question(h)
	d := h.compress(0, statement.TagStatement, c.P, c.Root, 0, 0, q, 0, 0)
	api.AssertIsEqual(c.D, d)
	return nil
}

// low gives the hash of the low leaf, whose link is opened.
func (c *Absent) low(h *hasher) frontend.Variable {
	link := h.compress(0, statement.TagLink, c.Low, c.Next, c.LinkBlinding)
	return h.compress(0, statement.TagLeaf, c.AttributesHash, c.Low, c.Subject, c.Holder, c.SerialHash, c.Blinding, link)
}

// between demands Low < Key < Next.
func (c *Absent) between(api frontend.API) {
	bits.ToBinary(api, api.Sub(c.Key, c.Low, 1), bits.WithNbDigits(keyBits))
	bits.ToBinary(api, api.Sub(c.Next, c.Key, 1), bits.WithNbDigits(keyBits))
}

func (c *Absent) question(h *hasher) frontend.Variable {
	output := h.compress(0, statement.TagOutput, c.Key, c.Randomness, 0)
	return h.compress(0, statement.TagAbsentQuestion, output, c.Context, c.Blind)
}
