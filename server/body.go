package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/attestry/attestry/server/api"
)

// readBody reads a request's body whole, within the limit and in time, if it is of
// a media type that the operation takes.
func (s *Server) readBody(content openapi3.Content, limit int64) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if err := checkMediaType(r.Header, content); err != nil {
				return err
			}
			if r.ContentLength > limit {
				return tooLarge(limit)
			}
			var h held
			defer s.bodies.release(&h)
			// The writer beneath echo's: it is told to close the connection.
			body, err := s.bodies.readAll(http.MaxBytesReader(c.Response().Writer, r.Body, limit), &h)
			if err != nil {
				return bodyProblem(err)
			}
			setBody(r, body)
			return next(c)
		}
	}
}

// setBody lets every later step read the body from its start.
func setBody(r *http.Request, body []byte) {
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody() // never fails
	r.ContentLength = int64(len(body))
}

// bodyOf gives the bytes of a body that readBody has read.
func bodyOf(r *http.Request) ([]byte, error) {
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

func tooLarge(limit int64) error {
	return newProblem(CodeTooLarge, "a body has at most %d bytes", limit)
}

func bodyProblem(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.Is(err, errBodiesFull):
		return newProblem(CodeBusy, "too many bodies are being read at once")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return newProblem(CodeTimeout, "the body did not arrive in time")
	}
	return newProblem(CodeMalformed, "the body ends early, or is not framed as HTTP asks")
}

// checkMediaType wants one of the operation's media types, in UTF-8 and as it is:
// a body that is compressed could grow without limit.
func checkMediaType(h http.Header, content openapi3.Content) error {
	mediaType, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if _, ok := content[mediaType]; err != nil || !ok || len(h.Values("Content-Type")) > 1 {
		return newProblem(CodeUnsupportedMedia, "the Content-Type is to be %s", strings.Join(slices.Sorted(keysOf(content)), " or "))
	}
	for name, value := range parameters {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return newProblem(CodeUnsupportedMedia, "the Content-Type has no parameter but charset=utf-8")
		}
	}
	if encoding := h.Values("Content-Encoding"); len(encoding) > 0 {
		return newProblem(CodeUnsupportedMedia, "the body is to be sent without a Content-Encoding")
	}
	return nil
}

const mediaJSON = "application/json"

// isJSON tells whether a body that passed checkMediaType is JSON.
func isJSON(h http.Header) bool {
	mediaType, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return mediaType == mediaJSON
}

func keysOf(content openapi3.Content) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range content {
			if !yield(k) {
				return
			}
		}
	}
}

// strictMembers refuses bodies that readers of JSON read differently: with a member
// twice, with bytes after the end, or that are not UTF-8. It looks at the outermost
// object; what is nested in it has parsers of its own, as strict.
func strictMembers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !isJSON(c.Request().Header) {
			return next(c)
		}
		body, err := bodyOf(c.Request())
		if err != nil {
			return err
		}
		if _, err := members(body); err != nil {
			return newProblem(CodeMalformed, "the body: %v", err)
		}
		return next(c)
	}
}

// strictBinder decodes a body for the generated code. Names were held to the
// document's, letter by letter, before: encoding/json alone would take BUNDLE for
// bundle. Bodies that are read under load have readers of their own, see [ownReader].
type strictBinder struct{}

// Bind implements echo.Binder.
func (strictBinder) Bind(to any, c echo.Context) error {
	body, err := bodyOf(c.Request())
	if err != nil {
		return err
	}
	switch to := to.(type) {
	case *api.VerifyRequest:
		return readVerifyRequest(body, to)
	case *api.VerifyBatchRequest:
		return readVerifyBatchRequest(body, to)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return newProblem(CodeMalformed, "the body: %s", explain(err))
	}
	return nil
}

// ownReader tells the operations whose bodies strictBinder holds to their schemas by
// itself, in one pass. The general way decodes a body three times, which costs half as
// much as verifying the bundle in it.
func ownReader(operation string) bool { return operation == "Verify" || operation == "VerifyBatch" }
