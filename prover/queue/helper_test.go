package queue

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// open opens the queue of a database file, and closes it when the test ends.
func open(t testing.TB, path string, o Options) *Bolt {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	b, err := Open(db, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checkQueue(t, b) })
	return b
}

func fresh(t testing.TB, o Options) *Bolt {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "service.db"), o)
}

// start runs jobs, and gives a function that ends it, which the test's end calls, too.
func start(t testing.TB, b *Bolt, h Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, h) }()
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func job(id string) New {
	return New{ID: id, Organisation: "bank-a", Kind: "proof", Payload: []byte("payload of " + id)}
}

func enqueue(t testing.TB, b *Bolt, jobs ...New) {
	t.Helper()
	for _, n := range jobs {
		if _, err := b.Enqueue(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
}

func get(t testing.TB, b *Bolt, id string) Job {
	t.Helper()
	j, err := b.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// await waits for a job's end.
func await(t testing.TB, b *Bolt, id string) Job {
	t.Helper()
	j, err := Await(t.Context(), b, id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func events(t testing.TB, b *Bolt, id string) (types []EventType) {
	t.Helper()
	all, err := b.Events(t.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range all {
		if e.Number != uint64(i)+1 {
			t.Errorf("event %d of job %s has the number %d", i+1, id, e.Number)
		}
		types = append(types, e.Type)
	}
	return types
}

// checkQueue holds the buckets to each other, and the index to the buckets, where no
// job runs any more.
func checkQueue(t testing.TB, b *Bolt) {
	t.Helper()
	b.index.mu.Lock()
	defer b.index.mu.Unlock()
	err := b.db.View(func(tx *bolt.Tx) error { return check(tx, b.index) })
	if err != nil && !errors.Is(err, berrors.ErrDatabaseNotOpen) {
		t.Errorf("the queue is not whole: %v", err)
	}
}
