package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/metrics"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/verifier"
)

// Errors of a server's life.
var (
	// ErrConfig: the configuration lacks something or contradicts itself.
	ErrConfig = errors.New("bad server configuration")
	// ErrDrain: requests were still in flight when the time to finish them was over.
	ErrDrain = errors.New("stopped before all requests had finished")
)

// LogReader is what the server shows of a log. The Store of ledger/store is one.
type LogReader interface {
	// Checkpoint gives the last published checkpoint, or store.ErrNoCheckpoint.
	Checkpoint() ([]byte, error)
	// Tile gives a tile or an entry bundle of that checkpoint's tree by its path,
	// which begins with tile/, or store.ErrNotFound.
	Tile(path string) ([]byte, error)
}

// Config says what a server serves.
type Config struct {
	// Trust is the trust file that bundles are verified against: what
	// `trust export` wrote, or one that the operator wrote. Whoever can change it
	// decides what this server calls verified. It is needed; [Server.SetTrust]
	// replaces it.
	Trust *verifier.Trust
	// Log is the log whose checkpoint and tiles are public. Without one (nil) the
	// server only verifies, and their paths answer 404 with the code no_log.
	Log LogReader
	// Access says who may use the operations that are not public. Without it (nil)
	// nobody may.
	Access *access.Authenticator
	// Service is what organisations use; with it come Access and Directory. Without it
	// (nil) the server verifies and shows its log.
	Service *service.Service
	// Directory lists the organisations, for their operator to change.
	Directory *access.Directory
	// TLS is what Serve speaks on its listener; nil: plain HTTP.
	TLS *tls.Config
	// TrustedProxies are those whose X-Forwarded-For is believed. To all other peers, and
	// without any, a client's address is that of its connection.
	TrustedProxies []netip.Prefix
	// OwnTrust says that Trust is the workspace's own: it follows the registries that
	// are made through the server.
	OwnTrust bool
	// Logger gets a line for each request and each failure of the server's own. It
	// never gets bodies, queries or paths that name no route. Without one, nothing
	// is logged.
	Logger *slog.Logger
	// Metrics counts what the server does; nil: nothing is counted. [NewPrivate] serves them.
	Metrics *metrics.Metrics
	// Tracer makes spans of requests; nil: there are none.
	Tracer trace.Tracer
	// Ready is what has to hold for the server to take requests, beside a readable Log.
	Ready []Check
	// Verifications is how many requests compute at once; 0: twice as many as there are
	// cores.
	Verifications int
	// Waste is which part of a core one address may have computed with, on average, for
	// requests to verify that are no good: malformed bodies and false proofs. Beyond it,
	// and 200 seconds' worth at once, it is told to wait. 0: as much as it sends.
	Waste float64
	// BodyBytes is how many bytes the bodies of requests in progress may have together; 0:
	// [DefaultBodyBytes].
	BodyBytes int64
	// Now is the clock that expiry and age are judged by; nil: time.Now. Requests
	// may name another instant.
	Now func() time.Time
	// DrainDelay is how long a stopping server says "not ready" before it stops
	// listening, for a load balancer to notice. 0 suits a server without one.
	DrainDelay time.Duration
	// DrainTimeout is how long requests in flight may take to finish after that;
	// 0: [DefaultDrainTimeout].
	DrainTimeout time.Duration
}

// Check is one thing that has to hold for a server to be ready.
type Check struct {
	Name string // public: /readyz names the checks that fail
	// Holds gives why it does not. It should answer at once.
	Holds func(context.Context) error
}

// Limits of a request, which no configuration lifts.
const (
	// MaxBodyBytes bounds a request's body. The parsers of a bundle and of openings
	// take a mebibyte each; a bundle of one fact has some 15 kB.
	MaxBodyBytes = 2 << 20
	// MaxBatchBytes bounds the body of a batch: as many bundles as it may hold, twice as
	// large as those of one fact are.
	MaxBatchBytes = 4 << 20
	// MaxDocumentBytes bounds the body of an operation of the service: a request or a
	// schema has at most half of it, an entry of the ledger less.
	MaxDocumentBytes = 512 << 10
	// MaxRecordsBytes bounds a stream of records: a registry of ten million with
	// 400 bytes each.
	MaxRecordsBytes = 4 << 30
	// maxHeaderBytes bounds a request's first line and header, to which net/http adds
	// 4 KiB. No client needs a tenth of it.
	maxHeaderBytes = 16 << 10
)

// Times that a client may take, in the order in which they pass.
const (
	// readHeaderTimeout ends connections that send a header drop by drop.
	readHeaderTimeout = 5 * time.Second
	// readTimeout bounds header and body: the largest body at 70 kB/s.
	readTimeout = 30 * time.Second
	// writeTimeout runs from the end of the header, so it holds the body's 30 s,
	// the verification of the largest bundle (a thousand proofs, a few seconds)
	// and an entry bundle of 8 MB at 300 kB/s.
	writeTimeout = 60 * time.Second
	// streamTimeout is how long a stream of records may pause.
	streamTimeout = 30 * time.Second
	// maxWait is how long a request may wait for something to happen, if it prefers so.
	maxWait = 60 * time.Second
	// heartbeat is how often a stream of events shows that it is alive, to proxies that
	// end what is silent for a minute.
	heartbeat = 15 * time.Second
	// idleTimeout keeps a connection for an asker's next bundle, and not for ever.
	idleTimeout = 2 * time.Minute
)

// maxStreams is how many requests an HTTP/2 connection may have in progress: more than a
// client needs, and less than would let few connections hold what many may.
const maxStreams = 64

const (
	// DefaultDrainTimeout is enough for any request that writeTimeout allows to
	// finish in the ordinary, and what service managers wait before they kill.
	DefaultDrainTimeout = 30 * time.Second
	// DefaultBodyBytes holds some thousands of bundles, or the largest batches on every
	// core and as many waiting.
	DefaultBodyBytes = 64 << 20
	// busyWait is how long a request waits for its turn to be verified before it
	// is sent away: long enough for a burst, short enough to try another server.
	busyWait = 500 * time.Millisecond
	// retryAfter is what a client is told to wait after a 503.
	retryAfter = time.Second
)

// limits are the figures above, in one place so that tests can shorten them.
type limits struct {
	body, batch, document, records       int64
	header                               int
	readHeader, read, write, idle, queue time.Duration
	// verifications at once. They are pure computation: a few more than there are
	// cores keep them busy while bodies are decoded, and memory stays bounded.
	verifications int
	// stream is how long a stream of records may pause, wait how long a request may
	// wait for something, heartbeat how often a stream of events shows that it lives.
	stream, wait, heartbeat time.Duration
	// requests that wait for something at once: each holds a connection and little else.
	waiting, waitingEach int
}

func defaultLimits() limits {
	return limits{
		body: MaxBodyBytes, batch: MaxBatchBytes, document: MaxDocumentBytes, records: MaxRecordsBytes, header: maxHeaderBytes,
		readHeader: readHeaderTimeout, read: readTimeout, write: writeTimeout, idle: idleTimeout, queue: busyWait,
		verifications: 2 * runtime.GOMAXPROCS(0),
		stream:        streamTimeout, wait: maxWait, heartbeat: heartbeat,
		waiting: 1024, waitingEach: 128, // of one organisation
	}
}

// bodyOf bounds the body of an operation.
func (l limits) bodyOf(operation string) int64 {
	switch operation {
	case "Verify":
		return l.body
	case "VerifyBatch":
		return l.batch
	}
	return l.document
}
