package groth16

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"unsafe"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	cs "github.com/consensys/gnark/constraint/bn254"
	"golang.org/x/sync/errgroup"
)

// A file of tables is a head and five parts. The head is
//
//	the line tablesFormat
//	8 bytes that tell the order of bytes in a word: points are written as they are in memory
//	32 bytes each: the hashes of the constraint system and of the key, see [Binding]
//	for each part its length, 8 bytes, the lowest first, and its SHA-256
//	the SHA-256 of all of that
//
// The parts are the constraint system as gnark writes it, so that it need not be compiled
// to prove, the wires that have a point in C, and the tables of A, B and C.
//
// The hashes tell damage from what was written. They are no signature: whoever can write
// the file can give it any content, and then the proofs are wrong. See [Engine.Prove].

// head is what the head of a file of tables says of each part.
type head [5]struct {
	length uint64
	hash   [sha256.Size]byte
}

// maxTables is the largest size of a file of tables that is read, in bytes: some ten times what
// the largest circuit's take. Parts are allocated by the lengths that the head declares,
// and a file with holes can be longer than its disk.
const maxTables = 1 << 29

// tablesFormat is the first line of a file of tables. It names the numbers of windows.
func tablesFormat() string {
	return fmt.Sprintf("attestry/tables/v1 %d %d %d\n", windowsA, windowsB, windowsC)
}

// Binding names what tables are made for.
type Binding struct {
	// Circuit and Key are hashes that their user chooses.
	Circuit, Key [sha256.Size]byte
	// System is the SHA-256 of the constraint system as gnark writes it. gnark's reader is
	// for files of one's own, and can be led into a panic: it gets no other.
	System [sha256.Size]byte
}

// WriteTables writes a file of tables with their constraint system. It fails with
// [ErrUnsuitable] where that is not the binding's.
func WriteTables(w io.Writer, b Binding, system *cs.R1CS, t *Tables) error {
	var encoded bytes.Buffer
	if _, err := system.WriteTo(&encoded); err != nil {
		return err
	}
	parts := [len(head{})][]byte{encoded.Bytes(), raw(t.cWires), raw(t.a.points), raw(t.b.points), raw(t.c.points)}
	var h head
	for i, part := range parts {
		h[i].length, h[i].hash = uint64(len(part)), sha256.Sum256(part)
	}
	if h[0].hash != b.System {
		return fmt.Errorf("%w: gnark writes the constraint system with SHA-256 %x, and not %x", ErrUnsuitable, h[0].hash, b.System)
	}
	if _, err := w.Write(h.encode(b)); err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// element is what parts consist of: no pointers.
type element interface{ byte | uint32 | point }

// point is a point of G1 or G2.
type point interface {
	curve.G1Affine | curve.G2Affine
}

// raw gives the memory of a slice.
func raw[T element](s []T) []byte {
	var one T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(one)))
}

// encode gives the head's bytes.
func (h *head) encode(b Binding) []byte {
	out := []byte(tablesFormat())
	out = binary.NativeEndian.AppendUint64(out, 0x0102030405060708)
	out = append(append(out, b.Circuit[:]...), b.Key[:]...)
	for _, part := range h {
		out = binary.LittleEndian.AppendUint64(out, part.length)
		out = append(out, part.hash[:]...)
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:]...)
}

