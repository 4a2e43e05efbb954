package server

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/attestry/attestry/internal/certtest"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

var (
	apiRequests = flag.Int("api-requests", 800, "how many requests TestAPI makes")
	apiSeed     = flag.Uint64("api-seed", 1, "what TestAPI draws its requests from")
)

// marker is in most hostile texts: no problem shows it, and no header. Names of members and
// facts are shown to whom they are from, and have another one.
const marker, nameMarker = "zq7marker", "zq7name"

// drawn is a request that was drawn from the document.
type drawn struct {
	operation         string // its id; what is answered may be another's
	who, method, path string // path is escaped, with the query
	body              string
	header            http.Header
	address           string
}

// apiFuzz draws requests from the OpenAPI document and holds the answers to it.
type apiFuzz struct {
	*world
	r        *rand.Rand
	document *openapi3.T
	paths    []string // of the document, in order
	// credentials are bearer tokens by a name; those of the world, and such as are not good.
	credentials map[string]string
	owners      map[string]string   // of ids that one bank alone, its agency and operators may see
	ids         map[string][]string // that occurred: of requests, proofs, jobs; of pledges, their indexes
	entries     []string            // of pledges that are proved and not logged
	pledgedBy   map[string]document // by entry
	releases    []pathBody          // of pledges that were logged
	keys        []string            // the paths of API keys that were made
	// certificates are of clients, in PEM.
	certificates []string
	bundle       string
	secrets      []string // that no answer holds
	statuses     map[string]map[int]int
}

// pathBody is a request that fits.
type pathBody struct{ path, body string }

