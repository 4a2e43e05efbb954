package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/statement"
)

const (
	benchOrigin   = "attestry.invalid/benchmark"
	benchRegistry = "titles"
	benchScope    = "tenancy"
)

// The log of the benchmark: a schema, a circuit, an epoch and then pledges, each of a
// record of its own, so that there are as many nullifiers as pledges. The proofs are
// none, and the store is told to accept them: what is measured is the store, and a
// real check (verify.single.cpu_ms) would come on top, on all processors.
type benchLog struct {
	head  []ledger.Entry
	scope statement.Element
	proof ledger.ProofEntry // what all pledges have in common
}

func acceptProof(*ledger.ProofEntry, *ledger.CircuitEntry) error { return nil }

func newBenchLog() (*benchLog, error) {
	seed := sha256.Sum256([]byte("benchmark"))
	key := ed25519.NewKeyFromSeed(seed[:])
	schema := &ledger.SchemaEntry{Serial: seed, Schema: statement.Schema{
		Registry: benchRegistry, Key: "parcel", Holder: "holder",
		Attributes: []statement.Attribute{{Name: "value", Type: statement.Int}},
		Scopes:     []statement.Scope{{Name: benchScope, Consent: statement.ConsentHolder}},
	}}
	circuit := &ledger.CircuitEntry{
		Name: "present", Version: 1, Circuit: seed, VK: make([]byte, 392), Setup: ledger.SetupDevelopment,
	}
	if err := schema.Sign(key); err != nil {
		return nil, err
	}
	identity, err := schema.Identity()
	if err != nil {
		return nil, err
	}
	epoch := &ledger.EpochEntry{
		Registry: benchRegistry, Schema: identity, Number: 1, Time: statement.FormatTime(time.Now()), Root: element("root", 0),
	}
	if err := epoch.Sign(key); err != nil {
		return nil, err
	}
	epochIdentity, err := epoch.Identity()
	if err != nil {
		return nil, err
	}
	scope, err := statement.ScopeElement(benchScope)
	if err != nil {
		return nil, err
	}
	release := statement.ReleaseKey(seed)
	return &benchLog{
		head:  []ledger.Entry{schema, circuit, epoch},
		scope: statement.Element(scope),
		proof: ledger.ProofEntry{Root: epoch.Root, Scope: statement.Element(scope), Proof: make([]byte, ledger.ProofBytes), Public: statement.Public{
			Origin: benchOrigin, Circuit: circuit.Circuit, VK: circuit.VKHash(),
			Registry: benchRegistry, Schema: identity, Epoch: epochIdentity, ReleaseKey: &release,
		}},
	}, nil
}

// publish signs a checkpoint, with a key that nobody keeps.
func publish(s *store.Store) error {
	skey, _, err := ledger.NewLogKey(benchOrigin)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	_, err = s.PublishCheckpoint(signer)
	return err
}

// element gives the element of a name and a number.
func element(name string, n int) statement.Element {
	return statement.PRF([]byte("benchmark"), name, fmt.Sprint(n))
}

// entry gives the log's entry of an index.
func (l *benchLog) entry(index int) ledger.Entry {
	if index < len(l.head) {
		return l.head[index]
	}
	e := l.proof
	e.Nullifier, e.Q = element("nullifier", index), element("question", index)
	return &e
}

// entries gives the log's entries from one index up to another.
func (l *benchLog) entries(from, to int) []ledger.Entry {
	out := make([]ledger.Entry, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, l.entry(i))
	}
	return out
}

// ledgerEntry is an entry of the log.
type ledgerEntry = ledger.Entry

// grow appends entries in calls of 500, up to a size, from so many clients: two prepare one
// call while the other is written, and one keeps the entries in their order.
func (l *benchLog) grow(s *store.Store, to, clients int) error {
	const step = 500
	if s.Size() == 0 {
		if _, err := s.Append(ctxBackground, l.head...); err != nil {
			return err
		}
	}
	from := int(s.Size())
	return inParallel(clients, (to-from+step-1)/step, func(i int) error {
		_, err := s.Append(ctxBackground, l.entries(from+i*step, min(from+(i+1)*step, to))...)
		return err
	})
}

// rows are keys and values of a database, by the entry that wrote them. They lie in one
// piece of memory, so that the garbage collector has nothing to follow there.
type rows struct {
	memory []byte
	of     [][maxRows]row
}

// maxRows is how many rows an entry writes at most: the entry, three of the rules' state,
// and hashes, one for each level of the tree that it completes.
const maxRows = 32

// row is one key and value, by where they begin and end.
type row struct {
	bucket          uint8 // in rowBuckets, from 1
	key, value, end uint32
}

var rowBuckets = [][]byte{nil, []byte("entries"), []byte("pledges"), []byte("digests"), []byte("live"), []byte("hashes")}

// put writes an entry's rows in a transaction.
func (r *rows) put(tx *bolt.Tx, index int) error {
	for _, at := range r.of[index] {
		if at.bucket == 0 {
			return nil
		}
		if err := tx.Bucket(rowBuckets[at.bucket]).Put(r.memory[at.key:at.value], r.memory[at.value:at.end]); err != nil {
			return err
		}
	}
	return nil
}

// data gives the bytes of an entry, which are its first row's value.
func (r *rows) data(index int) []byte {
	at := r.of[index][0]
	return r.memory[at.value:at.end:at.end]
}

// rowsOf gives what a log wrote for each of its entries: the entry, the hashes that it
// completes, and its rows of the rules' state.
func rowsOf(path string, size int) (*rows, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }() // only read
	r := &rows{of: make([][maxRows]row, size)}
	number := binary.BigEndian.Uint64
	indexIn := []func(key, value []byte) uint64{
		nil,
		func(key, _ []byte) uint64 { return number(key) },
		func(key, _ []byte) uint64 { return number(key) },
		func(_, value []byte) uint64 { return number(value) },
		func(_, value []byte) uint64 { return number(value) },
		func(key, _ []byte) uint64 { return completes(number(key)) },
	}
	err = db.View(func(tx *bolt.Tx) error {
		for bucket := 1; bucket < len(rowBuckets); bucket++ {
			if err := tx.Bucket(rowBuckets[bucket]).ForEach(func(key, value []byte) error {
				r.add(uint8(bucket), indexIn[bucket](key, value), key, value)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

func (r *rows) add(bucket uint8, index uint64, key, value []byte) {
	start := len(r.memory)
	r.memory = append(append(r.memory, key...), value...)
	for i := range r.of[index] {
		if at := &r.of[index][i]; at.bucket == 0 {
			*at = row{bucket, uint32(start), uint32(start + len(key)), uint32(len(r.memory))}
			return
		}
	}
}

// completes gives the index of the entry that completes a stored hash.
func completes(stored uint64) uint64 {
	level, n := tlog.SplitStoredHashIndex(int64(stored))
	return uint64(n+1)<<level - 1
}