// readHead reads the head of a file of this size, which must be bound to b, and gives
// its length too.
func readHead(r io.ReaderAt, size int64, b Binding) (h head, length int64, err error) {
	encoded := make([]byte, len(h.encode(b)))
	if _, err := r.ReadAt(encoded, 0); err != nil {
		return h, 0, damaged("head", err)
	}
	if size < int64(len(encoded)) || size > maxTables {
		return h, 0, damaged("length", nil)
	}
	at := len(encoded) - sha256.Size
	if sum := sha256.Sum256(encoded[:at]); !bytes.Equal(sum[:], encoded[at:]) {
		return h, 0, fmt.Errorf("%w: they were made by another version, or the file is damaged in its head", ErrTables)
	}
	at -= len(h) * (8 + sha256.Size)
	left := uint64(size - int64(len(encoded)))
	for i := range h {
		h[i].length = binary.LittleEndian.Uint64(encoded[at:])
		at += 8 + copy(h[i].hash[:], encoded[at+8:])
		if h[i].length > left {
			return h, 0, damaged("length", nil)
		}
		left -= h[i].length
	}
	switch {
	case !bytes.Equal(h.encode(b), encoded):
		return h, 0, fmt.Errorf("%w: they are of another key or circuit", ErrTables)
	case h[0].hash != b.System:
		return h, 0, fmt.Errorf("%w: they hold another constraint system, or one that another version of gnark wrote", ErrTables)
	case left != 0:
		return h, 0, damaged("length", nil)
	}
	return h, int64(len(encoded)), nil
}

func damaged(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: the file is damaged in its %s", ErrTables, what)
	}
	return fmt.Errorf("%w: the file is damaged in its %s: %w", ErrTables, what, err)
}

// ReadTables reads a file of tables, with its constraint system. It fails with
// [ErrTables] where the file differs from what was written, or has another binding.
// Whether the tables fit a key is for [New] to see.
func ReadTables(r io.ReaderAt, size int64, b Binding) (*cs.R1CS, *Tables, error) {
	h, at, err := readHead(r, size, b)
	if err != nil {
		return nil, nil, err
	}
	t := &Tables{system: &cs.R1CS{}}
	readers := [len(head{})]func(part) error{
		func(p part) (err error) {
			if err := readSystem(p, t.system); err != nil {
				return err
			}
			t.program, err = compile(t.system)
			return err
		},
		func(p part) error { return readPart(p, &t.cWires) },
		func(p part) error { return readTable(p, windowsA, &t.a) },
		func(p part) error { return readTable(p, windowsB, &t.b) },
		func(p part) error { return readTable(p, windowsC, &t.c) },
	}
	var all errgroup.Group // one part, one core
	for i, read := range readers {
		p := part{io.NewSectionReader(r, at, int64(h[i].length)), h[i].hash}
		at += int64(h[i].length)
		all.Go(func() error { return read(p) })
	}
	if err := all.Wait(); err != nil {
		return nil, nil, err
	}
	return t.system, t, nil
}

// part is a part of a file, with the hash that it ought to have.
type part struct {
	*io.SectionReader
	hash [sha256.Size]byte
}

// readPart reads a part and checks its hash.
func readPart[T element](p part, to *[]T) error {
	var one T
	out := make([]T, p.Size()/int64(unsafe.Sizeof(one)))
	hash := sha256.New()
	for left := raw(out); len(left) > 0; {
		n := min(len(left), 1<<18) // hashed while the cache has it
		if _, err := io.ReadFull(p, left[:n]); err != nil {
			return damaged("content", err)
		}
		hash.Write(left[:n])
		left = left[n:]
	}
	if !bytes.Equal(hash.Sum(nil), p.hash[:]) { // and so where there is a rest, of less than an element
		return damaged("content", nil)
	}
	*to = out
	return nil
}

func readTable[P point](p part, windows int, to **table[P]) error {
	t := &table[P]{windows: newWindows(windows)}
	if err := readPart(p, &t.points); err != nil {
		return err
	}
	if len(t.points)%windows != 0 {
		return damaged("content", nil)
	}
	t.n = len(t.points) / windows
	*to = t
	return nil
}

func readSystem(p part, to *cs.R1CS) error {
	var encoded []byte
	if err := readPart(p, &encoded); err != nil {
		return err
	}
	if _, err := to.ReadFrom(bytes.NewReader(encoded)); err != nil {
		return damaged("content", err)
	}
	return nil
}
