package server

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/metrics"
	"github.com/attestry/attestry/server/service"
)

// duty is what one operation answers to each role: 403 to whom it is not for. It is asked
// about things that there are none of (404), with bodies that nobody may send (400, 415).
type duty struct {
	scope                           string // "": public
	agency, bank, auditor, operator int
}

// duties is written by hand from what each role is for, and not from the document: who
// changes who may do what has to say so twice.
func duties() map[string]duty {
	public := func(status int) duty { return duty{"", status, status, status, status} }
	return map[string]duty{
		"GetIndex": public(200), "GetHealth": public(200), "GetReadiness": public(200), "GetOpenAPI": public(200), "GetCheckpoint": public(200),
		"GetTile": public(404), "Verify": public(400), "VerifyBatch": public(400),

		"GetMe": {"any", 200, 200, 200, 200}, "GetOverview": {"overview-read", 200, 200, 200, 200},

		// A bank asks; its agency answers or refuses; an operator sees that it is asked and not what.
		"ListRequests": {"requests-read", 200, 200, 403, 200}, "GetRequest": {"requests-read", 404, 404, 403, 404},
		"CreateRequest": {"requests-write", 403, 400, 403, 403}, "GetRequestDocument": {"requests-read", 404, 404, 403, 403},
		"WithdrawRequest": {"requests-write", 404, 404, 403, 403}, "RefuseRequest": {"proofs-write", 400, 403, 403, 403},

		// An operator runs the machine and reads no answers; an auditor reads what the agency lets it read.
		"ListProofs": {"proofs-read", 200, 200, 200, 403}, "GetProof": {"proofs-read", 404, 404, 404, 403}, "GetBundle": {"proofs-read", 404, 404, 404, 403},
		"CreateProof": {"proofs-write", 400, 403, 403, 403},
		"GetOpenings": {"proofs-read", 404, 404, 403, 403}, "AcknowledgeOpenings": {"proofs-write", 404, 404, 403, 403},
		"ListReaders": {"proofs-read", 404, 403, 403, 403}, "AddReader": {"proofs-write", 404, 403, 403, 403}, "RemoveReader": {"proofs-write", 404, 403, 403, 403},

		"ListJobs": {"jobs-read", 200, 200, 403, 200}, "GetJob": {"jobs-read", 404, 404, 403, 404}, "GetJobEvents": {"jobs-read", 404, 404, 403, 404},
		"CancelJob": {"jobs-write", 404, 403, 403, 404},

		// Schemas, epochs, pledges and the log are public between them; only an agency writes.
		"ListRegistries": {"registries-read", 200, 200, 200, 200}, "GetRegistry": {"registries-read", 404, 404, 404, 404},
		"ListEpochs": {"registries-read", 404, 404, 404, 404}, "GetEpoch": {"registries-read", 404, 404, 404, 404},
		"CreateRegistry": {"registries-write", 400, 403, 403, 403}, "UpdateRegistry": {"registries-write", 400, 403, 403, 403},
		"ImportRecords": {"registries-write", 415, 403, 403, 403}, "CreateEpoch": {"registries-write", 404, 403, 403, 403},
		"ListPledges": {"pledges-read", 200, 200, 200, 200}, "GetPledge": {"pledges-read", 404, 404, 404, 404},
		"SubmitPledge": {"pledges-write", 400, 400, 403, 403}, "ReleasePledge": {"pledges-write", 400, 400, 403, 403},
		"ListGrants": {"grants-read", 200, 200, 200, 200}, "GetGrant": {"grants-read", 404, 404, 404, 404},
		"IssueGrant": {"grants-write", 400, 403, 403, 403}, "RevokeGrant": {"grants-write", 404, 403, 403, 403},
		"GetLedger": {"ledger-read", 200, 200, 200, 200}, "ListEntries": {"ledger-read", 200, 200, 200, 200}, "GetEntry": {"ledger-read", 404, 404, 404, 404},
		"GetTrust": {"ledger-read", 200, 200, 200, 200}, "ListCircuits": {"ledger-read", 200, 200, 200, 200},

		// Only an operator lets anybody in.
		"ListOrganisations": {"organisations-read", 200, 403, 403, 200}, "GetOrganisation": {"organisations-read", 404, 403, 403, 404},
		"CreateOrganisation": {"organisations-write", 403, 403, 403, 400}, "DisableOrganisation": {"organisations-write", 403, 403, 403, 404},
		"ListKeys": {"organisations-read", 403, 403, 403, 404}, "CreateKey": {"organisations-write", 403, 403, 403, 400}, "RevokeKey": {"organisations-write", 403, 403, 403, 404},
		"EnableOrganisation": {"organisations-write", 403, 403, 403, 404}, "RotateKey": {"organisations-write", 403, 403, 403, 400},
		"BindCertificate": {"organisations-write", 403, 403, 403, 400},
		"GetBudget":       {"budgets-read", 403, 404, 404, 404},

		"GetWebhook": {"webhook-read", 404, 404, 403, 403}, "SetWebhook": {"webhook-write", 400, 400, 403, 403}, "DeleteWebhook": {"webhook-write", 204, 204, 403, 403},
		"ListDeliveries": {"webhook-read", 200, 200, 403, 403},
		"ListAudit":      {"audit-read", 403, 403, 200, 200},
	}
}

