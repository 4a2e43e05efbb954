package verifier

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// ProofSize is the length of a proof: A in G1, B in G2, C in G1, compressed.
const ProofSize = sizeG1 + sizeG2 + sizeG1

// VerifyingKeySize is the length of a verifying key's encoding.
const VerifyingKeySize = len(vkMagic) + sizeG1 + 3*sizeG2 + 2*sizeG1

const (
	sizeG1 = curve.SizeOfG1AffineCompressed
	sizeG2 = curve.SizeOfG2AffineCompressed

	// vkMagic starts every verifying key's encoding: the proof system, the curve
	// and the version. It stands for one public input too.
	vkMagic = "attestry/groth16-bn254/v1\n"
)

// Groth16Proof is a Groth16 proof on BN254 (Groth, EUROCRYPT 2016, section 3.2). It is
// not an identity of anything: whoever has a proof can make others of the same
// statement from it.
type Groth16Proof struct {
	a, c curve.G1Affine
	b    curve.G2Affine
}

// ParseProof reads the one encoding of a proof: exactly [ProofSize] bytes of A, B
// and C, each a compressed point of the curve's subgroup of order r. The point at
// infinity is refused, which an honest prover gives with probability 2^-250.
// It fails with [ErrEncoding].
func ParseProof(data []byte) (*Groth16Proof, error) {
	if len(data) != ProofSize {
		return nil, fmt.Errorf("%w: a proof of %d bytes, not %d", ErrEncoding, len(data), ProofSize)
	}
	r := pointReader{rest: data}
	p := &Groth16Proof{a: r.g1("A"), b: r.g2("B"), c: r.g1("C")}
	if r.err != nil {
		return nil, r.err
	}
	return p, nil
}

// Marshal gives the proof's encoding.
func (p *Groth16Proof) Marshal() []byte {
	a, b, c := p.a.Bytes(), p.b.Bytes(), p.c.Bytes()
	return bytes.Join([][]byte{a[:], b[:], c[:]}, nil)
}

// VerifyingKey is a Groth16 verifying key on BN254 of a circuit with one public
// input and no commitments. It is safe for concurrent use.
type VerifyingKey struct {
	alpha              curve.G1Affine
	beta, gamma, delta curve.G2Affine
	k                  [2]curve.G1Affine

	// What no proof changes of the equation: e(alpha, beta) * e(K[0], gamma), and
	// powers of e(K[1], gamma). So a proof costs two pairings.
	constant curve.GT
	inputs   *powers
	deltaNeg curve.G2Affine
}

// NewVerifyingKey makes a verifying key of its points, which it checks as
// [ParseVerifyingKey] does: k0 and k1 are the points of the constant and of the
// one public input. It fails with [ErrEncoding].
func NewVerifyingKey(alpha curve.G1Affine, beta, gamma, delta curve.G2Affine, k0, k1 curve.G1Affine) (*VerifyingKey, error) {
	vk := &VerifyingKey{alpha: alpha, beta: beta, gamma: gamma, delta: delta, k: [2]curve.G1Affine{k0, k1}}
	return ParseVerifyingKey(vk.Marshal())
}

// ParseVerifyingKey reads the one encoding of a verifying key: exactly
// [VerifyingKeySize] bytes, a line that names the format and then alpha (G1), beta,
// gamma, delta (G2), K[0] and K[1] (G1), each a compressed point of the subgroup of
// order r and none at infinity: a K[1] at infinity would accept a proof of one
// statement for every other. It fails with [ErrEncoding].
func ParseVerifyingKey(data []byte) (*VerifyingKey, error) {
	if len(data) != VerifyingKeySize {
		return nil, fmt.Errorf("%w: a verifying key of %d bytes, not %d", ErrEncoding, len(data), VerifyingKeySize)
	}
	points, ok := bytes.CutPrefix(data, []byte(vkMagic))
	if !ok {
		return nil, fmt.Errorf("%w: a verifying key starts with %q", ErrEncoding, vkMagic)
	}
	r := pointReader{rest: points}
	vk := &VerifyingKey{
		alpha: r.g1("alpha"), beta: r.g2("beta"), gamma: r.g2("gamma"), delta: r.g2("delta"),
		k: [2]curve.G1Affine{r.g1("K[0]"), r.g1("K[1]")},
	}
	if r.err != nil {
		return nil, r.err
	}
	// The marks of a setup whose second phase never happened: such a key accepts
	// forged proofs.
	_, _, _, generator := curve.Generators()
	if vk.delta == vk.gamma || vk.delta == generator {
		return nil, fmt.Errorf("%w: delta is gamma or the generator: the setup is unfinished", ErrEncoding)
	}
	if err := vk.precompute(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrEncoding, err)
	}
	return vk, nil
}

