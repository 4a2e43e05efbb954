package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/statement"
)

// canaryRows are records of values that occur nowhere by chance, and one that is renumbered.
var canaryRows = [][]string{
	{"kanari-7f3a91", "业主-kanari-52d8e0", statement.Element(statement.HolderTag(statement.RandomElement().Fr())).String(), "7391846520193", "912873465120.37", "1931-07-23", "true", "wall-kanari-c7d1"},
	{"kanari-0b66e4", "owner-kanari-e91b77", "", "-6120938475619", "827364509182.46", "1917-11-02", "", "砖-kanari-b30"},
	{"kanari-55aa10", "owner-kanari-e91b77", "", "5550938475619", "", "", "false", ""},
}

// canaries gives the forms of what must not be seen: texts, numbers, the unblinded hashes of
// keys, subjects and texts, secrets and serials.
func canaries(t *testing.T, s *Store) map[string][]byte {
	t.Helper()
	forms := map[string][]byte{"blinding secret": s.secrets.blinding[:], "serial secret": s.secrets.serial[:]}
	hashed := func(what, attribute, text string) {
		canonical, err := s.schema.Domain(attribute).Canonical(text)
		if err != nil {
			t.Fatal(err)
		}
		e, err := s.schema.Domain(attribute).Hash(text)
		if err != nil {
			t.Fatal(err)
		}
		b := e.Bytes()
		forms[what+" "+text], forms[what+" "+text+" hashed"], forms[what+" "+text+" hashed, 8 bytes"] = []byte(canonical), b[1:], b[1:9]
		if attribute == "key" {
			serial := newPRF(s.secrets.serial).element(purposeSerial, string(b[1:]))
			sb := serial.Bytes()
			forms["serial of "+text] = sb[:]
		}
	}
	for _, row := range append(slices.Clone(canaryRows), []string{"kanari-renumbered-9c", "", "", "", "", "", "", ""}) {
		hashed("key", "key", row[0])
		if row[1] != "" {
			hashed("subject", "subject", row[1])
		}
		if row[2] != "" {
			tag, _ := base64.StdEncoding.DecodeString(row[2])
			forms["holder"] = tag
		}
		for i, column := range []int{3, 4, 5} {
			if v, err := s.schema.ParseValue(s.schema.Attributes[i], row[column]); err == nil && !v.Absent && column != 5 {
				forms["number "+row[column]] = binary.BigEndian.AppendUint64(nil, uint64(v.Int))
			}
		}
		if row[7] != "" {
			hashed("text", "wall", row[7])
		}
	}
	return forms
}

// seen lists which forms some bytes hold, as they are, reversed, or written out.
func seen(forms map[string][]byte, data []byte) (found []string) {
	for what, form := range forms {
		reversed := slices.Clone(form)
		slices.Reverse(reversed)
		for _, f := range [][]byte{form, reversed, []byte(hex.EncodeToString(form)), []byte(base64.RawStdEncoding.EncodeToString(form))} {
			if bytes.Contains(data, f) {
				found = append(found, what)
				break
			}
		}
	}
	slices.Sort(found)
	return found
}

// canaryLife takes a store through epochs in which the canaries come, change, leave and are
// renumbered, and leaves an import staged.
func canaryLife(t *testing.T, s *Store) {
	t.Helper()
	changed := slices.Clone(canaryRows[1])
	changed[1] = "owner-kanari-52d8e0"
	renumbered := append(append([]string{"kanari-renumbered-9c"}, canaryRows[2][1:]...), canaryRows[2][0])
	for _, file := range []string{
		renameFile(canaryRows...), renameFile(canaryRows[0], changed), renameFile(canaryRows...), renameFile(canaryRows[0], canaryRows[1], renumbered),
	} {
		mustImport(t, s, file)
		mustCommit(t, s)
	}
	mustImport(t, s, renameFile(testRow("LC-1"), canaryRows[1], renumbered))
}

