package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/attestry/attestry/internal/certtest"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
)

// newIssuer is an OpenID Connect provider, and makes tokens for organisations.
func newIssuer(t *testing.T) (url string, token func(organisation string) string) {
	t.Helper()
	key := certtest.NewKey(t)
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": s.URL, "jwks_uri": s.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Use: "sig"}}})
	})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.URL, func(organisation string) string {
		claims, err := json.Marshal(map[string]any{
			"iss": s.URL, "aud": "https://agency.example", "sub": "jane@canary.example", "org": organisation, "exp": time.Now().Add(time.Hour).Unix(),
		})
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// A server with its own TLS takes an API key, a client's certificate and an issuer's token,
// and no others; its certificate is renewed while it runs.
func TestServeAccess(t *testing.T) {
	dir, files := newWorkspace(t), t.TempDir()
	path := func(name string) string { return filepath.Join(files, name) }
	ca := certtest.NewAuthority(t, "Authority")
	server, bank, stranger := ca.Issue(t, certtest.Leaf{Name: "first"}), ca.Issue(t, certtest.Leaf{Name: "bank"}), ca.Issue(t, certtest.Leaf{Name: "stranger"})
	certtest.Write(t, path("ca.pem"), ca.PEM)
	certtest.Write(t, path("server.pem"), server.Cert)
	certtest.Write(t, path("server.key"), server.Key)
	apiKey := newKey(t, dir, access.Organisation{ID: "bank-a", Role: access.RoleBank})
	newKey(t, dir, access.Organisation{ID: "bank-b", Role: access.RoleBank})
	certtest.Write(t, path("bank.pem"), bank.Cert)
	certtest.Write(t, path("bank.key"), bank.Key)
	certtest.Write(t, path("stranger.pem"), stranger.Cert)
	must(t, dir, "org", "bind", "bank-b", "--certificate", path("bank.pem"))
	issuer, token := newIssuer(t)
	banks := token("bank-a")
	settings := fmt.Sprintf(`
tls: {cert: %q, key: %q, client_ca: %q}
auth: {oidc: [{issuer: %q, audience: "https://agency.example", organisation_claim: org, organisations: [bank-a]}]}
private: {listen: "127.0.0.1:0"}
`, path("server.pem"), path("server.key"), path("ca.pem"), issuer)
	must(t, dir, "config", "check", file(t, "attestry.yaml", settings))
	var log buffer
	address, stop := serve(t, &log, "--dir", dir, "--config", file(t, "attestry.yaml", settings))
	if !strings.HasPrefix(address, "https://") {
		t.Fatal(address)
	}
	for _, c := range []struct {
		what, token string
		show        *certtest.Issued
		status      int
		who         string
	}{
		{what: "no credential", status: 401},
		{what: "an API key", token: apiKey, status: 200, who: "bank-a"},
		{what: "a bound certificate", show: bank, status: 200, who: "bank-b"},
		{what: "a certificate that is not bound", show: stranger, status: 401},
		{what: "a key and another's certificate", token: apiKey, show: bank, status: 401},
		{what: "an issuer's token", token: banks, status: 200, who: "bank-a"},
		{what: "an issuer's token for whom it may not speak", token: token("bank-b"), status: 401},
		{what: "an issuer's token for nobody", token: token("bank-c"), status: 401},
	} {
		if status, who := me(t, address, ca, c.token, c.show); status != c.status || who != c.who {
			t.Errorf("%s: %d %q, not %d %q", c.what, status, who, c.status, c.who)
		}
	}
	testBinding(t, dir, path, func() (int, string) { return me(t, address, ca, "", stranger) })
	renewed := ca.Issue(t, certtest.Leaf{Name: "second"})
	certtest.Write(t, path("server.pem"), renewed.Cert)
	certtest.Write(t, path("server.key"), renewed.Key)
	for deadline := time.Now().Add(time.Minute); shown(t, address, ca) != "second"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the renewed certificate is not shown:\n%s", log.String())
		}
	}
	stop()
	for what, secret := range map[string]string{"key": apiKey, "token": banks, "subject": "jane@canary.example"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds the %s", what)
		}
	}
}

// testBinding binds a stranger's certificate, and unbinds it, while the server runs.
func testBinding(t *testing.T, dir string, path func(string) string, me func() (int, string)) {
	t.Helper()
	stranger := path("stranger.pem")
	for _, c := range []struct {
		args   []string
		code   int
		says   string
		status int // of a request with the stranger's certificate then
	}{
		{[]string{"bind", "bank-c", "--certificate", stranger}, cli.Could, "no organisation is called", 401},
		{[]string{"bind", "bank-a", "--certificate", path("bank.pem")}, cli.Could, "the certificate is bound to bank-b", 401},
		{[]string{"bind", "bank-a", "--certificate", path("bank.key")}, cli.Could, "it holds a private key", 401},
		{[]string{"bind", "bank-a", "--certificate", stranger, "--scope", "everything"}, cli.Could, "no operation has the scope", 401},
		{[]string{"bind", "bank-a", "--certificate", stranger, "--by-subject"}, cli.Done, "bank-a: ", 200},
		{[]string{"bind", "bank-a", "--certificate", stranger, "--scope", "requests-read"}, cli.Done, "certificate, valid, for requests-read, never used", 200},
		{[]string{"unbind", "bank-b", "--certificate", stranger}, cli.Could, "the certificate is not bound to", 200},
		{[]string{"unbind", "bank-a", "--certificate", stranger}, cli.Done, "subject, revoked", 401},
		{[]string{"unbind", "bank-a", "--certificate", stranger}, cli.Could, "the certificate is not bound to", 401},
	} {
		r := attestry(t, dir, append([]string{"org"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.out+r.errors, c.says) {
			t.Errorf("%q: exit code %d, %s%s", c.args, r.code, r.out, r.errors)
		}
		if status, _ := me(); status != c.status {
			t.Errorf("%q: then %d, not %d", c.args, status, c.status)
		}
	}
	if list := must(t, dir, "key", "list", "bank-a").out; strings.Count(list, ", revoked") != 2 {
		t.Error(list)
	}
}

// tlsClient trusts an authority, and shows a certificate if there is one.
func tlsClient(t *testing.T, ca *certtest.Authority, show *certtest.Issued) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certtest.Pool(ca), MinVersion: tls.VersionTLS13}}
	if show != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{show.TLS}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// me asks a server whom it takes a client for.
func me(t *testing.T, address string, ca *certtest.Authority, token string, show *certtest.Issued) (status int, who string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/v1/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := tlsClient(t, ca, show).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var m api.Me
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return response.StatusCode, m.Organisation
}

// shown gives the name in the certificate that a server shows.
func shown(t *testing.T, address string, ca *certtest.Authority) string {
	t.Helper()
	response, err := tlsClient(t, ca, nil).Get(address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.TLS.PeerCertificates[0].Subject.CommonName
}
