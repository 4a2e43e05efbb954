package queue

import (
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Ready tells why jobs would not be done now: [ErrIdle], [ErrStuck], or the disk's error
// where the last change could not be written and another attempt fails, too.
func (b *Bolt) Ready() error {
	if !b.running.Load() {
		return ErrIdle
	}
	if b.writer.failed.Load() {
		// Nothing may come that would be written, so that the disk has to be asked.
		if err := b.writer.write(func(*bolt.Tx) error { return nil }); err != nil {
			return fmt.Errorf("the queue cannot be written: %w", err)
		}
	}
	return b.index.stuck(time.Now())
}

// Begun gives a channel that is closed when jobs are run for the first time: from then on
// a queue can be ready.
func (b *Bolt) Begun() <-chan struct{} { return b.begun }

// stuck tells of a pool whose jobs have stood in line for longer than they should while
// none of them was taken up.
func (x *index) stuck(at time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.pools {
		if waits := at.Sub(p.moved); len(p.ring) > 0 && waits >= p.Stall {
			return fmt.Errorf("%w: jobs are in line, and none was begun for %s", ErrStuck, waits.Round(time.Second))
		}
	}
	return nil
}
