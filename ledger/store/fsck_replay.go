package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
)

// replayChunk is how many entries are read and checked side by side, and written to
// the replay's database together.
const replayChunk = 1024

// replay applies a log's entries to a state in a database of its own.
type replay struct {
	rules ledger.Rules
	db    *bolt.DB
	memo  ledger.Memo
}

// prepare reads the entry. Its bytes are the database's.
func (e *indexed) prepare() {
	e.err = guarded(func() (err error) {
		e.prepared, err = ledger.Prepare(e.data)
		return err
	})
}

// newReplay makes the database beside the ledger, or where temporary files go if that
// directory cannot be written. It has no name as soon as it is
// open, so that nothing can leave it behind.
func newReplay(s *Store) (*replay, error) {
	name := "." + filepath.Base(s.path) + ".replay-*"
	f, err := os.CreateTemp(filepath.Dir(s.path), name)
	if err != nil { // such as a medium that is only read
		f, err = os.CreateTemp("", name)
	}
	if err != nil {
		return nil, fmt.Errorf("a check needs room for a temporary file: %w", err)
	}
	path := f.Name()
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		NoSync: true, NoGrowSync: true, NoFreelistSync: true,
		FreelistType: bolt.FreelistMapType, InitialMmapSize: mmapSize(),
	})
	if err := errors.Join(err, f.Close(), os.Remove(path)); err != nil {
		return nil, err
	}
	r := &replay{rules: s.rules, db: db}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, table := range ledger.Tables() {
			if _, err := tx.CreateBucket([]byte(table)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return r, nil
}

func (r *replay) close() error { return r.db.Close() }

// indexed is an entry's bytes with its index.
type indexed struct {
	index    uint64
	data     []byte
	prepared *ledger.Prepared
	err      error
}

// entries decides every entry again.
func (r *replay) entries(ctx context.Context, tx *bolt.Tx, report *Report, progress func(done, total uint64)) error {
	next := uint64(0)
	cursor := tx.Bucket(bucketEntries).Cursor()
	key, data := cursor.First()
	for key != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		var chunk []indexed
		for ; key != nil && len(chunk) < replayChunk; key, data = cursor.Next() {
			index, ok := number(key)
			if !ok {
				report.add(Finding{Part: PartEntry, Problem: fmt.Sprintf("an entry under the key %s, which is no index", shortHex(key))})
				continue
			}
			if index != next {
				at := next
				report.add(Finding{Part: PartEntry, Entry: &at, Problem: fmt.Sprintf("%s missing", entriesAre(next, index-1))})
			}
			chunk = append(chunk, indexed{index: index, data: data})
			next = index + 1
		}
		if err := r.apply(ctx, chunk, report); err != nil {
			return err
		}
		if report.More {
			return nil
		}
		if progress != nil {
			progress(next, report.Entries)
		}
	}
	return nil
}

func entriesAre(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("entry %d is", from)
	}
	return fmt.Sprintf("entries %d to %d are", from, to)
}

// apply decides a chunk: what needs no state side by side, the rest in order.
func (r *replay) apply(ctx context.Context, chunk []indexed, report *Report) error {
	err := inParallel(ctx, len(chunk), func(i int) { chunk[i].prepare() })
	if err != nil {
		return err
	}
	return r.db.Update(func(tx *bolt.Tx) error {
		state := txState{tx, &r.memo}
		var checks []func()
		for _, e := range chunk {
			if e.err != nil {
				continue
			}
			if check := r.rules.Ahead(state, e.prepared); check != nil {
				checks = append(checks, check)
			}
		}
		if err := inParallel(ctx, len(checks), func(i int) { checks[i]() }); err != nil {
			return err
		}
		for _, e := range chunk {
			if e.err == nil {
				over := &overlay{txState: state}
				if e.err = r.rules.ApplyPrepared(over, e.index, e.prepared); e.err == nil {
					e.err = over.flush()
				}
			}
			if e.err != nil {
				report.add(Finding{Part: PartEntry, Entry: &e.index, err: fmt.Errorf("%w: entry %d: %w", ErrDamaged, e.index, e.err)})
			}
		}
		return nil
	})
}

// inParallel runs a function for each number below n on all processors.
func inParallel(ctx context.Context, n int, do func(i int)) error {
	var wait sync.WaitGroup
	var next atomic.Int64
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wait.Wait()
	return ctx.Err()
}

// compare holds the stored tables to the replayed ones, row by row.
func (r *replay) compare(ctx context.Context, tx *bolt.Tx, report *Report) error {
	return r.db.View(func(replayed *bolt.Tx) error {
		for _, table := range ledger.Tables() {
			name := []byte(table)
			stored := tx.Bucket(name)
			if stored == nil { // a later table, in a database of an earlier version
				if key, _ := replayed.Bucket(name).Cursor().First(); key != nil {
					report.add(Finding{Part: PartRow, Table: string(table), Problem: fmt.Sprintf("table %s is missing, though the entries give rows of it", table)})
				}
				continue
			}
			if err := compareTable(ctx, table, stored.Cursor(), replayed.Bucket(name).Cursor(), report); err != nil {
				return err
			}
		}
		return nil
	})
}

func compareTable(ctx context.Context, table ledger.Table, stored, replayed *bolt.Cursor, report *Report) error {
	finding := func(key []byte, what string) bool {
		return report.add(Finding{
			Part: PartRow, Table: string(table), Key: fmt.Sprintf("%x", key),
			Problem: fmt.Sprintf("table %s, row %s: %s", table, shortHex(key), what),
		})
	}
	got, gotValue := stored.First()
	want, wantValue := replayed.First()
	for n := 0; got != nil || want != nil; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		room, order := true, bytes.Compare(got, want)
		switch {
		case want == nil || got != nil && order < 0:
			room = finding(got, "no entry gives it")
			got, gotValue = stored.Next()
		case got == nil || order > 0:
			room = finding(want, "it is missing, though the entries give it")
			want, wantValue = replayed.Next()
		default:
			if !bytes.Equal(gotValue, wantValue) {
				room = finding(got, "its value is not what the entries give")
			}
			got, gotValue = stored.Next()
			want, wantValue = replayed.Next()
		}
		if !room {
			return nil
		}
	}
	return nil
}
