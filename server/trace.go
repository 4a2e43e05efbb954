package server

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/attestry/attestry/server/tracing"
)

// traced makes a trace of each request: its route, never its path, query, header or body.
// A trace that the client is in (traceparent) is not gone on with: anybody could have all
// of theirs kept, and a name of theirs put in ours.
func (s *Server) traced(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, span := s.tracer.Start(c.Request().Context(), methodOf(c)+" "+routeOf(c), trace.WithSpanKind(trace.SpanKindServer), trace.WithNewRoot(),
			trace.WithAttributes(tracing.Method.String(methodOf(c)), tracing.Route.String(routeOf(c))))
		defer span.End()
		c.SetRequest(c.Request().WithContext(ctx))
		err := next(c)
		status := c.Response().Status
		span.SetAttributes(tracing.Status.Int(status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		return err
	}
}

// traceProblem notes the code of a request's problem.
func traceProblem(ctx context.Context, code Code) {
	trace.SpanFromContext(ctx).SetAttributes(tracing.Error.String(string(code)))
}
