package access

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

const testDocument = `
openapi: 3.1.0
info: {title: test, version: "1"}
paths:
  /public:
    get: {operationId: Public, responses: {default: {description: any}}}
  /requests:
    post: {operationId: Ask, x-roles: [bank], x-scope: requests, responses: {default: {description: any}}}
  /proofs:
    post: {operationId: Answer, x-roles: [agency], x-scope: proofs, responses: {default: {description: any}}}
  /me:
    get: {operationId: Me, x-roles: [agency, bank, auditor, operator], x-scope: any, responses: {default: {description: any}}}
`

func document(t testing.TB, text string) *openapi3.T {
	t.Helper()
	return must(openapi3.NewLoader().LoadFromData([]byte(text)))(t)
}

// watchedBody tells whether it was read.
type watchedBody struct{ read bool }

func (b *watchedBody) Read([]byte) (int, error) { b.read = true; return 0, io.EOF }

// app serves the operations of a document, each of which reads its body and answers with
// whom it was asked by.
func app(t testing.TB, a *Authenticator, document *openapi3.T) *echo.Echo {
	t.Helper()
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		status := http.StatusInternalServerError
		var refusal *Refusal
		if errors.As(err, &refusal) {
			status = refusal.Status
			c.Response().Header().Set("Retry-After", strconv.Itoa(int(refusal.Retry/time.Second)))
		}
		_ = c.String(status, err.Error())
	}
	handler := func(c echo.Context) error {
		_, _ = io.ReadAll(c.Request().Body)
		p := PrincipalOf(c.Request().Context())
		if p == nil {
			return c.String(http.StatusOK, "nobody")
		}
		return c.String(http.StatusOK, p.Organisation.ID)
	}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			e.Add(method, path, handler, a.Require(must(RuleOf(operation))(t)))
		}
	}
	return e
}

type answer struct {
	status          int
	body, challenge string
	retry           string
	read            bool
}

func ask(h http.Handler, method, path, address string, r *http.Request) answer {
	body := &watchedBody{}
	sent := httptest.NewRequest(method, path, body)
	sent.Header, sent.RemoteAddr = r.Header, address+":1234"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, sent)
	return answer{w.Code, w.Body.String(), w.Header().Get("WWW-Authenticate"), w.Header().Get("Retry-After"), body.read}
}

func TestRequire(t *testing.T) {
	d, _ := newDirectory(t)
	h := app(t, newAuthenticator(t, d), document(t, testDocument))
	tokens := map[string]string{"nobody": ""}
	for _, role := range Roles() {
		_, tokens[string(role)] = newOrganisation(t, d, "the-"+string(role), role)
	}
	_, tokens["narrow bank"] = newOrganisation(t, d, "narrow", RoleBank, "webhooks")
	const invalid, insufficient = `Bearer realm="attestry", error="invalid_token"`, `Bearer realm="attestry", error="insufficient_scope"`
	tokens["false"] = formatToken("aaaaaaaaaaaaaaaa", secret{})
	who := []string{"nobody", "false", "agency", "bank", "auditor", "operator", "narrow bank"}
	for _, c := range []struct {
		method, path, scope string
		status              []int // by who
	}{
		{"GET", "/public", "", []int{200, 200, 200, 200, 200, 200, 200}},
		{"GET", "/me", "any", []int{401, 401, 200, 200, 200, 200, 200}},
		{"POST", "/requests", "requests", []int{401, 401, 403, 200, 403, 403, 403}},
		{"POST", "/proofs", "proofs", []int{401, 401, 200, 403, 403, 403, 403}},
	} {
		for i, name := range who {
			r := withToken()
			if tokens[name] != "" {
				r = withToken(tokens[name])
			}
			got := ask(h, c.method, c.path, "192.0.2."+strconv.Itoa(i), r)
			challenge := map[int]string{401: invalid, 403: insufficient + `, scope="` + c.scope + `"`}[c.status[i]]
			if name == "nobody" && c.status[i] == 401 {
				challenge = `Bearer realm="attestry"`
			}
			if got.status != c.status[i] || got.challenge != challenge {
				t.Errorf("%s %s by %s: %d, %s; want %d, %s", c.method, c.path, name, got.status, got.challenge, c.status[i], challenge)
			}
			if got.read != (got.status == 200) {
				t.Errorf("%s %s by %s: %d, and its body was read: %v", c.method, c.path, name, got.status, got.read)
			}
			if secret := tokens[name]; secret != "" && strings.Contains(got.body, secret[len(secret)-64:]) {
				t.Errorf("%s %s by %s: the answer has the secret", c.method, c.path, name)
			}
			if c.path == "/public" && got.body != "nobody" {
				t.Errorf("a public operation looked at the credential: %s", got.body)
			}
		}
	}
}

