// Package tracing sends traces of requests and jobs to a collector: OpenTelemetry, by OTLP
// over HTTP. Spans hold routes, kinds, codes and times, and nothing of what was asked or
// answered, nor by whom.
package tracing

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Names of attributes; those of HTTP, errors and services are OpenTelemetry's conventions.
const (
	Method = attribute.Key("http.request.method")
	Route  = attribute.Key("http.route")
	Status = attribute.Key("http.response.status_code")
	Error  = attribute.Key("error.type")

	JobKind    = attribute.Key("attestry.job.kind")
	JobAttempt = attribute.Key("attestry.job.attempt")
	Proofs     = attribute.Key("attestry.proofs")
)

const name = "attestry"

// Config says where traces go.
type Config struct {
	// Endpoint is the collector's URL with its path, such as https://host:4318/v1/traces.
	// Headers, certificates and times are OpenTelemetry's own environment variables
	// (OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_CERTIFICATE, …).
	Endpoint string
	// Sample is which part of the traces is sent, from 0 to 1.
	Sample float64
	// Version is the program's.
	Version string
	// Failed hears of what could not be sent; nil: nobody does. It is one for the process.
	Failed func(error)
}

// Open begins to send. Shutdown of the provider sends what is left. A collector that does
// not answer costs spans and holds up nothing.
func Open(ctx context.Context, c Config) (*sdktrace.TracerProvider, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(c.Endpoint))
	if err != nil {
		return nil, err
	}
	if c.Failed != nil {
		otel.SetErrorHandler(otel.ErrorHandlerFunc(c.Failed))
	}
	return provider(exporter, c)
}

func provider(exporter sdktrace.SpanExporter, c Config) (*sdktrace.TracerProvider, error) {
	own := resource.NewSchemaless(attribute.String("service.name", name), attribute.String("service.version", c.Version))
	described, err := resource.Merge(own, resource.Environment())
	if err != nil && !errors.Is(err, resource.ErrSchemaURLConflict) {
		return nil, err
	}
	return sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(described),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Sample))),
	), nil
}

// Tracer gives the tracer of a provider; nil: one that traces nothing.
func Tracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		p = noop.NewTracerProvider()
	}
	return p.Tracer(name)
}

// Begin begins a span of a part of the work; end takes its error's code, empty where it
// went well. An error's text is not for spans: it may hold what was asked.
func Begin(ctx context.Context, t trace.Tracer, name string, attributes ...attribute.KeyValue) (_ context.Context, end func(code string)) {
	ctx, span := t.Start(ctx, name, trace.WithAttributes(attributes...))
	return ctx, func(code string) {
		if code != "" {
			span.SetAttributes(Error.String(code))
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
