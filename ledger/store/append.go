package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// Append adds entries to the log, all or none, and gives their indexes. When it
// returns without an error they are on disk. It fails with the error of the first
// rule that an entry breaks; with a [*DuplicateError] where the log has the entry's
// statement or identity already; with [ErrGuard] where the log must not grow; with
// [ErrFailed] where the disk refuses. Later entries may build on earlier ones of
// the same call.
//
// Calls of several goroutines share transactions, and with them the wait for the
// disk. Each is decided on its own, and one that is refused is none of the others'
// concern. A call whose context ends before its turn comes is not appended; one
// that is written is reported as written.
func (s *Store) Append(ctx context.Context, entries ...ledger.Entry) ([]uint64, error) {
	encoded := make([][]byte, len(entries))
	for i, entry := range entries {
		data, err := ledger.MarshalEntry(entry)
		if err != nil {
			return nil, err
		}
		encoded[i] = data
	}
	return s.AppendEncoded(ctx, encoded...)
}

// AppendEncoded is [Store.Append] for entries in their canonical bytes, such as
// another copy of the log holds.
func (s *Store) AppendEncoded(ctx context.Context, entries ...[]byte) ([]uint64, error) {
	if len(entries) == 0 {
		return nil, ctx.Err()
	}
	c := &call{ctx: ctx, entries: entries, done: make(chan struct{})}
	if err := s.group.prepare(c, s.prepare); err != nil {
		return nil, err
	}
	if err := s.group.submit(c, s.commit); err != nil {
		return nil, err
	}
	if c.err != nil {
		return nil, closed(c.err)
	}
	indexes := make([]uint64, len(entries))
	for i := range indexes {
		indexes[i] = c.first + uint64(i)
	}
	return indexes, nil
}

// prepare does ahead of the transaction what a call costs the processor and the
// state does not matter for: it reads the entries and checks their proofs. What is
// wrong with an entry is said when its turn comes, after what is wrong with those
// before it.
func (s *Store) prepare(c *call) error {
	select {
	case s.preparing <- struct{}{}:
		defer func() { <-s.preparing }()
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	c.prepared = make([]*ledger.Prepared, len(c.entries))
	for i, data := range c.entries {
		if c.prepared[i], c.malformed = ledger.Prepare(data); c.malformed != nil {
			c.prepared = c.prepared[:i]
			break
		}
	}
	var checks []func()
	err := s.view(func(tx *bolt.Tx) error {
		for _, p := range c.prepared {
			if check := s.rules.Ahead(s.state(tx), p); check != nil {
				checks = append(checks, check)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(checks) == 1 {
		checks[0]()
		return nil
	}
	return inParallel(c.ctx, len(checks), func(i int) { checks[i]() })
}

// writable tells why the log must not grow. The caller holds mu.
func (s *Store) writable() error {
	if s.readOnly {
		return fmt.Errorf("%w: %s", ErrReadOnly, s.path)
	}
	if s.failed != nil {
		return s.failed
	}
	if s.guard == nil {
		s.askFirst()
	}
	return s.guard
}

// Grows tells why the log takes no more entries, if it does not: the disk refused one, or
// the guard does. It does not ask whom [Options.BeforeGrowth] would.
func (s *Store) Grows() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readOnly {
		return fmt.Errorf("%w: %s", ErrReadOnly, s.path)
	}
	return cmp.Or(s.failed, s.guard)
}

// commit decides a batch of calls and writes those that are accepted in one
// transaction.
func (s *Store) commit(batch []*call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		broken, err := s.tryCommit(batch)
		if broken == nil {
			return
		}
		// The transaction is spoilt by a call that could be written in part only:
		// again, without it.
		broken.err = err
		batch = without(batch, broken)
	}
}

// tryCommit gives the call that could not be written, and why, if there is one.
// Otherwise every call has its outcome.
func (s *Store) tryCommit(batch []*call) (broken *call, err error) {
	if err := s.writable(); err != nil {
		fail(batch, err)
		return nil, nil
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		fail(batch, err)
		return nil, nil
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	first := txSize(tx)
	size := first
	var accepted []*call
	for _, c := range batch {
		c.first = size
		state := &overlay{txState: s.state(tx)}
		if c.err = s.decide(state, c); c.err != nil {
			continue
		}
		if err := write(tx, c, state); err != nil {
			return c, err
		}
		size += uint64(len(c.entries))
		accepted = append(accepted, c)
	}
	if size == first {
		return nil, nil
	}
	if err := tx.Commit(); err != nil {
		fail(accepted, s.stop(err))
		return nil, nil
	}
	s.size.Store(size)
	return nil, nil
}

// stop keeps the log from growing after the disk refused a transaction: what is in
// the file is then not known for sure, nor whether a second fsync would tell. The
// caller holds mu.
func (s *Store) stop(err error) error {
	if err = closed(err); !errors.Is(err, ErrClosed) {
		err = fmt.Errorf("%w: %w", ErrFailed, err)
		s.failed = err
	}
	return err
}

// decide asks the rules about a call's entries, on a state of its own.
func (s *Store) decide(state *overlay, c *call) error {
	if c.first+uint64(len(c.entries)) > ledger.MaxSize {
		return errors.New("the log is full")
	}
	for i, p := range c.prepared {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if err := s.rules.ApplyPrepared(state, c.first+uint64(i), p); err != nil {
			return err
		}
	}
	return c.malformed
}

// write writes an accepted call's entries, the hashes that they complete and what
// they change of the state.
func write(tx *bolt.Tx, c *call, state *overlay) error {
	entries, stored := tx.Bucket(bucketEntries), tx.Bucket(bucketHashes)
	// Keys that only ever come at the end need no room for others between them.
	entries.FillPercent, stored.FillPercent = 1, 1
	for i, data := range c.entries {
		index := c.first + uint64(i)
		if err := entries.Put(key64(index), data); err != nil {
			return err
		}
		hashes, err := tlog.StoredHashesForRecordHash(int64(index), c.prepared[i].LeafHash(), txHashes{tx})
		if err != nil {
			return err
		}
		at := tlog.StoredHashIndex(0, int64(index))
		for i, hash := range hashes {
			if err := stored.Put(key64(uint64(at)+uint64(i)), hash[:]); err != nil {
				return err
			}
		}
	}
	return state.flush()
}
