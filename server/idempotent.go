package server

import (
	"errors"

	"github.com/labstack/echo/v4"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/service"
)

const headerIdempotencyKey = "Idempotency-Key"

// replayedHeaders are those that an answer is given again with.
func replayedHeaders() []string { return []string{"Content-Type", "Location", "Preference-Applied"} }

// idempotent does what a client's idempotency key stands for once, and gives its answer
// again from then on. An answer that is a problem is not kept: nothing came of it.
func (s *Server) idempotent(name string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			key := r.Header.Get(headerIdempotencyKey)
			if key == "" {
				return next(c)
			}
			var body []byte
			if r.GetBody != nil {
				var err error
				if body, err = bodyOf(r); err != nil {
					return err
				}
			}
			o, replay, err := s.config.Service.Begin(access.PrincipalOf(r.Context()), name, key, r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type"), string(body))
			if err != nil {
				return err
			}
			if replay != nil {
				return replayed(c, replay)
			}
			c.SetRequest(r.WithContext(o.Context(r.Context())))
			return s.finish(c, o, next)
		}
	}
}

func replayed(c echo.Context, r *service.Replay) error {
	for name, value := range r.Headers {
		c.Response().Header().Set(name, value)
	}
	c.Response().WriteHeader(r.Status)
	_, err := c.Response().Write(r.Body)
	return err
}

// finish does the operation, and keeps its answer before the client has it.
func (s *Server) finish(c echo.Context, o *service.Operation, next echo.HandlerFunc) (err error) {
	ended := false
	defer func() {
		if !ended { // an error or a panic
			err = errors.Join(err, o.Forget())
		}
	}()
	kept := &keptResponse{ResponseWriter: c.Response().Writer}
	c.Response().Writer = kept
	defer func() { c.Response().Writer = kept.ResponseWriter }()
	if err := next(c); err != nil {
		return err
	}
	replay := &service.Replay{Status: kept.status, Headers: map[string]string{}, Body: kept.body.Bytes()}
	for _, name := range replayedHeaders() {
		if value := kept.Header().Get(name); value != "" {
			replay.Headers[name] = value
		}
	}
	if err := o.End(replay); err != nil {
		return err
	}
	ended = true
	kept.ResponseWriter.WriteHeader(kept.status)
	_, err = kept.ResponseWriter.Write(replay.Body)
	return err
}
