package circuits

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/constraint"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"

	"github.com/attestry/attestry/statement"
)

// ErrUnexpectedShape says that a compiled circuit is not what this package
// transforms and hashes: rank-1 constraints alone, without commitments.
var ErrUnexpectedShape = errors.New("unexpected shape of the constraint system")

// Compile builds the R1CS of a circuit and orients its rows (see [orient]). The
// result is what keys are made for and what [Hash] identifies.
func Compile(circuit frontend.Circuit) (*cs.R1CS, error) {
	compiled, err := frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, circuit)
	if err != nil {
		return nil, fmt.Errorf("compile the circuit: %w", err)
	}
	system, ok := compiled.(*cs.R1CS)
	if !ok || system.Type != constraint.SystemR1CS {
		return nil, fmt.Errorf("%w: %T", ErrUnexpectedShape, compiled)
	}
	if c := system.GetCommitments(); len(c.CommitmentIndexes()) != 0 {
		return nil, fmt.Errorf("%w: it has commitments", ErrUnexpectedShape)
	}
	if err := orient(system); err != nil {
		return nil, err
	}
	return system, nil
}

// orient is the transform "attestry/orientation/v1" of a constraint system's rows.
//
// A row L*R = O says the same as R*L = O, but every wire that stands in some R
// costs the prover a G2 point in its multi-exponentiation. Rows are visited in
// order, and a row's sides are swapped whenever that leaves fewer wires in the
// union of all R; passes are repeated until one changes nothing. The outcome is a
// function of the rows alone.
func orient(system *cs.R1CS) error {
	rows, err := genericRows(system)
	if err != nil {
		return err
	}
	uses := map[uint32]int{} // wire -> rows with it on the right
	for _, r := range rows {
		for _, w := range r.right() {
			uses[w]++
		}
	}
	for changed := true; changed; {
		changed = false
		for _, r := range rows {
			if r.gain(uses) > 0 {
				r.swap(uses)
				changed = true
			}
		}
	}
	return nil
}

// row is a view of one constraint's call data: total, len L, len R, len O, then
// the terms of each as (coefficient, wire).
type row []uint32

func (r row) side(from, n uint32) []uint32 {
	wires := make([]uint32, n)
	for i := range wires {
		wires[i] = r[4+2*(from+uint32(i))+1]
	}
	return wires
}

func (r row) left() []uint32  { return r.side(0, r[1]) }
func (r row) right() []uint32 { return r.side(r[1], r[2]) }

// gain counts by how many wires the union of all right sides would shrink.
func (r row) gain(uses map[uint32]int) int {
	left, right := r.left(), r.right()
	gain := 0
	for _, w := range right {
		if uses[w] == 1 && !slices.Contains(left, w) {
			gain++
		}
	}
	for _, w := range left {
		if uses[w] == 0 {
			gain--
		}
	}
	return gain
}

func (r row) swap(uses map[uint32]int) {
	for _, w := range r.right() {
		uses[w]--
	}
	l, both := 2*r[1], 2*(r[1]+r[2])
	terms := slices.Concat(r[4+l:4+both], r[4:4+l])
	copy(r[4:], terms)
	r[1], r[2] = r[2], r[1]
	for _, w := range r.right() {
		uses[w]++
	}
}

// genericRows gives the call data of every constraint, in order, for change in place.
func genericRows(system *cs.R1CS) ([]row, error) {
	var rows []row
	for _, instruction := range system.Instructions {
		switch system.Blueprints[instruction.BlueprintID].(type) {
		case *constraint.BlueprintGenericR1C:
			start := instruction.StartCallData
			rows = append(rows, row(system.CallData[start:start+uint64(system.CallData[start])]))
		case *constraint.BlueprintGenericHint:
		default:
			return nil, fmt.Errorf("%w: blueprint %T", ErrUnexpectedShape, system.Blueprints[instruction.BlueprintID])
		}
	}
	if len(rows) != system.GetNbConstraints() {
		return nil, fmt.Errorf("%w: %d rows for %d constraints", ErrUnexpectedShape, len(rows), system.GetNbConstraints())
	}
	return rows, nil
}

// The identities, in hexadecimal, of what [Compile] makes of the circuits: their [Hash].
const (
	PresentHash = "ff9d00d4f1f7a21a6f4e96ee09e4290030e2a23f85aed57c27d5e7e874468a6f" // version 1
	AbsentHash  = "ad11370e4a9a4cc6588f7923ffa8cf27ec007bb20c11d8d2df6c12b6b35bcf07" // version 1
)

// The SHA-256, in hexadecimal, of what [Compile] makes of the circuits as gnark writes it.
// They follow from the identities, and change with gnark's format.
const (
	PresentSystem = "cebf104fe92030460d77bceda5cece1ace30d9cb91c86c5823d316f64a5b8340"
	AbsentSystem  = "075b1961aac27b66b07a2ee92f90dbd74d8bf62d3e82998073ca33e779a3902e"
)

// Hash identifies a constraint system by its mathematics, independently of gnark's
// serialization: SHA-256 over "attestry/r1cs/v1\n", the numbers of public wires
// (the constant one first), secret wires, internal wires and rows, and for each
// row L, R and O: the number of terms, then each term's wire and coefficient in
// the order of the wires. Integers are 32-bit, coefficients 32 bytes, big-endian.
func Hash(system *cs.R1CS) statement.Digest {
	h := sha256.New()
	rows := system.GetR1Cs()
	out := appendInts([]byte("attestry/r1cs/v1\n"), system.GetNbPublicVariables(), system.GetNbSecretVariables(), system.GetNbInternalVariables(), len(rows))
	coefficients := make([][fr.Bytes]byte, len(system.Coefficients))
	for i := range coefficients {
		coefficients[i] = system.Coefficients[i].Bytes()
	}
	var terms constraint.LinearExpression
	for _, r := range rows {
		for _, side := range []constraint.LinearExpression{r.L, r.R, r.O} {
			terms = append(terms[:0], side...)
			slices.SortFunc(terms, func(a, b constraint.Term) int { return cmp.Compare(a.VID, b.VID) })
			out = appendInts(out, len(terms))
			for _, t := range terms {
				out = append(appendInts(out, t.WireID()), coefficients[t.CoeffID()][:]...)
			}
		}
		h.Write(out)
		out = out[:0]
	}
	h.Write(out) // of a system without rows
	return statement.Digest(h.Sum(nil))
}

func appendInts(out []byte, values ...int) []byte {
	for _, v := range values {
		out = binary.BigEndian.AppendUint32(out, uint32(v))
	}
	return out
}
