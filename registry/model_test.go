package registry

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"pgregory.net/rapid"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// model is the registry done naively: maps, and a tree that is hashed anew from
// its leaves for every root, with the PRF and the encodings of statement alone.
type model struct {
	schema    *statement.Schema
	secrets   secrets
	epoch     int
	positions map[string]uint64 // by canonical key, never removed
	rows      map[string]modelRow
}

type modelRow struct {
	cells         []string
	next          fr.Element
	changed       int // epoch of the content
	linked        int // epoch of the link
	position      uint64
	key           fr.Element
	linkBlinding  fr.Element
	leaf          imt.Leaf
	leafValue     fr.Element
	serial        statement.Element
	canonicalCell string
}

func newModel(schema *statement.Schema, drawn secrets) *model {
	return &model{schema: schema, secrets: drawn, positions: map[string]uint64{"": 0}, rows: map[string]modelRow{}}
}

// commit applies a snapshot and gives the counts.
func (m *model) commit(snapshot map[string][]string) (Counts, error) {
	m.epoch++
	counts := Counts{Rows: len(snapshot)}
	next := map[string]modelRow{"": {changed: 1, linked: m.rows[""].linked, next: m.rows[""].next}}
	for key := range m.rows {
		if _, stays := snapshot[key]; !stays && key != "" {
			counts.Deleted++
		}
	}
	var fresh []modelRow
	for key, cells := range snapshot {
		row, was := m.rows[key]
		switch {
		case !was:
			counts.Inserted++
			row = modelRow{changed: m.epoch}
		case !slices.Equal(row.cells, cells):
			counts.Updated++
			row.changed = m.epoch
		default:
			counts.Unchanged++
		}
		row.cells, row.canonicalCell = cells, key
		var err error
		if row.key, err = m.schema.HashKey(key); err != nil {
			return counts, err
		}
		next[key] = row
		if _, known := m.positions[key]; !known {
			fresh = append(fresh, row)
		}
	}
	slices.SortFunc(fresh, func(a, b modelRow) int { return a.key.Cmp(&b.key) })
	for _, row := range fresh {
		m.positions[row.canonicalCell] = uint64(len(m.positions))
	}
	m.rows = next
	return counts, m.relink()
}

// relink orders the keys, and makes all leaves.
func (m *model) relink() error {
	order := slices.SortedFunc(maps.Values(m.rows), func(a, b modelRow) int { return a.key.Cmp(&b.key) })
	for i, row := range order {
		successor := statement.EndKey()
		if i+1 < len(order) {
			successor = order[i+1].key
		}
		if row.changed == m.epoch && row.linked == 0 || row.next != successor {
			row.next, row.linked = successor, m.epoch
		}
		row.position = m.positions[row.canonicalCell]
		if err := m.makeLeaf(&row); err != nil {
			return err
		}
		m.rows[row.canonicalCell] = row
	}
	return nil
}

func (m *model) makeLeaf(row *modelRow) error {
	blind := func(purpose string, epoch int) fr.Element {
		return statement.PRF(m.secrets.blinding[:], purpose, m.schema.Registry, row.canonicalCell, strconv.Itoa(epoch)).Fr()
	}
	row.linkBlinding = blind("attestry/link-blinding/v1", row.linked)
	row.leaf = imt.Leaf{
		Key:      row.key,
		Subject:  statement.Null(),
		Blinding: blind("attestry/leaf-blinding/v1", row.changed),
		Link:     imt.Link(row.key, row.next, row.linkBlinding),
	}
	for i := range row.leaf.Attributes {
		row.leaf.Attributes[i] = statement.Null()
	}
	if row.cells != nil {
		treeKey := row.key.Bytes()
		row.serial = statement.PRF(m.secrets.serial[:], "attestry/serial/v1", string(treeKey[1:]))
		row.leaf.SerialHash = statement.SerialHash(row.serial.Fr())
		if err := m.fillLeaf(row); err != nil {
			return err
		}
	}
	row.leafValue = row.leaf.Hash()
	return nil
}

