package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// tester is what the checks need of a test or a run of a law.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// checkAbsent opens the absence of a key at an epoch, and finds the leaf that the
// model had then: the one of the largest key below.
func checkAbsent(t tester, s *Store, e Epoch, key string, rows map[string]modelRow) {
	t.Helper()
	hash, err := s.schema.HashKey(key)
	if err != nil {
		t.Fatal(err)
	}
	want := rows[""]
	for _, row := range rows {
		if row.key.Cmp(&hash) < 0 && row.key.Cmp(&want.key) > 0 {
			want = row
		}
	}
	o, err := s.OpenAbsent(e.Number, strings.ToLower(key)+" ")
	if err != nil {
		t.Fatal(err)
	}
	if o.Key != hash || o.Low != want.leaf || o.Position != want.position || o.Next != want.next || o.LinkBlinding != want.linkBlinding {
		t.Fatalf("epoch %d: another leaf than the model's below a key", e.Number)
	}
	checkAbsentOpening(t, o, e)
}

// checkAbsentOpening checks what the relation of absence rests on.
func checkAbsentOpening(t tester, o *AbsentOpening, e Epoch) {
	t.Helper()
	if o.Low.Key.Cmp(&o.Key) >= 0 || o.Key.Cmp(&o.Next) >= 0 {
		t.Fatalf("epoch %d: the key is not between the leaf's and the next", e.Number)
	}
	if o.Low.Link != imt.Link(o.Low.Key, o.Next, o.LinkBlinding) {
		t.Fatalf("epoch %d: the link does not open", e.Number)
	}
	if root, err := o.Path.Root(o.Low.Hash(), o.Position); err != nil || root != e.Root.Fr() {
		t.Fatalf("epoch %d: the path does not lead to the root: %v", e.Number, err)
	}
}

// byHash gives the keys LC-0 to LC-n in the order of their tree keys.
func byHash(t *testing.T, s *Store, n int) []string {
	t.Helper()
	hashes := map[string]fr.Element{}
	var keys []string
	for i := range n {
		key := fmt.Sprint("LC-", i)
		e, err := s.schema.HashKey(key)
		if err != nil {
			t.Fatal(err)
		}
		hashes[key], keys = e, append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { x, y := hashes[a], hashes[b]; return x.Cmp(&y) })
	return keys
}

