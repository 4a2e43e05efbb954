package registry

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/statement"
)

// formerSchema, formerLiens and formerSnapshots are what testdata/v1.db.gz was made of by
// the last version that wrote the former layout, with [testSecrets]: four epochs, in
// which records change their owner and take it back, leave, come back and are renumbered,
// and an import that is staged.
func formerSchema() *statement.Schema {
	schema := derivingTitles()
	schema.RenamedFrom = "former"
	return schema
}

func formerLiens() string {
	return lienFile(map[string]lienRow{"P1": {"anna", 4}, "P9": {"carl", 2}})
}

func formerSnapshots() (committed []string, staged string) {
	const header = "parcel,owner,value,area,wall,former\n"
	return []string{
		header + "P1,anna,1,0.5,brick,\nP2,anna,2,,stone,\nP3,bert,3,1.5,stone,\n",
		header + "P1,bert,1,0.5,,\nP4,carl,4,,brick,\nP9,bert,3,1.5,stone,P3\n",
		header + "P1,anna,7,0.5,brick,\nP2,anna,2,,stone,\nP4,carl,4,,brick,\nP9,carl,3,1.5,stone,\n",
		header + "P1,anna,7,0.5,brick,\nP4,,4,,brick,\nP10,carl,3,1.5,stone,P9\n",
	}, header + "P5,dora,5,,,\nP4,anna,4,,brick,\nP11,carl,3,1.5,stone,P10\n"
}

// formerFile unpacks the file of the former layout.
func formerFile(t *testing.T) string {
	t.Helper()
	packed, err := os.Open("testdata/v1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	r, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "titles.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// formerTwin goes the same way as the file of the former layout did, in this layout.
func formerTwin(t *testing.T) *pair {
	t.Helper()
	p := &pair{titles: newTestStore(t, formerSchema()), liens: newTestStore(t, lienSchema()), at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if _, err := p.commit(t.Context(), p.liens, formerLiens()); err != nil {
		t.Fatal(err)
	}
	committed, staged := formerSnapshots()
	for _, file := range committed {
		if _, err := p.commit(t.Context(), p.titles, file); err != nil {
			t.Fatal(err)
		}
	}
	mustImport(t, p.titles, staged)
	return p
}

// sameStores compares all that two stores of one history give out, past epochs, openings
// and derived registries included, and then the epochs that both make of their staging.
func sameStores(t *testing.T, p *pair, got *Store) {
	t.Helper()
	compareStores(t, p.titles, got)
	for name := range p.titles.derived {
		compareStores(t, p.titles.derived[name], got.derived[name])
	}
	p.at = p.at.Add(time.Hour)
	options := CommitOptions{Time: p.at, Join: p.join}
	want, err1 := p.titles.Commit(t.Context(), options)
	made, err2 := got.Commit(t.Context(), options)
	if err := errors.Join(err1, err2); err != nil || !reflect.DeepEqual(want, made) {
		t.Fatalf("the staging makes epoch %+v of one, and %+v of the other, %v", want, made, err)
	}
	_, staged := formerSnapshots()
	if err := got.Check(t.Context(), strings.NewReader(staged), CSV, p.join); err != nil {
		t.Error(err)
	}
}

func compareStores(t *testing.T, want, got *Store) {
	t.Helper()
	counts1, ok1, err1 := want.Staged()
	counts2, ok2, err2 := got.Staged()
	if err := errors.Join(err1, err2); err != nil || ok1 != ok2 || counts1 != counts2 {
		t.Errorf("staged: %v %+v, %v %+v, %v", ok1, counts1, ok2, counts2, err)
	}
	epochs1, err1 := want.Epochs()
	epochs2, err2 := got.Epochs()
	if err := errors.Join(err1, err2); err != nil || !reflect.DeepEqual(epochs1, epochs2) {
		t.Fatalf("epochs %+v, %+v, %v", epochs1, epochs2, err)
	}
	for _, e := range epochs1 {
		if a, b := everyRecord(t, want, e.Number), everyRecord(t, got, e.Number); !reflect.DeepEqual(a, b) {
			t.Errorf("%s, epoch %d: other records", want.schema.Registry, e.Number)
		}
		for _, subject := range []string{"anna", "bert", "carl", "dora"} {
			if a, b := bySubject(t, want, e.Number, subject), bySubject(t, got, e.Number, subject); !reflect.DeepEqual(a, b) {
				t.Errorf("%s, epoch %d: %v of %s, and %v", want.schema.Registry, e.Number, a, subject, b)
			}
		}
	}
}

// everyRecord opens every record of an epoch.
func everyRecord(t *testing.T, s *Store, epoch uint64) (all []*Opening) {
	t.Helper()
	err := s.Scan(epoch, func(r *Record) (bool, error) {
		o, err := s.Open(epoch, r)
		all = append(all, o)
		return err == nil, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func bySubject(t *testing.T, s *Store, epoch uint64, subject string) (keys []string) {
	t.Helper()
	if s.schema.Subject == "" {
		return nil
	}
	err := s.BySubject(epoch, subject, func(r *Record) (bool, error) {
		keys = append(keys, r.Key)
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// A file of the former layout is taken on as it is opened, and everything in it is there.
func TestFormerLayout(t *testing.T) {
	path := formerFile(t)
	if _, err := OpenSealed(path, newKey()); !errors.Is(err, ErrSealed) {
		t.Fatalf("in the clear, where all is encrypted: %v", err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if s.secrets != testSecrets() {
		t.Error("other secrets")
	}
	sameStores(t, formerTwin(t), s)
	closeChecked(t, s)
	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	closeChecked(t, s)
	if _, err := os.Stat(path + rewriteEnding); err == nil {
		t.Error("the unfinished file is left")
	}
}

// It can be encrypted at once, too.
func TestFormerLayoutSealed(t *testing.T) {
	path, key := formerFile(t), enablingKey(t)
	if err := Rewrite(t.Context(), path, key); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrSealed) {
		t.Errorf("without a key: %v", err)
	}
	s, err := OpenSealed(path, key)
	if err != nil {
		t.Fatal(err)
	}
	if s.Key() != key.ID() {
		t.Errorf("sealed under %s", s.Key())
	}
	sameStores(t, formerTwin(t), s)
	closeChecked(t, s)
}

// enablingKey draws a data key while values may be in the clear.
func enablingKey(t testing.TB) *atrest.Key {
	t.Helper()
	ring := atrest.NewRing(nil)
	ring.Enabling = true
	key, err := ring.Key()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
