package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/attestry/attestry/client/api"
)

// maxProblem bounds what is read of a problem document.
const maxProblem = 64 << 10

// Problem is an answer that is no success (RFC 9457). docs/spec/http.md lists the codes.
type Problem struct {
	Status int // of HTTP
	// Code is stable, for programs. It is empty where the answer was no problem document,
	// such as one of a proxy in between.
	Code string
	// Title and Detail are for people: the same for every problem of the code, and what was
	// wrong this time.
	Title, Detail string
	Instance      string // names the occurrence, in the server's log too
	// RetryAfter is when to come again, where the server says so; else 0.
	RetryAfter time.Duration
}

// Error implements error.
func (p *Problem) Error() string {
	text := p.Title
	if p.Code != "" {
		text = p.Code + ": " + p.Title
	}
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	return "the server says: " + text
}

// CodeOf gives the code of the problem that err is or wraps, or nothing.
func CodeOf(err error) string {
	var p *Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

// readProblem makes a problem of an answer that is no success.
func readProblem(r *http.Response) *Problem {
	p := &Problem{Status: r.StatusCode, Title: r.Status, RetryAfter: parseRetryAfter(r.Header.Get("Retry-After"), time.Now())}
	if r.StatusCode/100 == 3 {
		p.Detail = "it sends elsewhere, where this client does not follow: name that address"
		return p
	}
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType != "application/problem+json" {
		return p
	}
	var said api.Problem
	body, err := io.ReadAll(io.LimitReader(r.Body, maxProblem))
	if err != nil || json.Unmarshal(body, &said) != nil || said.Code == "" {
		return p
	}
	p.Code, p.Title, p.Detail, p.Instance = said.Code, said.Title, said.Detail, said.Instance
	return p
}

// parseRetryAfter reads a Retry-After header (RFC 9110, 10.2.3): seconds, or a date.
func parseRetryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// errAnswer says that an answer is a success, and not what it should be.
var errAnswer = errors.New("the server's answer is not what its interface says")

func badAnswer(status string) error { return fmt.Errorf("%w: %s", errAnswer, status) }
