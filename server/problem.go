package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Code names a kind of problem. Programs go by it.
type Code string

// The codes. This list is append-only: a code is never renamed, given another
// meaning or another status. docs/spec/http.md says of each when it comes.
const (
	CodeMalformed             Code = "malformed"
	CodeCannotCheck           Code = "cannot_check"
	CodeReleaseSecret         Code = "release_secret"
	CodeNotFound              Code = "not_found"
	CodeNoLog                 Code = "no_log"
	CodeNoCheckpoint          Code = "no_checkpoint"
	CodeMethodNotAllowed      Code = "method_not_allowed"
	CodeTimeout               Code = "timeout"
	CodeTooLarge              Code = "too_large"
	CodeUnsupportedMedia      Code = "unsupported_media_type"
	CodeInternal              Code = "internal"
	CodeBusy                  Code = "busy"
	CodeNotReady              Code = "not_ready"
	CodeUnauthenticated       Code = "unauthenticated"
	CodeForbidden             Code = "forbidden"
	CodeTooManyFailures       Code = "too_many_failures"
	CodeIssuer                Code = "issuer_unavailable"
	CodeWrongState            Code = "wrong_state"
	CodeGone                  Code = "gone"
	CodeExists                Code = "exists"
	CodeIncomplete            Code = "incomplete_request"
	CodeWrongAudience         Code = "wrong_audience"
	CodeRequestExpired        Code = "request_expired"
	CodeBadRecords            Code = "bad_records"
	CodeManyDeletions         Code = "many_deletions"
	CodeNothingStaged         Code = "nothing_staged"
	CodeDerivedRegistry       Code = "derived_registry"
	CodeBadSchema             Code = "bad_schema"
	CodeAlreadyPledged        Code = "already_pledged"
	CodeStaleEpoch            Code = "stale_epoch"
	CodeRefusedByLedger       Code = "refused_by_ledger"
	CodeIdempotencyMismatch   Code = "idempotency_mismatch"
	CodeIdempotencyInProgress Code = "idempotency_in_progress"
	CodeQueueFull             Code = "queue_full"
	CodeTooManyJobs           Code = "too_many_jobs"
	CodeTooManyWaiting        Code = "too_many_waiting"
	CodeBadWebhook            Code = "bad_webhook"
	CodeInvalid               Code = "invalid"
	CodeBadGrant              Code = "bad_grant"
	CodeBudgetSpent           Code = "budget_spent"
	CodeStaged                Code = "staged"
	CodeTooManyBad            Code = "too_many_bad_requests"
)

// kind is what all problems of one code have in common.
type kind struct {
	code   Code
	status int
	title  string
}

// kinds lists every code, in the order of the constants.
func kinds() []kind {
	return []kind{
		{CodeMalformed, http.StatusBadRequest, "The request is malformed"},
		{CodeCannotCheck, http.StatusBadRequest, "Neither yes nor no would be an answer"},
		{CodeReleaseSecret, http.StatusBadRequest, "A release secret was sent"},
		{CodeNotFound, http.StatusNotFound, "There is nothing here"},
		{CodeNoLog, http.StatusNotFound, "This server has no log"},
		{CodeNoCheckpoint, http.StatusNotFound, "The log has no checkpoint yet"},
		{CodeMethodNotAllowed, http.StatusMethodNotAllowed, "The method is not allowed here"},
		{CodeTimeout, http.StatusRequestTimeout, "The request took too long to arrive"},
		{CodeTooLarge, http.StatusRequestEntityTooLarge, "The body is too large"},
		{CodeUnsupportedMedia, http.StatusUnsupportedMediaType, "The media type is not supported"},
		{CodeInternal, http.StatusInternalServerError, "The server failed"},
		{CodeBusy, http.StatusServiceUnavailable, "The server is busy"},
		{CodeNotReady, http.StatusServiceUnavailable, "The server is not ready"},
		{CodeUnauthenticated, http.StatusUnauthorized, "The request is nobody's"},
		{CodeForbidden, http.StatusForbidden, "The credential does not allow this"},
		{CodeTooManyFailures, http.StatusTooManyRequests, "Too many credentials were not good"},
		{CodeIssuer, http.StatusServiceUnavailable, "The credential cannot be checked now"},
		{CodeWrongState, http.StatusConflict, "It is too late or too early for this"},
		{CodeGone, http.StatusGone, "It is kept no longer"},
		{CodeExists, http.StatusConflict, "It is there already"},
		{CodeIncomplete, http.StatusUnprocessableEntity, "The request document is not complete"},
		{CodeWrongAudience, http.StatusUnprocessableEntity, "The request document is for another audience"},
		{CodeRequestExpired, http.StatusUnprocessableEntity, "The request document has expired"},
		{CodeBadRecords, http.StatusUnprocessableEntity, "The records are not what the schema says"},
		{CodeManyDeletions, http.StatusUnprocessableEntity, "The records would delete more than half of the registry"},
		{CodeNothingStaged, http.StatusConflict, "There is nothing to commit"},
		{CodeDerivedRegistry, http.StatusConflict, "The registry has no records of its own"},
		{CodeBadSchema, http.StatusUnprocessableEntity, "The schema is not one that can be published"},
		{CodeAlreadyPledged, http.StatusConflict, "The record is pledged already"},
		{CodeStaleEpoch, http.StatusConflict, "There is a later epoch"},
		{CodeRefusedByLedger, http.StatusUnprocessableEntity, "The ledger's rules refuse it"},
		{CodeIdempotencyMismatch, http.StatusUnprocessableEntity, "The idempotency key was used for something else"},
		{CodeIdempotencyInProgress, http.StatusConflict, "What the idempotency key stands for is still being done"},
		{CodeQueueFull, http.StatusServiceUnavailable, "Too many jobs are waiting"},
		{CodeTooManyJobs, http.StatusTooManyRequests, "Too many of your jobs are waiting"},
		{CodeTooManyWaiting, http.StatusTooManyRequests, "Too many of your requests are waiting for something"},
		{CodeBadWebhook, http.StatusUnprocessableEntity, "The address cannot be called"},
		{CodeInvalid, http.StatusUnprocessableEntity, "It cannot be made like this"},
		{CodeBadGrant, http.StatusUnprocessableEntity, "The grant is not one that can be issued"},
		{CodeBudgetSpent, http.StatusTooManyRequests, "Too much was asked already"},
		{CodeStaged, http.StatusConflict, "An earlier import waits for its commit"},
		{CodeTooManyBad, http.StatusTooManyRequests, "Too much of what was sent was no good"},
	}
}

