package workspace

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/registry"
)

// person draws an identity: what opens a workspace, and the recipient.
func person(t *testing.T) (unlock Unlock, recipient string) {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	ok(t, err)
	return func() ([]age.Identity, error) { return []age.Identity{i}, nil }, i.Recipient().String()
}

// both has the keys of two people at hand.
func both(a, b Unlock) Unlock {
	return func() ([]age.Identity, error) {
		x, err1 := a()
		y, err2 := b()
		return append(x, y...), errors.Join(err1, err2)
	}
}

// encrypted gives a workspace with titles that was encrypted for somebody and an escrow.
func encrypted(t *testing.T) (w *Workspace, own, escrow Unlock) {
	t.Helper()
	w = openPrivate(t)
	ok(t, w.CreateRegistry(t.Context(), schema))
	load(t, w, rows)
	_, err := w.Commit(t.Context(), "titles", nil)
	ok(t, err)
	own, ownRecipient := person(t)
	escrow, escrowRecipient := person(t)
	ok(t, w.Encrypt(t.Context(), []string{ownRecipient, escrowRecipient}, own, ignore))
	return w, own, escrow
}

func ignore(string) {}

// allFiles gives the content of all files below a directory.
func allFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	ok(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	}))
	return all
}

func openedWith(t *testing.T, dir string, unlock Unlock) *Workspace {
	t.Helper()
	w, err := OpenWith(dir, Options{Unlock: unlock})
	ok(t, err)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// works makes sure that a workspace opens records and commits.
func works(t *testing.T, w *Workspace) {
	t.Helper()
	s, err := w.Registry("titles")
	ok(t, err)
	latest, _ := s.Latest()
	record, err := s.Get(latest.Number, "P1")
	ok(t, err)
	_, err = s.Open(latest.Number, record)
	ok(t, err)
	load(t, w, rows)
	_, err = w.Commit(t.Context(), "titles", nil)
	ok(t, err)
}

func TestEncrypt(t *testing.T) {
	w, own, escrow := encrypted(t)
	works(t, w)
	a, err := w.Agency().Answer(t.Context(), request(t, "registry: titles\nkey: P1\nwhere: [value >= 100]\n"))
	ok(t, err)
	if len(a.Bundle.Facts) != 1 {
		t.Error("no answer")
	}
	status, err := w.AtRestStatus()
	ok(t, err)
	if status.Changing || len(status.Recipients) != 2 || status.Registries["titles"] != status.Key || w.AtRest().ID().String() != status.Key {
		t.Errorf("status %+v", status)
	}
	_, err = w.RotateIssuer(t.Context())
	ok(t, err)
	_, err = w.RotateLog(t.Context())
	ok(t, err)
	ok(t, w.CreateRegistry(t.Context(), liens))
	ok(t, w.Close())

	if _, err := Open(w.Dir()); !errors.Is(err, ErrKeyNeeded) {
		t.Errorf("without a key: %v", err)
	}
	nobody := func() ([]age.Identity, error) { return nil, nil }
	if _, err := OpenWith(w.Dir(), Options{Unlock: nobody}); !errors.Is(err, ErrKeyNeeded) {
		t.Errorf("with nothing at hand: %v", err)
	}
	stranger, _ := person(t)
	if _, err := OpenWith(w.Dir(), Options{Unlock: stranger}); !errors.Is(err, atrest.ErrWrongIdentity) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := Maintain(w.Dir(), Options{}); !errors.Is(err, ErrKeyNeeded) {
		t.Errorf("maintenance without a key: %v", err)
	}
	for _, unlock := range []Unlock{own, escrow, both(stranger, own)} {
		w = openedWith(t, w.Dir(), unlock)
		works(t, w)
		ok(t, w.Close())
	}
}

// Nothing that is private stands in any file of an encrypted workspace.
func TestEncryptedFilesShowNothing(t *testing.T) {
	w, own, _ := encrypted(t)
	logKey, err := w.logPrivate()
	ok(t, err)
	secrets := map[string][]byte{
		"issuer's key": w.issuer.Seed(), "log's key": logKey.Seed(), "a mark of the log's key file": []byte("PRIVATE+KEY"),
		"a mark of the issuer's": []byte(issuerPrefix), "an owner": []byte("anna"), "a garage": []byte("attached"),
	}
	ok(t, w.Close())
	files := 0
	for path, data := range allFiles(t, w.Dir()) {
		if strings.Contains(path, "/"+circuitsDir+"/") || strings.Contains(path, ledgerFile) {
			continue // public
		}
		files++
		for what, secret := range secrets {
			encoded := base64.StdEncoding.EncodeToString(secret)
			if bytes.Contains(data, secret) || len(secret) == 32 && bytes.Contains(data, []byte(encoded[:40])) {
				t.Errorf("%s stands in %s", what, path)
			}
		}
	}
	if files < 5 {
		t.Errorf("only %d files", files)
	}
	w = openedWith(t, w.Dir(), own)
	works(t, w)
}

// A file of an encrypted workspace that is exchanged for one in the clear, or whose seal
// does not fit, is refused; so is one without its data keys.
func TestEncryptedFilesAreHeld(t *testing.T) {
	w, own, _ := encrypted(t)
	ok(t, w.Close())
	plain := openPrivate(t)
	ok(t, plain.CreateRegistry(t.Context(), schema))
	ok(t, plain.Close())
	for what, c := range map[string]struct {
		change func(dir string) error
		want   error
	}{
		"an issuer's key in the clear": {func(dir string) error {
			return copyFile(filepath.Join(plain.Dir(), issuerKeyFile), filepath.Join(dir, issuerKeyFile))
		}, ErrBadKey},
		"the log's key for the issuer's": {func(dir string) error {
			return copyFile(filepath.Join(dir, logKeyFile), filepath.Join(dir, issuerKeyFile))
		}, ErrBadKey},
		"a registry in the clear": {func(dir string) error {
			return copyFile(filepath.Join(plain.Dir(), registriesDir, "titles.db"), filepath.Join(dir, registriesDir, "titles.db"))
		}, registry.ErrSealed},
		"no data keys":    {func(dir string) error { return os.Remove(filepath.Join(dir, dataKeyFile)) }, ErrBadKey},
		"other data keys": {func(dir string) error { return exchangeRing(dir, own) }, ErrBadKey},
		"damaged data keys": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, dataKeyFile), []byte("age-encryption.org/v1\n"), 0o600)
		}, atrest.ErrBadRing},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "w")
			ok(t, os.CopyFS(dir, os.DirFS(w.Dir())))
			ok(t, c.change(dir))
			w, err := OpenWith(dir, Options{Unlock: own})
			if err == nil {
				_, err = w.Registry("titles")
				ok(t, w.Close())
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// exchangeRing puts other data keys of the same recipient in place, as whoever can write to
// the disk could.
func exchangeRing(dir string, own Unlock) error {
	identities, err := own()
	if err != nil {
		return err
	}
	ring := atrest.NewRing([]string{identities[0].(*age.X25519Identity).Recipient().String()})
	return writeRing(dir, ring, own)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

func TestRewrap(t *testing.T) {
	w, own, escrow := encrypted(t)
	before := w.AtRest().ID()
	next, nextRecipient := person(t)
	if err := w.Rewrap([]string{nextRecipient}); !errors.Is(err, atrest.ErrWrongIdentity) {
		t.Errorf("for somebody whose key is not at hand: %v", err)
	}
	if err := w.Rewrap(nil); !errors.Is(err, atrest.ErrBadRecipient) {
		t.Errorf("for nobody: %v", err)
	}
	ok(t, w.Close())
	w = openedWith(t, w.Dir(), both(own, next))
	ok(t, w.Rewrap([]string{nextRecipient}))
	ok(t, w.Close())
	for _, former := range []Unlock{own, escrow} {
		if _, err := OpenWith(w.Dir(), Options{Unlock: former}); !errors.Is(err, atrest.ErrWrongIdentity) {
			t.Errorf("a former key: %v", err)
		}
	}
	w = openedWith(t, w.Dir(), next)
	if w.AtRest().ID() != before {
		t.Error("another data key")
	}
	works(t, w)
}

// sealInService is a part of the service that keeps one private value.
func sealInService(value string) Reseal {
	return func(db *bbolt.DB, key *atrest.Key) error {
		return db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("part"))
			if err != nil {
				return err
			}
			place, stored := []byte("service.db/part/1"), b.Get([]byte("1"))
			if stored == nil {
				stored = key.Seal(place, []byte(value))
			}
			sealed, _, err := key.Reseal(place, stored)
			if err != nil {
				return err
			}
			return b.Put([]byte("1"), sealed)
		})
	}
}

