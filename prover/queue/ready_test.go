package queue

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
)

func wantReady(t *testing.T, b *Bolt, want error) {
	t.Helper()
	if err := b.Ready(); !errors.Is(err, want) {
		t.Errorf("ready: %v, want %v", err, want)
	}
}

// A queue is ready while jobs are run and move on: whatever waits in line has to be begun
// within the pool's time, whoever is slow.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t, Options{Pool: Pool{Workers: 1, Stall: time.Minute}, Pools: map[string]Pool{"slow": {Workers: 1, Stall: time.Hour}}})
		wantReady(t, b, ErrIdle)
		ends := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{}), "s1": make(chan struct{}), "s2": make(chan struct{})}
		stop := start(t, b, func(_ context.Context, task *Task) ([]byte, error) {
			<-ends[task.Job.ID]
			return nil, nil
		})
		synctest.Wait()
		time.Sleep(time.Hour)
		wantReady(t, b, nil) // nothing to do is no reason

		enqueue(t, b, job("a"))
		synctest.Wait()
		time.Sleep(time.Hour)
		wantReady(t, b, nil) // nobody waits for the one that is slow
		enqueue(t, b, job("b"))
		synctest.Wait()
		time.Sleep(59 * time.Second)
		wantReady(t, b, nil)
		time.Sleep(time.Second)
		wantReady(t, b, ErrStuck)
		close(ends["a"])
		synctest.Wait()
		wantReady(t, b, nil)
		close(ends["b"])

		enqueue(t, b, New{ID: "s1", Organisation: "bank-a", Kind: "slow"}, New{ID: "s2", Organisation: "bank-a", Kind: "slow"})
		synctest.Wait()
		time.Sleep(30 * time.Minute)
		wantReady(t, b, nil) // another pool has another time
		time.Sleep(30 * time.Minute)
		wantReady(t, b, ErrStuck)
		close(ends["s1"])
		close(ends["s2"])
		synctest.Wait()
		stop()
		wantReady(t, b, ErrIdle)
	})
}

// A change that could not be written makes a queue not ready until the disk takes one,
// also where nobody brings another change.
func TestReadyDisk(t *testing.T) {
	b := fresh(t, Options{})
	ran := make(chan struct{})
	start(t, b, func(context.Context, *Task) ([]byte, error) { close(ran); return nil, nil })
	enqueue(t, b, job("a"))
	<-ran // so that it runs
	await(t, b, "a")
	wantReady(t, b, nil)

	limit := func(bytes int) error {
		return b.writer.write(func(*bolt.Tx) error { b.db.MaxSize = bytes; return nil })
	}
	if err := limit(1); err != nil {
		t.Fatal(err)
	}
	large := job("large")
	large.Payload = []byte(strings.Repeat("x", MaxPayloadBytes))
	if _, err := b.Enqueue(t.Context(), large); err == nil {
		t.Fatal("there was room")
	}
	if !b.writer.failed.Load() {
		t.Error("the failure is forgotten")
	}
	wantReady(t, b, nil) // it has asked the disk again, which takes what is small
	if b.writer.failed.Load() {
		t.Error("the failure is kept")
	}
	if err := b.db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := limit(0); err == nil {
		t.Fatal("it was written")
	}
	if err := b.Ready(); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("ready without a disk: %v", err)
	}
}
