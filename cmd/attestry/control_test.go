package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A malformed order is refused before the workspace is looked at, which there is none of.
func TestMalformedControlOrders(t *testing.T) {
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
		rec := httptest.NewRecorder()
		controlBackup(rec, httptest.NewRequest(http.MethodPost, "/backup", strings.NewReader(body)), nil)
		if rec.Code != http.StatusBadRequest {
			t.Errorf("%s: %d, %s", what, rec.Code, rec.Body)
		}
	}
}