func readService(t *testing.T, w *Workspace) (value string) {
	t.Helper()
	db, err := w.ServiceDB()
	ok(t, err)
	ok(t, db.View(func(tx *bbolt.Tx) error {
		plain, err := w.AtRest().Open([]byte("service.db/part/1"), tx.Bucket([]byte("part")).Get([]byte("1")))
		value = string(plain)
		return err
	}))
	return value
}

func TestRotateDataKey(t *testing.T) {
	w, own, escrow := encrypted(t)
	ok(t, w.CreateRegistry(t.Context(), liens))
	_, err := w.ServiceDB()
	ok(t, err)
	ok(t, sealInService("a canary of the service")(w.service, w.AtRest()))
	first := w.AtRest()
	for range 2 {
		ok(t, w.RotateDataKey(t.Context(), ignore, sealInService("")))
		works(t, w)
		if readService(t, w) != "a canary of the service" {
			t.Error("the service's value is another one")
		}
	}
	ok(t, w.Close())
	for path, data := range allFiles(t, w.Dir()) {
		id := first.ID()
		if filepath.Base(path) != dataKeyFile && bytes.Contains(data, append([]byte{1}, id[:]...)) {
			t.Errorf("%s has values under the first data key", path)
		}
	}
	for _, unlock := range []Unlock{own, escrow} { // the recipients stay
		w = openedWith(t, w.Dir(), unlock)
		if w.AtRest().ID() == first.ID() || w.AtRest().Changing() {
			t.Errorf("the data key is %s", w.AtRest().ID())
		}
		ok(t, w.Close())
	}
}