// TestAPI makes requests of every operation of the OpenAPI document, good ones and hostile
// ones, with every role's credential and such as are not good. None makes the server
// fail, every answer is one that the document has, no problem holds what was sent, and
// nobody is shown a secret or what is another's.
func TestAPI(t *testing.T) {
	f := newAPIFuzz(t)
	for n := range *apiRequests {
		f.try(n)
		if t.Failed() && n > 2000 { // what is wrong is shown; the rest would repeat it
			break
		}
	}
	f.report()
	log := f.log.String()
	for _, secret := range slices.Concat(f.secrets, []string{"anna-canary", "bert-canary", "PARCEL-K"}) {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func newAPIFuzz(t *testing.T) *apiFuzz {
	x := newWorld(t, service.Config{Automatic: service.AutomaticNone}).start()
	f := &apiFuzz{
		world: x, r: rand.New(rand.NewPCG(*apiSeed, 7)), document: must(api.Document())(t),
		owners: map[string]string{}, ids: map[string][]string{}, pledgedBy: map[string]document{}, statuses: map[string]map[int]int{},
		credentials: maps.Clone(x.tokens),
	}
	f.paths = slices.Sorted(maps.Keys(f.document.Paths.Map()))
	authority := certtest.NewAuthority(x.t, "clients")
	for i := range 20 {
		f.certificates = append(f.certificates, string(authority.Issue(x.t, certtest.Leaf{Name: fmt.Sprint("client-", i)}).Cert))
	}
	d := x.server.config.Directory
	expired := must(d.CreateOrganisation(access.Organisation{ID: "was-bank", Role: access.RoleBank}))(t)
	revoked, token, err := d.CreateKey(access.NewKey{Organisation: expired.ID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.RevokeKey(revoked.ID); err != nil {
		t.Fatal(err)
	}
	f.credentials["revoked"] = token
	f.credentials[""] = ""
	f.credentials["false"] = token[:len(token)-4] + "AAAA"
	f.credentials["hostile"] = "attestry_" + marker + "_'; --"
	for _, token := range f.credentials {
		if len(token) > 40 {
			f.secrets = append(f.secrets, token[strings.LastIndex(token, "_")+1:])
		}
	}
	for range 20 {
		d := ask(t, strings.Replace(pledgeYAML, "K1", f.pick("K1", "K2", "K3"), 1))
		entry := x.proved(d)
		f.entries, f.pledgedBy[entry] = append(f.entries, entry), d
	}
	r := f.answered("bank-a", ask(t, annasValue).text)
	f.bundle = text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/bundle", ""))
	f.own("bank-a", r)
	x.server.limits.wait = 50 * time.Millisecond
	return f
}

// answered has a bank's request answered.
func (f *apiFuzz) answered(who, document string) api.Request {
	f.t.Helper()
	r := want[api.Request](f.world, 201, who, "POST", "/v1/requests", document)
	want[api.Job](f.world, 200, "agency", "POST", "/v1/proofs", `{"request":"`+r.Id+`"}`, "Prefer", "wait=60")
	return want[api.Request](f.world, 200, who, "GET", "/v1/requests/"+r.Id, "")
}

// own remembers whose a request is, and what belongs to it.
func (f *apiFuzz) own(who string, r api.Request) {
	for kind, id := range map[string]string{"requests": r.Id, "jobs": r.Job, "proofs": r.Proof} {
		if id != "" {
			f.owners[id] = who
			f.remember(kind, id)
		}
	}
}

// remember keeps an id to be asked for later.
func (f *apiFuzz) remember(kind, id string) {
	if len(f.ids[kind]) > 100 {
		f.ids[kind] = f.ids[kind][50:]
	}
	f.ids[kind] = append(f.ids[kind], id)
}

func (f *apiFuzz) pick(of ...string) string { return of[f.r.IntN(len(of))] }

// one tells of one case in n.
func (f *apiFuzz) one(n int) bool { return f.r.IntN(n) == 0 }

// try makes a request and holds its answer to what every answer is held to.
func (f *apiFuzz) try(n int) {
	f.t.Helper()
	d := f.draw(n)
	r, err := d.request(f.credentials[d.who])
	if err != nil {
		return // not a request that net/http would have made a handler see
	}
	w := httptest.NewRecorder()
	f.server.Handler().ServeHTTP(w, r)
	response := w.Result()
	body := text(f.t, response)
	if f.statuses[d.operation] == nil {
		f.statuses[d.operation] = map[int]int{}
	}
	f.statuses[d.operation][response.StatusCode]++
	if wrong := f.check(d, r, response, body); wrong != "" {
		f.t.Errorf("request %d by %q: %s %s %v %.300q\n%d %v %.500s\n%s", n, d.who, d.method, d.path, d.header, d.body, response.StatusCode, response.Header, body, wrong)
	}
	f.learn(d, response, body)
}

// learn takes from an answer what later requests are about.
func (f *apiFuzz) learn(d drawn, response *http.Response, body string) {
	for _, id := range regexp.MustCompile(`"(job|proof)":"([0-9a-f]{32})"`).FindAllStringSubmatch(body, -1) {
		f.remember(id[1]+"s", id[2])
	}
	if response.StatusCode/100 != 2 {
		return
	}
	switch d.operation {
	case "ListPledges":
		for _, index := range regexp.MustCompile(`"index":([0-9]+)`).FindAllStringSubmatch(body, -1) {
			f.remember("pledges", index[1])
		}
	case "ListGrants", "IssueGrant":
		for _, index := range regexp.MustCompile(`"index":([0-9]+)`).FindAllStringSubmatch(body, -1) {
			f.remember("grants", index[1])
		}
	case "SubmitPledge":
		var p api.SubmittedPledge
		if by, ok := f.pledgedBy[d.body]; ok && json.Unmarshal([]byte(body), &p) == nil {
			f.releases = append(f.releases, pathBody{fmt.Sprintf("/v1/pledges/%d/release", p.Pledge.Index), f.release(by, p.Pledge)})
		}
	case "CreateRequest", "GetRequest":
		var r api.Request
		if json.Unmarshal([]byte(body), &r) != nil || r.Organisation == "" {
			return
		}
		f.own(r.Organisation, r)
		if r.State == "asked" && f.one(2) { // some are answered, some wait to be withdrawn or refused
			f.call("agency", "POST", "/v1/proofs", `{"request":"`+r.Id+`"}`)
		}
	case "SetWebhook":
		var h api.IssuedWebhook
		if json.Unmarshal([]byte(body), &h) == nil && len(h.Secret) > 10 {
			f.secrets = append(f.secrets, strings.TrimPrefix(h.Secret, "whsec_"))
		}
	case "CreateKey", "RotateKey":
		var k api.IssuedKey
		if json.Unmarshal([]byte(body), &k) == nil && len(k.Secret) > 40 {
			f.secrets = append(f.secrets, k.Secret[strings.LastIndex(k.Secret, "_")+1:])
			f.keys = append(f.keys, "/v1/organisations/"+k.Key.Organisation+"/keys/"+k.Key.Id)
		}
	}
}

// request makes what was drawn.
func (d drawn) request(token string) (*http.Request, error) {
	var body io.Reader
	if d.body != "" {
		body = strings.NewReader(d.body)
	}
	u, err := url.ParseRequestURI(d.path)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(d.method, "http://registry.example", body)
	if err != nil {
		return nil, err
	}
	r.URL, r.RequestURI, r.Host = u, d.path, "registry.example"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.Header, r.RemoteAddr = d.header, d.address
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r, nil
}

// check says what is wrong with an answer.
func (f *apiFuzz) check(d drawn, r *http.Request, response *http.Response, body string) string {
	path, operation := f.route(r.Method, r.URL.EscapedPath())
	switch {
	case response.StatusCode >= 500 && response.StatusCode != 503:
		return "the server failed"
	case operation == nil && r.Method != http.MethodOptions && response.StatusCode/100 != 4:
		return "there is nothing here, and it does not say so"
	case response.StatusCode >= 400:
		if wrong := checkProblem(response, body, d.operation, r.Method); wrong != "" {
			return wrong
		}
	}
	if strings.HasPrefix(r.URL.Path, "/v1/") && response.StatusCode != 204 && response.StatusCode != 304 && response.Header.Get("Cache-Control") != "no-store" {
		return "a cache may keep it"
	}
	for name, values := range response.Header {
		if text := strings.Join(values, " "); strings.Contains(text, marker) && name != headerRequestID || strings.ContainsAny(text, "\r\n\x00") {
			return "the header " + name + " holds what was sent"
		}
	}
	if operation != nil && r.Method != http.MethodHead && r.Method != http.MethodOptions {
		if err := conforms(f.document, path, r.Method, response, body); err != nil {
			return err.Error()
		}
	}
	return f.leak(d, operation, body)
}

// checkProblem says what is wrong with a problem.
func checkProblem(response *http.Response, body, operation, method string) string {
	if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
		return "a problem of the type " + got
	}
	if method == http.MethodHead {
		return "" // net/http leaves the body out, the recorder does not
	}
	var p api.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		return "a problem that is none: " + err.Error()
	}
	i := slices.IndexFunc(kinds(), func(k kind) bool { return string(k.code) == p.Code })
	if i < 0 || kinds()[i].status != response.StatusCode || p.Status != response.StatusCode || p.Detail == "" {
		return "a problem that is not in the list"
	}
	if (response.StatusCode == 503 || response.StatusCode == 429) && response.Header.Get("Retry-After") == "" {
		return "it does not say when to come again"
	}
	// Scopes, attributes and members are shown by name, and of a bundle what type and format it says it has.
	names := p.Code == string(CodeInvalid) || p.Code == string(CodeBadSchema) || p.Code == string(CodeBadGrant) || strings.Contains(p.Detail, "unknown member") || strings.HasPrefix(operation, "Verify")
	p.Instance = "" // it has the caller's own X-Request-Id
	if strings.Contains(fmt.Sprint(p), marker) && !names {
		return "the problem holds what was sent"
	}
	return ""
}

// route finds what the document has at a path, by a method.
func (f *apiFuzz) route(method, path string) (template string, operation *openapi3.Operation) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segments := strings.Split(path, "/")
	for _, template := range f.paths {
		parts := strings.Split(template, "/")
		if template == "/tile/{path}" && len(segments) > 3 && segments[1] == "tile" {
			parts = append([]string{"", "tile"}, slices.Repeat([]string{"{path}"}, len(segments)-2)...)
		}
		if len(parts) != len(segments) {
			continue
		}
		same := true
		for i, part := range parts {
			same = same && (part == segments[i] || strings.HasPrefix(part, "{") && segments[i] != "")
		}
		if same {
			return template, f.document.Paths.Value(template).GetOperation(method)
		}
	}
	return "", nil
}

// leak says what an answer holds that is not for whom it goes to.
func (f *apiFuzz) leak(d drawn, operation *openapi3.Operation, body string) string {
	id := ""
	if operation != nil {
		id = operation.OperationID
	}
	if id != "CreateKey" && id != "RotateKey" && id != "SetWebhook" {
		for _, secret := range f.secrets {
			if strings.Contains(body, secret) {
				return "it holds a secret"
			}
		}
	}
	for _, private := range []string{"anna-canary", "bert-canary", "PARCEL-K"} {
		shown := id == "GetRequestDocument" || strings.HasPrefix(id, "Verify") && strings.Contains(d.body, private)
		why := d.who == "agency" && strings.Contains(body, `"detail":`) // of a refusal or a failure, for the agency alone
		if strings.Contains(body, private) && !shown && !why {
			return "it holds the private " + private
		}
	}
	reads := map[string]bool{"bank-a": false, "bank-b": false, "other-agency": false, "revoked": false, "false": false, "": false, "hostile": false}
	if _, stranger := reads[d.who]; !stranger {
		return "" // the agency of the registry, an operator or auditor: what they may see is in tables elsewhere
	}
	for _, found := range regexp.MustCompile(`[0-9a-f]{32}`).FindAllString(body, -1) {
		if owner := f.owners[found]; owner != "" && owner != d.who && !strings.Contains(d.path+d.body, found) {
			return "it holds an id of " + owner
		}
	}
	return ""
}

// report shows which operation was answered with which statuses. Of a long run each has
// succeeded.
func (f *apiFuzz) report() {
	var text strings.Builder
	total, operations := map[int]int{}, 0
	for _, id := range slices.Sorted(maps.Keys(f.statuses)) {
		operations++
		succeeded := false
		fmt.Fprintf(&text, "\n%-22s", id)
		for _, status := range slices.Sorted(maps.Keys(f.statuses[id])) {
			fmt.Fprintf(&text, " %d:%d", status, f.statuses[id][status])
			total[status] += f.statuses[id][status]
			succeeded = succeeded || status/100 == 2
		}
		if !succeeded && *apiRequests >= 10000 {
			f.t.Errorf("%s never succeeded: nothing is tried of it", id)
		}
	}
	f.t.Logf("seed %d, %d requests of %d operations, by status %v%s", *apiSeed, *apiRequests, operations, total, text.String())
}
