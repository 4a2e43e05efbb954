package server

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/attestry/attestry/server/api"
)

var injectedValues = flag.Int("injections", 1, "how many values TestInjection sends as each parameter and header of each operation")

const injected = "inj3ct"

// injections are what is meant for somebody else than the parameter that it is sent as:
// headers, logs, pages, queries, files, shells, templates, formats.
func injections() []string {
	return []string{
		injected + "\r\nInjected: 1", injected + "\r\n\r\n<p>" + injected, injected + "\n{\"level\":\"ERROR\",\"msg\":\"" + injected + "\"}", "\x1b[2J" + injected,
		"\"><script>" + injected + "</script>", "' OR '1'='1' -- " + injected, "../../../../etc/passwd#" + injected, "..\\..\\" + injected, "${jndi:ldap://" + injected + "}",
		"{{" + injected + "}}", injected + "\x00.json", "%s%n%x" + injected, "$(" + injected + ")", "`" + injected + "`", injected + "\u202e\ufeff", "\xff\xfe" + injected, "file:///" + injected, injected + "&cursor=" + injected,
	}
}

// requestHeaders are those that the server or what is before it looks at.
func requestHeaders() []string {
	return []string{
		"Authorization", "X-Request-Id", "Idempotency-Key", "Prefer", "If-None-Match", "If-Match", "Last-Event-ID", "Accept", "Accept-Encoding", "Content-Encoding",
		"Content-Type", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Origin", "Referer", "User-Agent", "Cookie", "Range", "Traceparent", "Tracestate", "Baggage",
	}
}

// injecting makes requests of which one part is not what it should be.
type injecting struct {
	*matrix
	table    map[string]duty
	statuses map[int]int
}

// who gives somebody who may do it.
func (x *injecting) who(operation string) string {
	d := x.table[operation]
	for who, status := range map[string]int{"agency": d.agency, "bank-a": d.bank, "auditor": d.auditor, "operator": d.operator} {
		if status != http.StatusForbidden {
			return who
		}
	}
	return ""
}

func (x *injecting) send(operation, method, target, body, name, value string) {
	x.t.Helper()
	r := request(method, target, body)
	if x.table[operation].scope != "" {
		r.Header.Set("Authorization", "Bearer "+x.tokens[x.who(operation)])
	}
	if name != "" {
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	response := do(x.server.Handler(), r)
	x.statuses[response.StatusCode]++
	content := text(x.t, response)
	if response.StatusCode >= 500 {
		x.t.Errorf("%s %s, %s %q: %d %s", method, target, name, value, response.StatusCode, content)
	}
	for header, values := range response.Header {
		if all := strings.Join(values, "\n"); header == "Injected" || strings.Contains(all, injected) || strings.ContainsAny(all, "\r\x00") {
			x.t.Errorf("%s %s, %s %q: the answer has the header %s: %q", method, target, name, value, header, all)
		}
	}
	if strings.Contains(content, injected) || operation != "GetIndex" && strings.Contains(response.Header.Get("Content-Type"), "html") {
		x.t.Errorf("%s %s, %s %q: the answer repeats it: %s", method, target, name, value, content)
	}
}

// target fills a path's parameters, one of them with a value.
func target(path string, item openapi3.Parameters, name, value string) string {
	query := ""
	for _, p := range item {
		with := map[string]string{"id": strings.Repeat("a", 32), "registry": "nothing", "index": "99999", "number": "9", "organisation": "nobody", "key": "aaaaaaaaaaaaaaaa", "path": "9/000"}[p.Value.Name]
		if p.Value.Name == name {
			with = value
		}
		switch {
		case p.Value.In == openapi3.ParameterInPath:
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(with))
		case p.Value.In == openapi3.ParameterInQuery && p.Value.Name == name:
			query = "?" + url.Values{name: {value}}.Encode()
		}
	}
	return path + query
}

// No part of a request comes out as another part of an answer, or of the log or the
// metrics, whatever it is made of.
func TestInjection(t *testing.T) {
	x := &injecting{matrix: newMatrix(t), table: duties(), statuses: map[int]int{}}
	all, next := injections(), 0
	each := func(fn func(value string)) {
		for range min(*injectedValues, len(all)) {
			next++
			fn(all[next%len(all)])
		}
	}
	for path, item := range must(api.Document())(t).Paths.Map() {
		for method, operation := range item.Operations() {
			parameters, id := slices.Concat(item.Parameters, operation.Parameters), operation.OperationID
			plain, body := target(path, parameters, "", ""), ""
			if operation.RequestBody != nil {
				body = "{}"
			}
			for _, p := range parameters {
				if p.Value.In == openapi3.ParameterInPath || p.Value.In == openapi3.ParameterInQuery {
					each(func(value string) { x.send(id, method, target(path, parameters, p.Value.Name, value), body, "", "") })
				}
			}
			each(func(value string) { x.send(id, method, plain+"?"+url.QueryEscape(value)+"=1", body, "", "") })
			for _, name := range requestHeaders() {
				each(func(value string) { x.send(id, method, plain, body, name, value) })
			}
		}
	}
	for _, value := range all {
		x.send("GetMe", http.MethodGet, "/"+url.PathEscape(value), "", "", "")
		x.send("GetMe", http.MethodGet, "/v1/me", "", value, value)
	}
	total := 0
	for _, n := range x.statuses {
		total += n
	}
	t.Logf("%d requests, by status %v", total, x.statuses)
	if total < 1500 {
		t.Errorf("%d requests", total)
	}
	shown := do(NewPrivate(x.metrics, true), request("GET", "/metrics", ""))
	audit := text(t, x.call("auditor", "GET", "/v1/audit?limit=500", ""))
	for what, content := range map[string]string{"log": x.log.String(), "metrics": string(must(io.ReadAll(shown.Body))(t)), "audit log": audit} {
		if strings.Contains(content, injected) {
			t.Errorf("the %s holds what was injected", what)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(x.log.String()), "\n") {
		if !json.Valid([]byte(line)) {
			t.Fatalf("a line of the log that is none: %q", line)
		}
	}
}
