package groth16

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// Flows of random steps, many runs at once on few workers: all tasks are done, those of a step
// after all of the step before; a panic of a task or of a step ends its own run alone; and
// no worker is lost.
func TestCrew(t *testing.T) {
	const runs, workers = 200, 3
	c := newCrew(workers)
	var all sync.WaitGroup
	for seed := range uint64(runs) {
		all.Go(func() {
			own, err := c.join(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.leave(own)
			r := rand.New(rand.NewPCG(seed, 0))
			wanted, done := int32(0), &atomic.Int32{}
			flows := make([]flow, 1+r.IntN(3))
			for i := range flows {
				flows[i], wanted = randomFlow(t, r, done, wanted)
			}
			fails := seed%4 == 0
			if fails {
				bad := func(*scratch) { panic("in vain") }
				step := func() []task { return []task{func(*scratch) {}, bad, bad} }
				if seed%8 == 0 {
					step = func() []task { panic("in vain") }
				}
				flows = append(flows, stages(nil, step))
			}
			defer func() {
				if v := recover(); (v != nil) != fails {
					t.Errorf("run %d: the panic %v", seed, v)
				} else if n := done.Load(); !fails && n != wanted {
					t.Errorf("run %d: %d of %d tasks are done", seed, n, wanted)
				}
			}()
			c.run(own, flows...)
		})
	}
	all.Wait()
	if len(c.free) != workers || c.waiting.Load() != 0 {
		t.Errorf("%d workers are free, %d runs wait", len(c.free), c.waiting.Load())
	}
}

// randomFlow gives a flow of up to five steps, which count what they do, and how many tasks
// are wanted with those.
func randomFlow(t *testing.T, r *rand.Rand, done *atomic.Int32, wanted int32) (flow, int32) {
	var steps []func() []task
	before := &atomic.Int32{} // tasks of this flow that are done
	expected := int32(0)
	for range r.IntN(6) {
		n, from := 1+r.IntN(8), expected
		steps = append(steps, func() []task {
			tasks := make([]task, n)
			for i := range tasks {
				tasks[i] = func(s *scratch) {
					s.refs = append(s.refs[:0], 1) // a worker is at one task at a time: the race detector's
					if before.Load() < from {
						t.Error("a task is done before the step before it")
					}
					before.Add(1)
					done.Add(1)
				}
			}
			return tasks
		})
		expected += int32(n)
	}
	return stages(nil, steps...), wanted + expected
}
