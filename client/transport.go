package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"time"
)

const (
	headerIdempotencyKey = "Idempotency-Key"
	// maxAnswer bounds an answer in memory: a page of 500 entries of the log, or the
	// verdicts of a batch.
	maxAnswer = 64 << 20
	// firstPause and maxPause bound the pauses between two attempts where the server does
	// not say how long.
	firstPause, maxPause = 200 * time.Millisecond, 5 * time.Second
)

// transport makes the requests of the generated client: with the credential, an
// idempotency key where there can be one, again where that is safe, and with an error
// for whatever is no success.
type transport struct {
	http     *http.Client
	key      string
	attempts int
	patience time.Duration
}

// Format implements fmt.Formatter: no verb shows the key.
func (*transport) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "client.transport(private)") }

// Do implements the generated client's HttpRequestDoer.
func (t *transport) Do(r *http.Request) (*http.Response, error) {
	if t.key != "" {
		r.Header.Set("Authorization", "Bearer "+t.key)
	}
	if r.Method == http.MethodPost && r.Header.Get(headerIdempotencyKey) == "" && takesKey(r.URL.Path) {
		r.Header.Set(headerIdempotencyKey, rand.Text())
	}
	repeatable := isRepeatable(r)
	for attempt := 1; ; attempt++ {
		response, err := t.once(r)
		if err == nil || !repeatable || attempt >= t.attempts || !t.passes(err) {
			return response, err
		}
		if pause(r.Context(), attempt, err) != nil {
			return nil, err // why it was repeated says more than that time was up
		}
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// once makes a request once.
func (t *transport) once(r *http.Request) (*http.Response, error) {
	response, err := t.http.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 && response.StatusCode != http.StatusNotModified {
		defer func() { _ = response.Body.Close() }()
		return nil, readProblem(response)
	}
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer)
	}
	return response, nil
}

// passes tells errors that pass by themselves.
func (t *transport) passes(err error) bool {
	var p *Problem
	if !errors.As(err, &p) {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	}
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusConflict:
		return p.RetryAfter > 0 && p.RetryAfter <= t.patience
	case http.StatusBadGateway, http.StatusGatewayTimeout: // a proxy's
		return true
	}
	return false
}

// withoutKey are the ends of the paths whose POST the server knows no idempotency key
// for: what is computed, what is a stream, a secret that is not kept to be shown again, and
// what says itself that it is done already.
func withoutKey() []string {
	return []string{"/verify", "/verify/batch", "/records", "/keys", "/rotation", "/certificates", "/enablement"}
}

func takesKey(path string) bool {
	for _, end := range withoutKey() {
		if strings.HasSuffix(path, end) {
			return false
		}
	}
	return true
}

// isRepeatable tells requests that may be made again although nobody knows what became
// of them: RFC 9110 calls their methods idempotent, or they have an idempotency key, or
// they change nothing.
func isRepeatable(r *http.Request) bool {
	if r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return false // a stream
	}
	changesNothing := strings.HasSuffix(r.URL.Path, "/verify") || strings.HasSuffix(r.URL.Path, "/verify/batch")
	return r.Method != http.MethodPost || r.Header.Get(headerIdempotencyKey) != "" || changesNothing
}

// pause waits before another attempt: as long as the server says, or longer each time.
func pause(ctx context.Context, attempt int, err error) error {
	length := time.Duration(math.Min(float64(maxPause), float64(firstPause)*math.Pow(2, float64(attempt-1))))
	length = length/2 + mathrand.N(length/2+1)
	var p *Problem
	if errors.As(err, &p) && p.RetryAfter > 0 {
		length += p.RetryAfter
	}
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
