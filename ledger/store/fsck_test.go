package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// flipIn flips one bit of a value.
func flipIn(tx *bolt.Tx, bucket string, key []byte, bit int) error {
	b := tx.Bucket([]byte(bucket))
	value := append([]byte{}, b.Get(key)...)
	value[bit/8%len(value)] ^= 1 << (bit % 8)
	return b.Put(key, value)
}

// One flipped bit of any value is found, and the finding says where it is.
func TestFsckLocatesAFlippedBit(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	buckets := []string{"entries", "hashes"}
	for _, table := range ledger.Tables() {
		buckets = append(buckets, string(table))
	}
	for _, bucket := range buckets {
		t.Run(bucket, func(t *testing.T) {
			s := newStore(t)
			s.rules.LogKeys = []ledger.PublicKey{ledgertest.PublicKey("log")}
			fill(t, s, 40)
			for _, e := range append(ledgertest.Grants(t)[:1], ledgertest.Keys(t)...) { // so that no table is empty
				if _, err := s.Append(t.Context(), e.Entry); err != nil {
					t.Fatalf("%s: %v", e.Name, err)
				}
			}
			for range 8 {
				key, value := anyRow(t, s, bucket, random)
				bit := random.IntN(8 * len(value))
				tamper(t, s, func(tx *bolt.Tx) error { return flipIn(tx, bucket, key, bit) })
				report, err := s.Fsck(t.Context(), FsckOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if !locates(report, bucket, key) {
					t.Errorf("bit %d of %s %x: %+v", bit, bucket, key, report)
				}
				tamper(t, s, func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put(key, value) })
				if err := s.Check(t.Context()); err != nil {
					t.Fatalf("mended: %v", err)
				}
			}
		})
	}
}

func anyRow(t *testing.T, s *Store, bucket string, random *rand.Rand) (key, value []byte) {
	t.Helper()
	var keys [][]byte
	err := s.db.View(func(tx *bolt.Tx) error {
		err := tx.Bucket([]byte(bucket)).ForEach(func(k, _ []byte) error {
			keys = append(keys, append([]byte{}, k...))
			return nil
		})
		if len(keys) == 0 {
			return fmt.Errorf("no row in %s", bucket)
		}
		key = keys[random.IntN(len(keys))]
		value = append([]byte{}, tx.Bucket([]byte(bucket)).Get(key)...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return key, value
}

// locates tells whether a report names the row that was damaged.
func locates(r *Report, bucket string, key []byte) bool {
	at, _ := number(key)
	named := slices.ContainsFunc(r.Findings, func(f Finding) bool {
		switch bucket {
		case "entries":
			return f.Part == PartEntry && *f.Entry == at
		case "hashes":
			return f.Part == PartHash && *f.Hash == at
		}
		return f.Part == PartRow && f.Table == bucket && f.Key == fmt.Sprintf("%x", key)
	})
	switch bucket {
	case "entries":
		return named && r.Sound == at && !r.StateCompared
	case "hashes": // that one, and the guard's or checkpoint's root where it is part of it
		return named && len(r.Findings) == 1 && r.Sound == completedBy(at) && r.StateCompared
	}
	return named && len(r.Findings) == 1 && r.Sound == r.Entries && r.StateCompared
}

// Several faults are all listed, each once.
func TestFsckListsSeveral(t *testing.T) {
	s := newStore(t)
	fill(t, s, 300)
	leaf := func(n int64) []byte { return key64(uint64(tlog.StoredHashIndex(0, n))) }
	tamper(t, s, func(tx *bolt.Tx) error {
		for _, damage := range []error{
			flipIn(tx, "entries", key64(120), 999),
			flipIn(tx, "hashes", leaf(50), 3),
			flipIn(tx, "hashes", key64(uint64(tlog.StoredHashIndex(3, 20))), 3),
			tx.Bucket(bucketHashes).Delete(leaf(200)),
			tx.Bucket(bucketEntries).Delete(key64(250)),
		} {
			if damage != nil {
				return damage
			}
		}
		return nil
	})
	report, err := s.Fsck(t.Context(), FsckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range report.Findings {
		got = append(got, fmt.Sprint(f.Part, " ", *f.Entry))
	}
	for _, want := range []string{"entry 120", "hash 50", "hash 167", "hash 200", "entry 250"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %s", want, strings.Join(got, ", "))
		}
	}
	if report.Sound != 50 || report.More {
		t.Errorf("sound up to %d, more: %v", report.Sound, report.More)
	}
}

// A report ends somewhere.
func TestFsckIsBounded(t *testing.T) {
	s := newStore(t)
	fill(t, s, 300)
	tamper(t, s, func(tx *bolt.Tx) error {
		for i := range uint64(290) {
			if err := flipIn(tx, "hashes", key64(2*i), 7); err != nil {
				return err
			}
		}
		return nil
	})
	report, err := s.Fsck(t.Context(), FsckOptions{})
	if err != nil || len(report.Findings) != maxFindings || !report.More || report.Sound != 0 {
		t.Errorf("%d findings, more: %v, sound up to %d, %v", len(report.Findings), report.More, report.Sound, err)
	}
}

// The log's key tells a checkpoint that somebody else signed.
func TestFsckChecksSignatures(t *testing.T) {
	s := newStore(t)
	key, vkey := signer(t)
	fill(t, s, 11)
	publish(t, s, key)
	_, other := signer(t)
	for _, test := range []struct {
		keys []string
		want []Part
	}{{[]string{vkey}, nil}, {[]string{other, vkey}, nil}, {[]string{other}, []Part{PartCheckpoint, PartGuard}}, {nil, nil}} {
		report, err := s.Fsck(t.Context(), FsckOptions{LogKeys: test.keys})
		if err != nil {
			t.Fatal(err)
		}
		var got []Part
		for _, f := range report.Findings {
			got = append(got, f.Part)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("found in %v; want %v", got, test.want)
		}
	}
}

// A check leaves nothing beside the ledger.
func TestFsckLeavesNothing(t *testing.T) {
	path, _, _ := published11(t)
	s := reopen(t, path)
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	noDebris(t, s.path[:len(s.path)-len("/ledger.db")], "backup.db", "ledger.db", "ledger.db.guard")
}

// A log that is being written is checked as it was at one moment.
func TestFsckWhileWriting(t *testing.T) {
	s := newStore(t)
	key, vkey := signer(t)
	fill(t, s, 100)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				fillMore(t, s, 3)
				publish(t, s, key)
			}
		}
	}()
	before := uint64(0)
	for range 5 {
		report, err := s.Fsck(t.Context(), FsckOptions{LogKeys: []string{vkey}})
		if err != nil || report.Err() != nil || report.Sound != report.Entries || report.Entries < before {
			t.Errorf("%+v, %v", report, err)
		}
		before = report.Entries
	}
	close(stop)
	<-done
	if before <= 100 {
		t.Error("nothing was written meanwhile")
	}
}
