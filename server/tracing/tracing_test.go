package tracing

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes what is exported.
type collector struct {
	mu       sync.Mutex
	requests []*coltracepb.ExportTraceServiceRequest
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(body)
	}
	data, _ := io.ReadAll(body)
	sent := &coltracepb.ExportTraceServiceRequest{}
	if r.URL.Path != "/v1/traces" || r.Method != http.MethodPost || proto.Unmarshal(data, sent) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, sent)
}

func (c *collector) names() (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.requests {
		for _, of := range r.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				for _, span := range scope.Spans {
					names = append(names, span.Name)
				}
			}
		}
	}
	return names
}

// Spans come to the collector with the service's name, all of them when the provider is
// shut down.
func TestSends(t *testing.T) {
	c := &collector{}
	s := httptest.NewServer(c)
	defer s.Close()
	p, err := Open(t.Context(), Config{Endpoint: s.URL + "/v1/traces", Sample: 1, Version: "v9.9.9"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := Begin(t.Context(), Tracer(p), "outer", Proofs.Int(3))
	_, endInner := Begin(ctx, Tracer(p), "inner")
	endInner("busy")
	end("")
	if err := p.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.names(), " "); got != "inner outer" {
		t.Errorf("the collector has %q", got)
	}
	for _, want := range []string{"v9.9.9", "attestry"} {
		if resource := c.requests[0].ResourceSpans[0].Resource.String(); !strings.Contains(resource, want) {
			t.Errorf("the resource has no %q: %s", want, resource)
		}
	}
	if inner := c.requests[0].ResourceSpans[0].ScopeSpans[0].Spans[0].String(); !strings.Contains(inner, "busy") {
		t.Errorf("the error's code is not in %s", inner)
	}
}

// A trace is sent whole or not at all, about as many of them as was said.
func TestSamples(t *testing.T) {
	for sample, want := range map[float64][2]int{0: {0, 0}, 1: {1000, 1000}, 0.25: {150, 350}} {
		count := &counting{}
		p, err := provider(count, Config{Sample: sample})
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			ctx, end := Begin(t.Context(), Tracer(p), "outer")
			_, endInner := Begin(ctx, Tracer(p), "inner")
			endInner("")
			end("")
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if count.spans%2 != 0 || count.spans/2 < want[0] || count.spans/2 > want[1] {
			t.Errorf("of 1000 traces with %v, %d spans are sent", sample, count.spans)
		}
	}
}

type counting struct{ spans int }

func (c *counting) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	c.spans += len(spans)
	return nil
}

func (c *counting) Shutdown(context.Context) error { return nil }

// A collector that is not there is said, and holds up nobody.
func TestNobodyListens(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	failed := make(chan error, 100)
	p, err := Open(t.Context(), Config{Endpoint: s.URL + "/v1/traces", Sample: 1, Failed: func(err error) { failed <- err }})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for range 10_000 { // more than are kept
		_, end := Begin(t.Context(), Tracer(p), "span")
		end("")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("10,000 spans took %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Shutdown(ctx); err == nil && len(failed) == 0 {
		t.Error("nobody was told")
	}
}
