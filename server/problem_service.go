package server

import (
	"errors"
	"time"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/budget"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/statement"
)

// told is an error of the service that is a problem of the client's.
type told struct {
	err  error
	code Code
}

// tellable lists the errors that a client is told with what they say, the narrower ones
// first. Their texts hold names and positions, and no values of a record.
func tellable() []told {
	return []told{
		{service.ErrForbidden, CodeForbidden},
		{service.ErrWrongState, CodeWrongState},
		{service.ErrGone, CodeGone},
		{service.ErrExists, CodeExists},
		{service.ErrIncomplete, CodeIncomplete},
		{service.ErrAudience, CodeWrongAudience},
		{service.ErrExpired, CodeRequestExpired},
		{service.ErrManyDeletions, CodeManyDeletions},
		{service.ErrNothingStaged, CodeNothingStaged},
		{service.ErrDerived, CodeDerivedRegistry},
		{service.ErrOtherBody, CodeIdempotencyMismatch},
		{service.ErrInProgress, CodeIdempotencyInProgress},
		{service.ErrWebhook, CodeBadWebhook},
		{service.ErrBusy, CodeBusy},
		{queue.ErrFull, CodeQueueFull},
		{queue.ErrTooMany, CodeTooManyJobs},
		{registry.ErrReplace, CodeBadSchema},
		{registry.ErrStaged, CodeStaged},
		{statement.ErrBadSchema, CodeBadSchema},
		{statement.ErrBadGrant, CodeBadGrant},
		{statement.ErrBadRequest, CodeMalformed},
		{prover.ErrPledged, CodeAlreadyPledged},
		{ledger.ErrPledged, CodeAlreadyPledged},
		{ledger.ErrStaleEpoch, CodeStaleEpoch},
		{ledger.ErrMalformed, CodeMalformed},
		{access.ErrScope, CodeForbidden},
		{access.ErrInvalid, CodeInvalid},
		{access.ErrExists, CodeExists},
	}
}

// ledgerRules are the ledger's refusals that have no code of their own.
func ledgerRules() []error {
	return []error{
		ledger.ErrRelease, ledger.ErrBadSignature, ledger.ErrForeign, ledger.ErrConsent, ledger.ErrProofInvalid,
		ledger.ErrUnknown, ledger.ErrWrongRoot, ledger.ErrSunset, ledger.ErrRevoked, ledger.ErrNotAccepted, ledger.ErrDuplicate,
	}
}

// serviceProblem gives the problem that an error of the service is, nil where it is the
// server's own failure.
func serviceProblem(err error) *problem {
	var bad *registry.ImportError
	var expression *statement.ExprError
	var spent *budget.SpentError
	switch {
	case errors.As(err, &spent):
		p := newProblem(CodeBudgetSpent, "your organisation has asked as much as it may for now")
		p.retry = max(spent.After.Truncate(time.Second)+time.Second, retryAfter)
		return p
	case errors.Is(err, service.ErrNotFound), errors.Is(err, access.ErrNotFound):
		return newProblem(CodeNotFound, "there is none, or it is not yours to see")
	case errors.Is(err, service.ErrBadCursor), errors.Is(err, queue.ErrBadPage):
		return newProblem(CodeMalformed, "the cursor is not one that this list gave, with these filters, to you")
	case errors.Is(err, ledger.ErrUnknownType):
		return newProblem(CodeMalformed, "%s", ledger.ErrUnknownType) // without the type, which is what was sent
	case errors.As(err, &bad):
		return newProblem(CodeBadRecords, "%s", bad.Error())
	case errors.As(err, &expression):
		return newProblem(CodeMalformed, "the request: %s", explain(err))
	}
	for _, t := range tellable() {
		if errors.Is(err, t.err) {
			p := newProblem(t.code, "%s", explain(err))
			p.retry = retryOf(err, p.retry)
			return p
		}
	}
	for _, rule := range ledgerRules() {
		if errors.Is(err, rule) {
			return newProblem(CodeRefusedByLedger, "%s", err)
		}
	}
	return nil
}

// retryOf tells when to come again, where the error says so.
func retryOf(err error, otherwise time.Duration) time.Duration {
	var limit *queue.LimitError
	var retry *service.RetryError
	switch {
	case errors.As(err, &limit):
		return max(limit.RetryAfter, retryAfter)
	case errors.As(err, &retry):
		return retry.After
	}
	return otherwise
}
