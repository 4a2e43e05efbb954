package server

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/internal/certtest"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// overTLS is the world's server where clients show certificates.
type overTLS struct {
	*world
	authority, servers *certtest.Authority
	address            string
}

func newOverTLS(t *testing.T) *overTLS {
	x := &overTLS{world: newWorld(t, service.Config{}), authority: certtest.NewAuthority(t, "clients"), servers: certtest.NewAuthority(t, "servers")}
	c := x.server.config
	pool := func() *x509.CertPool { return certtest.Pool(x.authority) }
	c.Access = must(access.NewAuthenticator(access.Options{Directory: c.Directory, ClientCAs: pool, Failures: access.FailureLimit{Burst: 1 << 10}}))(t)
	x.server = newTestServer(t, c, testLimits())
	s := httptest.NewUnstartedServer(x.server.Handler())
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{x.servers.Issue(t, certtest.Leaf{}).TLS}}
	s.StartTLS()
	t.Cleanup(s.Close)
	x.address = s.URL
	return x
}

// status asks who the client with a certificate is.
func (x *overTLS) status(path string, show *certtest.Issued, headers ...string) int {
	x.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certtest.Pool(x.servers), MinVersion: tls.VersionTLS13}}
	if show != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{show.TLS}
	}
	defer transport.CloseIdleConnections()
	r := must(http.NewRequestWithContext(x.t.Context(), http.MethodGet, x.address+path, nil))(x.t)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response := must((&http.Client{Transport: transport}).Do(r))(x.t)
	text(x.t, response)
	return response.StatusCode
}

// An operator binds a bank's certificate, the bank comes with it alone, and it is revoked.
func TestBindCertificate(t *testing.T) {
	x := newOverTLS(t)
	const path = "/v1/organisations/bank-a/certificates"
	leaf := x.authority.Issue(t, certtest.Leaf{Name: "a"})
	bind := func(members ...string) string {
		return object(append([]string{"certificate", quote(string(leaf.Cert))}, members...)...)
	}
	if got := x.status("/v1/me", leaf); got != 401 {
		t.Fatalf("a certificate that is not bound: %d", got)
	}
	bound := x.call("operator", "POST", path, bind("scopes", `["requests-read"]`))
	conform(t, "/v1/organisations/{organisation}/certificates", "POST", bound)
	location := bound.Header.Get("Location")
	keys := want[api.KeyList](x.world, 200, "operator", "GET", "/v1/organisations/bank-a/keys", "").Items
	key := keys[slices.IndexFunc(keys, func(k api.Key) bool { return strings.HasSuffix(location, "/"+k.Id) })]
	sum := sha256.Sum256(leaf.Certificate.RawSubjectPublicKeyInfo)
	if bound.StatusCode != 201 || location != "/v1/organisations/bank-a/keys/"+key.Id || key.Kind != "certificate" || key.Certificate != hex.EncodeToString(sum[:]) || key.Subject != "" {
		t.Fatalf("%d, %s, %+v", bound.StatusCode, location, key)
	}
	if me, requests, proofs := x.status("/v1/me", leaf), x.status("/v1/requests", leaf), x.status("/v1/proofs", leaf); me != 200 || requests != 200 || proofs != 403 {
		t.Errorf("with the certificate: %d, %d, %d", me, requests, proofs)
	}
	wantProblem(t, x.call("operator", "POST", path, bind()), CodeExists)
	wantProblem(t, x.call("operator", "POST", "/v1/organisations/bank-b/certificates", bind()), CodeExists)
	wantProblem(t, x.call("operator", "DELETE", strings.Replace(location, "bank-a", "bank-b", 1), ""), CodeNotFound)
	wantProblem(t, x.call("operator", "POST", location+"/rotation", `{"overlap":0}`), CodeInvalid)
	want[any](x.world, 204, "operator", "DELETE", location, "")
	if got := x.status("/v1/me", leaf); got != 401 {
		t.Errorf("a certificate that was revoked: %d", got)
	}
	// By its subject, so that a renewed one with another key counts; and another's again.
	renewed := x.authority.Issue(t, certtest.Leaf{Name: "a"})
	by := want[api.Key](x.world, 201, "operator", "POST", path, bind("by", `"subject"`))
	if by.Kind != "subject" || by.Subject != "CN=a" || by.Certificate != "" || x.status("/v1/me", renewed) != 200 {
		t.Errorf("%+v", by)
	}
	want[api.Key](x.world, 201, "operator", "POST", "/v1/organisations/bank-b/certificates", bind("by", `"key"`))
	var actions []string
	for _, a := range want[api.AuditPage](x.world, 200, "auditor", "GET", "/v1/audit?organisation=operator", "").Items {
		actions = append(actions, a.Action)
	}
	if !slices.Equal(actions, []string{"certificate.bound", "certificate.bound", "key.revoked", "certificate.bound"}) {
		t.Error(actions)
	}
}

