package queue

import (
	"fmt"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/panics"
)

// maxBatch bounds the changes of one transaction.
const maxBatch = 256

// change is one change of the queue on its way to the disk.
type change struct {
	do   func(*bolt.Tx) error
	err  error
	done chan struct{}
}

// writer gathers the changes that come while a transaction is being written, and
// writes them in the next one: they share the wait for the disk. There is no goroutine
// of its own: of the callers that wait, one leads and writes the batch for all, and
// one alone waits for nobody.
type writer struct {
	db   *bolt.DB
	lead chan struct{} // holds the leader's token
	// failed says that the last transaction could not be written.
	failed atomic.Bool

	mu      sync.Mutex
	waiting []*change
}

func newWriter(db *bolt.DB) *writer { return &writer{db: db, lead: make(chan struct{}, 1)} }

// write does a change in a transaction, and returns when it is on the disk or has
// failed and changed nothing. What do does but to the transaction it must be able to do
// again: a transaction that another change spoils is repeated without that one.
func (w *writer) write(do func(*bolt.Tx) error) error {
	c := &change{do: do, done: make(chan struct{})}
	w.mu.Lock()
	w.waiting = append(w.waiting, c)
	w.mu.Unlock()
	for {
		select {
		case <-c.done:
			return c.err
		case w.lead <- struct{}{}:
			w.commit(w.take())
			<-w.lead
		}
	}
}

// take removes the next batch from those that wait.
func (w *writer) take() []*change {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.waiting), maxBatch)
	batch := w.waiting[:n:n]
	w.waiting = w.waiting[n:]
	return batch
}

func (w *writer) commit(batch []*change) {
	for len(batch) > 0 {
		var spoilt *change
		i := 0
		err := w.db.Update(func(tx *bolt.Tx) error {
			for i = range batch {
				if err := attempt(tx, batch[i].do); err != nil {
					spoilt = batch[i]
					return err
				}
			}
			return nil
		})
		if spoilt == nil {
			w.failed.Store(err != nil)
			for _, c := range batch {
				c.err = err
				close(c.done)
			}
			return
		}
		spoilt.err = err
		close(spoilt.done)
		batch = append(batch[:i:i], batch[i+1:]...)
	}
}

// attempt does a change, whose panic is its own failure alone.
func attempt(tx *bolt.Tx, do func(*bolt.Tx) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("a panic: %s", panics.Text(v))
		}
	}()
	return do(tx)
}
