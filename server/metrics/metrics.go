// Package metrics counts what a server does, for Prometheus.
//
// No label holds anything that a client chose or that is personal: routes are the
// OpenAPI document's, codes the lists' of this program, kinds of jobs its own. What is
// none of these is counted as "other", so that nobody can make a server remember names.
//
//	m := metrics.New()
//	m.Request(metrics.Request{Route: "/v1/verify", Method: "POST", Status: 200, Took: took})
//	http.Handle("/metrics", m.Handler())
//
// A nil [Metrics] counts nothing.
package metrics

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const namespace = "attestry"

// Metrics is a registry of its own with the counters of one server. It is safe for
// concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	problems  *prometheus.CounterVec
	verified  *prometheus.CounterVec
	verifying prometheus.Histogram
	wasted    prometheus.Counter
	waited    *prometheus.HistogramVec
	ran       *prometheus.HistogramVec
	runs      *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	proving   *prometheus.HistogramVec

	labels labels
}

// New makes metrics of which nothing was counted yet.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), labels: newLabels()}
	m.registry.MustRegister( // fails only where a name is taken twice, which a test would see
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.requests = m.counters("http_requests_total", "Requests answered.", "route", "method", "status")
	m.durations = m.histograms("http_request_seconds", "Time from a request's header to the end of its answer.", fast, "route")
	m.inFlight = m.gauge("http_requests_in_flight", "Requests being answered.")
	m.problems = m.counters("http_problems_total", "Problem documents sent, by code.", "code")
	m.verified = m.counters("verifications_total", "Bundles verified, by verdict; error: there was none.", "verdict")
	m.verifying = m.histogram("verify_seconds", "Time to verify a bundle; of a batch, a bundle's share.", fast)
	m.wasted = m.counter("wasted_seconds_total", "Time that was computed for requests of no good: malformed ones, false proofs.")
	m.waited = m.histograms("job_wait_seconds", "Time from when a job could run to when it did, or ended without.", slow, "kind")
	m.ran = m.histograms("job_run_seconds", "Time that one run of a job took.", slow, "kind")
	m.runs = m.counters("job_runs_total", "Runs of jobs, and jobs that ended without one, by outcome.", "kind", "outcome")
	m.refusals = m.counters("refusals_total", "Requests that got no proof, by code.", "code")
	m.proving = m.histograms("prove_seconds", "Time to make one proof.", slow, "circuit")
	return m
}

// Buckets in seconds: of what a processor does at once, and of what waits in line.
var (
	fast = []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}
	slow = []float64{.01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200}
)

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

// Gauge adds a value that is asked for whenever somebody looks, such as the number of a
// log's entries. name ends with its unit.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	if m == nil {
		return
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value))
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Request is one request that was answered.
type Request struct {
	Route  string // of the router, with its parameters' names
	Method string
	Status int
	Took   time.Duration
}

// Begin counts a request as being answered, until end is called.
func (m *Metrics) Begin() (end func()) {
	if m == nil {
		return func() {}
	}
	m.inFlight.Inc()
	return m.inFlight.Dec
}

// Request counts a request. Route and method have to be of a list, see the package's
// comment: whoever calls sees to it.
func (m *Metrics) Request(r Request) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(m.labels.bounded("route", r.Route), m.labels.bounded("method", r.Method), strconv.Itoa(r.Status)).Inc()
	m.durations.WithLabelValues(m.labels.bounded("route", r.Route)).Observe(r.Took.Seconds())
}

// Problem counts a problem document.
func (m *Metrics) Problem(code string) {
	if m != nil {
		m.problems.WithLabelValues(m.labels.bounded("code", code)).Inc()
	}
}

// Verdict is how a verification ended.
type Verdict string

// The verdicts; VerdictError says that there is none.
const (
	VerdictYes   Verdict = "yes"
	VerdictNo    Verdict = "no"
	VerdictError Verdict = "error"
)

// Verified counts the verification of a bundle.
func (m *Metrics) Verified(v Verdict, took time.Duration) {
	if m == nil {
		return
	}
	m.verified.WithLabelValues(string(v)).Inc()
	m.verifying.Observe(took.Seconds())
}

// Wasted counts the time that was computed for requests of no good.
func (m *Metrics) Wasted(took time.Duration) {
	if m != nil {
		m.wasted.Add(took.Seconds())
	}
}

// Run is one run of a job, or the end of a job that did not run (Ran is 0).
type Run struct {
	Kind, Outcome string
	Waited, Ran   time.Duration
}

// Job counts a run of a job.
func (m *Metrics) Job(r Run) {
	if m == nil {
		return
	}
	kind := m.labels.bounded("kind", r.Kind)
	m.runs.WithLabelValues(kind, m.labels.bounded("outcome", r.Outcome)).Inc()
	m.waited.WithLabelValues(kind).Observe(r.Waited.Seconds())
	if r.Ran > 0 {
		m.ran.WithLabelValues(kind).Observe(r.Ran.Seconds())
	}
}

// Refusal counts a request that got no proof, by the code that its job failed with.
func (m *Metrics) Refusal(code string) {
	if m != nil {
		m.refusals.WithLabelValues(m.labels.bounded("code", code)).Inc()
	}
}

// Proved counts a proof.
func (m *Metrics) Proved(circuit string, took time.Duration) {
	if m != nil {
		m.proving.WithLabelValues(m.labels.bounded("circuit", circuit)).Observe(took.Seconds())
	}
}

// labels bounds what a label can be: the first values of each that it sees are given as
// they are, if they are short, and any further one is "other". Callers pass words of
// lists; that they do is not taken on trust.
type labels struct {
	mu   *sync.Mutex
	seen map[string]map[string]bool
}

// Bounds of a label's values: more than there are routes or codes.
const (
	maxValues = 200
	maxValue  = 80
	other     = "other"
)

func newLabels() labels { return labels{&sync.Mutex{}, map[string]map[string]bool{}} }

// bounded gives the value of a label that stands for a value.
func (l labels) bounded(label, value string) string {
	if value == "" {
		return "none"
	}
	if len(value) > maxValue {
		return other
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[label] == nil {
		l.seen[label] = map[string]bool{}
	}
	if !l.seen[label][value] {
		if len(l.seen[label]) >= maxValues {
			return other
		}
		l.seen[label][value] = true
	}
	return value
}
