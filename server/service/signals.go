package service

import "sync"

// signals wakes those who wait for a thing to change.
type signals struct {
	mu      sync.Mutex
	waiting map[string]*signal
}

type signal struct {
	raised  chan struct{}
	waiters int
}

// on gives a channel that is closed when the thing of an id changes next, and what
// ends the waiting.
func (s *signals) on(id string) (raised <-chan struct{}, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		s.waiting = map[string]*signal{}
	}
	one := s.waiting[id]
	if one == nil {
		one = &signal{raised: make(chan struct{})}
		s.waiting[id] = one
	}
	one.waiters++
	return one.raised, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if one.waiters--; one.waiters == 0 && s.waiting[id] == one {
			delete(s.waiting, id)
		}
	}
}

// raise wakes those who wait for the thing of an id.
func (s *signals) raise(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, ok := s.waiting[id]; ok {
		close(one.raised)
		delete(s.waiting, id)
	}
}
