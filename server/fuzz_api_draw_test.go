package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/attestry/attestry/server/api"
)

// hostileTexts are what parsers, paths, headers and databases have been hurt with.
func hostileTexts() []string {
	return []string{
		"", " ", ".", "..", "../../etc/passwd", "..%2f..%2fledger.db", "%00", "\x00", "%", "%zz", "%2e%2e", "\\..\\x",
		"' OR 1=1 --", `"; DROP TABLE x`, "${jndi:ldap://x}", "{{7*7}}", "<script>", "\r\nX-Injected: yes", "%0d%0aX-Injected:%20yes",
		"-1", "0", "18446744073709551616", "9007199254740992", "1e3", "0x10", "1.0", "+1", "01", "NaN",
		"null", "true", "[]", "{}", "\"", "\u202e", "\ufeff", "İ", "\xff\xfe", strings.Repeat("a", 300), strings.Repeat("é", 5000), "a,b", "a;b", "a&b=c", "*",
	}
}

// hostile gives a hostile text, which mostly holds the marker.
func (f *apiFuzz) hostile() string {
	text := f.pick(hostileTexts()...)
	if f.one(4) {
		return text
	}
	return text + marker
}

// draw draws a request: first each operation with each credential, then at random.
func (f *apiFuzz) draw(n int) drawn {
	path := f.paths[f.r.IntN(len(f.paths))]
	names := slices.Sorted(maps.Keys(f.credentials))
	who := f.pick(names...)
	if first := n / len(f.paths); first < len(names) {
		path, who = f.paths[n%len(f.paths)], names[first]
	}
	operations := f.document.Paths.Value(path).Operations()
	method := f.pick(slices.Sorted(maps.Keys(operations))...)
	operation := operations[method]
	d := drawn{
		operation: operation.OperationID, who: who, method: method, header: http.Header{},
		address: fmt.Sprintf("192.0.2.%d:%d", f.r.IntN(250), 1024+f.r.IntN(60000)),
	}
	if f.one(2) { // somebody who may
		if roles, _ := operation.Extensions["x-roles"].([]any); len(roles) > 0 {
			d.who = map[any]string{"agency": "agency", "bank": f.pick("bank-a", "bank-b"), "auditor": "auditor", "operator": "operator"}[roles[f.r.IntN(len(roles))]]
		}
	}
	if f.one(20) {
		d.method = f.pick("HEAD", "OPTIONS", "PATCH", "TRACE", "PUT", "DELETE", "POST", "GET", "BREW")
	}
	hostile := f.one(3) // one part of it may be
	d.path = f.drawPath(path, operation, hostile)
	query := f.drawParameters(d.header, operation, hostile)
	if hostile && f.one(4) {
		query = append(query, url.QueryEscape(f.hostile())+"="+url.QueryEscape(f.hostile()))
	}
	if hostile && f.one(10) {
		query = append(query, f.pick("%", "limit=1&limit=2", "a=%zz", ";", "&&&", "=", "cursor")) // as they are
	}
	if len(query) > 0 {
		d.path += "?" + strings.Join(query, "&")
	}
	f.drawBody(&d, operation)
	f.fit(&d)
	if f.one(8) {
		f.spoil(&d)
	}
	return d
}

// fit puts in what two parts of a request have to have in common, now and then.
func (f *apiFuzz) fit(d *drawn) {
	switch {
	case f.one(3):
	case d.operation == "ReleasePledge" && len(f.releases) > 0:
		release := f.releases[f.r.IntN(len(f.releases))]
		d.path, d.body = release.path, release.body
	case d.operation == "RevokeKey" && len(f.keys) > 0:
		d.path = f.pick(f.keys...)
	case d.operation == "RotateKey" && len(f.keys) > 0:
		d.path = f.pick(f.keys...) + "/rotation"
	case d.operation == "CancelJob":
		var j api.Job
		if r := f.call("agency", "POST", "/v1/proofs", `{"request":`+f.question("bank-a")+`}`); json.Unmarshal([]byte(text(f.t, r)), &j) == nil && j.Id != "" {
			d.path = "/v1/jobs/" + j.Id
		}
	}
}

// spoil adds headers that proxies and frameworks go by, and this server does not.
func (f *apiFuzz) spoil(d *drawn) {
	for range 1 + f.r.IntN(3) {
		name := f.pick("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-Ip", "X-Http-Method-Override", "X-Original-Url",
			"Range", "If-Match", "If-Modified-Since", "Accept", "Accept-Encoding", "Content-Encoding", "Expect", "Cookie", "Origin", "Referer", "Upgrade", "Te",
			"Access-Control-Request-Method", "Content-Type", "X-Request-Id", "If-None-Match", "Prefer", "Authorization")
		d.header.Set(name, f.pick(f.hostile(), "127.0.0.1", "gzip", "bytes=0-0", "DELETE", "100-continue", "wait=99999999999", "*", "Basic YTpi", "Bearer", "bearer x"))
	}
}

