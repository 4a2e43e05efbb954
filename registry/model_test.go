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
	first     map[string]string // by a renumbered key: the first one of its record
	spent     map[string]string // by a former key: the one that replaced it
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
	return &model{schema: schema, secrets: drawn, positions: map[string]uint64{"": 0}, first: map[string]string{}, spent: map[string]string{}, rows: map[string]modelRow{}}
}

// origin gives the first key of a key's record.
func (m *model) origin(key string) string {
	if first, ok := m.first[key]; ok {
		return first
	}
	return key
}

// commit applies a snapshot, in which some new keys replace former ones, and gives
// the counts.
func (m *model) commit(snapshot map[string][]string, former map[string]string) (Counts, error) {
	m.epoch++
	counts := Counts{Rows: len(snapshot)}
	for key, from := range former {
		if m.spent[from] != key { // not known yet
			counts.Renamed++
			m.first[key], m.spent[from] = m.origin(from), key
		}
	}
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
		origin, err := m.schema.HashKey(m.origin(row.canonicalCell))
		if err != nil {
			return err
		}
		treeKey := origin.Bytes()
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
		s, err := create(path, renameSchema(), testKey(), testSecrets())
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
	keys := slices.DeleteFunc(rapid.SliceOfNDistinct(rapid.SampledFrom(modelKeys()), 0, 14, rapid.ID).Draw(t, "keys"),
		func(key string) bool { return m.spent[key] != "" })
	former := drawFormer(t, m, keys)
	snapshot := map[string][]string{}
	var file [][]string
	for _, key := range keys {
		row, same := m.rows[key]
		cells := row.cells
		if !same || rapid.Bool().Draw(t, "other content") {
			cells = rowGenerator.Draw(t, "row")
		}
		snapshot[key] = cells
		line := append([]string{strings.ToLower(" " + key)}, cells[1:]...)
		file = append(file, append(line, strings.ToLower(former[key])))
	}
	if rapid.Bool().Draw(t, "an import that is replaced") {
		if _, err := s.Import(t.Context(), strings.NewReader(renameFile(testRow("LC-98"), testRow("LC-99"))), CSV, nil); err != nil {
			t.Fatal(err)
		}
	}
	var counts, want Counts
	var err error
	if rapid.Bool().Draw(t, "as changes") {
		opts := ImportOptions{Changes: true, Replace: true}
		changes := drawChanges(t, m, keys, snapshot, former)
		if counts, err = s.ImportWith(t.Context(), strings.NewReader(changesFile(changes...)), opts); err != nil {
			t.Fatal(err)
		}
		if want, err = m.commit(snapshot, former); err != nil {
			t.Fatal(err)
		}
		want.Rows, want.Unchanged = len(changes), counts.Unchanged
	} else {
		if counts, err = s.Import(t.Context(), strings.NewReader(renameFile(file...)), CSV, nil); err != nil {
			t.Fatal(err)
		}
		if want, err = m.commit(snapshot, former); err != nil {
			t.Fatal(err)
		}
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
	if err := s.Check(t.Context(), strings.NewReader(renameFile(file...)), CSV, nil); err != nil {
		t.Fatal(err)
	}
	return e
}

// drawChanges gives the rows that make a snapshot of the model's last one, and some that
// change nothing.
func drawChanges(t *rapid.T, m *model, keys []string, snapshot map[string][]string, former map[string]string) (rows [][]string) {
	replaced := map[string]bool{}
	for _, key := range keys {
		row, was := m.rows[key]
		if !was || !slices.Equal(row.cells, snapshot[key]) || rapid.Bool().Draw(t, "said for nothing") {
			rows = append(rows, slices.Concat([]string{key}, snapshot[key][1:], []string{former[key], changePutText}))
		}
		if !was && former[key] != "" {
			replaced[former[key]] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.rows)) {
		_, stays := snapshot[key]
		if key != "" && !stays && !(replaced[key] && rapid.Bool().Draw(t, "deleted by its replacement")) {
			rows = append(rows, deletion(key))
		}
	}
	if len(rows) == 0 {
		return rows
	}
	return rapid.Permutation(rows).Draw(t, "order")
}

// modelKeys gives the keys of the random registries.
func modelKeys() (keys []string) {
	for k := range 18 {
		keys = append(keys, "LC-"+strconv.Itoa(k))
	}
	return keys
}

// drawFormer gives some of the keys that the registry never had a former key that
// it had, and says again of some others what it knows.
func drawFormer(t *rapid.T, m *model, keys []string) map[string]string {
	former := map[string]string{}
	for old, key := range m.spent {
		if slices.Contains(keys, key) && rapid.Bool().Draw(t, "said again") {
			former[key] = old
		}
	}
	var free []string
	for _, key := range modelKeys() {
		if _, known := m.positions[key]; known && m.spent[key] == "" && !slices.Contains(keys, key) {
			free = append(free, key)
		}
	}
	for _, key := range keys {
		if _, known := m.positions[key]; !known && len(free) > 0 && rapid.Bool().Draw(t, "renumbered") {
			i := rapid.IntRange(0, len(free)-1).Draw(t, "former")
			former[key] = free[i]
			free = slices.Delete(free, i, i+1)
		}
	}
	return former
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
	for _, key := range modelKeys() {
		if _, live := rows[key]; live {
			if _, err := s.OpenAbsent(e.Number, key); !errors.Is(err, ErrRecordExists) {
				t.Fatalf("epoch %d: the absence of a record that is there: %v", e.Number, err)
			}
			continue
		}
		if _, err := s.Get(e.Number, key); !errors.Is(err, ErrNoRecord) {
			t.Fatalf("epoch %d: a record that is not there: %v", e.Number, err)
		}
	}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(modelKeys()), 3, 6, rapid.ID).Draw(t, "absent") {
		if _, live := rows[key]; !live {
			checkAbsent(t, s, e, key, rows)
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
