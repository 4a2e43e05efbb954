package queue

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// live is an unfinished job in memory: what is needed to choose the next one.
type live struct {
	number                 uint64
	id, organisation, kind string
	pool                   *pool
	enqueued               time.Time
	notBefore, deadline    time.Time
	ready                  bool // in its lane
	running                bool // taken by a worker
	cancel                 func(cause error)
}

// pool is jobs that wait in line together. Their organisations take turns: each
// one's jobs stand in a lane, and the lanes in a ring.
type pool struct {
	Pool
	ring          []*lane
	organisations map[string]int // unfinished jobs, those about to be stored included
	unfinished    int
	meanRun       time.Duration
	moved         time.Time // when a job was taken, or the first came into line
	mayHaveWork   *sync.Cond
}

type lane struct {
	organisation string
	ready        []*live // the oldest first
}

// index is the unfinished jobs. It follows what is on disk: a job that it has wrong is
// seen to be when it is taken up.
type index struct {
	mu       sync.Mutex
	jobs     map[uint64]*live
	pools    map[string]*pool // by kind; "" is of all others
	watchers map[uint64]chan struct{}
}

func newIndex(o Options) *index {
	x := &index{jobs: map[uint64]*live{}, pools: map[string]*pool{}, watchers: map[uint64]chan struct{}{}}
	x.pools[""] = x.newPool(o.Pool)
	for kind, p := range o.Pools {
		x.pools[kind] = x.newPool(p)
	}
	return x
}

func (x *index) newPool(p Pool) *pool {
	return &pool{Pool: p.withDefaults(), organisations: map[string]int{}, mayHaveWork: sync.NewCond(&x.mu)}
}

func (x *index) poolOf(kind string) *pool {
	if p, ok := x.pools[kind]; ok {
		return p
	}
	return x.pools[""]
}

// reserve makes room for one more job of an organisation, or refuses it.
func (x *index) reserve(kind, organisation string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.poolOf(kind)
	if err := p.refuses(organisation); err != nil {
		return err
	}
	p.count(organisation, 1)
	return nil
}

// release gives up a place.
func (x *index) release(kind, organisation string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.poolOf(kind).count(organisation, -1)
}

// refuses tells why one more job of an organisation is too many.
func (p *pool) refuses(organisation string) error {
	switch {
	case p.unfinished >= p.Jobs:
		return &LimitError{ErrFull, p.retryAfter(p.unfinished)}
	case p.organisations[organisation] >= p.JobsPerOrganisation:
		return &LimitError{ErrTooMany, p.retryAfter(p.organisations[organisation])}
	}
	return nil
}

// retryAfter estimates when a tenth of so many jobs are done.
func (p *pool) retryAfter(jobs int) time.Duration {
	estimate := p.meanRun * time.Duration(jobs) / time.Duration(10*p.Workers)
	return min(max(estimate, time.Second), time.Minute).Round(time.Second)
}

func (p *pool) count(organisation string, by int) {
	p.unfinished += by
	p.organisations[organisation] += by
	if p.organisations[organisation] == 0 {
		delete(p.organisations, organisation)
	}
}

// ran takes a run's length into the mean of the last ones.
func (p *pool) ran(d time.Duration) {
	if p.meanRun == 0 {
		p.meanRun = d
	}
	p.meanRun += (d - p.meanRun) / 8
}

// line puts a job into its lane where its time has come.
func (x *index) line(j *live, at time.Time) {
	if j.ready || j.running || j.notBefore.After(at) {
		return
	}
	p := j.pool
	i := slices.IndexFunc(p.ring, func(l *lane) bool { return l.organisation == j.organisation })
	if i < 0 {
		if i = len(p.ring); i == 0 {
			p.moved = at
		}
		p.ring = append(p.ring, &lane{organisation: j.organisation})
	}
	l := p.ring[i]
	l.ready = slices.Insert(l.ready, l.place(j), j)
	j.ready = true
	p.mayHaveWork.Signal()
}

// place gives where a job stands in the lane, or would.
func (l *lane) place(j *live) int {
	i, _ := slices.BinarySearchFunc(l.ready, j, func(a, b *live) int { return cmp.Compare(a.number, b.number) })
	return i
}

// leave takes a job out of its lane.
func (j *live) leave() {
	if !j.ready {
		return
	}
	j.ready = false
	p := j.pool
	i := slices.IndexFunc(p.ring, func(l *lane) bool { return l.organisation == j.organisation })
	l := p.ring[i]
	at := l.place(j)
	if l.ready = slices.Delete(l.ready, at, at+1); len(l.ready) == 0 {
		p.ring = slices.Delete(p.ring, i, i+1)
	}
}

// take gives the next job of the organisation whose turn it is, or nil.
func (p *pool) take() *live {
	if len(p.ring) == 0 {
		return nil
	}
	l := p.ring[0]
	j := l.ready[0]
	j.leave()
	if len(l.ready) > 0 {
		p.ring = append(p.ring[1:], l)
	}
	j.running, p.moved = true, time.Now()
	return j
}

// position gives how many jobs are taken up to this one, itself included, if none
// is added; 0 where it is in no lane.
func (j *live) position() int {
	if !j.ready {
		return 0
	}
	mine := slices.IndexFunc(j.pool.ring, func(l *lane) bool { return l.organisation == j.organisation })
	rank := j.pool.ring[mine].place(j) + 1
	position := rank
	for i, l := range j.pool.ring {
		switch {
		case i < mine:
			position += min(len(l.ready), rank)
		case i > mine:
			position += min(len(l.ready), rank-1)
		}
	}
	return position
}

// drop forgets a job that has finished.
func (x *index) drop(number uint64) {
	j := x.jobs[number]
	if j == nil {
		return
	}
	j.leave()
	j.pool.count(j.organisation, -1)
	delete(x.jobs, number)
}

// watch gives a channel that is closed when something happens to a job.
func (x *index) watch(number uint64) <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.watchers[number] == nil {
		x.watchers[number] = make(chan struct{})
	}
	return x.watchers[number]
}

// tell wakes whoever watches a job. The caller holds mu.
func (x *index) tell(number uint64) {
	if c := x.watchers[number]; c != nil {
		close(c)
		delete(x.watchers, number)
	}
}
