package prover

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	gnark "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/rs/zerolog"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/prover/groth16"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

var fullWitnesses = flag.Int("full-witnesses", 2, "random statements of each circuit that TestEngineAgainstReference proves with both provers")

// random draws a statement's parts.
type random struct{ *rand.Rand }

func (random) element() fr.Element { return statement.RandomElement().Fr() }

// place puts a leaf somewhere into a random tree.
func (r random) place(leaf *imt.Leaf) (path imt.Path, root fr.Element) {
	root = leaf.Hash()
	for level := range imt.Levels {
		path[level] = make([]fr.Element, imt.Arity(level))
		for i := range path[level] {
			path[level][i] = r.element()
		}
		path[level][r.IntN(len(path[level]))] = root
		root = imt.Node(level, path[level])
	}
	return path, root
}

// present draws a true statement about a record: of some attributes that they are at
// least, at most or exactly something; half of them pledge the record, with its holder.
func (r random) present() circuits.Input {
	in := &circuits.PresentInput{
		P: r.element(), Context: r.element(), Blind: r.element(), Layout: &statement.Layout{},
		OutputRandomness: [2]fr.Element{r.element(), r.element()},
		Leaf:             imt.Leaf{Key: r.element(), Subject: r.element(), Blinding: r.element(), Link: r.element()},
	}
	values := [statement.MaxAttributes]int64{}
	for i := range in.Leaf.Attributes {
		in.Leaf.Attributes[i] = statement.Null()
		if values[i] = int64(r.Uint64()) >> r.IntN(60); r.IntN(4) > 0 {
			in.Leaf.Attributes[i] = statement.EncodeInt(values[i])
		}
	}
	for i := range statement.FirstPairSlot {
		attribute := r.IntN(statement.MaxAttributes)
		if in.Leaf.Attributes[attribute] == statement.Null() || r.IntN(4) == 0 {
			continue
		}
		slot := statement.Slot{X: attribute, Operand: in.Leaf.Attributes[attribute]}
		switch r.IntN(3) {
		case 0:
			slot.AtLeast, slot.Operand = true, statement.EncodeInt(values[attribute]/2-1<<62)
		case 1:
			slot.AtMost = true
		case 2:
			slot.Equal = true
		}
		in.Layout.Slots[i] = slot
	}
	for i := range in.Layout.Outputs {
		in.Layout.Outputs[i].Kind = []statement.OutputKind{statement.KindKey, statement.KindSubject, statement.KindLeaf}[r.IntN(3)]
	}
	if r.IntN(2) == 0 {
		in.Scope, in.Serial, in.HolderSecret = r.element(), r.element(), r.element()
		in.Leaf.SerialHash, in.Leaf.Holder, in.Layout.Holder = statement.SerialHash(in.Serial), statement.HolderTag(in.HolderSecret), true
	}
	in.Path, in.Root = r.place(&in.Leaf)
	return in
}

// absent draws a true statement that a key is in none of the records.
func (r random) absent() circuits.Input {
	low := r.Uint64N(1 << 62)
	key := low + 1 + r.Uint64N(1<<62)
	in := &circuits.AbsentInput{
		P: r.element(), Context: r.element(), Blind: r.element(), Randomness: r.element(), LinkBlinding: r.element(),
		Key: fr.NewElement(key), Next: fr.NewElement(key + 1 + r.Uint64N(1<<62)),
		Low: imt.Leaf{Key: fr.NewElement(low), Subject: r.element(), Holder: r.element(), SerialHash: r.element(), Blinding: r.element()},
	}
	for i := range in.Low.Attributes {
		in.Low.Attributes[i] = r.element()
	}
	in.Low.Link = imt.Link(in.Low.Key, in.Next, in.LinkBlinding)
	in.Path, in.Root = r.place(&in.Low)
	return in
}

// point is a point of G1 or G2 to be read.
type point interface{ SetBytes([]byte) (int, error) }

// gnarkKey gives a verifying key as gnark's verifier wants it.
func gnarkKey(t *testing.T, vk *verifier.VerifyingKey) *gnark.VerifyingKey {
	t.Helper()
	_, points, _ := bytes.Cut(vk.Marshal(), []byte("\n"))
	out := &gnark.VerifyingKey{}
	out.G1.K = make([]curve.G1Affine, 2)
	for _, p := range []point{&out.G1.Alpha, &out.G2.Beta, &out.G2.Gamma, &out.G2.Delta, &out.G1.K[0], &out.G1.K[1]} {
		n, err := p.SetBytes(points)
		if err != nil {
			t.Fatal(err)
		}
		points = points[n:]
	}
	if err := out.Precompute(); err != nil {
		t.Fatal(err)
	}
	return out
}