func (d duty) of(r access.Role) int {
	return map[access.Role]int{access.RoleAgency: d.agency, access.RoleBank: d.bank, access.RoleAuditor: d.auditor, access.RoleOperator: d.operator}[r]
}

// credential is one that a role sends, or what somebody sends instead of one.
type credential struct {
	what   string
	header []string // Authorization
	scopes []string // nil: all
	good   bool
}

// matrix is a server with credentials of all roles in all states.
type matrix struct {
	*world
	metrics *metrics.Metrics
	secrets []string
}

func newMatrix(t *testing.T) *matrix {
	x := &matrix{world: newWorld(t, service.Config{}), metrics: metrics.New()}
	must(x.w.ServiceDB())(t).NoSync = true // hundreds of keys, none of which has to last
	c := x.server.config
	// Two hours later, so that what is to have expired has; and as many guesses as there are here.
	later := func() time.Time { return time.Now().Add(2 * time.Hour) }
	c.Access = must(access.NewAuthenticator(access.Options{Directory: c.Directory, Now: later, Failures: access.FailureLimit{Burst: 1 << 20}}))(t)
	c.Metrics = x.metrics
	x.server = newTestServer(t, c, testLimits())
	return x
}

// key makes an API key.
func (x *matrix) key(n access.NewKey) (id, token string) {
	key, token, err := x.server.config.Directory.CreateKey(n)
	if err != nil {
		x.t.Fatal(err)
	}
	x.secrets = append(x.secrets, token, token[len(token)-64:])
	return key.ID, token
}