// What is no client's certificate, and nothing else, is refused, and a private key that came
// with it is nowhere after that.
func TestBindCertificateRefuses(t *testing.T) {
	x := newOverTLS(t)
	leaf := x.authority.Issue(t, certtest.Leaf{Name: "a"})
	expired := x.authority.Issue(t, certtest.Leaf{Name: "b", NotAfter: time.Now().Add(-time.Minute)})
	private, cert := string(leaf.Key), string(leaf.Cert)
	body := func(certificate string, members ...string) string {
		return object(append([]string{"certificate", quote(certificate)}, members...)...)
	}
	var answers strings.Builder
	for what, c := range map[string]struct {
		body string
		code Code
	}{
		"a private key":                {body(private), CodeInvalid},
		"one after it":                 {body(cert + private), CodeInvalid},
		"one before it":                {body(private + cert), CodeInvalid},
		"one as another member":        {body(cert, "key", quote(private)), CodeMalformed},
		"one as the way of binding":    {body(cert, "by", quote(private)), CodeMalformed},
		"one as a scope":               {body(cert, "scopes", "["+quote(private)+"]"), CodeMalformed},
		"one as the expiry":            {body(cert, "expires", quote(private)), CodeMalformed},
		"one that is not text":         {object("certificate", "["+quote(private)+"]"), CodeMalformed},
		"one instead of JSON":          {private, CodeMalformed},
		"one beyond the longest":       {body(private + strings.Repeat("\n", 16<<10)), CodeMalformed},
		"a chain":                      {body(cert + string(x.authority.PEM)), CodeInvalid},
		"no PEM":                       {body("CN=a"), CodeInvalid},
		"nothing":                      {`{}`, CodeMalformed},
		"no scopes, which is not all":  {body(cert, "scopes", `[]`), CodeMalformed},
		"an expired certificate":       {body(string(expired.Cert)), CodeInvalid},
		"a scope that there is not":    {body(cert, "scopes", `["everything"]`), CodeInvalid},
		"an expiry of the past":        {body(cert, "expires", `"2020-01-01T00:00:00Z"`), CodeInvalid},
		"one without a subject, by it": {body(string(x.authority.Issue(t, certtest.Leaf{}).Cert), "by", `"subject"`), CodeInvalid},
	} {
		r := x.call("operator", "POST", "/v1/organisations/bank-a/certificates", c.body)
		kept := keep(t, r)
		answers.WriteString(text(t, kept()))
		if p := wantProblem(t, kept(), c.code); p.Code != string(c.code) {
			t.Errorf("%s: %+v", what, p)
		}
	}
	wantProblem(t, x.call("operator", "POST", "/v1/organisations/nobody/certificates", body(cert)), CodeNotFound)
	if x.status("/v1/me", leaf) != 401 {
		t.Error("a certificate was bound all the same")
	}
	audit := text(t, x.call("auditor", "GET", "/v1/audit", ""))
	for _, line := range strings.Split(strings.TrimSpace(private), "\n")[1:] {
		for what, shown := range map[string]string{"answers": answers.String(), "log": x.log.String(), "audit log": audit} {
			if line != "-----END PRIVATE KEY-----" && strings.Contains(shown, line) {
				t.Fatalf("the %s hold the private key", what)
			}
		}
	}
}

// What a proxy says of a certificate is what anybody can say: the one of the connection
// counts, and none where there is none.
func TestCertificateInAHeader(t *testing.T) {
	x := newOverTLS(t)
	leaf, stranger := x.authority.Issue(t, certtest.Leaf{Name: "a"}), x.authority.Issue(t, certtest.Leaf{Name: "a"})
	want[api.Key](x.world, 201, "operator", "POST", "/v1/organisations/bank-a/certificates", object("certificate", quote(string(leaf.Cert))))
	flat := strings.ReplaceAll(string(leaf.Cert), "\n", "")
	der := strings.TrimSuffix(strings.TrimPrefix(flat, "-----BEGIN CERTIFICATE-----"), "-----END CERTIFICATE-----")
	for _, name := range []string{"X-Forwarded-Client-Cert", "X-Ssl-Client-Cert", "X-Client-Cert", "Ssl-Client-Cert", "Client-Cert", "Client-Cert-Chain", "X-Amzn-Mtls-Clientcert", "X-Arr-Clientcert"} {
		for _, value := range []string{flat, ":" + der + ":", "Cert=\"" + der + "\";Subject=\"CN=a\""} {
			for what, show := range map[string]*certtest.Issued{"nothing": nil, "another's certificate": stranger} {
				if got := x.status("/v1/me", show, name, value); got != 401 {
					t.Errorf("%s beside %s: %d", name, what, got)
				}
			}
		}
	}
	if got := x.status("/v1/me", leaf, "X-Forwarded-Client-Cert", "Subject=\"CN=b\""); got != 200 {
		t.Errorf("the connection's own: %d", got)
	}
}