// verifyWithBoth has both verifiers look at an encoded proof.
func verifyWithBoth(c *Circuit, vk *gnark.VerifyingKey, encoded []byte, d statement.Element) error {
	ours, err := verifier.ParseProof(encoded)
	if err != nil {
		return err
	}
	theirs, rest := &gnark.Proof{}, encoded
	for _, p := range []point{&theirs.Ar, &theirs.Bs, &theirs.Krs} {
		n, err := p.SetBytes(rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return errors.Join(c.VK.Verify(ours, d), gnark.Verify(theirs, vk, fr.Vector{d.Fr()}))
}

// The engine and gnark's prover prove the same statements of the full circuits, and both
// verifiers accept both.
//
//	go test ./prover -run TestEngineAgainstReference -timeout 1h -args -full-witnesses 200
func TestEngineAgainstReference(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 2))}
	for name, draw := range map[string]func() circuits.Input{"present": r.present, "absent": r.absent} {
		fast, err := LoadCircuit(keyDir(), name)
		if err != nil {
			t.Fatal(err)
		}
		slow, err := LoadCircuitWith(keyDir(), name, LoadOptions{Reference: true})
		if err != nil {
			t.Fatal(err)
		}
		if !fast.Engine() || slow.Engine() {
			t.Fatalf("%s: the engine is used: %v; with Reference: %v", name, fast.Engine(), slow.Engine())
		}
		vk := gnarkKey(t, fast.VK)
		for i := range *fullWitnesses {
			in := draw()
			for _, c := range []*Circuit{fast, slow} {
				encoded, d, err := c.Prove(in)
				if err != nil {
					t.Fatalf("%s %d, engine %v: %v", name, i, c.Engine(), err)
				}
				if err := verifyWithBoth(c, vk, encoded, d); err != nil {
					t.Fatalf("%s %d, engine %v: %v", name, i, c.Engine(), err)
				}
			}
		}
	}
	t.Logf("%d statements of each circuit, two proofs of each", *fullWitnesses)
}

// tablesFile gives the name of a circuit's tables, which are there.
func tablesFile(t *testing.T, dir string, keys CircuitKeys) string {
	t.Helper()
	name := keyFile(dir, keys.PK, TablesEnding)
	if _, err := os.Stat(name); err != nil {
		t.Fatal(err)
	}
	return name
}

