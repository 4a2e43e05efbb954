package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A malformed order is refused before the workspace is looked at, which there is none of.
func TestMalformedControlOrders(t *testing.T) {
	backup := takeOrder(orderBackup(nil))
	for what, body := range map[string]string{
		"nothing":           "",
		"no member":         "{}",
		"an unknown member": `{"file":"/tmp/x","more":1}`,
		"a member twice":    `{"file":"/tmp/x","file":"/tmp/y"}`,
		"trailing bytes":    `{"file":"/tmp/x"}{}`,
		"a relative path":   `{"file":"x"}`,
		"null":              `{"file":null}`,
		"too much":          `{"file":"/` + strings.Repeat("x", maxControlBytes) + `"}`,
	} {
		refuseOrder(t, what, backup, body)
	}
	whole := takeOrder(orderWorkspaceBackup(nil))
	refuseOrder(t, "a relative directory", whole, `{"directory":"x","config":""}`)
	refuseOrder(t, "no configuration", whole, `{"directory":"/tmp/x"}`)
}

func refuseOrder(t *testing.T, what string, take http.Handler, body string) {
	t.Helper()
	rec := httptest.NewRecorder()
	take.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
	if rec.Code != http.StatusBadRequest {
		t.Errorf("%s: %d, %s", what, rec.Code, rec.Body)
	}
}
