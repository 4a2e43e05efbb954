package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
)

// Every status of a refusal has its code, and says when to come again where waiting helps.
func TestRefusalsAreProblems(t *testing.T) {
	s := newTestServer(t, Config{}, testLimits())
	for status, want := range map[int]struct {
		code  Code
		retry string
	}{
		http.StatusUnauthorized:       {CodeUnauthenticated, ""},
		http.StatusForbidden:          {CodeForbidden, ""},
		http.StatusTooManyRequests:    {CodeTooManyFailures, "7"},
		http.StatusServiceUnavailable: {CodeIssuer, "7"},
	} {
		refusal := &access.Refusal{Status: status, Detail: "because"}
		if want.retry != "" {
			refusal.Retry = 7 * time.Second
		}
		w := httptest.NewRecorder()
		s.writeProblem(refusal, echo.New().NewContext(request("GET", "/", ""), w))
		if p := newProblem(want.code, ""); w.Code != status || p.status != status || w.Header().Get("Retry-After") != want.retry {
			t.Errorf("%d: %d, code %s of status %d, Retry-After %q", status, w.Code, want.code, p.status, w.Header().Get("Retry-After"))
		}
	}
}

// The document says of everything that needs a credential whose; what is public is listed
// here, so that nothing becomes so by being forgotten.
func TestPublicOperations(t *testing.T) {
	public := map[string]bool{
		"GetIndex": true, "Verify": true, "VerifyBatch": true, "GetCheckpoint": true, "GetTile": true, "GetHealth": true, "GetReadiness": true,
		"GetOpenAPI": true,
	}
	document := must(api.Document())(t)
	for id, rule := range must(access.Rules(document))(t) {
		if rule.Public() != public[id] {
			t.Errorf("%s: public %v, want %v", id, rule.Public(), public[id])
		}
	}
}
