package main

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"os"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
)

// peerPower says how many constraints the peers' circuit has at most: 2^peerPower.
const peerPower = 14

// writePowers writes powers of tau of this program's own making as a file of snarkjs's
// format ptau, prepared for circuits of between half of 2^peerPower constraints and all of
// them, and with no more in it than the setup of such a circuit reads. snarkjs makes the same file in
// minutes. Like any setup that one party made, it is good for measuring alone.
func writePowers(path string) error {
	var tau, alpha, beta fr.Element
	for _, secret := range []*fr.Element{&tau, &alpha, &beta} {
		if _, err := secret.SetRandom(); err != nil {
			return err
		}
	}
	lagrange, err := lagrangeAt(tau, peerPower)
	if err != nil {
		return err
	}
	finer, err := lagrangeAt(tau, peerPower+1)
	if err != nil {
		return err
	}
	var out powersFile
	out.section(1, powersHeader())
	out.section(2, pointsG1(powersOf(tau, 2<<peerPower-1)))
	out.section(4, pointsG1([]fr.Element{alpha}))
	out.section(5, pointsG1([]fr.Element{beta}))
	out.section(6, pointsG2([]fr.Element{beta}))
	// Each of these has a basis for every size, the smaller ones first: they are left out.
	out.section(12, make([]byte, sizeG1*(len(lagrange)-1)), pointsG1(lagrange), pointsG1(finer))
	out.section(13, make([]byte, sizeG2*(len(lagrange)-1)), pointsG2(lagrange))
	out.section(14, make([]byte, sizeG1*(len(lagrange)-1)), pointsG1(times(alpha, lagrange)))
	out.section(15, make([]byte, sizeG1*(len(lagrange)-1)), pointsG1(times(beta, lagrange)))
	return os.WriteFile(path, out.bytes(), 0o600)
}

// lagrangeAt gives the values at tau of the Lagrange basis over the 2^power roots of unity:
// L_i(tau) = w^i (tau^n - 1) / (n (tau - w^i)).
func lagrangeAt(tau fr.Element, power int) ([]fr.Element, error) {
	n := uint64(1) << power
	w, err := fft.Generator(n)
	if err != nil {
		return nil, err
	}
	var common, size, one fr.Element
	one.SetOne()
	common.Exp(tau, new(big.Int).SetUint64(n))
	common.Sub(&common, &one).Div(&common, size.SetUint64(n))
	out, roots := make([]fr.Element, n), make([]fr.Element, n)
	root := one
	for i := range out {
		roots[i] = root
		out[i].Sub(&tau, &root)
		root.Mul(&root, &w)
	}
	out = fr.BatchInvert(out)
	for i := range out {
		out[i].Mul(&out[i], &roots[i]).Mul(&out[i], &common)
	}
	return out, nil
}

// powersOf gives 1, x, x², … .
func powersOf(x fr.Element, n int) []fr.Element {
	out := make([]fr.Element, n)
	out[0].SetOne()
	for i := range out[1:] {
		out[i+1].Mul(&out[i], &x)
	}
	return out
}

func times(factor fr.Element, of []fr.Element) []fr.Element {
	out := make([]fr.Element, len(of))
	for i := range of {
		out[i].Mul(&factor, &of[i])
	}
	return out
}

// powersFile is the sections of a binary file of iden3's, each with its type and size.
type powersFile struct {
	sections uint32
	body     bytes.Buffer
}

func (f *powersFile) section(kind uint32, parts ...[]byte) {
	content := bytes.Join(parts, nil)
	f.sections++
	f.body.Write(binary.LittleEndian.AppendUint32(nil, kind))
	f.body.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(content))))
	f.body.Write(content)
}

func (f *powersFile) bytes() []byte {
	head := binary.LittleEndian.AppendUint32([]byte("ptau"), 1)
	return append(binary.LittleEndian.AppendUint32(head, f.sections), f.body.Bytes()...)
}

// powersHeader names the field and the power, of this file and of the ceremony.
func powersHeader() []byte {
	out := binary.LittleEndian.AppendUint32(nil, fp.Bytes)
	q := fp.Modulus().FillBytes(make([]byte, fp.Bytes))
	for i := range q {
		out = append(out, q[len(q)-1-i])
	}
	out = binary.LittleEndian.AppendUint32(out, peerPower)
	return binary.LittleEndian.AppendUint32(out, peerPower)
}

// Points are their affine coordinates in Montgomery form, the low limb first.
const (
	sizeG1 = 2 * fp.Bytes
	sizeG2 = 4 * fp.Bytes
)

func pointsG1(scalars []fr.Element) (out []byte) {
	_, _, g1, _ := curve.Generators()
	for _, p := range curve.BatchScalarMultiplicationG1(&g1, scalars) {
		out = appendCoordinates(out, p.X, p.Y)
	}
	return out
}

func pointsG2(scalars []fr.Element) (out []byte) {
	_, _, _, g2 := curve.Generators()
	for _, p := range curve.BatchScalarMultiplicationG2(&g2, scalars) {
		out = appendCoordinates(out, p.X.A0, p.X.A1, p.Y.A0, p.Y.A1)
	}
	return out
}

func appendCoordinates(out []byte, coordinates ...fp.Element) []byte {
	for _, c := range coordinates {
		for _, limb := range c {
			out = binary.LittleEndian.AppendUint64(out, limb)
		}
	}
	return out
}
