package registry

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

const vectorsFile = "../docs/vectors/registry.json"

var update = flag.Bool("update", false, "write docs/vectors/registry.json anew")

// vectors are what docs/vectors/registry.json holds.
type vectors struct {
	Comment          string              `json:"comment"`
	Schema           *statement.Schema   `json:"schema"`
	BlindingSecret   []byte              `json:"blinding_secret"`
	SerialSecret     []byte              `json:"serial_secret"`
	SerialCommitment statement.Digest    `json:"serial_commitment"`
	End              statement.Element   `json:"end"`
	Null             statement.Element   `json:"null"`
	Empty            []statement.Element `json:"empty"` // of levels -1 to 8
	Epochs           []vectorEpoch       `json:"epochs"`
}

type vectorEpoch struct {
	Number uint64            `json:"number"`
	CSV    string            `json:"csv"`
	Root   statement.Element `json:"root"`
	Leaves []vectorLeaf      `json:"leaves"` // live ones, by position
	Path   vectorPath        `json:"path"`
}

type vectorLeaf struct {
	Position       uint64              `json:"position"`
	Key            string              `json:"key"` // canonical
	Content        []byte              `json:"content"`
	ContentEpoch   uint64              `json:"content_epoch"`
	LinkEpoch      uint64              `json:"link_epoch"`
	TreeKey        statement.Element   `json:"tree_key"`
	Origin         statement.Element   `json:"origin"` // the first tree key of its record; 0 in the sentinel
	Subject        statement.Element   `json:"subject"`
	Holder         statement.Element   `json:"holder"`
	Serial         statement.Element   `json:"serial"`
	SerialHash     statement.Element   `json:"serial_hash"`
	LeafBlinding   statement.Element   `json:"leaf_blinding"`
	Attributes     []statement.Element `json:"attributes"` // those of the schema
	AttributesHash statement.Element   `json:"attributes_hash"`
	Next           statement.Element   `json:"next"`
	LinkBlinding   statement.Element   `json:"link_blinding"`
	Link           statement.Element   `json:"link"`
	Leaf           statement.Element   `json:"leaf"`
}

type vectorPath struct {
	Position uint64                `json:"position"`
	Children [][]statement.Element `json:"children"` // by level
}

// The snapshots: three records; one that changes, one that leaves and one that
// joins; the one that left comes back; one is renumbered, and changed; it is
// renumbered again, and another one that says its former key takes the place of
// one that had left before.
func vectorSnapshots() []string {
	tag := statement.Element(statement.HolderTag(fr.NewElement(7))).String()
	a := []string{"lc-1", "业主三", tag, "-12", "81.5", "1997-04-21", "true", "Cafe\u0301, \"x\"\nnew"}
	b := []string{"LC-2 ", "OH-1", "", "9223372036854775807", "", "", "", ""}
	b2 := []string{"LC-2", "OH-2", "", "0", "", "", "false", ""}
	c := []string{"LC-3", "", "", "1", "", "", "", "砖"}
	d := []string{"LC-4", "OH-1", "", "2", "0.01", "1969-12-31", "", ""}
	d2 := []string{"LC-7", "OH-1", "", "3", "0.01", "1969-12-31", "", "", "lc-4"}
	d3 := []string{"LC-8", "OH-1", "", "3", "0.01", "1969-12-31", "", "", " LC-7"}
	e := []string{"LC-9", "", "", "1", "", "", "", "砖", "LC-3"}
	return []string{
		renameFile(a, b, c), renameFile(a, b2, d), renameFile(a, b2, c, d), renameFile(a, b2, d2), renameFile(a, b2, d3, e),
	}
}

// makeVectors runs the snapshots through a store.
func makeVectors(t *testing.T) vectors {
	s := newTestStore(t, renameSchema())
	v := vectors{
		Comment: "Written by the tests of the registry package; docs/spec/registry.md says what each member is. Bytes and elements are base64.",
		Schema:  s.schema, BlindingSecret: s.secrets.blinding[:], SerialSecret: s.secrets.serial[:],
		SerialCommitment: s.SerialCommitment(), End: statement.Element(statement.EndKey()), Null: statement.Element(statement.Null()),
	}
	for level := range imt.Levels + 1 {
		v.Empty = append(v.Empty, statement.Element(imt.Empty(level-1)))
	}
	for _, file := range vectorSnapshots() {
		mustImport(t, s, file)
		e := mustCommit(t, s)
		epoch := vectorEpoch{Number: e.Number, CSV: file, Root: e.Root}
		err := s.read(func(tx state) error { return s.addLeaves(tx, e, &epoch) })
		if err != nil {
			t.Fatal(err)
		}
		v.Epochs = append(v.Epochs, epoch)
	}
	return v
}

