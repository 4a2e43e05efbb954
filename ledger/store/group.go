package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/attestry/attestry/ledger"
)

// maxBatchBytes bounds the entries of one transaction, and with them how long its
// calls wait for one another. A single call may be larger.
const maxBatchBytes = 4 << 20

// maxPatience bounds how long a leader waits for further calls.
const maxPatience = 5 * time.Millisecond

// call is one Append on its way to a transaction.
type call struct {
	ctx       context.Context
	entries   [][]byte
	prepared  []*ledger.Prepared // of the entries before the first malformed one
	malformed error

	// The outcome, when done is closed.
	first uint64
	err   error
	done  chan struct{}
}

// group gathers the calls that come while a transaction is being written, to write
// them in the next one. There is no goroutine of its own: of the callers that wait,
// one leads and writes the batch for all.
type group struct {
	lead     chan struct{} // holds the leader's token
	patience time.Duration // of the leader, see gather
	arrived  chan struct{} // tells the leader that a call has come, or is not going to

	mu     sync.Mutex
	coming int // calls that are being prepared
	queue  []*call
}

func newGroup() *group {
	return &group{lead: make(chan struct{}, 1), arrived: make(chan struct{}, 1)}
}

// prepare runs what a call needs before it can be submitted.
func (g *group) prepare(c *call, prepare func(*call) error) (err error) {
	g.mu.Lock()
	g.coming++
	g.mu.Unlock()
	ready := false
	defer func() {
		g.mu.Lock()
		g.coming--
		if ready {
			g.queue = append(g.queue, c)
		}
		g.mu.Unlock()
		select {
		case g.arrived <- struct{}{}:
		default:
		}
	}()
	err = prepare(c)
	ready = err == nil
	return err
}

// submit has a prepared call committed, by this goroutine or another one, and returns
// when it is done. It fails, and the call is not committed, where its context ends
// before a leader has taken it up.
func (g *group) submit(c *call, commit func([]*call)) error {
	for {
		select {
		case <-c.done:
			return nil
		case <-c.ctx.Done():
			if g.withdraw(c) {
				return c.ctx.Err()
			}
			<-c.done
			return nil
		case g.lead <- struct{}{}:
			g.run(commit)
		}
	}
}

// run leads one batch.
func (g *group) run(commit func([]*call)) {
	g.gather()
	batch := g.take()
	start := time.Now()
	defer func() {
		for _, c := range batch {
			close(c.done)
		}
		<-g.lead
	}()
	if len(batch) == 0 {
		return
	}
	fail(batch, errAbandoned) // what they hear should commit panic
	commit(batch)
	g.patience = min(time.Since(start), maxPatience)
}

// gather waits while more calls are on their way than are in the queue, at most for as
// long as the last transaction took: half of the calls are then prepared while the
// other half is written, instead of many small transactions that all wait for the disk.
// One client alone never waits.
func (g *group) gather() {
	timeout := time.NewTimer(g.patience)
	defer timeout.Stop()
	for g.sparse() {
		select {
		case <-g.arrived:
		case <-timeout.C:
			return
		}
	}
}

func (g *group) sparse() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue) > 0 && len(g.queue) < g.coming
}

var errAbandoned = errors.New("the append was abandoned by a fault of the program")

// take removes the next batch from the queue.
func (g *group) take() []*call {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, bytes := 0, 0
	for n < len(g.queue) && (n == 0 || bytes < maxBatchBytes) {
		for _, data := range g.queue[n].entries {
			bytes += len(data)
		}
		n++
	}
	batch := slices.Clone(g.queue[:n])
	g.queue = slices.Delete(g.queue, 0, n)
	return batch
}

// withdraw removes a call that no leader has taken yet.
func (g *group) withdraw(c *call) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, c)
	if i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	}
	return i >= 0
}

func fail(batch []*call, err error) {
	for _, c := range batch {
		c.err = err
	}
}

func without(batch []*call, c *call) []*call {
	return slices.DeleteFunc(slices.Clone(batch), func(other *call) bool { return other == c })
}
