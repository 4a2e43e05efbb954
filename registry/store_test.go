package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/statement"
)

func TestCreateAndOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	s, err := Create(path, testSchema())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if _, ok := s.Latest(); ok {
		t.Error("a new store has an epoch")
	}
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("a second opener: %v, want ErrLocked", err)
	}
	if _, err := Create(path, testSchema()); !errors.Is(err, ErrExists) {
		t.Errorf("creating it again: %v, want ErrExists", err)
	}
	mustImport(t, s, csvFile(testRow("LC-1")))
	e := mustCommit(t, s)
	commitment := s.SerialCommitment()
	closeChecked(t, s)

	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer closeChecked(t, s)
	if got, ok := s.Latest(); !ok || got != e {
		t.Errorf("latest is %+v, was %+v", got, e)
	}
	if s.SerialCommitment() != commitment || s.Schema().Registry != "test-titles" || s.Schema().Domain("key").Name != "parcel-id" {
		t.Error("the commitment or the schema changed by closing")
	}
}

func TestSecrets(t *testing.T) {
	s := newTestStore(t, testSchema())
	fixed := testSecrets()
	if want := sha256.Sum256([]byte("attestry/serial-secret/v1\n" + string(fixed.serial[:]))); s.SerialCommitment() != want {
		t.Error("the commitment is not SHA-256 of the tag line and the secret")
	}
	drawn := map[[32]byte]bool{}
	for i := range 3 {
		s, err := Create(filepath.Join(t.TempDir(), fmt.Sprint(i)), testSchema())
		if err != nil {
			t.Fatal(err)
		}
		drawn[s.secrets.blinding], drawn[s.secrets.serial] = true, true
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(drawn) != 6 || drawn[[32]byte{}] {
		t.Error("secrets are not drawn afresh")
	}
}

func TestPRF(t *testing.T) {
	p := newPRF(testSecrets().serial)
	for _, labels := range [][]string{{}, {""}, {"a"}, {"a", "业主", strings.Repeat("x", 5000)}, {"a"}} {
		if want := statement.PRF(p0(), "some/purpose", labels...); p.element("some/purpose", labels...) != want.Fr() {
			t.Errorf("%d labels: not the PRF of statement", len(labels))
		}
	}
}

func p0() []byte { s := testSecrets(); return s.serial[:] }

func TestCreateRefusesSchemas(t *testing.T) {
	many := testSchema()
	for i := range statement.MaxAttributes {
		many.Attributes = append(many.Attributes, statement.Attribute{Name: fmt.Sprint("a", i), Type: statement.Int})
	}
	for name, schema := range map[string]*statement.Schema{
		"none": nil, "no name": {Key: "k"}, "no key": {Registry: "r"}, "too many attributes": many,
	} {
		path := filepath.Join(t.TempDir(), "registry.db")
		if _, err := Create(path, schema); !errors.Is(err, statement.ErrBadSchema) {
			t.Errorf("%s: %v, want ErrBadSchema", name, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a file is left behind (%v)", name, err)
		}
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	otherDB := func(name, format string) string {
		path := filepath.Join(dir, name)
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		err = db.Update(func(tx *bbolt.Tx) error {
			if format == "" {
				return nil
			}
			return initialise(state{tx, &box{registry: "r"}}, []byte("{}"), testSecrets())
		})
		if err == nil && format != "" {
			err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(metaFormat, []byte(format)) })
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("opening makes a file")
	}
	for name, path := range map[string]string{
		"text": file("text", strings.Repeat("no database ", 2000)), "another database": otherDB("other", ""),
		"another version": otherDB("version", "attestry/registry-store/v9"),
	} {
		if _, err := Open(path); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	if _, err := Open(otherDB("schema", formatVersion)); err == nil {
		t.Error("a schema without members opens")
	}
}

// Nothing that the package gives out shows a record or a secret when it is
// formatted or logged.
func TestNothingPrivatePrints(t *testing.T) {
	s := newTestStore(t, testSchema())
	row := testRow("CANARY-1")
	row[1], row[3], row[7] = "CANARY-2", "271828182", "CANARY-3"
	mustImport(t, s, csvFile(row))
	mustCommit(t, s)
	r, err := s.Get(1, "CANARY-1")
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(1, r)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, v := range []any{r, *r, o, *o, s, []Record{*r}, map[string]Record{"a": *r}, struct{ R Record }{*r}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
	}
	secret := testSecrets()
	for _, private := range []string{
		"CANARY", "271828182", fmt.Sprintf("%x", "CANARY"), fmt.Sprintf("%x", 271828182), o.Serial.String(), fmt.Sprint(o.Serial.Fr()),
		string(secret.serial[:8]), fmt.Sprint(secret.serial[0], secret.serial[1], secret.serial[2]), fmt.Sprintf("%x", secret.serial[:4]),
	} {
		if strings.Contains(out.String(), private) {
			t.Errorf("%q is printed:\n%s", private, out.String())
		}
	}
}

func FuzzDecodeContent(f *testing.F) {
	schema := testSchema()
	r := Record{Key: "LC-1", Subject: "业主", Holder: statement.Element(statement.Null()), Values: []statement.Value{{Int: -1}, {Absent: true}, {Int: 2}, {}, {Text: "x"}}}
	f.Add(appendContent(nil, schema, &r))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeContent(data, schema)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(appendContent(nil, schema, r), data) {
			t.Fatal("a content that is not the encoding of what it decodes to")
		}
	})
}