func (m *model) fillLeaf(row *modelRow) (err error) {
	if row.leaf.Subject, err = m.schema.HashSubject(row.cells[1]); err != nil {
		return err
	}
	if row.cells[2] != "" {
		var tag statement.Element
		if err := tag.UnmarshalText([]byte(row.cells[2])); err != nil {
			return err
		}
		row.leaf.Holder = tag.Fr()
	}
	for i, a := range m.schema.Attributes {
		v, err := m.schema.ParseValue(a, row.cells[3+i])
		if err != nil {
			return err
		}
		if row.leaf.Attributes[i], err = m.schema.Encode(a, v); err != nil {
			return err
		}
	}
	return nil
}

// root hashes the whole tree, of which only the leaves' places are known.
func (m *model) root() fr.Element {
	leaves := map[uint64]fr.Element{}
	for _, row := range m.rows {
		leaves[row.position] = row.leafValue
	}
	return naiveNode(imt.Levels-1, 0, leaves)
}

func naiveNode(level int, index uint64, leaves map[uint64]fr.Element) fr.Element {
	if level < 0 {
		return leaves[index]
	}
	first, width := index, uint64(1)
	for l := range level + 1 {
		width *= uint64(imt.Arity(l))
	}
	first *= width
	if !slices.ContainsFunc(slices.Collect(maps.Keys(leaves)), func(p uint64) bool { return p >= first && p < first+width }) {
		return imt.Empty(level)
	}
	children := make([]fr.Element, imt.Arity(level))
	for i := range children {
		children[i] = naiveNode(level-1, index*uint64(len(children))+uint64(i), leaves)
	}
	return imt.Node(level, children)
}

// clone keeps an epoch's rows.
func (m *model) clone() map[string]modelRow { return maps.Clone(m.rows) }

var rowGenerator = rapid.Custom(func(t *rapid.T) []string {
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	return []string{
		"", pick("subject", "", "OH-1", "OH-2", "业主三"),
		pick("holder", "", statement.Element(statement.HolderTag(fr.NewElement(7))).String()),
		pick("value", "0", "-1", "9223372036854775807", "-9223372036854775808"),
		pick("area", "", "81.5", "-0.01"), pick("sold", "", "1997-04-21", "0001-01-01"),
		pick("leased", "", "true", "false"), pick("wall", "", "brick", "a, \"b\"\nc", "砖"),
	}
})

// TestTreeLaws runs random sequences of imports and commits against the model.
func TestTreeLaws(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		path := filepath.Join(dir, strconv.Itoa(runs))
		s, err := create(path, testSchema(), testSecrets())
		if err != nil {
			rt.Fatal(err)
		}
		s.db.NoSync = true // the law is not about crashes
		defer os.Remove(path)
		defer s.Close()
		m := newModel(s.schema, s.secrets)
		var epochs []Epoch
		var history []map[string]modelRow
		for range rapid.IntRange(1, 5).Draw(rt, "epochs") {
			epochs = append(epochs, step(rt, s, m))
			history = append(history, m.clone())
		}
		for i, e := range epochs {
			checkEpoch(rt, s, e, history[i])
		}
	})
}