// drawPath fills in a path's parameters.
func (f *apiFuzz) drawPath(path string, operation *openapi3.Operation, hostile bool) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if !strings.HasPrefix(segment, "{") {
			continue
		}
		segments[i] = f.pathValue(strings.Trim(segment, "{}"), segments[2], operation.OperationID)
		if hostile && f.one(2) {
			segments[i] = f.hostile()
			if !f.one(3) {
				segments[i] = url.PathEscape(segments[i])
			}
		}
	}
	return strings.Join(segments, "/")
}

// pathValue gives a value of a path's parameter that may be there; kind is what the path
// is about.
func (f *apiFuzz) pathValue(name, kind, operation string) string {
	if f.one(10) {
		kind = f.pick("requests", "proofs", "jobs")
	}
	if known := f.ids[kind]; (name == "id" || name == "index") && len(known) > 0 && !f.one(8) {
		return known[len(known)-1-f.r.IntN(min(len(known), 30))]
	}
	switch name {
	case "id":
		return strings.Repeat(f.pick("0", "a", "f"), 32)
	case "registry":
		return f.pick("titles", "titles", "titles", "liens", "fuzz-"+strconv.Itoa(f.r.IntN(20)))
	case "organisation":
		// The world's own are to be there until the end.
		if operation == "DisableOrganisation" || operation == "RevokeKey" {
			return f.pick("was-bank", "nobody", "fuzz-"+strconv.Itoa(f.r.IntN(20)))
		}
		if operation == "AddReader" && !f.one(4) {
			return "auditor"
		}
		return f.pick("bank-a", "bank-b", "agency", "auditor", "operator", "nobody", "fuzz-"+strconv.Itoa(f.r.IntN(20)))
	case "key":
		return f.pick("x", "k1", strings.Repeat("a", 64))
	case "path":
		return f.pick("0/000", "0/000.p/3", "entries/000.p/2", "1/000", "0/x000/000", "entries/000", "8/000")
	}
	return strconv.Itoa(f.r.IntN(40)) // an index or a number
}

// drawParameters puts an operation's headers in, and gives its query.
func (f *apiFuzz) drawParameters(header http.Header, operation *openapi3.Operation, hostile bool) (query []string) {
	for _, p := range operation.Parameters {
		if p.Value.In == openapi3.ParameterInPath || f.one(2) {
			continue
		}
		value := f.parameterValue(p.Value)
		if hostile && f.one(3) {
			value = f.hostile()
		}
		if p.Value.Name == "fact" {
			value = strings.ReplaceAll(value, marker, nameMarker)
		}
		if p.Value.In == openapi3.ParameterInHeader {
			header.Set(p.Value.Name, value)
		} else {
			query = append(query, url.QueryEscape(p.Value.Name)+"="+url.QueryEscape(value))
		}
	}
	return query
}