// Marshal gives the key's encoding.
func (vk *VerifyingKey) Marshal() []byte {
	out := []byte(vkMagic)
	alpha, beta, gamma, delta := vk.alpha.Bytes(), vk.beta.Bytes(), vk.gamma.Bytes(), vk.delta.Bytes()
	k0, k1 := vk.k[0].Bytes(), vk.k[1].Bytes()
	return append(out, bytes.Join([][]byte{alpha[:], beta[:], gamma[:], delta[:], k0[:], k1[:]}, nil)...)
}

// Digest gives SHA-256 of the key's encoding, by which statements name the key.
func (vk *VerifyingKey) Digest() statement.Digest { return sha256.Sum256(vk.Marshal()) }

// Delta gives the key's delta in G2, which a proving key of the same setup repeats.
func (vk *VerifyingKey) Delta() curve.G2Affine { return vk.delta }

func (vk *VerifyingKey) precompute() (err error) {
	vk.deltaNeg.Neg(&vk.delta)
	if vk.constant, err = curve.Pair([]curve.G1Affine{vk.alpha, vk.k[0]}, []curve.G2Affine{vk.beta, vk.gamma}); err != nil {
		return err
	}
	input, err := curve.Pair([]curve.G1Affine{vk.k[1]}, []curve.G2Affine{vk.gamma})
	vk.inputs = powersOf(input)
	return err
}

// Verify checks a proof of the statement whose digest is d, the public input:
//
//	e(A, B) = e(alpha, beta) * e(K[0] + d*K[1], gamma) * e(C, delta)
//
// It fails with [ErrProof].
func (vk *VerifyingKey) Verify(p *Groth16Proof, d statement.Element) error {
	// In one loop with B, whose lines nobody can know before, delta's cost no more
	// than lines that are kept and a loop for them.
	got, err := curve.Pair([]curve.G1Affine{p.a, p.c}, []curve.G2Affine{p.b, vk.deltaNeg})
	if err != nil {
		return fmt.Errorf("%w: %v", ErrProof, err)
	}
	want := vk.inputs.power(d.Fr())
	want.Mul(&want, &vk.constant)
	if !got.Equal(&want) {
		return fmt.Errorf("%w: not of this statement under this verifying key", ErrProof)
	}
	return nil
}

// VerifyEntry checks the proof of a ledger entry for the D that follows from the
// entry. It fails with [ErrEncoding] or [ErrProof].
func (vk *VerifyingKey) VerifyEntry(e *ledger.ProofEntry) error {
	item, err := vk.batchItem(e)
	if err != nil {
		return err
	}
	return vk.Verify(item.Proof, item.D)
}

// batchItem reads the proof of an entry and what it is to prove.
func (vk *VerifyingKey) batchItem(e *ledger.ProofEntry) (BatchItem, error) {
	d, err := e.D()
	if err != nil {
		return BatchItem{}, err
	}
	p, err := ParseProof(e.Proof)
	return BatchItem{vk, p, d}, err
}

// pointReader reads compressed points one after the other and keeps the first
// error, naming the point.
type pointReader struct {
	rest []byte
	err  error
}

func (r *pointReader) take(n int) []byte {
	out := r.rest[:n:n]
	r.rest = r.rest[n:]
	return out
}

func (r *pointReader) g1(name string) (p curve.G1Affine) {
	in := r.take(sizeG1)
	_, err := p.SetBytes(in) // of 32 bytes only a compressed point can be read; checks the subgroup
	out := p.Bytes()
	r.check(name, err, p.IsInfinity(), bytes.Equal(in, out[:]))
	return p
}

func (r *pointReader) g2(name string) (p curve.G2Affine) {
	in := r.take(sizeG2)
	_, err := p.SetBytes(in)
	out := p.Bytes()
	r.check(name, err, p.IsInfinity(), bytes.Equal(in, out[:]))
	return p
}

func (r *pointReader) check(name string, err error, infinity, roundTrip bool) {
	switch {
	case r.err != nil:
	case err != nil:
		r.err = fmt.Errorf("%w: %s: %v", ErrEncoding, name, err)
	case infinity:
		r.err = fmt.Errorf("%w: %s is the point at infinity", ErrEncoding, name)
	case !roundTrip:
		r.err = fmt.Errorf("%w: %s is not in its canonical encoding", ErrEncoding, name)
	}
}
