package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// readBody reads a request's body whole, within the limit and in time, if it is of
// a media type that the operation takes.
func (s *Server) readBody(content openapi3.Content) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if err := checkMediaType(r.Header, content); err != nil {
				return err
			}
			if r.ContentLength > s.limits.body {
				return tooLarge(s.limits.body)
			}
			// The writer beneath echo's: it is told to close the connection.
			body, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, s.limits.body))
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

// members splits a JSON object into its members, whose values keep their bytes.
func members(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	out := map[string]json.RawMessage{}
	for dec.More() {
		name, value, err := member(dec)
		if err != nil {
			return nil, err
		}
		if _, ok := out[name]; ok {
			return nil, fmt.Errorf("member %q twice", name)
		}
		out[name] = value
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, notJSON(dec)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("bytes after its end, at offset %d", dec.InputOffset())
	}
	return out, nil
}

func member(dec *json.Decoder) (name string, value json.RawMessage, err error) {
	token, err := dec.Token()
	if err != nil {
		return "", nil, notJSON(dec)
	}
	name, ok := token.(string)
	if !ok || strings.ContainsRune(name, utf8.RuneError) {
		return "", nil, notJSON(dec)
	}
	if err := dec.Decode(&value); err != nil {
		return "", nil, notJSON(dec)
	}
	return name, value, nil
}

// notJSON says where, and not what: the offset is enough to find it.
func notJSON(dec *json.Decoder) error { return fmt.Errorf("not JSON at offset %d", dec.InputOffset()) }

// strictBinder decodes a body for the generated code. Names were held to the
// document's, letter by letter, before: encoding/json alone would take BUNDLE for
// bundle.
type strictBinder struct{}

// Bind implements echo.Binder.
func (strictBinder) Bind(to any, c echo.Context) error {
	body, err := bodyOf(c.Request())
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return newProblem(CodeMalformed, "the body: %s", explain(err))
	}
	return nil
}