func TestRequireWithoutAuthenticator(t *testing.T) {
	h := app(t, nil, document(t, testDocument))
	if got := ask(h, "GET", "/me", "192.0.2.1", withToken(formatToken("aaaaaaaaaaaaaaaa", secret{}))); got.status != 401 || got.read {
		t.Errorf("%+v", got)
	}
	if got := ask(h, "GET", "/public", "192.0.2.1", withToken()); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

func TestRules(t *testing.T) {
	doc := document(t, testDocument)
	if got := must(Scopes(doc))(t); !slices.Equal(got, []string{"proofs", "requests"}) {
		t.Errorf("scopes %q", got)
	}
	if rules := must(Rules(doc))(t); len(rules) != 4 || !rules["Public"].Public() || rules["Me"].Public() {
		t.Errorf("%+v", rules)
	}
	for _, bad := range []string{
		"x-scope: requests", "x-roles: [bank]", "x-roles: [], x-scope: a", "x-roles: bank, x-scope: a", "x-roles: [root], x-scope: a",
		"x-roles: [bank, bank], x-scope: a", "x-roles: [1], x-scope: a", "x-roles: null, x-scope: a", `x-roles: [bank], x-scope: ""`,
		"x-roles: [bank], x-scope: [a]", "x-roles: [bank], x-scope: A B",
	} {
		text := strings.Replace(testDocument, "operationId: Public", "operationId: Public, "+bad, 1)
		if _, err := Rules(document(t, text)); !errors.Is(err, ErrRule) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestFailureLimit(t *testing.T) {
	d, c := newDirectory(t)
	a := must(NewAuthenticator(Options{Directory: d, Now: c.now, Failures: FailureLimit{Burst: 3, Every: 10 * time.Second}}))(t)
	h := app(t, a, document(t, testDocument))
	_, token := newOrganisation(t, d, "bank-a", RoleBank)
	_, neighbour := newOrganisation(t, d, "bank-b", RoleBank)
	false1 := func(i int) *http.Request {
		r := withToken(formatToken("aaaaaaaaaaaaaaaa", secret{byte(i)}))
		// Who the client says it is for, in every header that anybody believes.
		for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP"} {
			r.Header.Set(name, "198.51.100."+strconv.Itoa(i))
		}
		return r
	}
	const guesser = "192.0.2.7"
	if got := ask(h, "GET", "/me", guesser, withToken(neighbour)); got.status != 200 {
		t.Fatalf("%+v", got)
	}
	for i := range 50 {
		want := 401
		if i >= 3 {
			want = 429
		}
		got := ask(h, "GET", "/me", guesser, false1(i))
		if got.status != want || (want == 429) != (got.retry == "10") || got.read {
			t.Fatalf("guess %d: %+v", i, got)
		}
	}
	for _, s := range []struct { // in this order: a key that was good once is known
		what, address string
		r             *http.Request
		want          int
	}{
		{"the right key, guessed at last", guesser, withToken(token), 429},
		{"a key that was good there before", guesser, withToken(neighbour), 200},
		{"no credential", guesser, withToken(), 401},
		{"another address", "192.0.2.8", withToken(token), 200},
	} {
		if got := ask(h, "GET", "/me", s.address, s.r); got.status != s.want {
			t.Errorf("%s: %+v", s.what, got)
		}
	}
	if got := ask(h, "GET", "/public", guesser, false1(1)); got.status != 200 {
		t.Errorf("public: %+v", got)
	}
	c.at = c.at.Add(10 * time.Second)
	if got := ask(h, "GET", "/me", guesser, false1(1)); got.status != 401 {
		t.Errorf("after a while: %+v", got)
	}
	if got := ask(h, "GET", "/me", guesser, false1(1)); got.status != 429 {
		t.Errorf("one more: %+v", got)
	}
}

// An owner who uses a dead key is told so, and is no guesser.
func TestDeadKeysAreNoGuesses(t *testing.T) {
	d, c := newDirectory(t)
	a := must(NewAuthenticator(Options{Directory: d, Now: c.now, Failures: FailureLimit{Burst: 2}}))(t)
	h := app(t, a, document(t, testDocument))
	key, token := newOrganisation(t, d, "bank-a", RoleBank)
	must(d.RevokeKey(key.ID))(t)
	for range 10 {
		if got := ask(h, "GET", "/me", "192.0.2.7", withToken(token)); got.status != 401 || !strings.Contains(got.body, "revoked") {
			t.Fatalf("%+v", got)
		}
	}
}

func TestFailuresAreBounded(t *testing.T) {
	f := must(newFailures(FailureLimit{Burst: 1, Every: time.Hour}))(t)
	for i := range 3 * maxClients {
		address := "10." + strconv.Itoa(i>>16) + "." + strconv.Itoa(i>>8&255) + "." + strconv.Itoa(i&255)
		f.failed(address, fingerprint{byte(i), byte(i >> 8), byte(i >> 16)}, start())
		f.succeeded(fingerprint{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	if f.seen.seen.Len() > maxClients || f.good.Len() > maxGood {
		t.Errorf("%d addresses and %d credentials are remembered", f.seen.seen.Len(), f.good.Len())
	}
	if f.wait("10.0.191.255", start()) == 0 {
		t.Error("the latest one is forgotten")
	}
}

func TestClients(t *testing.T) {
	for _, same := range [][]string{
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:0:1234::"},
		{"fe80::1", "fe80::1%eth0"},
		{"", "no address", "192.0.2.1:80", "@"},
	} {
		for _, other := range same[1:] {
			if client(same[0]) != client(other) {
				t.Errorf("%q and %q are two clients", same[0], other)
			}
		}
	}
	if client("2001:db8::1") == client("2001:db8:0:1::1") || client("192.0.2.1") == client("192.0.2.2") || client("192.0.2.1") == client("") {
		t.Error("two clients are one")
	}
}
