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
	mux := http.NewServeMux()
	(&administration{}).takeOrders(mux)
	for path, bodies := range map[string][]string{
		orderOrgCreate: {`{}`, `{"id":"a"}`, `{"id":"a","role":"bank","admin":true}`, `{"id":"a","role":"bank","registries":[]}`},
		orderOrgSwitch: {`{}`, `{"id":"a"}`, `{"id":"a","disable":1}`},
		orderOrgList:   {``, `[]`, `{"id":"a"}`},
		orderKeyCreate: {`{}`, `{"organisation":"a","expires":"tomorrow"}`, `{"organisation":"a","expires":"2027-01-01T00:00:00.0Z"}`},
		orderKeyList:   {``, `{"organisation":""}`},
		orderKeyRevoke: {`{}`, `{"id":null}`},
		orderKeyRotate: {`{}`, `{"id":"a"}`, `{"id":"a","overlap":"1d"}`, `{"id":"a","overlap":1.5}`},
	} {
		for _, body := range bodies {
			refuseOrderAt(t, path+" "+body, mux, "/"+path, body)
		}
	}
}

func refuseOrder(t *testing.T, what string, take http.Handler, body string) {
	t.Helper()
	refuseOrderAt(t, what, take, "/", body)
}

func refuseOrderAt(t *testing.T, what string, take http.Handler, path, body string) {
	t.Helper()
	rec := httptest.NewRecorder()
	take.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
	if rec.Code != http.StatusBadRequest {
		t.Errorf("%s: %d, %s", what, rec.Code, rec.Body)
	}
}
