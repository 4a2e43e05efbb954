package workspace

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

func TestServiceDB(t *testing.T) {
	w := openPrivate(t)
	path := filepath.Join(w.Dir(), serviceFile)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("there is a service.db before anybody asked for it: %v", err)
	}
	db, err := w.ServiceDB()
	ok(t, err)
	if again, err := w.ServiceDB(); again != db {
		t.Fatalf("asked twice, two databases: %v", err)
	}
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %o", info.Mode().Perm())
	}
	ok(t, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("a part's"))
		return err
	}))
	if err := RefuseOwn(w.Dir(), path); !errors.Is(err, ErrOwnFile) {
		t.Errorf("a result could be written over it: %v", err)
	}

	w = again(t, w)
	db, err = w.ServiceDB()
	ok(t, err)
	ok(t, db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte("a part's")) == nil {
			t.Error("what a part kept is gone")
		}
		return nil
	}))
}

func TestServiceDBOfAnotherKind(t *testing.T) {
	bolt := func(fill func(tx *bbolt.Tx) error) func(string) {
		return func(path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			ok(t, err)
			ok(t, db.Update(fill))
			ok(t, db.Close())
		}
	}
	for what, write := range map[string]func(path string){
		"no database": func(path string) { ok(t, os.WriteFile(path, make([]byte, 1<<16), 0o600)) },
		"somebody else's": bolt(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("other"))
			return err
		}),
		"a later version": bolt(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte(serviceBucket))
			return errors.Join(err, b.Put([]byte(serviceFormatKey), []byte("attestry/service/v2")))
		}),
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), serviceFile)
			write(path)
			before, err := os.ReadFile(path)
			ok(t, err)
			if _, err := openService(path); !errors.Is(err, ErrServiceFormat) {
				t.Fatalf("opened: %v", err)
			}
			after, err := os.ReadFile(path)
			ok(t, err)
			if string(before) != string(after) {
				t.Error("and changed")
			}
		})
	}
}