// step imports and commits a random snapshot in the store and the model.
func step(t *rapid.T, s *Store, m *model) Epoch {
	keys := rapid.SliceOfNDistinct(rapid.IntRange(1, 14), 0, 14, rapid.ID).Draw(t, "keys")
	snapshot := map[string][]string{}
	var file [][]string
	for _, k := range keys {
		key := "LC-" + strconv.Itoa(k)
		row, same := m.rows[key]
		cells := row.cells
		if !same || rapid.Bool().Draw(t, "other content") {
			cells = rowGenerator.Draw(t, "row")
		}
		snapshot[key] = cells
		file = append(file, append([]string{strings.ToLower(" " + key)}, cells[1:]...))
	}
	if rapid.Bool().Draw(t, "an import that is replaced") {
		if _, err := s.Import(t.Context(), strings.NewReader(csvFile(testRow("LC-9"), testRow("LC-99"))), CSV, nil); err != nil {
			t.Fatal(err)
		}
	}
	counts, err := s.Import(t.Context(), strings.NewReader(csvFile(file...)), CSV, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.commit(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if counts != want {
		t.Fatalf("counts %+v, the model has %+v", counts, want)
	}
	e, err := s.Commit(t.Context(), CommitOptions{Time: testTime})
	if err != nil {
		t.Fatal(err)
	}
	if e.Root.Fr() != m.root() {
		t.Fatalf("epoch %d: the root is not the model's", e.Number)
	}
	if e.Records != len(snapshot) || e.Changed != counts.Inserted+counts.Updated+counts.Deleted {
		t.Fatalf("epoch %+v, counts %+v", e, counts)
	}
	if err := s.Check(t.Context(), strings.NewReader(csvFile(file...)), CSV); err != nil {
		t.Fatal(err)
	}
	return e
}

// checkEpoch compares an epoch, which may be past, with what the model had then.
func checkEpoch(t *rapid.T, s *Store, e Epoch, rows map[string]modelRow) {
	if got, err := s.Epoch(e.Number); err != nil || got != e {
		t.Fatalf("epoch %d: %+v, %v; want %+v", e.Number, got, err, e)
	}
	bySubject := map[string][]uint64{}
	var positions []uint64
	for key, row := range rows {
		if key != "" {
			checkRecord(t, s, e, key, row)
			positions = append(positions, row.position)
			bySubject[row.cells[1]] = append(bySubject[row.cells[1]], row.position)
		}
	}
	slices.Sort(positions)
	collect := func(into *[]uint64) func(*Record) (bool, error) {
		return func(r *Record) (bool, error) { *into = append(*into, r.Position); return true, nil }
	}
	var scanned []uint64
	if err := s.Scan(e.Number, collect(&scanned)); err != nil || !slices.Equal(scanned, positions) {
		t.Fatalf("epoch %d: a scan gives %v, %v; want %v", e.Number, scanned, err, positions)
	}
	for _, subject := range []string{"", "OH-1", "OH-2", "业主三", "nobody"} {
		want := slices.Sorted(slices.Values(bySubject[subject]))
		if subject == "" {
			want = nil
		}
		var got []uint64
		if err := s.BySubject(e.Number, subject, collect(&got)); err != nil || !slices.Equal(got, want) {
			t.Fatalf("epoch %d: subject %q has %v, %v; want %v", e.Number, subject, got, err, want)
		}
	}
	for k := range 15 {
		key := "LC-" + strconv.Itoa(k)
		if _, live := rows[key]; live {
			continue
		}
		if _, err := s.Get(e.Number, key); !errors.Is(err, ErrNoRecord) {
			t.Fatalf("epoch %d: a record that is not there: %v", e.Number, err)
		}
	}
}

func checkRecord(t *rapid.T, s *Store, e Epoch, key string, row modelRow) {
	r, err := s.Get(e.Number, strings.ToLower(key)+" ")
	if err != nil {
		t.Fatal(err)
	}
	if r.Position != row.position || r.Key != key || r.Subject != row.cells[1] {
		t.Fatalf("epoch %d: another record than the model's", e.Number)
	}
	o, err := s.Open(e.Number, r)
	if err != nil {
		t.Fatal(err)
	}
	if o.Leaf != row.leaf || o.Serial != row.serial || o.Next != row.next || o.LinkBlinding != row.linkBlinding {
		t.Fatalf("epoch %d: another opening than the model's", e.Number)
	}
	root, err := o.Path.Root(o.Leaf.Hash(), o.Position)
	if err != nil || root != e.Root.Fr() {
		t.Fatalf("epoch %d: the path does not lead to the root: %v", e.Number, err)
	}
	if o.Next.Cmp(&o.Leaf.Key) <= 0 {
		t.Fatalf("epoch %d: the next key is not larger", e.Number)
	}
}
