package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger/store"
)

var ctxBackground = context.Background()

const (
	// ledgerBase is how many entries the measured logs have to begin with.
	ledgerBase  = 10_000
	manyClients = 256
)

const comparesLedger = `The entries are pledges, each of a record of its own, with simulated proofs that the store is told to accept: what is
measured is the store, and checking a real proof (verify.single.cpu_ms) comes on top, ahead of the transaction and on all cores. Bare
bbolt is given the same keys and values in the same buckets, from as many clients, with the plainest group commit. A fifth of
what an append costs the processor is the statement's digest D, one permutation of Poseidon2 of width 8, which decides whether the
statement is known and which bare bbolt does not compute; it is computed ahead of the transaction, on all cores.`

// measureLedger appends pledges from one client and from many, beside a bare bbolt
// database that is given the same keys and values in the same buckets.
func measureLedger(ctx context.Context, b *bench) error {
	for _, run := range []struct {
		name             string
		clients, entries int
	}{{"ledger.append1", 1, b.count(200, 1000)}, {"ledger.append256", manyClients, b.count(4096, 8192)}} {
		if err := b.appends(ctx, run.name, run.clients, run.entries); err != nil {
			return err
		}
	}
	return nil
}

// appends compares appends of so many entries from so many clients.
func (b *bench) appends(ctx context.Context, name string, clients, entries int) error {
	path := b.path(name)
	log, err := newBenchLog()
	if err != nil {
		return err
	}
	all, err := rowsOfLog(log, path+".rows", ledgerBase+(b.rounds()+1)*entries)
	if err != nil {
		return err
	}
	s, err := store.Create(path, benchOrigin, store.Options{Verify: acceptProof})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // measured and done with
	if err := log.grow(s, ledgerBase, 2); err != nil {
		return err
	}
	plain, err := openBare(path+".bare", all, ledgerBase)
	if err != nil {
		return err
	}
	defer func() { _ = plain.db.Close() }() // measured and done with
	next, bareNext := ledgerBase, ledgerBase
	ours := func() error {
		from := next
		next += entries
		return inParallel(clients, entries, func(i int) error {
			_, err := s.AppendEncoded(ctxBackground, all.data(from+i))
			return err
		})
	}
	bare := func() error {
		from := bareNext
		bareNext += entries
		return inParallel(clients, entries, func(i int) error { return plain.append(from + i) })
	}
	costs, err := interleave(ctx, b.rounds(), ours, bare)
	if err != nil {
		return err
	}
	perSecond := func(c []cost) float64 { return float64(entries) / medianWall(c) * 1000 }
	b.add(
		figure{name + ".per_s", perSecond(costs[0]), 0, higher, fmt.Sprintf("pledges appended and fsynced by %d clients; bare bbolt %.0f", clients, perSecond(costs[1]))},
		figure{name + ".ratio", perSecond(costs[0]) / perSecond(costs[1]), 0.8, higher, "the same against bare bbolt with the same puts, batched alike, simulated proofs"},
	)
	if clients > 1 {
		return b.stall(path, s, log)
	}
	return nil
}

// inParallel runs so many calls from so many clients, each of which makes its next call
// when the one before has returned.
func inParallel(clients, calls int, do func(i int) error) error {
	var wait sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, clients)
	for client := range clients {
		wait.Go(func() {
			for errs[client] == nil {
				i := int(next.Add(1)) - 1
				if i >= calls {
					return
				}
				errs[client] = do(i)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// rowsOfLog gives the rows that a log of so many entries writes.
func rowsOfLog(log *benchLog, path string, size int) (*rows, error) {
	s, err := store.Create(path, benchOrigin, store.Options{Verify: acceptProof})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(log.grow(s, size, 1), s.Close()); err != nil {
		return nil, err
	}
	return rowsOf(path, size)
}

// bareLog is bbolt without rules: it puts rows, with the plainest group commit.
type bareLog struct {
	db    *bolt.DB
	rows  *rows
	lead  chan struct{}
	mu    sync.Mutex
	queue []*bareCall
}

type bareCall struct {
	index int
	err   error
	done  chan struct{}
}

func openBare(path string, r *rows, base int) (*bareLog, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, InitialMmapSize: 1 << 30})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range rowBuckets[1:] {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	for from := 0; from < base && err == nil; from += 1000 {
		err = db.Update(func(tx *bolt.Tx) error {
			for i := from; i < min(from+1000, base); i++ {
				if err := r.put(tx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return &bareLog{db: db, rows: r, lead: make(chan struct{}, 1)}, err
}

func (b *bareLog) append(index int) error {
	c := &bareCall{index: index, done: make(chan struct{})}
	b.mu.Lock()
	b.queue = append(b.queue, c)
	b.mu.Unlock()
	for {
		select {
		case <-c.done:
			return c.err
		case b.lead <- struct{}{}:
			b.mu.Lock()
			batch := b.queue
			b.queue = nil
			b.mu.Unlock()
			b.commit(batch)
			<-b.lead
		}
	}
}

func (b *bareLog) commit(batch []*bareCall) {
	if len(batch) == 0 {
		return
	}
	err := b.db.Update(func(tx *bolt.Tx) error {
		for _, c := range batch {
			if err := b.rows.put(tx, c.index); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range batch {
		c.err = err
		close(c.done)
	}
}
