package queue

import (
	"context"
	"sync"
	"time"
)

// timer waits for the next instant at which something is due.
type timer struct {
	poke chan struct{}

	mu   sync.Mutex
	next time.Time // zero: none
}

func newTimer() *timer { return &timer{poke: make(chan struct{}, 1)} }

// by has the timer look at an instant, at the latest. The zero instant is none.
func (t *timer) by(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.IsZero() || !t.next.IsZero() && !at.Before(t.next) {
		return
	}
	t.next = at
	select {
	case t.poke <- struct{}{}:
	default:
	}
}

// due gives how long it is to the next instant.
func (t *timer) due() (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.next), !t.next.IsZero()
}

// passed forgets the next instant, before what is due is looked for.
func (t *timer) passed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = time.Time{}
}

// wait returns when the next instant has come, or the context ended.
func (t *timer) wait(ctx context.Context) error {
	for {
		until, any := t.due()
		if any && until <= 0 {
			return ctx.Err()
		}
		if !any {
			until = time.Hour // it is poked before
		}
		alarm := time.NewTimer(until)
		select {
		case <-ctx.Done():
			alarm.Stop()
			return ctx.Err()
		case <-alarm.C:
		case <-t.poke:
			alarm.Stop()
		}
	}
}