func (s *Store) addLeaves(tx state, e Epoch, epoch *vectorEpoch) error {
	fresh, err := lastPosition(tx)
	if err != nil {
		return err
	}
	for position := range fresh {
		src, err := s.source(tx, position, e.Number)
		if err != nil {
			continue // deleted
		}
		o, err := s.open(tx, src, e)
		if err != nil {
			return err
		}
		epoch.Leaves = append(epoch.Leaves, s.vectorLeaf(src, o))
		if position == 2 || len(epoch.Path.Children) == 0 {
			epoch.Path = vectorPathOf(o)
		}
	}
	return nil
}

func (s *Store) vectorLeaf(src *leafSource, o *Opening) vectorLeaf {
	e := func(x fr.Element) statement.Element { return statement.Element(x) }
	l := vectorLeaf{
		Position: o.Position, Content: append([]byte{}, src.content...), ContentEpoch: src.contentEpoch, LinkEpoch: src.linkEpoch,
		TreeKey: e(o.Leaf.Key), Origin: e(src.origin.element()), Subject: e(o.Leaf.Subject), Holder: e(o.Leaf.Holder), Serial: o.Serial, SerialHash: e(o.Leaf.SerialHash),
		LeafBlinding: e(o.Leaf.Blinding), AttributesHash: e(o.Leaf.AttributesHash()),
		Next: e(o.Next), LinkBlinding: e(o.LinkBlinding), Link: e(o.Leaf.Link), Leaf: e(o.Leaf.Hash()),
	}
	for i := range s.schema.Attributes {
		l.Attributes = append(l.Attributes, e(o.Leaf.Attributes[i]))
	}
	if r, err := decodeContent(src.content, s.schema); err == nil {
		l.Key = r.Key
	}
	return l
}

func vectorPathOf(o *Opening) vectorPath {
	p := vectorPath{Position: o.Position}
	for _, children := range o.Path {
		var level []statement.Element
		for _, c := range children {
			level = append(level, statement.Element(c))
		}
		p.Children = append(p.Children, level)
	}
	return p
}

// TestVectors holds the store to the vectors.
func TestVectors(t *testing.T) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(makeVectors(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorsFile, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Error("the store makes other vectors than " + vectorsFile)
	}
}

// TestVectorsRecomputed computes every value of the vectors from the texts and
// secrets in them, with the hashes of statement and imt and no store.
func TestVectorsRecomputed(t *testing.T) {
	document, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatal(err)
	}
	var drawn secrets
	copy(drawn.blinding[:], v.BlindingSecret)
	copy(drawn.serial[:], v.SerialSecret)
	m := newModel(v.Schema, drawn)
	for i, e := range v.Epochs {
		rows, former := vectorRows(t, m, e.CSV)
		if _, err := m.commit(rows, former); err != nil {
			t.Fatal(err)
		}
		if e.Number != uint64(i+1) || e.Root.Fr() != m.root() || len(e.Leaves) != len(m.rows) {
			t.Errorf("epoch %d: another root or number of leaves", i+1)
		}
		for _, l := range e.Leaves {
			recomputeLeaf(t, m, l)
		}
		checkVectorPath(t, e)
	}
	if len(v.Epochs) != 5 || len(v.Empty) != imt.Levels+1 || !v.Empty[0].IsZero() {
		t.Error("vectors are missing")
	}
	for level, want := range v.Empty[1:] {
		children := make([]fr.Element, imt.Arity(level))
		for i := range children {
			children[i] = v.Empty[level].Fr()
		}
		if imt.Node(level, children) != want.Fr() {
			t.Errorf("the empty node of level %d", level)
		}
	}
}

