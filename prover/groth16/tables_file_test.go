package groth16

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
)

var damages = flag.Int("damages", 60, "files of tables that TestDamagedTables damages")

// binding is of any key, and the system that all fixtures have.
var binding = makeBinding()

func makeBinding() Binding {
	system, err := compileSmall()
	if err != nil {
		panic(err)
	}
	h := sha256.New()
	if _, err := system.WriteTo(h); err != nil {
		panic(err)
	}
	return Binding{Circuit: sha256.Sum256([]byte("a circuit")), Key: sha256.Sum256([]byte("a key")), System: [sha256.Size]byte(h.Sum(nil))}
}

func (f *fixture) file(t testing.TB, b Binding) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := WriteTables(&file, b, f.system, f.tables); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func read(file []byte, b Binding) (*Tables, error) {
	_, tables, err := ReadTables(bytes.NewReader(file), int64(len(file)), b)
	return tables, err
}

// What was written is read, and proves.
func TestTablesFile(t *testing.T) {
	f := newFixture(t)
	file := f.file(t, binding)
	system, tables, err := ReadTables(bytes.NewReader(file), int64(len(file)), binding)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := New(system, &f.pk, tables, Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := vector(f.randomWitness(t))
	if proof, err := engine.Prove(t.Context(), v); err != nil || f.verify(proof, v[0]) != nil {
		t.Errorf("a proof of read tables: %v", err)
	}
	again := *f
	again.system, again.tables = system, tables
	if !bytes.Equal(again.file(t, binding), file) {
		t.Error("what was read is written differently")
	}
}

// Of a key there is one file of tables: it does not depend on the number of cores.
func TestTablesAreOfTheKey(t *testing.T) {
	f := newFixture(t)
	tables, err := MakeTables(f.system, &f.pk)
	if err != nil {
		t.Fatal(err)
	}
	again := *f
	again.tables = tables
	if !bytes.Equal(again.file(t, binding), f.file(t, binding)) {
		t.Error("the same key gave other tables")
	}
}

// A file that differs in one bit, or is shorter or longer, is refused, wherever that is.
//
//	go test ./prover/groth16 -run TestDamagedTables -args -damages 5000
func TestDamagedTables(t *testing.T) {
	f := newFixture(t)
	file := f.file(t, binding)
	random := rand.New(rand.NewPCG(1, 2))
	head := len((&head{}).encode(binding))
	for i := range *damages {
		damaged, what := bytes.Clone(file), "a bit flipped"
		place := random.IntN(len(file))
		switch i % 4 {
		case 0:
			damaged, what = damaged[:place], "truncated"
		case 1:
			place = random.IntN(head)
			fallthrough
		default:
			damaged[place] ^= 1 << random.IntN(8)
		}
		if _, err := read(damaged, binding); !errors.Is(err, ErrTables) {
			t.Fatalf("%s at %d of %d: %v", what, place, len(file), err)
		}
	}
	for name, damaged := range map[string][]byte{"empty": {}, "a byte more": append(bytes.Clone(file), 0), "a byte less": file[:len(file)-1]} {
		if _, err := read(damaged, binding); !errors.Is(err, ErrTables) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Tables of another key or circuit are refused by their names; with false names they make
// proofs that do not verify.
func TestSwappedTables(t *testing.T) {
	f := newFixture(t)
	other, err := makeFixture()
	if err != nil {
		t.Fatal(err)
	}
	file := other.file(t, binding)
	for name, b := range map[string]Binding{"key": {binding.Circuit, sha256.Sum256(nil), binding.System}, "circuit": {sha256.Sum256(nil), binding.Key, binding.System}, "system": {binding.Circuit, binding.Key, sha256.Sum256(nil)}} {
		if _, err := read(file, b); !errors.Is(err, ErrTables) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	tables, err := read(file, binding)
	if err != nil {
		t.Fatal(err)
	}
	f.wrong(t, "another key's", tables)
}

// wrong wants of tables that New takes proofs that do not verify, or none.
func (f *fixture) wrong(t *testing.T, name string, tables *Tables) {
	t.Helper()
	engine, err := New(f.system, &f.pk, tables, Options{})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	v := vector(f.randomWitness(t))
	if proof, err := engine.Prove(t.Context(), v); err == nil && f.verify(proof, v[0]) == nil {
		t.Errorf("%s: a wrong proof verifies", name)
	}
}

// Whoever can write the file can write hashes that fit. The proofs are wrong, then.
func TestForgedTables(t *testing.T) {
	f := newFixture(t)
	for name, forge := range map[string]func(*Tables){
		"two points swapped":   func(t *Tables) { t.c.points[0], t.c.points[1] = t.c.points[1], t.c.points[0] },
		"a point of no curve":  func(t *Tables) { t.a.points[0].X.Double(&t.a.points[0].X) },
		"a point not in G2":    func(t *Tables) { t.b.points[0].X.A0.Double(&t.b.points[0].X.A0) },
		"infinity":             func(t *Tables) { clear(t.a.points) },
		"infinity in G2":       func(t *Tables) { clear(t.b.points) },
		"equal points":         func(t *Tables) { fill(t.c.points, t.c.points[0]) },
		"a wire for another":   func(t *Tables) { fill(t.cWires, t.cWires[0]) },
		"negatives of the sum": func(t *Tables) { t.a.points[0].Neg(&t.a.points[0]) },
	} {
		tables, err := read(f.file(t, binding), binding)
		if err != nil {
			t.Fatal(err)
		}
		forge(tables)
		f.wrong(t, name, tables)
	}
}

func fill[T any](s []T, with T) {
	for i := range s {
		s[i] = with
	}
}

// A constraint system that is not the binding's is neither written nor read, whatever the
// file's own hashes say: gnark's reader can be led into a panic.
func TestForgedSystem(t *testing.T) {
	f := newFixture(t)
	forged := *f.system
	forged.CallData = forged.CallData[:5]
	if err := WriteTables(&bytes.Buffer{}, binding, &forged, f.tables); !errors.Is(err, ErrUnsuitable) {
		t.Errorf("written: %v", err)
	}
	for name, content := range map[string][]byte{"none": nil, "not one": []byte("system"), "zeros": make([]byte, 4096)} {
		if _, err := read(wrap(content), binding); !errors.Is(err, ErrTables) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A size that is not the file's, as of one that is written to meanwhile, or of holes, is
// refused before anything is allocated for it.
func TestTablesOfAnotherSize(t *testing.T) {
	file := newFixture(t).file(t, binding)
	holes := head{{length: uint64(len(file))}, {}, {}, {}, {length: 1 << 50}}
	encoded := holes.encode(binding)
	copy(holes[0].hash[:], binding.System[:])
	var around head // its lengths sum to what is left of no bytes, modulo 2^64
	around[0].hash, around[4].length = binding.System, -uint64(len(encoded))
	for name, c := range map[string]struct {
		content []byte
		size    int64
	}{
		"none":           {file, 0},
		"less than head": {file, int64(len(encoded)) - 1},
		"negative":       {file, -1},
		"a byte more":    {file, int64(len(file)) + 1},
		"a byte less":    {file, int64(len(file)) - 1},
		"holes":          {holes.encode(binding), int64(len(encoded)+len(file)) + 1<<50},
		"around":         {around.encode(binding), 0},
	} {
		if _, _, err := ReadTables(bytes.NewReader(c.content), c.size, binding); !errors.Is(err, ErrTables) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Points of any bytes, which need not be reduced, give no proof, and no panic.
func TestTablesOfNoise(t *testing.T) {
	f := newFixture(t)
	random := rand.NewChaCha8([32]byte{1})
	for i := range 12 {
		tables, err := read(f.file(t, binding), binding)
		if err != nil {
			t.Fatal(err)
		}
		for j, part := range [][]byte{raw(tables.a.points), raw(tables.b.points), raw(tables.c.points)} {
			switch {
			case i%4 == 3:
				_, _ = random.Read(part) // it does not fail
			case i%4 == j:
				for at := 0; at < len(part); at += frBytes { // p, which is 0 and does not look it, or all ones
					copy(part[at:], bytes.Repeat([]byte{0xff}, frBytes))
					if i < 8 {
						copy(part[at:], raw([]curve.G1Affine{{X: fp.Element{modulus0, modulus1, modulus2, modulus3}}})[:frBytes])
					}
				}
			}
		}
		f.wrong(t, fmt.Sprintf("noise %d", i), tables)
	}
}

// wrap makes a file of a constraint system and of no tables, with their hashes.
func wrap(system []byte) []byte {
	var h head
	for i := range h {
		h[i].hash = sha256.Sum256(nil)
	}
	h[0].length, h[0].hash = uint64(len(system)), sha256.Sum256(system)
	return append(h.encode(binding), system...)
}

// FuzzReadTables: whatever a file says, and whatever it holds under hashes that fit, it is
// refused.
func FuzzReadTables(f *testing.F) {
	f.Add(newFixture(f).file(f, binding)[:len((&head{}).encode(binding))], true)
	f.Add([]byte("system"), false)
	f.Fuzz(func(t *testing.T, content []byte, whole bool) {
		if !whole {
			content = wrap(content)
		}
		if _, err := read(content, binding); !errors.Is(err, ErrTables) {
			t.Fatalf("%d bytes: %v", len(content), err)
		}
	})
}