// What a part of the service has under an earlier data key keeps that from being dropped.
func TestRotationNeedsEveryPart(t *testing.T) {
	w, own, _ := encrypted(t)
	_, err := w.ServiceDB()
	ok(t, err)
	ok(t, sealInService("value")(w.service, w.AtRest()))
	if err := w.RotateDataKey(t.Context(), ignore); !errors.Is(err, ErrUnfinished) {
		t.Fatalf("a part was forgotten: %v", err)
	}
	ok(t, w.Close())
	w = openedWith(t, w.Dir(), own)
	if readService(t, w) != "value" || !w.AtRest().Changing() {
		t.Error("the value does not open any more")
	}
	if status, err := w.AtRestStatus(); err != nil || !status.Changing {
		t.Errorf("status %+v, %v", status, err)
	}
	ok(t, w.RotateDataKey(t.Context(), ignore, sealInService("")))
	if w.AtRest().Changing() {
		t.Error("not finished")
	}
	works(t, w)
}

// Wherever the process ends while everything is encrypted, or encrypted anew, what is there
// opens, and the same command goes on.
func TestInterruptedEncryption(t *testing.T) {
	own, recipient := person(t)
	w := openPrivate(t)
	for _, s := range []string{"titles", "liens", "licences"} {
		one := *liens
		one.Registry = s
		ok(t, w.CreateRegistry(t.Context(), &one))
		r, err := w.Registry(s)
		ok(t, err)
		_, err = r.Import(t.Context(), strings.NewReader("parcel,total\nP1,80\n"), registry.CSV, nil)
		ok(t, err)
		_, err = w.Commit(t.Context(), s, nil)
		ok(t, err)
	}
	steps := 0
	for _, run := range []func(w *Workspace, report func(string)) error{
		func(w *Workspace, report func(string)) error {
			return w.Encrypt(t.Context(), []string{recipient}, own, report)
		},
		func(w *Workspace, report func(string)) error { return w.RotateDataKey(t.Context(), report) },
	} {
		var copies []string
		snapshot := func(string) { // what a power cut would leave
			dir := filepath.Join(t.TempDir(), fmt.Sprint("w", len(copies)))
			ok(t, os.CopyFS(dir, os.DirFS(w.Dir())))
			copies = append(copies, dir)
		}
		ok(t, run(w, snapshot))
		for _, dir := range copies {
			steps++
			left := openedWith(t, dir, own)
			if !left.AtRest().Changing() {
				t.Error("it says that it is finished")
			}
			readAll(t, left)
			ok(t, run(left, ignore))
			ok(t, left.Close())
			left = openedWith(t, dir, own)
			if left.AtRest().Changing() {
				t.Error("it is not finished")
			}
			readAll(t, left)
			if err := left.Encrypt(t.Context(), []string{recipient}, own, ignore); !errors.Is(err, ErrAlreadyEncrypted) {
				t.Errorf("encrypted again: %v", err)
			}
			ok(t, left.Close())
		}
	}
	if steps < 8 {
		t.Errorf("only %d steps", steps)
	}
}

func readAll(t *testing.T, w *Workspace) {
	t.Helper()
	names, err := w.Registries()
	ok(t, err)
	for _, name := range names {
		s, err := w.Registry(name)
		ok(t, err)
		if r, err := s.Get(1, "P1"); err != nil || r.Values[0].Int != 80 {
			t.Errorf("registry %s: %v", name, err)
		}
	}
}

// Who would not be able to open the workspace afterwards is stopped before.
func TestNobodyLocksThemselvesOut(t *testing.T) {
	w := openPrivate(t)
	own, _ := person(t)
	_, other := person(t)
	if err := w.Encrypt(t.Context(), []string{other}, own, ignore); !errors.Is(err, atrest.ErrWrongIdentity) {
		t.Errorf("encrypted for others: %v", err)
	}
	if err := w.Encrypt(t.Context(), []string{other}, nil, ignore); !errors.Is(err, ErrKeyNeeded) {
		t.Errorf("encrypted without a key: %v", err)
	}
	if err := w.Encrypt(t.Context(), nil, own, ignore); !errors.Is(err, atrest.ErrBadRecipient) {
		t.Errorf("encrypted for nobody: %v", err)
	}
	for what, err := range map[string]error{"rotate": w.RotateDataKey(t.Context(), ignore), "rewrap": w.Rewrap([]string{other})} {
		if !errors.Is(err, ErrNotEncrypted) {
			t.Errorf("%s: %v", what, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := Init(context.Background(), dir, InitOptions{Recipients: []string{other}, Unlock: own}); !errors.Is(err, atrest.ErrWrongIdentity) {
		t.Errorf("made for others: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a workspace was made")
	}
	ok(t, w.Close())
	reopen(t, w.Dir()) // still in the clear
}
