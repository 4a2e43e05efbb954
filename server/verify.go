package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/metrics"
	"github.com/attestry/attestry/server/tracing"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// handlers implements the generated interface.
type handlers struct{ *Server }

// Verify checks a bundle. See the OpenAPI document.
func (h handlers) Verify(ctx context.Context, request api.VerifyRequestObject) (api.VerifyResponseObject, error) {
	bundle, options, err := h.readVerify(request.Body)
	if err != nil {
		return nil, err
	}
	_, end := tracing.Begin(ctx, h.tracer, "verify")
	start := time.Now()
	verdict, err := h.verifier.Load().Verify(bundle, options)
	end("")
	h.countVerified(verdict, err, time.Since(start))
	if err != nil {
		return nil, verifyProblem(err)
	}
	if isNoGood(verdict) {
		noteNoGood(ctx, 1, 1)
	}
	return api.Verify200JSONResponse(*verdict), nil
}

func (h handlers) countVerified(v *verifier.Verdict, err error, took time.Duration) {
	verdict := metrics.VerdictNo
	switch {
	case err != nil:
		verdict = metrics.VerdictError
	case v.OK:
		verdict = metrics.VerdictYes
	}
	h.config.Metrics.Verified(verdict, took)
}

// verifyProblem makes a problem of what the verifier gives in place of a verdict. Any
// other error is the server's.
func verifyProblem(err error) error {
	switch {
	case errors.Is(err, verifier.ErrCannotCheck):
		return newProblem(CodeCannotCheck, "%s", explain(err))
	case errors.Is(err, verifier.ErrMalformed):
		return newProblem(CodeMalformed, "%s", explain(err))
	}
	return err
}

// readVerify gives the parts of a body to their parsers, byte for byte.
func (h handlers) readVerify(body *api.VerifyRequest) (*verifier.Bundle, verifier.Options, error) {
	options := verifier.Options{Audience: body.Audience, At: h.now()}
	bundle, err := verifier.ParseBundle(body.Bundle)
	if err != nil {
		return nil, options, newProblem(CodeMalformed, "%s", explain(err))
	}
	if strings.ContainsRune(body.Audience, utf8.RuneError) {
		return nil, options, newProblem(CodeMalformed, "the audience holds an unpaired surrogate or U+FFFD")
	}
	if options.Request, err = readRequest(body.Request); err != nil {
		return nil, options, err
	}
	if options.Openings, err = readOpenings(body.Openings); err != nil {
		return nil, options, err
	}
	if body.At != "" {
		options.At, err = readInstant(body.At)
	}
	return bundle, options, err
}

// readRequest reads a request that is a JSON object, or a string that holds one in
// YAML or JSON.
func readRequest(data json.RawMessage) (*statement.Request, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return nil, newProblem(CodeMalformed, "the request: not a JSON string")
		}
		data = []byte(text)
	}
	r, err := statement.ParseRequest(data)
	if err != nil {
		return nil, newProblem(CodeMalformed, "the request: %s", explain(err))
	}
	return r, nil
}

// releaseSecret begins the names of members that no server may see.
const releaseSecret = "release_secret"

// readOpenings reads openings. They hold private values, so its problems say no
// more than where.
func readOpenings(data json.RawMessage) (*verifier.Openings, error) {
	if len(data) == 0 {
		return nil, nil
	}
	top, err := members(data)
	if err != nil {
		return nil, newProblem(CodeMalformed, "the openings: %v", err)
	}
	for name := range top {
		if strings.HasPrefix(name, releaseSecret) {
			return nil, newProblem(CodeReleaseSecret, "the openings hold a release secret; strip it, and make a new pledge if this connection was not private")
		}
	}
	o, err := verifier.ParseOpenings(data)
	if err != nil {
		return nil, newProblem(CodeMalformed, "%s", explain(err))
	}
	if len(o.Request) > 0 {
		if _, err := statement.ParseRequest(o.Request); err != nil {
			return nil, newProblem(CodeMalformed, "the openings: the request in them is not what its format says")
		}
	}
	return o, nil
}

// readInstant reads an RFC 3339 instant. The zero instant would mean now.
func readInstant(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.IsZero() {
		return time.Time{}, newProblem(CodeMalformed, "at is not an instant like 2026-12-31T00:00:00Z")
	}
	return t, nil
}
