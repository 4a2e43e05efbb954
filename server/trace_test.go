package server

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/server/tracing"
)

func recordedSpans() (*tracetest.SpanRecorder, trace.Tracer) {
	spans := tracetest.NewSpanRecorder()
	return spans, tracing.Tracer(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
}

// said gives a span's name, attributes and state as one text.
func said(span sdktrace.ReadOnlySpan) string {
	parts := []string{span.Name()}
	for _, a := range span.Attributes() {
		parts = append(parts, string(a.Key)+"="+a.Value.String())
	}
	return strings.Join(append(parts, span.Status().Code.String()+span.Status().Description), " ")
}

// A request is traced by its route, its code and its status, whatever it holds; a trace of
// the client's is not gone on with.
func TestTraceOfRequests(t *testing.T) {
	spans, tracer := recordedSpans()
	lines := &logLines{}
	h := newTestServer(t, Config{Tracer: tracer, Logger: lines.logger()}, testLimits()).Handler()
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/healthz?token=s3cr3t", "", "GET /healthz http.request.method=GET http.route=/healthz http.response.status_code=200 Unset"},
		{"GET", "/tile/0/s3cr3t", "", "GET /tile/:path http.request.method=GET http.route=/tile/:path error.type=no_log http.response.status_code=404 Unset"},
		{"S3CR3T", "/s3cr3t", "", "other none http.request.method=other http.route=none error.type=not_found http.response.status_code=404 Unset"},
		{"POST", "/v1/verify", `{"bundle": {"s3cr3t": 1}}`, "POST /v1/verify http.request.method=POST http.route=/v1/verify error.type=malformed http.response.status_code=400 Unset"},
	} {
		before := len(spans.Ended())
		r := request(c.method, c.path, c.body)
		r.Header.Set("Traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
		r.Header.Set("Tracestate", "s3cr3t=1")
		r.Header.Set("Baggage", "s3cr3t=1")
		r.Header.Set("X-Request-Id", "s3cr3t")
		do(h, r)
		ended := spans.Ended()[before:]
		root := ended[len(ended)-1]
		if got := said(root); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		if root.Parent().IsValid() || root.SpanContext().TraceID().String() == theirs || root.SpanContext().TraceState().Len() > 0 {
			t.Error("the client's trace is gone on with")
		}
		if !strings.Contains(lines.String(), `"trace":"`+root.SpanContext().TraceID().String()) {
			t.Error("the log does not name the trace")
		}
		for _, span := range ended {
			if strings.Contains(strings.ToLower(said(span)), "s3cr3t") {
				t.Errorf("%q", said(span))
			}
			if span.SpanContext().TraceID() != root.SpanContext().TraceID() {
				t.Errorf("%q is in another trace", span.Name())
			}
		}
	}
}

// A job is traced with its parts, and nothing of what was asked or is so is in any span.
func TestTraceOfJobs(t *testing.T) {
	spans, tracer := recordedSpans()
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll, Tracer: tracer}).start()
	d := ask(t, annasValue)
	r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", d.text, "Prefer", "wait=60")
	bundle := text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/bundle", ""))
	want[api.Verdict](x, 200, "", "POST", "/v1/verify", object("bundle", bundle))
	no := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, strings.Replace(annasValue, "200", "900", 1)).text, "Prefer", "wait=60")
	if r.State != "answered" || no.State != "refused" {
		t.Fatalf("%s and %s", r.State, no.State)
	}
	x.stop() // so that the jobs' spans have ended

	var all []string
	job := map[string]trace.TraceID{}
	for _, span := range spans.Ended() {
		text := said(span)
		all = append(all, text)
		if strings.HasPrefix(span.Name(), "job ") {
			job[text] = span.SpanContext().TraceID()
		}
		events, err := json.Marshal(tracetest.SpanStubFromReadOnlySpan(span))
		if err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{"canary", "PARCEL", "attached", "garage", "bank-a", "titles", x.tokens["agency"], x.tokens["bank-a"]} {
			if strings.Contains(string(events), private) {
				t.Errorf("a span holds %q: %s", private, text)
			}
		}
		if took := span.EndTime().Sub(span.StartTime()); took < 0 || took > time.Minute {
			t.Errorf("%s took %v", text, took)
		}
	}
	answered, ok := job["job answer attestry.job.kind=answer attestry.job.attempt=1 Unset"]
	if _, refused := job["job answer attestry.job.kind=answer attestry.job.attempt=1 error.type=not_provable Error"]; !ok || !refused {
		t.Errorf("no job that was answered and one that was refused are in %q", all)
	}
	for _, part := range []string{"prove Unset", "log attestry.proofs=1 Unset", "prove error.type=refused Error", "verify Unset", "wait for a turn Unset"} {
		if !slices.Contains(all, part) {
			t.Errorf("no %q in %q", part, all)
		}
	}
	for _, span := range spans.Ended() {
		if span.Name() == "log" && span.SpanContext().TraceID() != answered {
			t.Error("a part of the job is in another trace")
		}
	}
}
