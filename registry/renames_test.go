package registry

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/statement"
)

// serialOf gives the serial of a record at an epoch.
func serialOf(t *testing.T, s *Store, epoch uint64, key string) statement.Element {
	t.Helper()
	r, err := s.Get(epoch, key)
	if err != nil {
		t.Fatalf("%s at epoch %d: %v", key, epoch, err)
	}
	o, err := s.Open(epoch, r)
	if err != nil {
		t.Fatalf("%s at epoch %d: %v", key, epoch, err)
	}
	if o.Leaf.SerialHash != statement.SerialHash(o.Serial.Fr()) {
		t.Fatalf("%s at epoch %d: the leaf is of another serial", key, epoch)
	}
	return o.Serial
}

// The serial of a record is that of its first key, whatever happens to the record.
func TestSerialStays(t *testing.T) {
	s := newTestStore(t, renameSchema())
	updated := testRow("A")
	updated[3] = "7"
	other := testRow("X")
	for i, c := range []struct {
		what string
		rows [][]string
		key  string // the record's; empty where it is not in the epoch
	}{
		{"inserted", [][]string{testRow("A"), other}, "A"},
		{"updated", [][]string{updated, other}, "A"},
		{"renumbered", [][]string{other, formerRow("B", " a ")}, "B"},
		{"said again", [][]string{other, formerRow("b", "A")}, "B"},
		{"not said again", [][]string{other, testRow("B")}, "B"},
		{"renumbered again", [][]string{other, formerRow("C", "B")}, "C"},
		{"deleted", [][]string{other}, ""},
		{"added again", [][]string{other, testRow("C")}, "C"},
		{"deleted again", [][]string{other}, ""},
		{"added again under another key", [][]string{formerRow("D", "C"), other}, "D"},
		{"of its own former key", [][]string{formerRow("D", "d"), formerRow("X", " ")}, "D"},
	} {
		mustImport(t, s, renameFile(c.rows...))
		e := mustCommit(t, s)
		if err := s.Check(t.Context(), strings.NewReader(renameFile(c.rows...)), CSV, nil); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		if e.Number != uint64(i+1) || e.Records != len(c.rows) {
			t.Errorf("%s: epoch %+v", c.what, e)
		}
		if serialOf(t, s, e.Number, "X") != serialOf(t, s, 1, "X") {
			t.Errorf("%s: the other record has another serial", c.what)
		}
		if c.key != "" && serialOf(t, s, e.Number, c.key) != serialOf(t, s, 1, "A") {
			t.Errorf("%s: another serial", c.what)
		}
		for _, key := range []string{"A", "B", "C", "D"} {
			if _, err := s.OpenAbsent(e.Number, key); errors.Is(err, ErrRecordExists) != (key == c.key) {
				t.Errorf("%s: absence of %s: %v", c.what, key, err)
			}
		}
	}
	if serialOf(t, s, 1, "A") == serialOf(t, s, 1, "X") {
		t.Error("two records have one serial")
	}
	if serialOf(t, s, 3, "B") != serialOf(t, s, 6, "C") {
		t.Error("past epochs have another serial now")
	}
	e, err := s.schema.HashKey("A")
	if err != nil {
		t.Fatal(err)
	}
	treeKey := e.Bytes()
	if serialOf(t, s, 10, "D") != statement.PRF(s.secrets.serial[:], "attestry/serial/v1", string(treeKey[1:])) {
		t.Error("the serial is not the PRF of the first key")
	}
}

// One key has another serial in each registry, renumbered or not.
func TestSerialsOfRegistries(t *testing.T) {
	seen := map[statement.Element]bool{}
	for i := range 2 {
		s, err := Create(filepath.Join(t.TempDir(), fmt.Sprint(i)), renameSchema())
		if err != nil {
			t.Fatal(err)
		}
		mustImport(t, s, renameFile(testRow("A")))
		mustCommit(t, s)
		mustImport(t, s, renameFile(formerRow("B", "A")))
		mustCommit(t, s)
		seen[serialOf(t, s, 1, "A")], seen[serialOf(t, s, 2, "B")] = true, true
		closeChecked(t, s)
	}
	if len(seen) != 2 {
		t.Errorf("two records have %d serials", len(seen))
	}
}

