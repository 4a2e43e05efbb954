package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
)

// newRouter puts the handlers behind the middleware. What concerns every request
// is outermost; what an operation's description asks for is around the operation.
func (s *Server) newRouter(document *openapi3.T) (*echo.Echo, error) {
	rules, err := access.Rules(document)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.IPExtractor = addresses(s.config.TrustedProxies)
	e.HTTPErrorHandler = s.writeProblem
	e.Binder = strictBinder{}
	e.Use(requestID, s.traced, s.accessLog, s.recoverPanics, securityHeaders, onePath, allowedMethods)
	api.RegisterHandlersWithOptions(withHead{e}, api.NewStrictHandler(handlers{s}, nil), api.RegisterHandlersOptions{
		OperationMiddlewares: s.operationMiddleware(document, rules),
	})
	return e, nil
}

// withHead registers HEAD wherever GET is; net/http leaves the body out.
type withHead struct{ *echo.Echo }

// GET implements [api.EchoRouter].
func (w withHead) GET(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	w.HEAD(path, h, m...)
	return w.Echo.GET(path, h, m...)
}

// operationMiddleware gives what stands before each operation, by its id.
func (s *Server) operationMiddleware(document *openapi3.T, rules map[string]access.Rule) map[string][]echo.MiddlewareFunc {
	out := map[string][]echo.MiddlewareFunc{}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			route := &routers.Route{Spec: document, Path: path, PathItem: item, Method: method, Operation: operation}
			out[operation.OperationID] = s.steps(route, rules[operation.OperationID])
		}
	}
	return out
}

// steps gives what stands before one operation, in order: who it is from, the body,
// what the document says of both, and what is done about the answer.
func (s *Server) steps(route *routers.Route, rule access.Rule) []echo.MiddlewareFunc {
	operation := route.Operation
	verifies := slices.Contains(operation.Tags, tagVerify)
	steps := []echo.MiddlewareFunc{s.config.Access.Require(rule)}
	if !rule.Public() {
		steps = append(steps, strictQuery(operation), withDeadlines)
	}
	switch body := operation.RequestBody; {
	case body == nil:
	case isStream(operation):
		steps = append(steps, s.streamBody(body.Value.Content))
	default:
		if verifies {
			steps = append(steps, s.worthwhile)
		}
		steps = append(steps, s.readBody(body.Value.Content, s.limits.bodyOf(operation.OperationID)))
		if verifies {
			steps = append(steps, s.inTurn)
		}
		if !ownReader(operation.OperationID) {
			steps = append(steps, strictMembers)
		}
	}
	steps = append(steps, validate(route))
	if rule.Public() {
		return steps
	}
	if has(operation, headerIdempotencyKey) {
		steps = append(steps, s.idempotent(operation.OperationID))
	}
	if has(operation, headerIfNoneMatch) {
		steps = append(steps, conditional)
	}
	if makesJobs(operation.OperationID) {
		steps = append(steps, s.whileServing)
	}
	return steps
}

// tagVerify marks operations that compute, of which only so many run at once.
const tagVerify = "verify"

// has tells whether an operation has a parameter.
func has(operation *openapi3.Operation, name string) bool {
	return slices.ContainsFunc(operation.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == name })
}

// writeProblem answers with a problem document. It is the one place where errors
// become responses; what is not a problem by itself is the server's failure, and
// of that the client learns nothing but the request's id.
func (s *Server) writeProblem(err error, c echo.Context) {
	header := c.Response().Header()
	if c.Response().Committed { // the client went away while it was answered
		s.log.Warn("response cut short", "id", header.Get(headerRequestID), "route", routeOf(c), "error_type", typeName(err))
		return
	}
	p := s.asProblem(err, c)
	s.config.Metrics.Problem(string(p.code))
	traceProblem(c.Request().Context(), p.code)
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", noStore)
	for _, name := range []string{"ETag", "Content-Length"} { // of the response that it was to be
		header.Del(name)
	}
	if p.retry > 0 {
		header.Set("Retry-After", strconv.Itoa(int(p.retry/time.Second)))
	}
	body, err := json.Marshal(p.document(header.Get(headerRequestID)))
	if err != nil {
		s.log.Error("encode a problem", "id", header.Get(headerRequestID), "error", err.Error())
	}
	c.Response().WriteHeader(p.status)
	_, _ = c.Response().Write(append(body, '\n')) // the client is gone: there is nobody to tell
}

// asProblem finds the problem that an error is, and logs one that is none.
func (s *Server) asProblem(err error, c echo.Context) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var refusal *access.Refusal
	if errors.As(err, &refusal) {
		return refused(refusal)
	}
	if p := serviceProblem(err); p != nil {
		return p
	}
	var h *echo.HTTPError
	if errors.As(err, &h) {
		switch h.Code {
		case http.StatusNotFound:
			return newProblem(CodeNotFound, "GET / lists what there is")
		case http.StatusBadRequest: // by the generated reader of parameters
			return newProblem(CodeMalformed, "a parameter is not what /openapi.json says")
		}
	}
	// Its text may hold a value of the request, its type does not.
	s.log.Error("request failed", "id", c.Response().Header().Get(headerRequestID), "route", routeOf(c), "error_type", typeName(err))
	return newProblem(CodeInternal, "the server's log says more under this request's id")
}