func (f *apiFuzz) parameterValue(p *openapi3.Parameter) string {
	switch p.Name {
	case headerIdempotencyKey:
		return "key-" + strconv.Itoa(f.r.IntN(300))
	case "Prefer":
		return f.pick("wait=1", "wait=60", "respond-async, wait=2", "wait=0", "handling=lenient")
	case "If-None-Match":
		return f.pick("*", `"x"`, `W/"x"`)
	case "Last-Event-ID":
		return strconv.Itoa(f.r.IntN(5))
	case "cursor":
		return f.pick("x", "AAAA", strings.Repeat("A", 256))
	case "registry":
		return f.pick("titles", "liens")
	case "fact":
		return f.pick("fact", "title")
	case "organisation":
		return f.pick("bank-a", "nobody")
	}
	var value any
	if value = f.value(p.Schema.Value, 0); value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// drawBody draws a body, where there can be one and sometimes where there cannot.
func (f *apiFuzz) drawBody(d *drawn, operation *openapi3.Operation) {
	if operation.RequestBody == nil {
		if f.one(30) {
			d.body = f.pick("{}", "x", marker)
		}
		return
	}
	types := slices.Sorted(maps.Keys(operation.RequestBody.Value.Content))
	contentType := f.pick(types...)
	d.header.Set("Content-Type", contentType)
	d.body = f.goodBody(d, operation, contentType)
	if f.one(3) {
		d.body = f.bad(d.body)
	}
	if f.one(20) {
		d.header.Set("Content-Type", f.pick("text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "", "application/x-www-form-urlencoded", "*/*"))
	}
}

// goodBody gives a body that may be taken.
func (f *apiFuzz) goodBody(d *drawn, operation *openapi3.Operation, contentType string) string {
	switch d.operation {
	case "CreateRequest":
		return f.question(d.who)
	case "CreateProof":
		if f.one(2) {
			return `{"request":"` + f.pathValue("id", "requests", "") + `"}`
		}
		return `{"request":` + f.question("bank-a") + `}`
	case "CreateRegistry", "UpdateRegistry":
		schema := strings.Replace(titlesYAML, "registry: titles", "registry: "+f.pick("titles", "fuzz-"+strconv.Itoa(f.r.IntN(20))), 1)
		if contentType == mediaJSON {
			return `{"registry":"fuzz-` + strconv.Itoa(f.r.IntN(20)) + `","key":"k","attributes":[{"name":"value","type":"int"}]}`
		}
		return schema
	case "ImportRecords":
		if contentType == mediaNDJSON {
			return `{"parcel":"PARCEL-K1","owner":"anna-canary","value":300,"garage":"attached"}` + "\n" + `{"parcel":"PARCEL-K2","owner":"anna-canary","value":500,"garage":"none"}` + "\n"
		}
		return titlesCSV + fmt.Sprintf("PARCEL-K%d,bert-canary,%d,none\n", 10+f.r.IntN(5), f.r.IntN(1000))
	case "SubmitPledge", "ReleasePledge":
		return f.pick(f.entries...)
	case "Verify":
		return `{"bundle":` + f.bundle + `}`
	case "VerifyBatch":
		return `{"items":[{"bundle":` + f.bundle + `},{"bundle":{}}]}`
	case "CreateOrganisation":
		return fmt.Sprintf(`{"id":"fuzz-%d","role":%q}`, f.r.IntN(20), f.pick("bank", "agency", "auditor", "operator"))
	case "IssueGrant":
		return strings.Replace(annasGrant, "bank-a", f.pick("bank-a", "bank-b"), 1)
	case "BindCertificate":
		return object("certificate", quote(f.pick(f.certificates...)))
	case "SetWebhook":
		return `{"url":"https://` + f.pick("bank.example/hook", "127.0.0.1/", "[::1]/x", "localhost", "169.254.169.254/latest", "bank.example:99999/", "user@bank.example/") + `"}`
	}
	media := operation.RequestBody.Value.Content.Get(contentType)
	body, err := json.Marshal(f.value(media.Schema.Value, 0))
	if err != nil {
		return "{}"
	}
	return string(body)
}

// question gives a complete request document, true, false, malformed or of a pledge.
func (f *apiFuzz) question(who string) string {
	if who != "bank-b" {
		who = "bank-a"
	}
	yaml := f.pick(
		annasValue,
		"registry: titles\nsubject: bert-canary\nwhere: [value >= 200]\naudience: bank-a\n",
		"registry: titles\nkey: PARCEL-K3\nabsent: true\naudience: bank-a\n",
		"registry: titles\nkey: PARCEL-K99\nabsent: true\naudience: bank-a\n",
		strings.Replace(pledgeYAML, "K1", f.pick("K1", "K2", "K3"), 1),
	)
	return ask(f.t, strings.Replace(yaml, "audience: bank-a", "audience: "+who, 1)).text
}

// bad makes a body a hostile one.
func (f *apiFuzz) bad(body string) string {
	i := f.r.IntN(len(body) + 1)
	switch f.r.IntN(10) {
	case 0:
		return body[:i] // cut off
	case 1:
		return body[:i] + f.hostile() + body[i:]
	case 2:
		return body + body
	case 3: // a member twice
		return strings.Replace(body, "{", `{"request":1,"request":2,"bundle":null,`, 1)
	case 4: // an unknown member
		return strings.Replace(body, "{", `{"`+nameMarker+`":"`+marker+`",`, 1)
	case 5:
		return strings.Repeat(`{"a":[`, 20000)
	case 6: // numbers that are none
		return strings.NewReplacer("1", "1e999", "2", "-0", "true", "tru").Replace(body)
	case 7: // strings in the place of all else
		return strings.NewReplacer(":{", `:"`+marker+`",`, ":[", `:"`+marker+`",`).Replace(body)
	case 8:
		return strings.ReplaceAll(body, `"`, `'`)
	}
	changed := []byte(body)
	for range 1 + f.r.IntN(4) {
		if len(changed) > 0 {
			changed[f.r.IntN(len(changed))] = byte(f.r.IntN(256))
		}
	}
	return string(changed)
}

// value draws a value of a schema: one that it allows, mostly.
func (f *apiFuzz) value(s *openapi3.Schema, depth int) any {
	if depth > 4 || f.one(40) {
		return nil
	}
	switch {
	case len(s.Enum) > 0:
		return s.Enum[f.r.IntN(len(s.Enum))]
	case s.Type.Includes(openapi3.TypeObject):
		object := map[string]any{}
		for name, p := range s.Properties {
			if slices.Contains(s.Required, name) || f.one(2) {
				object[name] = f.value(p.Value, depth+1)
			}
		}
		return object
	case s.Type.Includes(openapi3.TypeArray):
		list := []any{}
		for range f.r.IntN(3) {
			list = append(list, f.value(s.Items.Value, depth+1))
		}
		return list
	case s.Type.Includes(openapi3.TypeInteger):
		return []int64{1, 2, 50, 500, 0, -1, 9007199254740991, int64(f.r.IntN(1000))}[f.r.IntN(8)]
	case s.Type.Includes(openapi3.TypeBoolean):
		return f.one(2)
	}
	if s.Format == "date-time" {
		return f.pick("2099-01-01T00:00:00Z", "2001-01-01T00:00:00Z", "tomorrow")
	}
	if f.one(4) {
		return f.hostile()
	}
	return f.pick("requests-read", "a-name", "https://bank.example/hook", strings.Repeat("0", 32), marker)
}
