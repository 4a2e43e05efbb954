package server

import (
	"context"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// isStream tells operations whose body is read as it comes.
func isStream(operation *openapi3.Operation) bool {
	stream, _ := operation.Extensions["x-stream"].(bool)
	return stream
}

const mediaNDJSON = "application/x-ndjson"

// streamKey is the context's key for the media type of a stream.
type streamKey struct{}

func streamType(ctx context.Context) string {
	mediaType, _ := ctx.Value(streamKey{}).(string)
	return mediaType
}

// streamBody lets a handler read a body as it comes: of a media type that the operation
// takes, within the limit, and as long as it takes if it does not pause too long.
func (s *Server) streamBody(content openapi3.Content) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if err := checkMediaType(r.Header, content); err != nil {
				return err
			}
			if r.ContentLength > s.limits.records {
				return tooLarge(s.limits.records)
			}
			mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
			r = r.WithContext(context.WithValue(r.Context(), streamKey{}, mediaType))
			c.SetRequest(r)
			body := http.MaxBytesReader(c.Response().Writer, r.Body, s.limits.records)
			r.Body = &stream{body, http.NewResponseController(c.Response().Writer), s.limits}
			return next(c)
		}
	}
}

// stream puts off the connection's deadlines with each read. Its errors are problems.
type stream struct {
	io.ReadCloser
	controller *http.ResponseController
	limits     limits
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	now := time.Now()
	// A writer without deadlines is a test's.
	_ = s.controller.SetReadDeadline(now.Add(s.limits.stream))
	_ = s.controller.SetWriteDeadline(now.Add(s.limits.stream + s.limits.write))
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = bodyProblem(err)
	}
	return n, err
}