func TestOpenAbsentBounds(t *testing.T) {
	s := newTestStore(t, testSchema())
	if _, err := s.OpenAbsent(1, "LC-1"); !errors.Is(err, ErrNoEpoch) {
		t.Errorf("before the first commit: %v, want ErrNoEpoch", err)
	}
	keys := byHash(t, s, 9)
	empty := mustCommit(t, s)
	mustImport(t, s, csvFile(testRow(keys[2]), testRow(keys[4]), testRow(keys[6])))
	full := mustCommit(t, s)
	low := func(key string) fr.Element {
		if key == "" {
			return fr.Element{}
		}
		e, _ := s.schema.HashKey(key)
		return e
	}
	for name, c := range map[string]struct {
		epoch     Epoch
		key       string
		low, next string // empty for the ends of the list
	}{
		"empty registry":            {empty, keys[3], "", ""},
		"empty, now a record":       {empty, keys[4], "", ""},
		"before the first":          {full, keys[0], "", keys[2]},
		"right before the first":    {full, keys[1], "", keys[2]},
		"between":                   {full, keys[3], keys[2], keys[4]},
		"between the last two":      {full, keys[5], keys[4], keys[6]},
		"right after the last":      {full, keys[7], keys[6], ""},
		"after the last":            {full, keys[8], keys[6], ""},
		"another spelling, between": {full, strings.ToLower(" " + keys[3]), keys[2], keys[4]},
	} {
		o, err := s.OpenAbsent(c.epoch.Number, c.key)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		next := statement.EndKey()
		if c.next != "" {
			next = low(c.next)
		}
		if o.Low.Key != low(c.low) || o.Next != next || (o.Position == sentinel) != (c.low == "") {
			t.Errorf("%s: another leaf", name)
		}
		checkAbsentOpening(t, o, c.epoch)
	}
	for name, key := range map[string]string{"the low key": keys[2], "the next key": keys[4], "in another spelling": strings.ToLower(keys[6])} {
		if o, err := s.OpenAbsent(full.Number, key); !errors.Is(err, ErrRecordExists) || o != nil {
			t.Errorf("%s: %v, want ErrRecordExists", name, err)
		}
	}
	for name, key := range map[string]string{"no key": "", "a key of white space": "  ", "a long key": strings.Repeat("x", statement.MaxTextBytes+1)} {
		if o, err := s.OpenAbsent(full.Number, key); err == nil || errors.Is(err, ErrRecordExists) || o != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.OpenAbsent(3, keys[0]); !errors.Is(err, ErrNoEpoch) {
		t.Errorf("an epoch to come: %v, want ErrNoEpoch", err)
	}
}

// At a past epoch keys that came later are passed over, and keys that have left
// since are found, however many there are.
func TestOpenAbsentPast(t *testing.T) {
	s := newTestStore(t, testSchema())
	keys := byHash(t, s, 300)
	rows := func(keys []string) (rows [][]string) {
		for _, key := range keys {
			rows = append(rows, testRow(key))
		}
		return rows
	}
	mustImport(t, s, csvFile(testRow(keys[10])))
	first := mustCommit(t, s)
	mustImport(t, s, csvFile(rows(keys[20:290])...))
	second := mustCommit(t, s)
	mustImport(t, s, csvFile(rows(keys[20:30])...))
	third := mustCommit(t, s)
	mustImport(t, s, csvFile(testRow(keys[299]))) // staged: no part of any epoch
	for _, c := range []struct {
		epoch Epoch
		key   string
		low   string
	}{
		{first, keys[299], keys[10]}, {first, keys[200], keys[10]}, {first, keys[5], ""},
		{second, keys[299], keys[289]}, {second, keys[10], ""},
		{third, keys[299], keys[29]}, {third, keys[100], keys[29]}, {third, keys[10], ""},
	} {
		o, err := s.OpenAbsent(c.epoch.Number, c.key)
		if err != nil {
			t.Fatal(err)
		}
		checkAbsentOpening(t, o, c.epoch)
		want := fr.Element{}
		if c.low != "" {
			want, _ = s.schema.HashKey(c.low)
		}
		if o.Low.Key != want {
			t.Errorf("epoch %d: another leaf below %s", c.epoch.Number, c.key)
		}
	}
}

// What a damaged list or tree would give is not given out.
func TestOpenAbsentFindsDamage(t *testing.T) {
	for name, damage := range map[string]func(tx state, keys []string) error{
		"a node": func(tx state, _ []string) error { return flip(tx, nodeKey(5, 0, 1), 33) },
		"a link": func(tx state, _ []string) error {
			end := treeKeyOf(statement.EndKey())
			return tx.put(bucketLinks, recordKey(1, 1), end[:])
		},
		"a key less": func(tx state, _ []string) error {
			list := tx.list(bucketKeys)
			return errors.Join(list.delete(lastKey(tx).key), list.flush())
		},
		"a list that is in another order, in a tree made for it": bypassBefore,
	} {
		s, err := create(t.TempDir()+"/registry.db", testSchema(), testKey(), testSecrets())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		keys := byHash(t, s, 5)
		mustImport(t, s, csvFile(testRow(keys[1]), testRow(keys[3])))
		mustCommit(t, s)
		if err := s.update(func(tx state) error { return damage(tx, keys) }); err != nil {
			t.Fatal(err)
		}
		failed := false
		for _, key := range []string{keys[0], keys[2], keys[4]} {
			o, err := s.OpenAbsent(1, key)
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v, want ErrCorrupt", name, err)
			}
			failed = failed || err != nil
			if err == nil {
				e, err := s.Epoch(1)
				if err != nil {
					t.Fatal(err)
				}
				checkAbsentOpening(t, o, e)
			}
		}
		if !failed {
			t.Errorf("%s: all absences open", name)
		}
	}
}

// bypassBefore links the last key to the first one, and makes nodes and root fit.
func bypassBefore(tx state, _ []string) error {
	list, err := tx.list(bucketKeys).cursor()
	if err != nil {
		return err
	}
	_, _, err1 := list.first()
	first, _, err2 := list.next()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	last := lastKey(tx)
	s := &Store{schema: testSchema(), secrets: testSecrets()}
	src, err := s.source(tx, last.position, 1)
	if err != nil {
		return err
	}
	if last.key != src.key {
		return ErrCorrupt
	}
	src.next = first.key
	return forgeLeaf(tx, s, *src)
}

func TestAbsentOpeningIsNotShown(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustCommit(t, s)
	o, err := s.OpenAbsent(1, "LC-1")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("opened", "pointer", o, "value", *o)
	shown := fmt.Sprintf("%v %+v %#v %s %x %d", o, *o, o, o, *o, o) + log.String()
	if strings.Count(shown, redactedAbsent) != 8 || strings.Contains(shown, o.Key.String()) {
		t.Errorf("shown as %s", shown)
	}
	if document, err := json.Marshal(o); err == nil {
		t.Errorf("marshalled as %s", document)
	}
}