// vectorRows reads a snapshot as the model wants it: cells and former keys by
// canonical key.
func vectorRows(t *testing.T, m *model, file string) (rows map[string][]string, former map[string]string) {
	t.Helper()
	r, err := newRowReader(newLineReader(strings.NewReader(file)), CSV, newFields(m.schema))
	if err != nil {
		t.Fatal(err)
	}
	rows, former = map[string][]string{}, map[string]string{}
	for row, err := r.next(); err == nil; row, err = r.next() {
		key, err := m.schema.Domain("key").Canonical(row[0].text)
		if err != nil {
			t.Fatal(err)
		}
		last := len(row) - 1
		from, err := m.schema.Domain("key").Canonical(row[last].text)
		if err != nil {
			t.Fatal(err)
		}
		if from != "" {
			former[key] = from
		}
		cells := []string{""} // the key's spelling is no content, nor is the former key
		for _, c := range row[1:last] {
			cells = append(cells, c.text)
		}
		rows[key] = cells
	}
	return rows, former
}

func recomputeLeaf(t *testing.T, m *model, l vectorLeaf) {
	t.Helper()
	row, ok := m.rows[l.Key]
	if !ok {
		t.Fatalf("position %d: no such record", l.Position)
	}
	want := vectorLeaf{
		Position: row.position, Key: l.Key, ContentEpoch: uint64(row.changed), LinkEpoch: uint64(row.linked), Content: l.Content,
		TreeKey: statement.Element(row.key), Subject: statement.Element(row.leaf.Subject), Holder: statement.Element(row.leaf.Holder),
		Serial: row.serial, SerialHash: statement.Element(row.leaf.SerialHash), LeafBlinding: statement.Element(row.leaf.Blinding),
		AttributesHash: statement.Element(row.leaf.AttributesHash()), Next: statement.Element(row.next),
		LinkBlinding: statement.Element(row.linkBlinding), Link: statement.Element(row.leaf.Link), Leaf: statement.Element(row.leafValue),
	}
	if l.Position != sentinel {
		origin, err := m.schema.HashKey(m.origin(l.Key))
		if err != nil {
			t.Fatal(err)
		}
		want.Origin = statement.Element(origin)
	}
	for i := range m.schema.Attributes {
		want.Attributes = append(want.Attributes, statement.Element(row.leaf.Attributes[i]))
	}
	got, errGot := json.Marshal(l)
	expected, errWant := json.Marshal(want)
	if errGot != nil || errWant != nil || !bytes.Equal(got, expected) {
		t.Errorf("position %d:\n%s\nis to be\n%s", l.Position, got, expected)
	}
	if l.Position != sentinel {
		checkContent(t, m, l, row)
	}
}

// checkContent compares the stored content with one built by hand from the cells.
func checkContent(t *testing.T, m *model, l vectorLeaf, row modelRow) {
	t.Helper()
	var b bytes.Buffer
	text := func(s string) { b.Write([]byte{byte(len(s) >> 8), byte(len(s))}); b.WriteString(s) }
	text(l.Key)
	text(row.cells[1])
	if l.Holder.IsZero() {
		b.WriteByte(0)
	} else {
		tag := l.Holder.Bytes()
		b.WriteByte(1)
		b.Write(tag[:])
	}
	for i, a := range m.schema.Attributes {
		v, err := m.schema.ParseValue(a, row.cells[3+i])
		switch {
		case err != nil:
			t.Fatal(err)
		case v.Absent:
			b.WriteByte(0)
		case a.Type == statement.Text:
			b.WriteByte(1)
			text(v.Text)
		default:
			b.WriteByte(1)
			for shift := 56; shift >= 0; shift -= 8 {
				b.WriteByte(byte(uint64(v.Int) >> shift))
			}
		}
	}
	if !bytes.Equal(b.Bytes(), l.Content) {
		t.Errorf("position %s: another content", strconv.FormatUint(l.Position, 10))
	}
}

func checkVectorPath(t *testing.T, e vectorEpoch) {
	t.Helper()
	var p imt.Path
	for level, children := range e.Path.Children {
		for _, c := range children {
			p[level] = append(p[level], c.Fr())
		}
	}
	for _, l := range e.Leaves {
		if l.Position != e.Path.Position {
			continue
		}
		if root, err := p.Root(l.Leaf.Fr(), l.Position); err != nil || root != e.Root.Fr() {
			t.Errorf("epoch %d: the path does not lead to the root: %v", e.Number, err)
		}
		return
	}
	t.Errorf("epoch %d: a path of no leaf", e.Number)
}