// credentials gives a role's, for an operation of a scope.
func (x *matrix) credentials(role access.Role, scope string) []credential {
	d, name := x.server.config.Directory, string(role)+"-of-the-matrix"
	if _, err := d.Organisation(name); err != nil {
		must(d.CreateOrganisation(access.Organisation{ID: name, Role: role}))(x.t)
		must(d.CreateOrganisation(access.Organisation{ID: name + "-out", Role: role}))(x.t)
	}
	bearer := func(token string) []string { return []string{"Bearer " + token} }
	id, full := x.key(access.NewKey{Organisation: name})
	_, foreign := x.key(access.NewKey{Organisation: name})
	_, expired := x.key(access.NewKey{Organisation: name, Expires: time.Now().Add(time.Hour)})
	dead, revoked := x.key(access.NewKey{Organisation: name})
	must(d.RevokeKey(dead))(x.t)
	_, disabled := x.key(access.NewKey{Organisation: name + "-out"})
	must(d.DisableOrganisation(name + "-out"))(x.t)
	other := []string{"audit-read"}
	if scope == "audit-read" {
		other = []string{"jobs-read"}
	}
	_, narrow := x.key(access.NewKey{Organisation: name, Scopes: other})
	secret := foreign[len(foreign)-64:]
	all := []credential{
		{"a good key", bearer(full), nil, true},
		{"a key of another scope", bearer(narrow), other, true},
		{"no credential", nil, nil, false},
		{"an empty header", []string{""}, nil, false},
		{"an empty token", []string{"Bearer "}, nil, false},
		{"another scheme", []string{"Basic " + full}, nil, false},
		{"no scheme", []string{full}, nil, false},
		{"a cut key", bearer(full[:len(full)-1]), nil, false},
		{"a longer key", bearer(full + "0"), nil, false},
		{"a key in capitals", bearer(strings.ToUpper(full)), nil, false},
		{"a key and a space", bearer(full + " "), nil, false},
		{"two keys in one header", bearer(full + ", Bearer " + full), nil, false},
		{"two headers", append(bearer(full), bearer(full)...), nil, false},
		{"another key's secret", bearer("attestry_" + id + "_" + secret), nil, false},
		{"an unknown id", bearer("attestry_aaaaaaaaaaaaaaaa_" + secret), nil, false},
		{"a JWT without a signature", bearer("eyJhbGciOiJub25lIn0.eyJvcmciOiJvcGVyYXRvciJ9."), nil, false},
		{"an expired key", bearer(expired), nil, false},
		{"a revoked key", bearer(revoked), nil, false},
		{"a disabled organisation's", bearer(disabled), nil, false},
	}
	if scope != "any" && scope != "" {
		_, exact := x.key(access.NewKey{Organisation: name, Scopes: []string{scope}})
		all = append(all, credential{"a key of this scope", bearer(exact), []string{scope}, true})
	}
	return all
}

// expected is what a credential gets for an operation.
func (d duty) expected(role access.Role, c credential) int {
	switch {
	case d.scope == "":
		return d.of(role) // whatever comes with it
	case !c.good:
		return http.StatusUnauthorized
	case c.scopes != nil && d.scope != "any" && !slices.Contains(c.scopes, d.scope):
		return http.StatusForbidden
	}
	return d.of(role)
}

// Every operation, for every role, with every state of a credential. What goes with it is
// garbage or about nothing, so that 401 and 403 come before either is looked at.
func TestRoles(t *testing.T) {
	x := newMatrix(t)
	document, table := must(api.Document())(t), duties()
	byScope := map[string]map[access.Role][]credential{}
	statuses, ids := map[int]int{}, map[string]bool{}
	for path, item := range document.Paths.Map() {
		path = strings.NewReplacer("{id}", strings.Repeat("a", 32), "{registry}", "nothing", "{index}", "99999", "{number}", "9", "{organisation}", "nobody",
			"{key}", "aaaaaaaaaaaaaaaa", "{path}", "9/000").Replace(path)
		for method, operation := range item.Operations() {
			id := operation.OperationID
			ids[id] = true
			d, ok := table[id]
			if !ok {
				t.Errorf("%s: the table does not say who may do it", id)
				continue
			}
			if byScope[d.scope] == nil {
				byScope[d.scope] = map[access.Role][]credential{}
				for _, role := range access.Roles() {
					byScope[d.scope][role] = x.credentials(role, d.scope)
				}
			}
			garbage := ""
			if operation.RequestBody != nil {
				garbage = "not what anybody sends"
			}
			for _, role := range access.Roles() {
				for _, c := range byScope[d.scope][role] {
					status := x.send(method, path, garbage, c.header)
					statuses[status]++
					if want := d.expected(role, c); status != want {
						t.Errorf("%s (%s %s) by %s with %s: %d, want %d", id, method, path, role, c.what, status, want)
					}
				}
			}
		}
	}
	for id := range table {
		if !ids[id] {
			t.Errorf("%s is in the table and not in the document", id)
		}
	}
	total := 0
	for _, n := range statuses {
		total += n
	}
	t.Logf("%d operations, %d roles: %d requests, by status %v", len(ids), len(access.Roles()), total, statuses)
	if total < 4000 {
		t.Errorf("%d requests", total)
	}
	x.holdsNoSecret()
}

