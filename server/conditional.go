package server

import (
	"bytes"
	"net/http"

	"github.com/labstack/echo/v4"
)

const headerIfNoneMatch = "If-None-Match"

// conditional gives answers an ETag, and 304 to who has them already. Nothing of an
// organisation's is to be kept by caches (no-store), but programs may keep what they got.
func conditional(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		kept := &keptResponse{ResponseWriter: c.Response().Writer}
		c.Response().Writer = kept
		err := next(c)
		c.Response().Writer = kept.ResponseWriter
		if err != nil {
			return err // not written yet
		}
		header := kept.Header()
		if kept.status == http.StatusOK {
			tag := etag(kept.body.Bytes())
			header.Set("ETag", tag)
			if matches(c.Request().Header.Get(headerIfNoneMatch), tag) {
				header.Del("Content-Type")
				header.Del("Content-Length")
				c.Response().Status = http.StatusNotModified
				kept.ResponseWriter.WriteHeader(http.StatusNotModified)
				return nil
			}
		}
		kept.ResponseWriter.WriteHeader(kept.status)
		_, err = kept.ResponseWriter.Write(kept.body.Bytes())
		return err
	}
}

// keptResponse keeps a response until it is known whether it is sent.
type keptResponse struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (k *keptResponse) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

// Write implements http.ResponseWriter.
func (k *keptResponse) Write(p []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(p)
}

// Unwrap is for http.ResponseController.
func (k *keptResponse) Unwrap() http.ResponseWriter { return k.ResponseWriter }
