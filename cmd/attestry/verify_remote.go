package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

const (
	verifyPath = "/v1/verify"
	// serverPatience is how long to wait for a server: a verification takes
	// milliseconds, so that this is the network's.
	serverPatience = 30 * time.Second
	maxResponse    = 4 << 20
)

// errServer says that a server was asked and gave no verdict.
var errServer = errors.New("the server gave no verdict")

// verifyAt asks a server for a verdict, under the trust file that the server has.
func verifyAt(ctx context.Context, server string, f *verifycmd.Files) (*verifier.Verdict, error) {
	body, err := newVerifyRequest(f)
	if err != nil {
		return nil, err
	}
	target, err := url.JoinPath(server, verifyPath)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errServer, err)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("%w: %w", errServer, err)
	}
	return readVerdict(response, answer)
}

func newVerifyRequest(f *verifycmd.Files) ([]byte, error) {
	var body api.VerifyRequest
	var err error
	if body.Bundle, err = f.Bundle.Marshal(); err != nil {
		return nil, err
	}
	if f.Request != nil {
		if body.Request, err = f.Request.JSON(); err != nil {
			return nil, err
		}
	}
	if f.Openings != nil {
		if body.Openings, err = f.Openings.Public().Marshal(); err != nil {
			return nil, err
		}
	}
	body.Audience = f.Audience
	if !f.At.IsZero() {
		body.At = statement.FormatTime(f.At)
	}
	return json.Marshal(body)
}

func readVerdict(response *http.Response, answer []byte) (*verifier.Verdict, error) {
	if response.StatusCode != http.StatusOK {
		var p api.Problem
		if json.Unmarshal(answer, &p) != nil || p.Code == "" {
			return nil, fmt.Errorf("%w: %s", errServer, response.Status)
		}
		return nil, fmt.Errorf("%w: %s: %s: %s", errServer, p.Code, p.Title, p.Detail)
	}
	verdict := &verifier.Verdict{}
	if err := json.Unmarshal(answer, verdict); err != nil || len(verdict.Checks) == 0 {
		return nil, fmt.Errorf("%w: its answer is no verdict", errServer)
	}
	return verdict, nil
}
