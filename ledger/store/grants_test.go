package store

import (
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// TestGrantsInAnOlderDatabase: a database that was made before there were grants has no
// tables for them, and takes them all the same.
func TestGrantsInAnOlderDatabase(t *testing.T) {
	s := newStore(t)
	fill(t, s, 11)
	tamper(t, s, func(tx *bolt.Tx) error {
		for _, table := range ledger.LaterTables() {
			if err := tx.DeleteBucket([]byte(table)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(s.Path(), options())
	if err != nil {
		t.Fatal(err)
	}
	closeAndExamine(t, s)
	if all, err := s.Grants(0, 10); err != nil || len(all) != 0 {
		t.Errorf("grants: %v, %v", all, err)
	}
	for _, e := range ledgertest.Grants(t) {
		if _, err := s.Append(t.Context(), e.Entry); err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
	}
	all, err := s.Grants(0, 10)
	if err != nil || len(all) != 1 || all[0].Index != 11 || all[0].Revoked == nil || *all[0].Revoked != 12 {
		t.Errorf("grants: %+v, %v", all, err)
	}
	if later, err := s.Grants(12, 10); err != nil || len(later) != 0 {
		t.Errorf("grants from 12 on: %+v, %v", later, err)
	}
	if e, status, err := s.Grant(11); err != nil || e.Grant != ledgertest.Digest("grant") || status.Index != 11 {
		t.Errorf("the grant: %+v, %+v, %v", e, status, err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	// Where the entries give rows, a missing table is damage.
	tamper(t, s, func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(ledger.TableGrants)) })
	if err := s.Check(t.Context()); err == nil {
		t.Error("a lost table of grants is not found")
	}
	tamper(t, s, func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte(ledger.TableGrants))
		if err != nil {
			return err
		}
		return bucket.Put([]byte("\x00"), []byte("\x00"))
	})
	if err := s.Check(t.Context()); err == nil {
		t.Error("a changed table of grants is not found")
	}
	restoreGrants(t, s)
}

// restoreGrants puts the rows back, since every store of the tests is examined at its end.
func restoreGrants(t *testing.T, s *Store) {
	t.Helper()
	tamper(t, s, func(tx *bolt.Tx) error {
		memory := ledger.NewMemoryState()
		rules := s.Rules()
		cursor := tx.Bucket(bucketEntries).Cursor()
		for key, data := cursor.First(); key != nil; key, data = cursor.Next() {
			index, _ := number(key)
			if err := rules.Apply(memory, index, data); err != nil {
				return err
			}
		}
		if err := tx.DeleteBucket([]byte(ledger.TableGrants)); err != nil {
			return err
		}
		bucket, err := tx.CreateBucket([]byte(ledger.TableGrants))
		if err != nil {
			return err
		}
		for key, value := range memory.Rows(ledger.TableGrants) {
			if err := bucket.Put(key, value); err != nil {
				return err
			}
		}
		return nil
	})
}
