package queue

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Defaults of [Options].
const (
	DefaultJobs                = 10_000
	DefaultJobsPerOrganisation = 2_000
	DefaultAttempts            = 5
	DefaultBackoff             = time.Second
	DefaultMaxBackoff          = 5 * time.Minute
	DefaultDrain               = 30 * time.Second
	DefaultRetain              = 7 * 24 * time.Hour
	// DefaultStall is some hundred times what the slowest answer takes.
	DefaultStall = 15 * time.Minute
)

// Limits of what is stored of one job.
const (
	MaxPayloadBytes = 1 << 20
	MaxSavedBytes   = 4 << 20
	MaxResultBytes  = 4 << 20
)

// maxCrashes is how often a job that has saved nothing may be running when the process
// ends without a drain: then it fails, since it may be what ends it. Between the last of
// them are minutes, so that a machine in trouble does not use them up.
const maxCrashes = 10

// Pool bounds jobs that run side by side and wait in line together.
type Pool struct {
	Workers             int // how many run at once; 0: see [Workers]
	Jobs                int // unfinished ones; 0: [DefaultJobs]
	JobsPerOrganisation int // unfinished ones of one organisation; 0: [DefaultJobsPerOrganisation]
	// Stall is how long jobs may stand in line with none begun before [Bolt.Ready] takes
	// the pool for stuck; 0: [DefaultStall].
	Stall time.Duration
}

// Options of [Open]. The zero value is the default.
type Options struct {
	// Pool is of all kinds that have none of their own.
	Pool Pool
	// Pools gives kinds a pool of their own, so that what waits for others, such as a
	// delivery, holds up no proof.
	Pools map[string]Pool

	// Attempts is how many runs a job gets that fail in a way another run may mend.
	Attempts int
	// Backoff is how long a job waits after its first failed run, twice as long after
	// each further one up to MaxBackoff, less a random part of up to a half.
	Backoff, MaxBackoff time.Duration
	// Deadline is how long after it was enqueued a job without a deadline of its own
	// ends at the latest; 0: never.
	Deadline time.Duration
	// Drain is how long [Queue.Run] waits for running jobs before it cancels them.
	Drain time.Duration
	// Retain is how long finished jobs and their events are kept.
	Retain time.Duration

	// OnFinish is called in the transaction in which a job finishes, so that what is
	// written there is written if and only if it does. The job has its payload, what was
	// saved and its result. Where OnFinish fails the job is not finished, and it is called
	// again: it should only fail as the transaction does. It may be nil.
	OnFinish func(*bolt.Tx, Job) error
	// Observe is told of every end of a run, and of jobs that finish without one. It
	// should return at once. It may be nil.
	Observe func(Observation)
	// Log is told what becomes of runs: ids, kinds and codes, never what is in a job or
	// in an error. Nil: nobody is.
	Log *slog.Logger
}

// Outcome is how a run ended.
type Outcome string

// The outcomes.
const (
	OutcomeDone      Outcome = "done"
	OutcomeFailed    Outcome = "failed"
	OutcomeCancelled Outcome = "cancelled"
	OutcomeRetried   Outcome = "retried"  // it failed, and the job runs again
	OutcomeRequeued  Outcome = "requeued" // a drain ended it
)

// Observation is one run, or the end of a job that did not run.
type Observation struct {
	Kind    string
	Outcome Outcome
	Code    string        // where it failed or is retried
	Waited  time.Duration // from when it could run to when it did, or ended
	Ran     time.Duration
}

// Workers gives how many jobs to run at once: one a core (GOMAXPROCS), and no more
// than fit into the memory limit of the process (GOMEMLIMIT) where each takes so many
// bytes; 0 is unknown.
func Workers(bytesEach int64) int {
	workers := runtime.GOMAXPROCS(0)
	if bytesEach > 0 {
		workers = int(min(int64(workers), debug.SetMemoryLimit(-1)/bytesEach))
	}
	return max(workers, 1)
}

func (o Options) withDefaults() Options {
	setDefault(&o.Attempts, DefaultAttempts)
	setDefault(&o.Backoff, DefaultBackoff)
	setDefault(&o.MaxBackoff, max(DefaultMaxBackoff, o.Backoff))
	setDefault(&o.Drain, DefaultDrain)
	setDefault(&o.Retain, DefaultRetain)
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	if o.OnFinish == nil {
		o.OnFinish = func(*bolt.Tx, Job) error { return nil }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (p Pool) withDefaults() Pool {
	setDefault(&p.Workers, Workers(0))
	setDefault(&p.Jobs, DefaultJobs)
	setDefault(&p.JobsPerOrganisation, DefaultJobsPerOrganisation)
	setDefault(&p.Stall, DefaultStall)
	return p
}

func setDefault[T int | time.Duration](to *T, value T) {
	if *to <= 0 {
		*to = value
	}
}