// problem is an error that the client is told: its kind, and what was wrong this
// time, without any value of the request.
type problem struct {
	kind
	detail string
	// retry is what Retry-After says; 0: nothing.
	retry time.Duration
}

// newProblem makes a problem of a code. A code that is not in the list is a
// programming error and reads as internal.
func newProblem(code Code, format string, args ...any) *problem {
	p := &problem{detail: plainText(fmt.Sprintf(format, args...))}
	for _, k := range kinds() {
		if k.code == CodeInternal || k.code == code {
			p.kind = k
		}
		if k.code == code {
			break
		}
	}
	if p.status == http.StatusServiceUnavailable {
		p.retry = retryAfter
	}
	return p
}

// refused gives the problem that a refused credential is.
func refused(r *access.Refusal) *problem {
	code := map[int]Code{
		http.StatusUnauthorized: CodeUnauthenticated, http.StatusForbidden: CodeForbidden,
		http.StatusTooManyRequests: CodeTooManyFailures, http.StatusServiceUnavailable: CodeIssuer,
	}[r.Status]
	p := newProblem(code, "%s", r.Detail)
	p.retry = r.Retry
	return p
}

// Error gives the code and the detail.
func (p *problem) Error() string { return string(p.code) + ": " + p.detail }

// document gives the problem as the client sees it.
func (p *problem) document(requestID string) api.Problem {
	d := api.Problem{
		Type: "urn:attestry:problem:" + string(p.code), Title: p.title, Status: p.status,
		Detail: p.detail, Code: string(p.code),
	}
	if requestID != "" {
		d.Instance = "urn:attestry:request:" + requestID
	}
	return d
}

// maxDetail bounds a detail, which may hold names that the client chose.
const maxDetail = 400

// plainText keeps a detail short and on one line.
func plainText(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) <= maxDetail {
		return s
	}
	cut := maxDetail
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Where the errors of encoding/json begin. They hold the names of Go types, and
// may hold numbers of the document.
const (
	jsonError        = "json: "
	jsonUnknownField = "json: unknown field "
)

// explain gives a parser's error without what the code says already, and without
// what the client need not know.
func explain(err error) string {
	s := err.Error()
	for _, said := range []error{canon.ErrMalformed, verifier.ErrMalformed, verifier.ErrCannotCheck, statement.ErrBadRequest, statement.ErrBadGrant} {
		s = strings.ReplaceAll(s, said.Error()+": ", "")
	}
	if i := strings.Index(s, jsonUnknownField); i >= 0 {
		return s[:i] + "unknown member " + s[i+len(jsonUnknownField):]
	}
	if i := strings.Index(s, jsonError); i >= 0 {
		return s[:i] + "a member has another type than the format says"
	}
	return s
}