// Nothing of a record, its key, its subject or a secret is in the bytes of a sealed file, nor
// is a hash of them that whoever guesses could compare; and everything is in one that is in
// the clear, also after it is encrypted, in free pages.
func TestSealedFileShowsNothing(t *testing.T) {
	dir := t.TempDir()
	inClear, inSealed := filepath.Join(dir, "clear.db"), filepath.Join(dir, "sealed.db")
	for path, key := range map[string]*atrest.Key{inClear: nil, inSealed: newKey()} {
		s, err := create(path, renameSchema(), key, drawSecrets())
		if err != nil {
			t.Fatal(err)
		}
		canaryLife(t, s)
		forms := canaries(t, s)
		closeChecked(t, s)
		found := seen(forms, readAll(t, path))
		if key != nil && len(found) > 0 {
			t.Errorf("the sealed file shows %q", found)
		}
		if key == nil && len(found) < len(forms)*2/3 {
			t.Errorf("the search finds only %q of %d forms in a file in the clear", found, len(forms))
		}
	}
	s, err := Open(inClear)
	if err != nil {
		t.Fatal(err)
	}
	forms := canaries(t, s)
	closeChecked(t, s)
	key := enablingKey(t)
	if err := Rewrite(t.Context(), inClear, key); err != nil {
		t.Fatal(err)
	}
	if found := seen(forms, readAll(t, inClear)); len(found) > 0 {
		t.Errorf("the file shows %q after it was encrypted", found)
	}
	if s, err = OpenSealed(inClear, key); err != nil {
		t.Fatal(err)
	}
	closeChecked(t, s)
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sealedBuckets are those whose values are sealed.
var sealedBuckets = [][]byte{
	bucketSecrets, bucketRecords, bucketLinks, bucketKeys, bucketRetired, bucketStaging, bucketOrigins, bucketRenamed,
}

// useAll reads everything of a store and commits what is staged.
func useAll(path string, key *atrest.Key) error {
	s, err := OpenSealed(path, key)
	if err != nil {
		return err
	}
	defer s.Close()
	epochs, err := s.Epochs()
	if err != nil {
		return err
	}
	for _, e := range epochs {
		err := s.Scan(e.Number, func(r *Record) (bool, error) {
			_, err := s.Open(e.Number, r)
			return err == nil, err
		})
		if err != nil {
			return err
		}
		if _, err := s.OpenAbsent(e.Number, "no such key"); err != nil {
			return err
		}
	}
	err = s.read(func(tx state) error {
		e, err := lastEpoch(tx)
		if err != nil {
			return err
		}
		return (&checker{s: s, tx: tx, epoch: *e}).checkTree(context.Background())
	})
	if err != nil {
		return err
	}
	_, err = s.Commit(context.Background(), CommitOptions{Time: testTime.AddDate(1, 0, 0)})
	return err
}

// Whatever value is changed in one bit, exchanged with another one of its bucket, or taken
// from another registry under the same key, it is refused.
func TestSealedValuesAreBound(t *testing.T) {
	dir, key := t.TempDir(), newKey()
	path, foreign := filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
	other := renameSchema()
	other.Registry = "another"
	for file, schema := range map[string]*statement.Schema{path: renameSchema(), foreign: other} {
		s, err := create(file, schema, key, testSecrets())
		if err != nil {
			t.Fatal(err)
		}
		canaryLife(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	good := readAll(t, path)
	if err := useAll(path, key); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := values(t, foreign)
	attacks := 0
	for name, all := range values(t, path) {
		keys := sortedKeys(all)
		for i, k := range keys {
			flipped := slices.Clone(all[k])
			flipped[len(flipped)-1-i%len(flipped)] ^= 4
			swaps := map[string]string{keys[(i+1)%len(keys)]: string(all[k]), k: string(all[keys[(i+1)%len(keys)]])}
			for what, changes := range map[string]map[string]string{
				"changed": {k: string(flipped)}, "exchanged": swaps, "from another registry": {k: string(taken[name][k])}, "in the clear": {k: "x"},
			} {
				if what == "exchanged" && len(keys) < 2 || what == "from another registry" && taken[name][k] == nil {
					continue
				}
				attacks++
				if err := os.WriteFile(path, good, 0o600); err != nil {
					t.Fatal(err)
				}
				putRaw(t, path, name, changes)
				if err := useAll(path, key); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrMismatch) {
					t.Errorf("a value of %s, %x, %s: %v", name, k, what, err)
				}
			}
		}
	}
	if attacks < 90 {
		t.Errorf("only %d attacks", attacks)
	}
}

func sortedKeys(m map[string][]byte) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// values gives the sealed values of a file as they stand in it.
func values(t *testing.T, path string) map[string]map[string][]byte {
	t.Helper()
	out := map[string]map[string][]byte{}
	withRaw(t, path, func(tx *bbolt.Tx) error {
		for _, name := range sealedBuckets {
			out[string(name)] = map[string][]byte{}
			err := tx.Bucket(name).ForEach(func(k, v []byte) error {
				out[string(name)][string(k)] = slices.Clone(v)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out
}

func putRaw(t *testing.T, path, bucket string, changes map[string]string) {
	t.Helper()
	withRaw(t, path, func(tx *bbolt.Tx) error {
		for k, v := range changes {
			if err := tx.Bucket([]byte(bucket)).Put([]byte(k), []byte(v)); err != nil {
				return err
			}
		}
		return nil
	})
}

// withRaw opens a store's file behind its back.
func withRaw(t *testing.T, path string, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := openFile(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	db.NoSync = true
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestSealedStoreNeedsItsKey(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "r.db"), newKey()
	s, err := CreateSealed(path, testSchema(), key)
	if err != nil {
		t.Fatal(err)
	}
	mustImport(t, s, csvFile(testRow("LC-1")))
	mustCommit(t, s)
	closeChecked(t, s)
	clear := filepath.Join(t.TempDir(), "clear.db")
	if s, err = Create(clear, testSchema()); err != nil {
		t.Fatal(err)
	}
	closeChecked(t, s)
	for name, c := range map[string]struct {
		path string
		key  *atrest.Key
		says string
	}{
		"no key":                        {path, nil, "there is no key"},
		"another key":                   {path, newKey(), "under the data key " + key.ID().String() + ", which is not at hand"},
		"in the clear, with a key":      {clear, key, "in the clear"},
		"another key, enabling":         {path, enablingKey(t), "not at hand"},
		"rewritten with another key":    {path, newKey(), "not at hand"},
		"rewritten without enabling it": {clear, key, "in the clear"},
	} {
		open := func() error {
			_, err := OpenSealed(c.path, c.key)
			return err
		}
		if strings.HasPrefix(name, "rewritten") {
			open = func() error { return Rewrite(t.Context(), c.path, c.key) }
		}
		if err := open(); !errors.Is(err, ErrSealed) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, err = OpenSealed(path, key); err != nil {
		t.Fatal(err)
	}
	closeChecked(t, s)
	if shown := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(shown, "key") {
		t.Errorf("shown as %s", shown)
	}
}
