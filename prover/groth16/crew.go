package groth16

import (
	"context"
	"sync"
	"sync/atomic"
)

// task is a piece of work, done with the memory of one worker.
type task func(*scratch)

// scratch is the memory of one worker.
type scratch struct {
	g1     *g1Lanes
	g2     *g2Lanes
	counts [maxHeight]int
	refs   []ref
	spans  []span
}

func newScratch() *scratch { return &scratch{g1: newG1Lanes(g1LaneCount), g2: newG2Lanes(g2LaneCount)} }

// crew is a fixed number of workers. Each proof is worked on by one, and by those that
// no other proof needs: a single proof has all of them, and of many proofs each has one.
type crew struct {
	free    chan *scratch
	waiting atomic.Int32 // proofs that wait for a worker
}

func newCrew(workers int) *crew {
	c := &crew{free: make(chan *scratch, workers)}
	for range workers {
		c.free <- newScratch()
	}
	return c
}

// join gives a worker for a proof, when one is free.
func (c *crew) join(ctx context.Context) (*scratch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.waiting.Add(1)
	defer c.waiting.Add(-1)
	select {
	case own := <-c.free:
		return own, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *crew) leave(own *scratch) { c.free <- own }

// each does the tasks, with the worker that the caller has and those that are free.
func (c *crew) each(own *scratch, tasks []task) {
	c.run(own, stages(nil, func() []task { return tasks }))
}

// flow gives work step by step: the tasks of a step are independent of each other, and
// are all done before it is called for those of the next one. It ends with a step without
// tasks.
type flow func() []task

// stages is the flow of some steps, and then of another flow, if any.
func stages(then flow, steps ...func() []task) flow {
	return func() []task {
		if len(steps) > 0 {
			step := steps[0]
			steps = steps[1:]
			return step()
		}
		if then == nil {
			return nil
		}
		return then()
	}
}

// run does the work of flows that are independent of each other, with the worker that the
// caller has and those that are free: while a flow has little to do at a time another one
// keeps the workers busy. A panic in a task is the caller's, when no worker is at a task any
// more.
func (c *crew) run(own *scratch, flows ...flow) {
	r := &running{crew: c, open: len(flows)}
	r.changed.L = &r.mu
	r.mu.Lock()
	for _, f := range flows {
		p := &progress{flow: f}
		r.flows = append(r.flows, p)
		r.advance(p)
	}
	r.mu.Unlock()
	r.work(own, true)
	r.helpers.Wait()
	if r.panicked != nil {
		panic(r.panicked)
	}
}

// running are flows in progress.
type running struct {
	crew    *crew
	helpers sync.WaitGroup

	mu       sync.Mutex
	changed  sync.Cond // there are tasks, or there is nothing more to do
	flows    []*progress
	open     int // flows that have not ended
	panicked any
}

// progress is where one flow is.
type progress struct {
	flow  flow
	tasks []task // not begun
	busy  int    // begun and not done
}

// work does tasks while there are any. The owner waits for those to come. Helpers do not,
// and go when a proof waits for a worker.
func (r *running) work(s *scratch, owner bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.open > 0 && r.panicked == nil {
		p := r.ready()
		switch {
		case p != nil:
			r.one(p, s)
		case owner:
			r.changed.Wait()
			continue
		}
		if !owner && (p == nil || r.crew.waiting.Load() > 0) {
			return
		}
	}
}

// ready gives a flow that has a task, the first of them.
func (r *running) ready() *progress {
	for _, p := range r.flows {
		if len(p.tasks) > 0 {
			return p
		}
	}
	return nil
}

// one does a task, and finds the next ones if it is the last one of its step.
func (r *running) one(p *progress, s *scratch) {
	t := p.tasks[0]
	p.tasks = p.tasks[1:]
	p.busy++
	r.unlocked(func() { t(s) })
	p.busy--
	if p.busy == 0 && len(p.tasks) == 0 {
		r.advance(p)
	}
}

// advance takes a flow to its next step, and calls the workers that are free.
func (r *running) advance(p *progress) {
	var tasks []task
	r.unlocked(func() { tasks = p.flow() })
	if p.tasks = tasks; len(tasks) == 0 {
		r.open--
	}
	r.changed.Broadcast()
	for range tasks {
		select {
		case s := <-r.crew.free:
			r.helpers.Go(func() {
				defer r.crew.leave(s)
				r.work(s, false)
			})
			continue
		default:
		}
		return
	}
}

// unlocked calls a function while others may go on.
func (r *running) unlocked(call func()) {
	r.mu.Unlock()
	defer func() {
		v := recover()
		r.mu.Lock()
		if v != nil {
			r.panicked = v
			r.changed.Broadcast()
		}
	}()
	call()
}