func TestRenameCounts(t *testing.T) {
	s := newTestStore(t, renameSchema())
	mustImport(t, s, renameFile(testRow("A"), testRow("B"), testRow("C")))
	mustCommit(t, s)
	mustImport(t, s, renameFile(testRow("B"), testRow("C")))
	mustCommit(t, s)
	file := renameFile(formerRow("A2", "A"), formerRow("B2", "B"), testRow("C"), testRow("D"))
	// A had left before; B leaves now.
	if got, want := mustImport(t, s, file), (Counts{Rows: 4, Inserted: 3, Deleted: 1, Unchanged: 1, Renamed: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if e := mustCommit(t, s); e.Changed != 4 || e.Records != 4 {
		t.Errorf("epoch %+v", e)
	}
	for range 2 {
		if got, want := mustImport(t, s, file), (Counts{Rows: 4, Unchanged: 4}); got != want {
			t.Errorf("again: %+v, want %+v", got, want)
		}
	}
	before, _ := s.Latest()
	if e := mustCommit(t, s); e.Root != before.Root {
		t.Error("the same file gives another root")
	}
}

// An import that renames and is replaced by another one renames nothing.
func TestReplacedRenaming(t *testing.T) {
	s := newTestStore(t, renameSchema())
	mustImport(t, s, renameFile(testRow("A")))
	mustCommit(t, s)
	mustImport(t, s, renameFile(formerRow("B", "A")))
	if got, want := mustImport(t, s, renameFile(testRow("A"), testRow("B"))), (Counts{Rows: 2, Inserted: 1, Unchanged: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	mustCommit(t, s)
	if serialOf(t, s, 2, "B") == serialOf(t, s, 2, "A") {
		t.Error("two records have one serial")
	}
}

// renamedStore has a record of each past: A became B in epoch 2, K was there all
// the time, G has left, and H as H2 too.
func renamedStore(t *testing.T) *Store {
	s := newTestStore(t, renameSchema())
	for _, rows := range [][][]string{
		{testRow("A"), testRow("G"), testRow("H"), testRow("K"), testRow("L")},
		{formerRow("B", "A"), formerRow("H2", "H"), testRow("K"), testRow("L")},
		{formerRow("B", "A"), testRow("K"), testRow("L")},
	} {
		mustImport(t, s, renameFile(rows...))
		mustCommit(t, s)
	}
	return s
}

func TestImportRefusesRenames(t *testing.T) {
	const head = "parcel,旧宗号,业主,holder,value,建筑面积,sold,leased,wall\n"
	row := func(key, former string) string { return key + "," + former + ",CANARY,,1,,,,\n" }
	good := head + row("B", "A") + row("L", "")
	key, former := "parcel", "旧宗号"
	for name, c := range map[string]struct {
		file   string
		line   int
		column int
		field  string
		cause  error
		says   string
	}{
		"no such column":               {strings.Replace(head, "旧宗号,", "", 1), 1, 1, former, errNoColumn, ""},
		"a key renamed away":           {good + row("K", "") + row("a", ""), 5, 1, key, errRenamedAway, "in epoch 2"},
		"renamed away and back":        {head + row("A", "B"), 2, 1, key, errRenamedAway, "in epoch 2"},
		"renamed away, record gone":    {good + row("H", ""), 4, 1, key, errRenamedAway, "in epoch 2"},
		"renamed away to a new key":    {good + row("H", "K"), 4, 1, key, errRenamedAway, "in epoch 2"},
		"renamed to another":           {good + row("M", "A"), 4, 3, former, errRenamedToOther, "in epoch 2"},
		"renamed to another, gone":     {good + row("M", "H"), 4, 3, former, errRenamedToOther, "in epoch 2"},
		"never there":                  {good + row("M", "CANARY"), 4, 3, former, errFormerUnknown, ""},
		"itself never there":           {good + row("M", "N"), 4, 3, former, errFormerUnknown, ""},
		"still there":                  {good + row("M", "L"), 4, 3, former, errFormerStays, "line 3"},
		"still there, later":           {good + row("M", "k") + row("K", ""), 4, 3, former, errFormerStays, "line 5"},
		"still there, renumbered once": {good + row("M", "B"), 4, 3, former, errFormerStays, "line 2"},
		"twice":                        {good + row("M", "K") + row("N", " k"), 5, 3, former, errRenamedTwice, "line 4"},
		"to a record":                  {head + row("B", "A") + row("L", "K"), 3, 3, former, errRenamedToRecord, ""},
		"to a renumbered record":       {head + row("B", "K") + row("L", ""), 2, 3, former, errRenamedToRecord, ""},
		"to a record that was":         {good + row("G", "K"), 4, 3, former, errRenamedToRecord, ""},
		"to a renumbered that was":     {good + row("H2", "K"), 4, 4, former, errRenamedToRecord, ""},
		"a chain":                      {good + row("M", "K") + row("N", "M"), 5, 3, former, errRenameChain, "line 4"},
		"a chain, upwards":             {good + row("N", "M") + row("M", "K"), 4, 3, former, errRenameChain, "line 5"},
		"a ring":                       {good + row("M", "N") + row("N", "M"), 4, 3, former, errRenameChain, "line 5"},
		"back, former keys first":      {strings.Replace(head, "parcel,旧宗号", "旧宗号,parcel", 1) + row("B", "A"), 2, 3, key, errRenamedAway, ""},
		"the first of several":         {good + row("M", "L") + row("A", "") + row("N", "CANARY"), 4, 3, former, errFormerStays, ""},
		"the first of several, a key":  {good + row("A", "") + row("M", "L") + row("H", ""), 4, 1, key, errRenamedAway, ""},
		"a long former key":            {good + row("M", strings.Repeat("x", 4097)), 4, 3, former, statement.ErrBadValue, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := renamedStore(t)
			mustImport(t, s, renameFile(testRow("B"), formerRow("N", "L")))
			err := refused(t, s, CSV, c.file, c.line, c.column, c.field, c.cause)
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %q in it", err, c.says)
			}
		})
	}
	t.Run("NDJSON", func(t *testing.T) {
		object := `{"parcel":"M","旧宗号":"L","业主":null,"holder":null,"value":1,"建筑面积":null,"sold":null,"leased":null,"wall":null}` + "\n"
		refused(t, renamedStore(t), NDJSON, strings.Replace(strings.Replace(object, `"L"`, "null", 1), `"M"`, `"L"`, 1)+object, 2, 27, former, errFormerStays)
	})
}

// A renaming that was staged, published and lost comes out of the redo.
func TestRedoRenames(t *testing.T) {
	s := renamedStore(t)
	file := renameFile(formerRow("C", "B"), formerRow("G2", "G"), testRow("L"))
	mustImport(t, s, file)
	var inLedger Epoch
	lost := errors.New("the process ended")
	if _, err := s.Commit(t.Context(), CommitOptions{Time: testTime, Publish: func(e Epoch) error { inLedger = e; return lost }}); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	if got := serialOf(t, s, 3, "B"); got != serialOf(t, s, 1, "A") {
		t.Error("a commit that failed has another serial")
	}
	mustImport(t, s, renameFile(testRow("C"), testRow("G2"), testRow("L"))) // the same records, not renumbered
	if err := s.Redo(t.Context(), inLedger, nil); !errors.Is(err, ErrDiverged) {
		t.Errorf("without the renamings: %v, want ErrDiverged", err)
	}
	mustImport(t, s, file)
	if err := s.Redo(t.Context(), inLedger, nil); err != nil {
		t.Fatal(err)
	}
	if serialOf(t, s, 4, "C") != serialOf(t, s, 1, "A") || serialOf(t, s, 4, "G2") != serialOf(t, s, 1, "G") {
		t.Error("another serial after the redo")
	}
	if err := s.Check(t.Context(), strings.NewReader(file), CSV, nil); err != nil {
		t.Error(err)
	}
}

func TestCheckFormerKeys(t *testing.T) {
	s := renamedStore(t)
	for name, c := range map[string]struct {
		rows [][]string
		says string
	}{
		"as imported":     {[][]string{formerRow("B", "A"), testRow("K"), testRow("L")}, ""},
		"not said":        {[][]string{testRow("B"), testRow("K"), testRow("L")}, ""},
		"another's":       {[][]string{testRow("B"), formerRow("K", "A"), testRow("L")}, "line 3 names a former key"},
		"never there":     {[][]string{formerRow("B", "CANARY"), testRow("K"), testRow("L")}, "line 2 names a former key"},
		"not renumbered":  {[][]string{formerRow("B", "A"), testRow("K"), formerRow("L", "G")}, "line 4 names a former key"},
		"the other way":   {[][]string{testRow("B"), testRow("K"), formerRow("L", "B")}, "line 4 names a former key"},
		"the former one":  {[][]string{testRow("A"), testRow("K"), testRow("L")}, "line 2 is no record"},
		"both of the two": {[][]string{testRow("A"), formerRow("B", "A"), testRow("K"), testRow("L")}, "line 2 is no record"},
	} {
		err := s.Check(t.Context(), strings.NewReader(renameFile(c.rows...)), CSV, nil)
		if (err != nil) != (c.says != "") || err != nil && (!errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "CANARY")) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// The serials' origins and the keys that are spent are checked, those of records
// that have left too.
func TestCheckFindsRenameDamage(t *testing.T) {
	schema := renameSchema()
	tree := func(key string) treeKey {
		e, err := schema.HashKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return treeKeyOf(e)
	}
	spent := func(from string, epoch uint64, to string) replacement {
		return replacement{tree(from), epoch, tree(to)}
	}
	for name, damage := range map[string]func(o origins, r renamed) error{
		"an origin less":              func(o origins, _ renamed) error { return o.bucket.Delete(o.token(tree("B"))) },
		"an origin less of one gone":  func(o origins, _ renamed) error { return o.bucket.Delete(o.token(tree("H2"))) },
		"another origin":              func(o origins, _ renamed) error { return putOrigin(o, tree("B"), tree("K")) },
		"another origin of one gone":  func(o origins, _ renamed) error { return putOrigin(o, tree("H2"), tree("K")) },
		"an origin more":              func(o origins, _ renamed) error { return putOrigin(o, tree("L"), tree("K")) },
		"an origin of no key":         func(o origins, _ renamed) error { return putOrigin(o, tree("Z"), tree("K")) },
		"an origin that is the key's": func(o origins, _ renamed) error { return putOrigin(o, tree("L"), tree("L")) },
		"a spent key less":            func(_ origins, r renamed) error { return r.bucket.Delete(r.token(tree("A"))) },
		"a spent key more": func(_ origins, r renamed) error {
			return r.put(tree("G"), spent("G", 2, "L").encode())
		},
		"another epoch": func(_ origins, r renamed) error {
			return r.put(tree("A"), spent("A", 3, "B").encode())
		},
		"another new key": func(_ origins, r renamed) error {
			return r.put(tree("A"), spent("A", 2, "H2").encode())
		},
		"a renaming that never was": func(o origins, r renamed) error {
			return errors.Join(putOrigin(o, tree("L"), tree("G")), r.put(tree("G"), spent("G", 1, "L").encode()))
		},
		"a renaming less": func(o origins, r renamed) error {
			return errors.Join(o.bucket.Delete(o.token(tree("B"))), r.bucket.Delete(r.token(tree("A"))))
		},
		"a renaming less of one gone": func(o origins, r renamed) error {
			return errors.Join(o.bucket.Delete(o.token(tree("H2"))), r.bucket.Delete(r.token(tree("H"))))
		},
		"another spent key": func(_ origins, r renamed) error {
			return errors.Join(r.bucket.Delete(r.token(tree("A"))), r.put(tree("G"), spent("G", 2, "B").encode()))
		},
		"half a spent key": func(_ origins, r renamed) error { return r.put(tree("A"), []byte{1, 2, 3}) },
		"half an origin":   func(o origins, _ renamed) error { return o.put(tree("H2"), make([]byte, 31)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := renamedStore(t)
			before := copyBuckets(t, s)
			err := s.update(func(tx state) error { return damage(tx.origins(), tx.renamed()) })
			if err != nil {
				t.Fatal(err)
			}
			file := renameFile(testRow("B"), testRow("K"), testRow("L"))
			if err := s.Check(t.Context(), strings.NewReader(file), CSV, nil); !errors.Is(err, ErrMismatch) && !errors.Is(err, ErrCorrupt) {
				t.Errorf("error %v, want ErrMismatch or ErrCorrupt", err)
			}
			before(t)
		})
	}
}

// A chain of renumberings in another order has the right serials all the same.
func TestCheckFindsOtherChain(t *testing.T) {
	s := newTestStore(t, renameSchema())
	for _, rows := range [][][]string{{testRow("A")}, {formerRow("B", "A")}, {formerRow("C", "B")}} {
		mustImport(t, s, renameFile(rows...))
		mustCommit(t, s)
	}
	key := func(of string) treeKey {
		e, err := s.schema.HashKey(of)
		if err != nil {
			t.Fatal(err)
		}
		return treeKeyOf(e)
	}
	a, b := key("A"), key("B")
	for name, damage := range map[string][2]replacement{ // of A and B
		"past the second":           {{a, 3, key("C")}, {b, 2, key("B")}},
		"both to the third":         {{a, 3, key("C")}, {b, 3, key("C")}},
		"both to the second":        {{a, 2, key("B")}, {b, 2, key("B")}},
		"the second, a little late": {{a, 2, key("B")}, {b, 4, key("C")}},
		"back to the first":         {{a, 2, key("B")}, {b, 1, key("A")}},
	} {
		restore := copyBuckets(t, s)
		err := s.update(func(tx state) error {
			renamed := tx.renamed()
			return errors.Join(renamed.put(a, damage[0].encode()), renamed.put(b, damage[1].encode()))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(t.Context(), strings.NewReader(renameFile(testRow("C"))), CSV, nil); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v, want ErrMismatch", name, err)
		}
		restore(t)
	}
	if err := s.Check(t.Context(), strings.NewReader(renameFile(formerRow("C", "B"))), CSV, nil); err != nil {
		t.Errorf("the chain as it was: %v", err)
	}
}

func putOrigin(o origins, key, origin treeKey) error { return o.put(key, origin[:]) }

// copyBuckets gives a function that undoes what happens to renumberings, so that
// the store is good again when its test ends.
func copyBuckets(t *testing.T, s *Store) func(t *testing.T) {
	t.Helper()
	held := map[string]map[string][]byte{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketOrigins, bucketRenamed} {
			held[string(name)] = map[string][]byte{}
			_ = tx.Bucket(name).ForEach(func(k, v []byte) error {
				held[string(name)][string(k)] = bytes.Clone(v)
				return nil
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) {
		err := s.db.Update(func(tx *bbolt.Tx) (err error) {
			for name, entries := range held {
				err = errors.Join(err, tx.DeleteBucket([]byte(name)))
				b, errCreate := tx.CreateBucket([]byte(name))
				err = errors.Join(err, errCreate)
				for k, v := range entries {
					err = errors.Join(err, b.Put([]byte(k), v))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A staged change decodes to what was encoded, and nothing else decodes.
func TestStagedChanges(t *testing.T) {
	key, from := treeKey{31: 1}, treeKey{31: 2}
	for _, c := range []stagedChange{
		{kind: changeDelete, key: key}, {kind: changePut, key: key, content: []byte("c")},
		{kind: changeRename, key: key, from: from, content: []byte("c")},
	} {
		got, err := decodeChange(c.encode())
		if err != nil || got.kind != c.kind || got.key != c.key || got.from != c.from || !bytes.Equal(got.content, c.content) {
			t.Errorf("kind %d: another change, %v", c.kind, err)
		}
	}
	for name, c := range map[string]struct{ key, value []byte }{
		"short key":              {key[1:], []byte{changeDelete}},
		"empty":                  {key[:], nil},
		"unknown kind":           {key[:], []byte{3, 1}},
		"deletion of a content":  {key[:], []byte{changeDelete, 1}},
		"no content":             {key[:], []byte{changePut}},
		"renaming of no content": {key[:], append([]byte{changeRename}, from[:]...)},
		"half a former key":      {key[:], append([]byte{changeRename}, from[1:]...)},
	} {
		if _, err := decodeChange(slices.Concat(c.key, c.value)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

func FuzzStagedChange(f *testing.F) {
	key := treeKey{31: 1}
	f.Add(append(key[:], changeDelete))
	f.Add(append(key[:], changePut, 1, 2))
	f.Add(append(append(append([]byte{}, key[:]...), changeRename), append(key[:], 7)...))
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := decodeChange(value)
		if err == nil && !bytes.Equal(c.encode(), value) {
			t.Error("what decodes is encoded in another way")
		}
	})
}

func FuzzReplacement(f *testing.F) {
	f.Add(replacement{treeKey{31: 2}, 7, treeKey{31: 1}}.encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := decodeReplacement(value)
		if err == nil && !bytes.Equal(r.encode(), value) {
			t.Error("what decodes is encoded in another way")
		}
	})
}
