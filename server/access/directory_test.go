package access

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// start is when tests begin.
func start() time.Time { return time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC) }

// clock is a clock that stands until it is moved.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func openDB(t testing.TB) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "service.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newDirectory(t testing.TB) (*Directory, *clock) {
	t.Helper()
	c := &clock{start()}
	d := must(Open(openDB(t)))(t)
	d.now = c.now
	return d, c
}

func must[V any](v V, err error) func(testing.TB) V {
	return func(t testing.TB) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newOrganisation makes an organisation with a key, and gives the token.
func newOrganisation(t testing.TB, d *Directory, id string, role Role, scopes ...string) (Key, string) {
	t.Helper()
	must(d.CreateOrganisation(Organisation{ID: id, Role: role}))(t)
	key, token, err := d.CreateKey(NewKey{Organisation: id, Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return key, token
}

func TestOrganisations(t *testing.T) {
	d, c := newDirectory(t)
	bank := must(d.CreateOrganisation(Organisation{ID: "bank-a", Role: RoleBank}))(t)
	if bank.Audience != "bank-a" || !bank.Created.Equal(start()) {
		t.Errorf("%+v", bank)
	}
	agency := must(d.CreateOrganisation(Organisation{ID: "agency", Role: RoleAgency, Registries: []string{"titles", "liens"}}))(t)
	for registry, want := range map[string]bool{"titles": true, "liens": true, "licences": false, "": false} {
		if agency.ActsFor(registry) != want {
			t.Errorf("acts for %q: %v", registry, !want)
		}
	}
	if all := (Organisation{Role: RoleAgency}); !all.ActsFor("titles") || (Organisation{Role: RoleBank}).ActsFor("titles") {
		t.Error("an agency without a list acts for all registries, a bank for none")
	}
	c.at = c.at.Add(time.Hour)
	must(d.DisableOrganisation("bank-a"))(t)
	if o := must(d.Organisation("bank-a"))(t); !o.Disabled.Equal(c.at) {
		t.Errorf("disabled at %v", o.Disabled)
	}
	if o := must(d.EnableOrganisation("bank-a"))(t); !o.Disabled.IsZero() {
		t.Errorf("disabled at %v", o.Disabled)
	}
	if all := must(d.Organisations())(t); len(all) != 2 || all[0].ID != "agency" || all[1].ID != "bank-a" {
		t.Errorf("%+v", all)
	}
	for _, err := range []error{second(d.Organisation("none")), second(d.DisableOrganisation("none")), second(d.Keys("none"))} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("an organisation that there is not: %v", err)
		}
	}
}

func second[V any](_ V, err error) error { return err }

func TestOrganisationsRefused(t *testing.T) {
	d, _ := newDirectory(t)
	must(d.CreateOrganisation(Organisation{ID: "bank-a", Role: RoleBank, Audience: "Bank A, N.A."}))(t)
	for what, c := range map[string]struct {
		o    Organisation
		want error
	}{
		"the same id":             {Organisation{ID: "bank-a", Role: RoleAuditor}, ErrExists},
		"the same audience":       {Organisation{ID: "bank-b", Role: RoleBank, Audience: "Bank A, N.A."}, ErrExists},
		"no id":                   {Organisation{Role: RoleBank}, ErrInvalid},
		"a capital":               {Organisation{ID: "Bank", Role: RoleBank}, ErrInvalid},
		"a path":                  {Organisation{ID: "a/b", Role: RoleBank}, ErrInvalid},
		"a line break":            {Organisation{ID: "a\n", Role: RoleBank}, ErrInvalid},
		"a digit first":           {Organisation{ID: "1a", Role: RoleBank}, ErrInvalid},
		"65 letters":              {Organisation{ID: strings.Repeat("a", 65), Role: RoleBank}, ErrInvalid},
		"no role":                 {Organisation{ID: "x"}, ErrInvalid},
		"another role":            {Organisation{ID: "x", Role: "root"}, ErrInvalid},
		"a bank with registries":  {Organisation{ID: "x", Role: RoleBank, Registries: []string{"titles"}}, ErrInvalid},
		"an agency's audience":    {Organisation{ID: "x", Role: RoleAgency, Audience: "x"}, ErrInvalid},
		"a registry twice":        {Organisation{ID: "x", Role: RoleAgency, Registries: []string{"a", "a"}}, ErrInvalid},
		"a registry without name": {Organisation{ID: "x", Role: RoleAgency, Registries: []string{""}}, ErrInvalid},
		"an endless audience":     {Organisation{ID: "x", Role: RoleBank, Audience: strings.Repeat("x", 1025)}, ErrInvalid},
	} {
		if _, err := d.CreateOrganisation(c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if all := must(d.Organisations())(t); len(all) != 1 {
		t.Errorf("made nonetheless: %+v", all)
	}
	must(d.CreateOrganisation(Organisation{ID: strings.Repeat("a", 64), Role: RoleBank}))(t)
}

func TestKeys(t *testing.T) {
	d, c := newDirectory(t)
	first, token := newOrganisation(t, d, "bank-a", RoleBank, "requests")
	other, _ := newOrganisation(t, d, "agency", RoleAgency)
	c.at = c.at.Add(time.Minute)
	third, _, err := d.CreateKey(NewKey{Organisation: "bank-a", Expires: c.at.Add(90 * 24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if got := must(d.Keys(""))(t); !slices.EqualFunc([]Key{other, first, third}, got, sameKey) {
		t.Errorf("%+v", got)
	}
	if got := must(d.Keys("bank-a"))(t); !slices.EqualFunc([]Key{first, third}, got, sameKey) {
		t.Errorf("%+v", got)
	}
	if got := must(d.Key(first.ID))(t); !sameKey(got, first) || !slices.Equal(got.Scopes, []string{"requests"}) {
		t.Errorf("%+v", got)
	}
	id, s, ok := parseToken(token)
	if !ok || id != first.ID || len(token) != len("attestry_")+16+1+64 {
		t.Fatalf("token of %d bytes, id %q of %q", len(token), id, first.ID)
	}
	// The secret is nowhere: neither in what is kept nor in what is listed or printed.
	plain := hex.EncodeToString(s[:])
	stored, err := os.ReadFile(d.db.Path())
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{
		"the file": string(stored), "a listing": fmt.Sprintf("%+v %#v", first, first), "a formatted secret": fmt.Sprintf("%v %+v %#v %s", s, s, s, s),
	} {
		if strings.Contains(text, plain) || strings.Contains(text, string(s[:])) {
			t.Errorf("the secret is in %s", where)
		}
	}
	hash := s.hash()
	if listed := fmt.Sprintf("%+v", must(d.Keys(""))(t)); strings.Contains(listed, hex.EncodeToString(hash[:])) {
		t.Error("its hash is listed")
	}
}

func sameKey(a, b Key) bool {
	return a.ID == b.ID && a.Organisation == b.Organisation && a.Kind == b.Kind
}

func TestKeysRefused(t *testing.T) {
	d, c := newDirectory(t)
	newOrganisation(t, d, "bank-a", RoleBank)
	for what, n := range map[string]struct {
		key  NewKey
		want error
	}{
		"no organisation":      {NewKey{}, ErrNotFound},
		"another organisation": {NewKey{Organisation: "bank-b"}, ErrNotFound},
		"expired":              {NewKey{Organisation: "bank-a", Expires: c.at}, ErrInvalid},
		"a scope twice":        {NewKey{Organisation: "bank-a", Scopes: []string{"a", "a"}}, ErrInvalid},
		"an empty scope":       {NewKey{Organisation: "bank-a", Scopes: []string{""}}, ErrInvalid},
		"the scope of all":     {NewKey{Organisation: "bank-a", Scopes: []string{AnyScope}}, ErrInvalid},
		"a scope of two words": {NewKey{Organisation: "bank-a", Scopes: []string{"a b"}}, ErrInvalid},
		"a quote":              {NewKey{Organisation: "bank-a", Scopes: []string{`a"`}}, ErrInvalid},
		"33 scopes":            {NewKey{Organisation: "bank-a", Scopes: slices.Repeat([]string{"a"}, 33)}, ErrInvalid},
	} {
		if _, token, err := d.CreateKey(n.key); !errors.Is(err, n.want) || token != "" {
			t.Errorf("%s: %q, %v", what, token, err)
		}
	}
	if all := must(d.Keys(""))(t); len(all) != 1 {
		t.Errorf("made nonetheless: %+v", all)
	}
}

// The first key makes its organisation, or is not made itself.
func TestCreateFirstKey(t *testing.T) {
	d, _ := newDirectory(t)
	bank := Organisation{ID: "bank-a", Role: RoleBank}
	key, token, made, err := d.CreateFirstKey(bank, NewKey{})
	if err != nil || !made || key.Organisation != "bank-a" {
		t.Fatalf("%+v, %v, %v", key, made, err)
	}
	if o := must(d.Organisation("bank-a"))(t); o.Role != RoleBank || o.Audience != "bank-a" {
		t.Errorf("%+v", o)
	}
	if id, ok := KeyIDOf(token); !ok || id != key.ID {
		t.Errorf("the key names %q", id)
	}
	if _, _, made, err := d.CreateFirstKey(bank, NewKey{}); err != nil || made {
		t.Errorf("again: %v, %v", made, err)
	}
	for what, c := range map[string]struct {
		o    Organisation
		key  NewKey
		want error
	}{
		"another role":       {Organisation{ID: "bank-a", Role: RoleOperator}, NewKey{}, ErrExists},
		"no role":            {Organisation{ID: "bank-a"}, NewKey{}, ErrInvalid},
		"no id":              {Organisation{ID: "A", Role: RoleBank}, NewKey{}, ErrInvalid},
		"a taken audience":   {Organisation{ID: "bank-b", Role: RoleBank, Audience: "bank-a"}, NewKey{}, ErrExists},
		"a key that is none": {Organisation{ID: "bank-b", Role: RoleBank}, NewKey{Scopes: []string{AnyScope}}, ErrInvalid},
	} {
		if _, token, made, err := d.CreateFirstKey(c.o, c.key); !errors.Is(err, c.want) || token != "" || made {
			t.Errorf("%s: %q, %v, %v", what, token, made, err)
		}
	}
	if all := must(d.Organisations())(t); len(all) != 1 {
		t.Errorf("made nonetheless: %+v", all)
	}
	if all := must(d.Keys(""))(t); len(all) != 2 {
		t.Errorf("made nonetheless: %+v", all)
	}
}

func TestKeyIDOf(t *testing.T) {
	token := formatToken("aaaaaaaaaaaaaaaa", drawSecret())
	for text, want := range map[string]string{"aaaaaaaaaaaaaaaa": "aaaaaaaaaaaaaaaa", token: "aaaaaaaaaaaaaaaa"} {
		if id, ok := KeyIDOf(text); !ok || id != want {
			t.Errorf("%q, %v", id, ok)
		}
	}
	for _, text := range []string{"", "log", "issuer", "AAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaa1", token[1:], token + "0", strings.ToUpper(token)} {
		if id, ok := KeyIDOf(text); ok {
			t.Errorf("%q names %q", text, id)
		}
	}
}

func TestRotateKey(t *testing.T) {
	d, c := newDirectory(t)
	must(d.CreateOrganisation(Organisation{ID: "bank-a", Role: RoleBank}))(t)
	life := 90 * 24 * time.Hour
	old, _, err := d.CreateKey(NewKey{Organisation: "bank-a", Scopes: []string{"requests"}, Expires: c.at.Add(life)})
	if err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(80 * 24 * time.Hour)
	next, token, err := d.RotateKey(old.ID, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if id, _, ok := parseToken(token); !ok || id != next.ID || next.ID == old.ID {
		t.Errorf("%q: %+v", token, next)
	}
	if !slices.Equal(next.Scopes, old.Scopes) || !next.Expires.Equal(c.at.Add(life)) {
		t.Errorf("%+v", next)
	}
	if got := must(d.Key(old.ID))(t); !got.Expires.Equal(c.at.Add(24 * time.Hour)) {
		t.Errorf("the old one counts until %v", got.Expires)
	}
	// What has a successor already is not replaced again: which of two would be in force?
	if got := must(d.Key(old.ID))(t); got.ReplacedBy != next.ID {
		t.Errorf("it is replaced by %q", got.ReplacedBy)
	}
	if _, token, err := d.RotateKey(old.ID, 0); !errors.Is(err, ErrInvalid) || token != "" {
		t.Errorf("replaced twice: %v", err)
	}
	// An overlap does not lengthen a life.
	if _, _, err := d.RotateKey(next.ID, 1000*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := must(d.Key(next.ID))(t); !got.Expires.Equal(next.Expires) {
		t.Errorf("an overlap made it live until %v", got.Expires)
	}
	c.at = c.at.Add(25 * time.Hour)
	for what, id := range map[string]string{"expired": old.ID, "none": "aaaaaaaaaaaaaaaa", "not an id": "x"} {
		if _, token, err := d.RotateKey(id, 0); err == nil || token != "" {
			t.Errorf("%s: rotated", what)
		}
	}
	must(d.RevokeKey(next.ID))(t)
	if _, _, err := d.RotateKey(next.ID, 0); !errors.Is(err, ErrRevoked) {
		t.Errorf("a revoked key: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	db := openDB(t)
	must(Open(db))(t)
	must(Open(db))(t)
	err := db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(metaBucket)).Put([]byte(metaFormat), []byte("attestry/access/v2"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(db); !errors.Is(err, ErrFormat) {
		t.Errorf("a later format: %v", err)
	}
}

func TestDamagedRecords(t *testing.T) {
	d, _ := newDirectory(t)
	key, token := newOrganisation(t, d, "bank-a", RoleBank)
	a := newAuthenticator(t, d)
	for what, c := range map[string]struct{ bucket, key, document string }{
		"no document":                         {keysBucket, key.ID, ""},
		"another id":                          {keysBucket, key.ID, `{"id":"aaaaaaaaaaaaaaaa","organisation":"bank-a","kind":"secret","created":"2026-08-01T12:00:00Z","proof":""}`},
		"an unknown member":                   {organisationsBucket, "bank-a", `{"id":"bank-a","role":"operator","root":true}`},
		"another organisation's":              {organisationsBucket, "bank-a", `{"id":"bank-b","role":"bank","created":"2026-08-01T12:00:00Z"}`},
		"an organisation that is no document": {organisationsBucket, "bank-a", "x"},
	} {
		var before []byte
		put := func(document []byte) error {
			return d.db.Update(func(tx *bbolt.Tx) error {
				b := tx.Bucket([]byte(c.bucket))
				before = slices.Clone(b.Get([]byte(c.key)))
				return b.Put([]byte(c.key), document)
			})
		}
		if err := put([]byte(c.document)); err != nil {
			t.Fatal(err)
		}
		if p, err := a.Authenticate(withToken(token)); !errors.Is(err, ErrFormat) || p != nil {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
		if err := put(before); err != nil {
			t.Fatal(err)
		}
	}
	must(a.Authenticate(withToken(token)))(t)
}