// send makes a request with Authorization headers and gives the answer's status; what is
// refused has to be a problem, and to say nothing of a secret.
func (x *matrix) send(method, path, body string, headers []string) int {
	x.t.Helper()
	r := request(method, path, body)
	r.Header["Authorization"] = headers
	response := do(x.server.Handler(), r)
	content := text(x.t, response)
	if response.StatusCode >= 400 && !strings.Contains(content, `"code":"`) {
		x.t.Errorf("%s %s: %d without a problem: %s", method, path, response.StatusCode, content)
	}
	challenge := response.Header.Get("WWW-Authenticate")
	if wants := response.StatusCode == 401 || response.StatusCode == 403; wants != (challenge != "") {
		x.t.Errorf("%s %s: %d with the challenge %q", method, path, response.StatusCode, challenge)
	}
	for _, h := range headers {
		if secret := h[max(0, len(h)-64):]; len(secret) == 64 && strings.Contains(content+challenge, secret) {
			x.t.Errorf("%s %s: the answer has the credential", method, path)
		}
	}
	return response.StatusCode
}

// holdsNoSecret looks for the keys in the log and the metrics.
func (x *matrix) holdsNoSecret() {
	x.t.Helper()
	shown := do(NewPrivate(x.metrics, true), request("GET", "/metrics", ""))
	for what, content := range map[string]string{"log": x.log.String(), "metrics": string(must(io.ReadAll(shown.Body))(x.t))} {
		if len(content) < 1000 {
			x.t.Errorf("the %s: %q", what, content)
		}
		content = strings.ToLower(content)
		for _, s := range x.secrets {
			if strings.Contains(content, s) {
				x.t.Fatalf("the %s hold a key", what)
			}
		}
	}
	x.t.Logf("%d secrets looked for in the log and the metrics", len(x.secrets))
}

// What a client says of itself anywhere but in Authorization makes it nobody else.
func TestNothingElseIsACredential(t *testing.T) {
	x := newMatrix(t)
	_, token := x.key(access.NewKey{Organisation: "operator"})
	names := []string{
		"Cookie", "X-Api-Key", "Api-Key", "X-Auth-Token", "X-Access-Token", "Proxy-Authorization", "X-Authorization", "X-Original-Authorization", "Authentication",
		"X-Organisation", "X-Organization", "X-Role", "X-Scope", "X-User", "X-Remote-User", "Remote-User", "X-Forwarded-User", "X-Forwarded-Client-Cert",
		"X-Client-Cert", "X-Ssl-Client-Cert", "Ssl-Client-Verify", "X-Ssl-Client-Verify", "X-Ssl-Client-S-Dn", "Client-Cert", "X-Amzn-Mtls-Clientcert",
		"Authorization ", "authorization\x00", "Authorization\r\nX",
	}
	count := 0
	for _, name := range names {
		for _, value := range []string{token, "Bearer " + token, "attestry=" + token, "operator", "SUCCESS", "CN=operator"} {
			for _, who := range []string{"", "bank-a"} {
				r := request("GET", "/v1/organisations", "")
				want := http.StatusUnauthorized
				if who != "" {
					r.Header.Set("Authorization", "Bearer "+x.tokens[who])
					want = http.StatusForbidden
				}
				r.Header[name] = []string{value}
				if got := do(x.server.Handler(), r).StatusCode; got != want {
					t.Errorf("%q: %.20q by %q: %d, want %d", name, value, who, got, want)
				}
				count++
			}
		}
	}
	for _, query := range []string{"access_token=" + token, "token=" + token, "api_key=" + token, "authorization=Bearer+" + token, "role=operator", "organisation=operator"} {
		wantProblem(t, x.call("", "GET", "/v1/organisations?"+query, ""), CodeUnauthenticated)
		wantProblem(t, x.call("bank-a", "GET", "/v1/organisations?"+query, ""), CodeForbidden)
		wantProblem(t, x.call("operator", "GET", "/v1/organisations?"+query, ""), CodeMalformed)
		count += 3
	}
	t.Logf("%d requests", count)
	x.holdsNoSecret()
}