// A key is rotated: the new one is what the old one was, which counts for the overlap.
func TestRotateKeyOverHTTP(t *testing.T) {
	x := newWorld(t, service.Config{})
	const keys = "/v1/organisations/bank-a/keys"
	old := want[api.IssuedKey](x, 201, "operator", "POST", keys, `{"scopes":["requests-read"]}`)
	path := keys + "/" + old.Key.Id + "/rotation"
	for body, code := range map[string]Code{
		`{}`: CodeMalformed, `{"overlap":-1}`: CodeMalformed, `{"overlap":31536001}`: CodeMalformed, `{"overlap":1.5}`: CodeMalformed,
		`{"overlap":9223372036854775808}`: CodeMalformed, `{"overlap":60,"scopes":[]}`: CodeMalformed,
	} {
		wantProblem(t, x.call("operator", "POST", path, body), code)
	}
	wantProblem(t, x.call("operator", "POST", strings.Replace(path, "bank-a", "bank-b", 1), `{"overlap":60}`), CodeNotFound)
	made := x.call("operator", "POST", path, `{"overlap":3600}`)
	conform(t, "/v1/organisations/{organisation}/keys/{key}/rotation", "POST", made)
	all := want[api.KeyList](x, 200, "operator", "GET", keys, "").Items
	i := slices.IndexFunc(all, func(k api.Key) bool { return k.Id == old.Key.Id })
	if i < 0 || all[i].ReplacedBy == "" || made.Header.Get("Location") != keys+"/"+all[i].ReplacedBy {
		t.Fatalf("%+v", all)
	}
	wantProblem(t, x.call("operator", "POST", path, `{"overlap":60}`), CodeInvalid)
	x.tokens["old"] = old.Secret
	want[api.Me](x, 200, "old", "GET", "/v1/me", "")
	again := want[api.IssuedKey](x, 201, "operator", "POST", made.Header.Get("Location")+"/rotation", `{"overlap":0}`)
	x.tokens["new"] = again.Secret
	if me := want[api.Me](x, 200, "new", "GET", "/v1/me", ""); !slices.Equal(me.Scopes, []string{"requests-read"}) || me.Organisation != "bank-a" {
		t.Errorf("%+v", me)
	}
	want[any](x, 204, "operator", "DELETE", "/v1/organisations/bank-a", "")
	wantProblem(t, x.call("new", "GET", "/v1/me", ""), CodeUnauthenticated)
	want[any](x, 204, "operator", "POST", "/v1/organisations/bank-a/enablement", "")
	want[any](x, 204, "operator", "POST", "/v1/organisations/bank-a/enablement", "")
	want[api.Me](x, 200, "new", "GET", "/v1/me", "")
	wantProblem(t, x.call("operator", "POST", "/v1/organisations/nobody/enablement", ""), CodeNotFound)
}

// A credential with scopes makes, binds and rotates none that is good for more, and a wide
// key's secret is not to be had from it.
func TestNarrowKeysMakeNoWideOnes(t *testing.T) {
	x := newOverTLS(t)
	wide := want[api.IssuedKey](x.world, 201, "operator", "POST", "/v1/organisations/operator/keys", `{}`)
	some := want[api.IssuedKey](x.world, 201, "operator", "POST", "/v1/organisations/bank-a/keys", `{"scopes":["requests-read"]}`)
	narrow := want[api.IssuedKey](x.world, 201, "operator", "POST", "/v1/organisations/operator/keys", `{"scopes":["organisations-write","requests-read"]}`)
	x.tokens["narrow"] = narrow.Secret
	cert := quote(string(x.authority.Issue(t, certtest.Leaf{Name: "a"}).Cert))
	for _, organisation := range []string{"operator", "bank-a", "auditor", "agency"} {
		for _, scopes := range []string{"", `["audit-read"]`, `["requests-read","audit-read"]`} {
			keys, binding := "{}", object("certificate", cert)
			if scopes != "" {
				keys, binding = object("scopes", scopes), object("certificate", cert, "scopes", scopes)
			}
			wantProblem(t, x.call("narrow", "POST", "/v1/organisations/"+organisation+"/keys", keys), CodeForbidden)
			wantProblem(t, x.call("narrow", "POST", "/v1/organisations/"+organisation+"/certificates", binding), CodeForbidden)
		}
	}
	wantProblem(t, x.call("narrow", "POST", "/v1/organisations/operator/keys/"+wide.Key.Id+"/rotation", `{"overlap":0}`), CodeForbidden)
	want[api.IssuedKey](x.world, 201, "narrow", "POST", "/v1/organisations/bank-a/keys/"+some.Key.Id+"/rotation", `{"overlap":0}`)
	made := want[api.IssuedKey](x.world, 201, "narrow", "POST", "/v1/organisations/operator/keys", `{"scopes":["organisations-write"]}`)
	x.tokens["made"] = made.Secret
	wantProblem(t, x.call("made", "POST", "/v1/organisations/operator/keys", `{"scopes":["requests-read"]}`), CodeForbidden)
	wantProblem(t, x.call("made", "GET", "/v1/audit", ""), CodeForbidden)
	want[api.Key](x.world, 201, "narrow", "POST", "/v1/organisations/bank-a/certificates", object("certificate", cert, "scopes", `["requests-read"]`))
}
