package access

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// Refusal is why a request goes no further. It is an error whose text is fit to be shown.
type Refusal struct {
	// Status is the HTTP status: 401, 403, 429 or 503.
	Status int
	// Detail says what is wrong, without anything of the credential.
	Detail string
	// Retry is when to come again; 0: not by waiting.
	Retry time.Duration

	cause error
}

// Error implements error.
func (r *Refusal) Error() string { return r.Detail }

// Unwrap gives what the refusal comes from, where there is such.
func (r *Refusal) Unwrap() error { return r.cause }

const (
	realm = `Bearer realm="attestry"`
	// unavailableRetry is what a client is told to wait while an issuer does not answer.
	unavailableRetry = fetchEvery
)

// Require gives what stands before an operation: it refuses requests that the rule does
// not allow, with a [*Refusal], before anything reads their body, and puts the principal
// into the context of those that it lets through. Where no authenticator is (nil), nobody
// is let through.
func (a *Authenticator) Require(rule Rule) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		if rule.Public() {
			return next
		}
		return func(c echo.Context) error {
			p, err := a.identify(c)
			if err != nil {
				return err
			}
			// Before it is decided what they may do: the log says whom it was refused.
			c.SetRequest(c.Request().WithContext(WithPrincipal(c.Request().Context(), p)))
			if err := allow(c, rule, p); err != nil {
				return err
			}
			return next(c)
		}
	}
}

func (a *Authenticator) identify(c echo.Context) (*Principal, error) {
	if a == nil {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, realm)
		return nil, &Refusal{Status: http.StatusUnauthorized, Detail: "this server has no organisations"}
	}
	p, err := a.attempt(c)
	if err != nil {
		return nil, refuse(c, err)
	}
	return p, nil
}

func allow(c echo.Context, rule Rule, p *Principal) error {
	if !slices.Contains(rule.Roles, p.Organisation.Role) {
		return forbid(c, rule, fmt.Sprintf("this is for the roles %s, and %s has the role %s", names(rule.Roles), p.Organisation.ID, p.Organisation.Role))
	}
	if !p.May(rule.Scope) {
		return forbid(c, rule, "the credential is not good for the scope "+rule.Scope)
	}
	return nil
}

// attempt authenticates, unless the client's address has failed too often. What was good
// before is looked at nonetheless, so that whoever shares an address with a guesser is
// not locked out with it.
func (a *Authenticator) attempt(c echo.Context) (*Principal, error) {
	address, now := c.RealIP(), a.now()
	shown, any := presented(c.Request())
	if wait := a.failures.wait(address, now); wait > 0 && any && !a.failures.wasGood(shown) {
		return nil, &Refusal{Status: http.StatusTooManyRequests, Detail: "too many false credentials came from this address", Retry: wait}
	}
	p, err := a.Authenticate(c.Request())
	switch {
	case err == nil:
		a.failures.succeeded(shown)
	case errors.Is(err, ErrBadCredential):
		a.failures.failed(address, shown, now)
	}
	return p, err
}

// refuse turns an error of a credential into a refusal, and leaves any other as it is.
func refuse(c echo.Context, err error) error {
	challenge := realm + `, error="invalid_token"`
	detail := ""
	switch {
	case errors.Is(err, ErrNoCredential):
		challenge, detail = realm, "this needs a credential: an API key or an issuer's token as Authorization: Bearer, or a client certificate"
	case errors.Is(err, ErrBadCredential):
		detail = "the credential is not good"
	case errors.Is(err, ErrExpired):
		detail = "the credential has expired, or is not good yet"
	case errors.Is(err, ErrRevoked):
		detail = "the credential was revoked"
	case errors.Is(err, ErrDisabled):
		detail = "the credential's organisation is disabled"
	case errors.Is(err, ErrUnavailable):
		return &Refusal{Status: http.StatusServiceUnavailable, Detail: "the credential's issuer gives no answer", Retry: unavailableRetry, cause: err}
	default:
		return err
	}
	c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge)
	return &Refusal{Status: http.StatusUnauthorized, Detail: detail, cause: err}
}

func forbid(c echo.Context, rule Rule, detail string) error {
	challenge := realm + `, error="insufficient_scope"`
	if rule.Scope != AnyScope {
		challenge += fmt.Sprintf(`, scope="%s"`, rule.Scope)
	}
	c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge)
	return &Refusal{Status: http.StatusForbidden, Detail: detail}
}

func names(roles []Role) string {
	var all []string
	for _, r := range roles {
		all = append(all, string(r))
	}
	return strings.Join(all, ", ")
}