// Tables that are missing, damaged or of something else are made anew.
func TestTablesAreMadeAnew(t *testing.T) {
	if _, err := LoadCircuit(keyDir(), "present"); err != nil {
		t.Fatal(err)
	}
	dir, keys := copyKeys(t)
	name := tablesFile(t, dir, keys)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(good)
	damaged[len(good)/2] ^= 4
	if err := os.WriteFile(name, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	reports := 0
	c, err := LoadCircuitWith(dir, "present", LoadOptions{Report: func(string) { reports++ }})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Prove(trueInput()); err != nil || !c.Engine() || reports != 1 {
		t.Errorf("engine %v, %d reports: %v", c.Engine(), reports, err)
	}
	if again, err := os.ReadFile(name); err != nil || !bytes.Equal(again, good) {
		t.Errorf("the tables made anew differ: %v", err)
	}
}

// Tables that cannot be kept are used.
func TestTablesThatCannotBeKept(t *testing.T) {
	dir, keys := copyKeys(t)
	_ = os.Remove(keyFile(dir, keys.PK, TablesEnding))
	if err := os.Mkdir(keyFile(dir, keys.PK, TablesEnding), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile(dir, keys.PK, TablesEnding)+"/x", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	warnings := 0
	c, err := LoadCircuitWith(dir, "present", LoadOptions{Warn: func(string, ...any) { warnings++ }})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Prove(trueInput()); err != nil || !c.Engine() || warnings != 1 {
		t.Errorf("engine %v, %d warnings: %v", c.Engine(), warnings, err)
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("%d files, and %d before: %v", len(after), len(before), err)
	}
}

// Where tables can neither be read nor written, gnark's prover proves, and they are not made.
func TestWithoutTables(t *testing.T) {
	_, keys := copyKeys(t)
	reports, warnings := 0, 0
	c := &Circuit{Keys: keys, tables: t.TempDir() + "/none/x" + TablesEnding}
	c.startEngine(nil, LoadOptions{Report: func(string) { reports++ }, Warn: func(string, ...any) { warnings++ }})
	if c.Engine() || warnings != 1 || reports != 0 {
		t.Errorf("engine %v, %d warnings, %d reports", c.Engine(), warnings, reports)
	}
}

// The engine and gnark's solver take the same assignments for unsatisfying, wherever one is
// wrong.
func TestEngineRefusesAsSolver(t *testing.T) {
	r := random{rand.New(rand.NewPCG(3, 4))}
	for name, draw := range map[string]func() circuits.Input{"present": r.present, "absent": r.absent} {
		c, err := LoadCircuit(keyDir(), name)
		if err != nil {
			t.Fatal(err)
		}
		honest, err := frontend.NewWitness(draw().Circuit(), ecc.BN254.ScalarField())
		if err != nil {
			t.Fatal(err)
		}
		wires, refused := honest.Vector().(fr.Vector), 0
		for range *fullWitnesses * 20 {
			wire := r.IntN(len(wires))
			was := wires[wire]
			switch r.IntN(3) {
			case 0:
				wires[wire].SetUint64(uint64(r.IntN(2)))
			case 1:
				wires[wire].Neg(&was)
			case 2:
				wires[wire] = r.element()
			}
			theirs := c.system.IsSolved(honest, solver.WithLogger(zerolog.Nop()))
			_, ours := c.engine.Load().Prove(t.Context(), wires)
			if (ours == nil) != (theirs == nil) || ours != nil && !errors.Is(ours, groth16.ErrNotSatisfied) {
				t.Fatalf("%s, wire %d: %v, and gnark says %v", name, wire, ours, theirs)
			}
			if ours != nil {
				refused++
			}
			wires[wire] = was
		}
		if refused < *fullWitnesses*5 {
			t.Errorf("%s: only %d assignments are unsatisfying", name, refused)
		}
	}
}

// other is an input that proves one statement and claims another.
type other struct{ *circuits.PresentInput }

func (in other) Statement() statement.Statement {
	s := in.PresentInput.Statement()
	s.Q.SetUint64(9)
	return s
}

// Of a proof that does not verify for the statement under the verifying key nothing is given
// out, whoever made it.
func TestNothingIsGivenOutUnverified(t *testing.T) {
	for _, reference := range []bool{false, true} {
		for name, change := range map[string]func(c *Circuit, in *circuits.Input){
			"another statement": func(_ *Circuit, in *circuits.Input) { *in = other{trueInput()} },
			"another key": func(c *Circuit, _ *circuits.Input) {
				absent, err := LoadCircuitWith(keyDir(), "absent", LoadOptions{Reference: true})
				if err != nil {
					t.Fatal(err)
				}
				c.VK = absent.VK
			},
		} {
			c, err := LoadCircuitWith(keyDir(), "present", LoadOptions{Reference: reference})
			if err != nil {
				t.Fatal(err)
			}
			var in circuits.Input = trueInput()
			change(c, &in)
			encoded, _, err := c.Prove(in)
			if encoded != nil || !errors.Is(err, ErrSelfCheck) || c.Engine() {
				t.Errorf("%s, reference %v: %d bytes, engine %v: %v", name, reference, len(encoded), c.Engine(), err)
			}
		}
	}
}

// Tables with one wrong point and hashes that fit it: their proof is withheld, and
// gnark's prover makes it and all further ones. It is said once, and not what was proved.
func TestForgedTables(t *testing.T) {
	dir, keys := copyKeys(t)
	c, err := LoadCircuit(dir, "present")
	if err != nil {
		t.Fatal(err)
	}
	other, err := LoadCircuit(dir, "absent")
	if err != nil {
		t.Fatal(err)
	}
	forged, err := groth16.MakeTables(c.system, forge(c.pk))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := groth16.WriteTables(&file, keys.binding(), c.system, forged); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile(dir, keys.PK, TablesEnding), file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	if c, err = LoadCircuitWith(dir, "present", LoadOptions{Warn: func(format string, args ...any) {
		warnings = append(warnings, fmt.Sprintf(format, args...))
	}}); err != nil || !c.Engine() {
		t.Fatalf("engine %v: %v", c.Engine(), err)
	}
	vk := gnarkKey(t, c.VK)
	for range 2 {
		encoded, d, err := c.Prove(trueInput())
		if err != nil {
			t.Fatal(err)
		}
		if err := verifyWithBoth(c, vk, encoded, d); err != nil {
			t.Error(err)
		}
	}
	if c.Engine() || len(warnings) != 1 || !strings.Contains(warnings[0], "wrong") {
		t.Errorf("engine %v, warnings %q", c.Engine(), warnings)
	}
	// The same file under another circuit's name is not even read.
	if err := os.WriteFile(keyFile(dir, other.Keys.PK, TablesEnding), file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, tables, err := readTables(dir, other.Keys); !errors.Is(err, groth16.ErrTables) || tables != nil {
		t.Errorf("another circuit's tables: %v", err)
	}
}

// forge gives a key that differs in the point of one wire: that of the constant 1, which no
// witness sets to 0.
func forge(pk *gnark.ProvingKey) *gnark.ProvingKey {
	out := *pk
	out.G1.A = append([]curve.G1Affine{}, pk.G1.A...)
	out.G1.A[0].Neg(&out.G1.A[0])
	return &out
}

func BenchmarkReference(b *testing.B) {
	c, err := LoadCircuitWith(keyDir(), "present", LoadOptions{Reference: true})
	if err != nil {
		b.Fatal(err)
	}
	in := trueInput()
	for b.Loop() {
		if _, _, err := c.Prove(in); err != nil {
			b.Fatal(err)
		}
	}
}
