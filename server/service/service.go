package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	"go.opentelemetry.io/otel/trace"

	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/server/budget"
	"github.com/attestry/attestry/server/tracing"
	"github.com/attestry/attestry/workspace"
)

// Automatic says which requests of banks are answered without the agency's doing.
type Automatic string

// The choices.
const (
	AutomaticNone    Automatic = "none"    // none: the agency starts each answer
	AutomaticGranted Automatic = "granted" // those of which live grants cover every fact
	AutomaticAll     Automatic = "all"
)

// Times that things are kept, where the configuration does not say.
const (
	DefaultOpeningsKept = 30 * 24 * time.Hour
	DefaultRequestsKept = 30 * 24 * time.Hour
)

// Queue is the queue of jobs, in the workspace's database ([queue.Bolt]), so that a thing
// and its job come to be in one transaction.
type Queue interface {
	queue.Queue
	EnqueueTx(tx *bbolt.Tx, n queue.New) (queue.Job, error)
	Stats() map[string]queue.Stats
}

// Config says what a service works on and how.
type Config struct {
	// Workspace is the agency's. It is needed, and stays open longer than the service.
	Workspace *workspace.Workspace
	// Queue does the jobs. It is needed. [Service.Run] runs it.
	Queue Queue
	// Sealer keeps what is private from readers of the database's file; nil: it is
	// written in the clear.
	Sealer Sealer
	// Automatic is which requests are answered at once; empty: [AutomaticGranted].
	Automatic Automatic
	// Budget bounds what banks may ask; nil: nothing does.
	Budget *budget.Budget
	// OpeningsKept is how long openings wait for their asker; 0: [DefaultOpeningsKept].
	OpeningsKept time.Duration
	// RequestsKept is how long a request waits for its answer, where it does not say
	// so itself; 0: [DefaultRequestsKept].
	RequestsKept time.Duration
	// Webhooks says where askers may have themselves called.
	Webhooks WebhookConfig
	// Logger gets a line for each record of the audit log and each failure; nil: none.
	Logger *slog.Logger
	// Tracer makes spans of jobs; nil: there are none.
	Tracer trace.Tracer
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Service is the service. Its methods may be used from several goroutines.
type Service struct {
	config Config
	w      *workspace.Workspace
	db     *bbolt.DB
	queue  Queue
	log    *slog.Logger
	now    func() time.Time
	secret secret

	requests   collection[Request]
	proofs     collection[Proof]
	deliveries collection[Delivery]
	audits     collection[AuditRecord]
	documents  vault
	bundles    vault
	openings   vault
	webhooks   vault
	replays    vault
	notes      vault // why jobs failed, by their ids

	changed signals // requests by id, and proofs
	imports chan struct{}
	commits keyed
	started string // names this run of the process among the keys that are being done
	sender  sender
	kicked  chan struct{} // deliveries wait to be queued
	probing sometimes     // organisations whose budget is spent
}

// Open opens the service in the workspace's database, and makes its part of it where
// there is none. It fails with [ErrFormat].
func Open(c Config) (*Service, error) {
	if c.Workspace == nil || c.Queue == nil {
		return nil, errors.New("a service needs a workspace and a queue")
	}
	return open(c)
}

// open opens a service that has a queue or needs none.
func open(c Config) (*Service, error) {
	db, err := c.Workspace.ServiceDB()
	if err != nil {
		return nil, err
	}
	c.setDefaults()
	s := &Service{
		config: c, w: c.Workspace, db: db, queue: c.Queue, log: c.Logger, now: c.Now,
		requests:   newCollection[Request]("requests", c.Sealer),
		proofs:     newCollection[Proof]("proofs", c.Sealer),
		deliveries: newCollection[Delivery]("deliveries", c.Sealer),
		audits:     newCollection[AuditRecord]("audit", c.Sealer),
		documents:  vault{"service.documents", c.Sealer}, bundles: vault{"service.bundles", c.Sealer},
		openings: vault{"service.openings", c.Sealer}, webhooks: vault{"service.webhooks", c.Sealer},
		replays: vault{"service.idempotency", c.Sealer}, notes: vault{"service.notes", c.Sealer},
		imports: make(chan struct{}, maxImports), started: rand.Text(),
		sender: newSender(c.Webhooks), kicked: make(chan struct{}, 1),
	}
	return s, db.Update(s.open)
}

func (c *Config) setDefaults() {
	if c.Sealer == nil {
		c.Sealer = clear{}
	}
	if c.Automatic == "" {
		c.Automatic = AutomaticGranted
	}
	if c.OpeningsKept == 0 {
		c.OpeningsKept = DefaultOpeningsKept
	}
	if c.RequestsKept == 0 {
		c.RequestsKept = DefaultRequestsKept
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Tracer == nil {
		c.Tracer = tracing.Tracer(nil)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

const (
	metaBucket   = "service.meta"
	metaFormat   = "format"
	metaSecret   = "secret"
	formatNow    = "attestry/service-rules/v1"
	noncesBucket = "service.nonces" // organisation, 0, nonce -> the request's id
	countsBucket = "service.counts" // owner, 0, state -> how many requests; the owner of all is empty
)

func (s *Service) open(tx *bbolt.Tx) error {
	if meta := tx.Bucket([]byte(metaBucket)); meta != nil {
		if got := string(meta.Get([]byte(metaFormat))); got != formatNow {
			return fmt.Errorf("%w: its format is %q", ErrFormat, got)
		}
		return s.openSecret(meta)
	}
	buckets := []string{metaBucket, noncesBucket, countsBucket, dueBucket, jobsBucket, undeliveredBucket, s.documents.name, s.bundles.name, s.openings.name, s.webhooks.name, s.replays.name, s.notes.name}
	for _, c := range [][]string{buckets, s.requests.buckets(), s.proofs.buckets(), s.deliveries.buckets(), s.audits.buckets()} {
		for _, name := range c {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
	}
	_, _ = rand.Read(s.secret[:]) // never fails: it ends the program instead
	meta := tx.Bucket([]byte(metaBucket))
	sealed := s.config.Sealer.Seal(place(metaBucket, []byte(metaSecret)), s.secret[:])
	return errors.Join(meta.Put([]byte(metaFormat), []byte(formatNow)), meta.Put([]byte(metaSecret), sealed))
}

func (s *Service) openSecret(meta *bbolt.Bucket) error {
	plain, err := s.config.Sealer.Open(place(metaBucket, []byte(metaSecret)), meta.Get([]byte(metaSecret)))
	if err != nil || len(plain) != len(s.secret) {
		return errors.Join(fmt.Errorf("%w: its secret cannot be opened", ErrFormat), err)
	}
	copy(s.secret[:], plain)
	return nil
}

// sweepInterval is how often what is overdue is looked for: requests that nobody
// answered, openings that nobody fetched, answers to idempotency keys.
const sweepInterval = time.Minute

// Run does jobs, those first that an earlier process left, calls webhooks and puts away
// what is overdue, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	var others sync.WaitGroup
	defer others.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	others.Go(func() { s.sweepEvery(ctx, sweepInterval) })
	others.Go(func() { s.deliver(ctx) })
	return s.queue.Run(ctx, s.work)
}

// keyed is a lock for each name.
type keyed struct {
	mu    sync.Mutex
	locks map[string]*sync.Mutex
}

// lock takes the lock of a name, and gives what lets go of it.
func (k *keyed) lock(name string) (unlock func()) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]*sync.Mutex{}
	}
	one := k.locks[name]
	if one == nil {
		one = &sync.Mutex{}
		k.locks[name] = one
	}
	k.mu.Unlock()
	one.Lock()
	return one.Unlock
}