// No spelling of a path, and no header that names another, leads past the rule of the
// operation that answers.
func TestPathsLeadNowhereElse(t *testing.T) {
	x := newMatrix(t)
	id := strings.Repeat("a", 32)
	paths := []string{
		"/v1/./organisations", "/v1//organisations", "//v1/organisations", "/v1/organisations/", "/V1/organisations", "/v1/Organisations", "/v1/organisations%00",
		"/v1/organisations%2f", "/v1%2forganisations", "/v1/%6frganisations", "/v1/organisations;a=b", "/v1/me/../organisations", "/healthz/../v1/organisations",
		"/v1/me%2f..%2forganisations", "/v1/organisations/..;/organisations", "/v1/organisations/.", "/v1/organisations%20", "/v1/organisations\\", "/v1/organisations/%2e%2e/me",
		"/tile/../v1/organisations", "/v1/requests/" + id + "/../../organisations", "/v1/organisations.json", "/v1/verify/../organisations", "/v1/organisations%0d%0aX-Role:%20operator",
	}
	count := 0
	for _, path := range paths {
		for _, who := range []string{"", "bank-a", "operator"} {
			got := x.call(who, "GET", path, "")
			count++
			if content := text(t, got); got.StatusCode < 400 || strings.Contains(content, `"items"`) {
				t.Errorf("%s by %q: %d: %s", path, who, got.StatusCode, content)
			}
		}
	}
	for _, name := range []string{"X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Forwarded-Prefix", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "Host", "X-Forwarded-Host"} {
		for _, value := range []string{"/healthz", "/v1/me", "GET", "POST", "DELETE", "localhost"} {
			wantProblem(t, x.call("bank-a", "GET", "/v1/organisations", "", name, value), CodeForbidden)
			wantProblem(t, x.call("", "GET", "/v1/organisations", "", name, value), CodeUnauthenticated)
			if me := want[api.Me](x.world, 200, "bank-a", "GET", "/v1/me", "", name, value); me.Organisation != "bank-a" {
				t.Errorf("%s: %s: %+v", name, value, me)
			}
			count += 3
		}
	}
	t.Logf("%d requests", count)
}

// guessable gives ids beside one that there is: what somebody would try who knows it.
func guessable(id string) map[string]bool {
	out := map[string]bool{}
	for i := range id {
		for _, c := range "0f9a" {
			out[id[:i]+string(c)+id[i+1:]] = true
		}
	}
	delete(out, id)
	return out
}

// Ids near one's own, and near another's, are nobody's: the answer is that of an unknown
// one to the byte, but for the id of the answer itself.
func TestGuessedIDs(t *testing.T) {
	x := newWorld(t, service.Config{})
	mine := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
	body := func(who, id string) string {
		r := x.call(who, "GET", "/v1/requests/"+id, "", "X-Request-Id", "one-id")
		return r.Status + text(t, r)
	}
	unknown := body("bank-b", strings.Repeat("0", 32))
	count := 0
	for _, id := range append(slices.Sorted(maps.Keys(guessable(mine.Id))), mine.Id) {
		for _, who := range []string{"bank-b", "other-agency"} {
			count++
			if got := body(who, id); got != unknown {
				t.Fatalf("%s by %s: %s; an unknown one: %s", id, who, got, unknown)
			}
		}
	}
	t.Logf("%d guesses", count)
}
