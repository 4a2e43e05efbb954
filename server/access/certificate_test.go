package access

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attestry/attestry/internal/certtest"
)

// mutual is a server that takes client certificates of one authority.
type mutual struct {
	*httptest.Server
	t         *testing.T
	d         *Directory
	clock     *clock
	authority *certtest.Authority
	counts    atomic.Pointer[x509.CertPool] // of the authenticator
	servers   *certtest.Authority
}

func newMutual(t *testing.T) *mutual {
	t.Helper()
	d, c := newDirectory(t)
	c.at = time.Now()
	m := &mutual{t: t, d: d, clock: c, authority: certtest.NewAuthority(t, "clients"), servers: certtest.NewAuthority(t, "servers")}
	m.counts.Store(certtest.Pool(m.authority))
	a := must(NewAuthenticator(Options{Directory: d, Now: d.now, ClientCAs: m.counts.Load}))(t)
	m.Server = httptest.NewUnstartedServer(app(t, a, document(t, testDocument)))
	// The handshake lets more in than counts, so that it is each request that refuses.
	m.TLS = &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{m.servers.Issue(t, certtest.Leaf{}).TLS},
	}
	m.EnableHTTP2 = true
	m.StartTLS()
	t.Cleanup(m.Close)
	return m
}

// client is one that shows a certificate, if it has one.
func (m *mutual) client(certificates ...tls.Certificate) *http.Client {
	config := &tls.Config{RootCAs: certtest.Pool(m.servers), ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if len(certificates) == 0 {
			return &tls.Certificate{}, nil
		}
		return &certificates[0], nil
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	m.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// me asks who the client is, and tells whether the connection was one of before, and
// whether its session was.
func (m *mutual) me(c *http.Client, token string) (status int, who string, reused, resumed bool) {
	m.t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
	r := must(http.NewRequestWithContext(httptrace.WithClientTrace(m.t.Context(), trace), "GET", m.URL+"/me", nil))(m.t)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response := must(c.Do(r))(m.t)
	body := must(io.ReadAll(response.Body))(m.t)
	if err := response.Body.Close(); err != nil {
		m.t.Fatal(err)
	}
	return response.StatusCode, string(body), reused, response.TLS.DidResume
}

func TestCertificates(t *testing.T) {
	m := newMutual(t)
	_, tokenA := newOrganisation(t, m.d, "bank-a", RoleBank)
	_, tokenB := newOrganisation(t, m.d, "bank-b", RoleBank)
	a, b := m.authority.Issue(t, certtest.Leaf{Name: "a"}), m.authority.Issue(t, certtest.Leaf{Name: "b"})
	must(m.d.BindCertificate(NewKey{Organisation: "bank-a"}, KindCertificate, a.Certificate))(t)
	must(m.d.BindCertificate(NewKey{Organisation: "bank-b"}, KindCertificate, b.Certificate))(t)
	keyA := a.TLS.PrivateKey.(crypto.Signer)
	other := certtest.NewAuthority(t, "clients")
	for what, c := range map[string]struct {
		certificate *tls.Certificate
		token       string
		status      int
		who         string
	}{
		"a's":                                {&a.TLS, "", 200, "bank-a"},
		"b's":                                {&b.TLS, "", 200, "bank-b"},
		"none":                               {nil, "", 401, "needs a credential"},
		"a's, and a's key":                   {&a.TLS, tokenA, 200, "bank-a"},
		"a's, and b's key":                   {&a.TLS, tokenB, 401, "not good"},
		"a's, and a false key":               {&a.TLS, formatToken("aaaaaaaaaaaaaaaa", secret{}), 401, "not good"},
		"not bound":                          {&m.authority.Issue(t, certtest.Leaf{Name: "a"}).TLS, "", 401, "not good"},
		"not bound, and a's key":             {&m.authority.Issue(t, certtest.Leaf{Name: "a"}).TLS, tokenA, 401, "not good"},
		"a's key, renewed":                   {&m.authority.Issue(t, certtest.Leaf{Name: "renewed", Key: keyA}).TLS, "", 200, "bank-a"},
		"a's key, by another authority":      {&other.Issue(t, certtest.Leaf{Name: "a", Key: keyA}).TLS, "", 401, "not good"},
		"a's key, expired":                   {&m.authority.Issue(t, certtest.Leaf{Key: keyA, NotAfter: time.Now().Add(-time.Minute)}).TLS, "", 401, "expired"},
		"a's key, not valid yet":             {&m.authority.Issue(t, certtest.Leaf{Key: keyA, NotBefore: time.Now().Add(time.Minute)}).TLS, "", 401, "expired"},
		"a's key, expired, another's":        {&other.Issue(t, certtest.Leaf{Key: keyA, NotAfter: time.Now().Add(-time.Minute)}).TLS, "", 401, "not good"},
		"a's key, for servers alone":         {&m.authority.Issue(t, certtest.Leaf{Key: keyA, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}).TLS, "", 401, "not good"},
		"the authority's name, another's":    {&other.Issue(t, certtest.Leaf{Name: "a"}).TLS, "", 401, "not good"},
		"issued by a's certificate, no less": {&(&certtest.Authority{Certificate: a.Certificate, Key: keyA}).Issue(t, certtest.Leaf{Name: "a"}).TLS, "", 401, "not good"},
	} {
		var shown []tls.Certificate
		if c.certificate != nil {
			shown = append(shown, *c.certificate)
		}
		status, who, _, _ := m.me(m.client(shown...), c.token)
		if status != c.status || !strings.Contains(who, c.who) {
			t.Errorf("%s: %d %s", what, status, who)
		}
	}
	// Another's certificate with a key of one's own is refused where it is used: at the
	// end of the handshake.
	stolen := a.TLS
	stolen.PrivateKey = certtest.NewKey(t)
	if r, err := m.client(stolen).Get(m.URL + "/me"); err == nil {
		t.Errorf("with another key: %s", r.Status)
	}
}

// Whatever ends a credential does so for connections that are open, and for sessions that
// are resumed.
func TestCertificateEndsOnOpenConnections(t *testing.T) {
	for what, end := range map[string]func(*mutual, Key){
		"unbound":           func(m *mutual, k Key) { must(m.d.RevokeKey(k.ID))(m.t) },
		"disabled":          func(m *mutual, k Key) { must(m.d.DisableOrganisation(k.Organisation))(m.t) },
		"expired":           func(m *mutual, _ Key) { m.clock.at = m.clock.at.Add(2 * time.Hour) },
		"another authority": func(m *mutual, _ Key) { m.counts.Store(certtest.Pool(m.servers)) },
		"no authority":      func(m *mutual, _ Key) { m.counts.Store(nil) },
	} {
		t.Run(what, func(t *testing.T) {
			m := newMutual(t)
			newOrganisation(t, m.d, "bank-a", RoleBank)
			leaf := m.authority.Issue(t, certtest.Leaf{Name: "a"})
			key := must(m.d.BindCertificate(NewKey{Organisation: "bank-a"}, KindCertificate, leaf.Certificate))(t)
			c := m.client(leaf.TLS)
			for i := range 2 {
				if status, who, reused, _ := m.me(c, ""); status != 200 || who != "bank-a" || reused != (i == 1) {
					t.Fatalf("%d %s, connection of before: %v", status, who, reused)
				}
			}
			c.CloseIdleConnections()
			if status, _, reused, resumed := m.me(c, ""); status != 200 || reused || !resumed {
				t.Fatalf("%d, connection of before: %v, session of before: %v", status, reused, resumed)
			}
			end(m, key)
			if status, who, reused, _ := m.me(c, ""); status != 401 || !reused {
				t.Errorf("on the open connection: %d %s, connection of before: %v", status, who, reused)
			}
			c.CloseIdleConnections()
			if status, who, _, resumed := m.me(c, ""); status != 401 || !resumed {
				t.Errorf("on a resumed session: %d %s, session of before: %v", status, who, resumed)
			}
		})
	}
}

func TestCertificatesBySubject(t *testing.T) {
	m := newMutual(t)
	newOrganisation(t, m.d, "bank-a", RoleBank)
	newOrganisation(t, m.d, "bank-b", RoleBank)
	one, two := m.authority.Issue(t, certtest.Leaf{Name: "a"}), m.authority.Issue(t, certtest.Leaf{Name: "a"})
	bound := must(m.d.BindCertificate(NewKey{Organisation: "bank-a"}, KindSubject, one.Certificate))(t)
	if bound.Subject != "CN=a" || bound.Certificate != "" {
		t.Errorf("%+v", bound)
	}
	who := func(c tls.Certificate) string {
		t.Helper()
		_, who, _, _ := m.me(m.client(c), "")
		return who
	}
	if who(one.TLS) != "bank-a" || who(two.TLS) != "bank-a" {
		t.Error("certificates of the subject are not taken")
	}
	for _, name := range []string{"A", "a ", "ab"} {
		if got := who(m.authority.Issue(t, certtest.Leaf{Name: name}).TLS); !strings.Contains(got, "not good") {
			t.Errorf("%q: %s", name, got)
		}
	}
	if got := who(certtest.NewAuthority(t, "others").Issue(t, certtest.Leaf{Name: "a"}).TLS); !strings.Contains(got, "not good") {
		t.Errorf("another authority's: %s", got)
	}
	// A key that is bound counts before a subject, also when it is no longer.
	key := must(m.d.BindCertificate(NewKey{Organisation: "bank-b"}, KindCertificate, two.Certificate))(t)
	if who(two.TLS) != "bank-b" || who(one.TLS) != "bank-a" {
		t.Error("the key's binding does not count before the subject's")
	}
	must(m.d.RevokeKey(key.ID))(t)
	if got := who(two.TLS); !strings.Contains(got, "revoked") {
		t.Errorf("a certificate whose key was unbound: %s", got)
	}
}

func TestBindRefuses(t *testing.T) {
	m := newMutual(t)
	newOrganisation(t, m.d, "bank-a", RoleBank)
	newOrganisation(t, m.d, "bank-b", RoleBank)
	leaf := m.authority.Issue(t, certtest.Leaf{Name: "a"}).Certificate
	nameless := m.authority.Issue(t, certtest.Leaf{}).Certificate
	key := must(m.d.BindCertificate(NewKey{Organisation: "bank-a"}, KindCertificate, leaf))(t)
	for what, c := range map[string]struct {
		n    NewKey
		kind Kind
		leaf *x509.Certificate
		want error
	}{
		"twice":                {NewKey{Organisation: "bank-a"}, KindCertificate, leaf, ErrExists},
		"to another":           {NewKey{Organisation: "bank-b"}, KindCertificate, leaf, ErrExists},
		"to nobody":            {NewKey{Organisation: "nobody"}, KindSubject, leaf, ErrNotFound},
		"as a secret":          {NewKey{Organisation: "bank-b"}, KindSecret, leaf, ErrInvalid},
		"by no subject":        {NewKey{Organisation: "bank-b"}, KindSubject, nameless, ErrInvalid},
		"expired":              {NewKey{Organisation: "bank-b", Expires: m.clock.at.Add(-time.Second)}, KindSubject, leaf, ErrInvalid},
		"with an unfit scope":  {NewKey{Organisation: "bank-b", Scopes: []string{"A"}}, KindSubject, leaf, ErrInvalid},
		"a certificate's past": {NewKey{Organisation: "bank-b"}, KindCertificate, m.authority.Issue(t, certtest.Leaf{NotAfter: time.Now().Add(-time.Minute)}).Certificate, ErrInvalid},
	} {
		if _, err := m.d.BindCertificate(c.n, c.kind, c.leaf); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(m.d.RevokeKey(key.ID))(t)
	if k := must(m.d.BindCertificate(NewKey{Organisation: "bank-b"}, KindCertificate, leaf))(t); k.Organisation != "bank-b" {
		t.Errorf("%+v", k)
	}
	if _, _, err := m.d.RotateKey(key.ID, 0); !errors.Is(err, ErrInvalid) {
		t.Errorf("a certificate rotates as a key: %v", err)
	}
}

// A certificate's file holds that certificate and nothing else.
func TestParseCertificate(t *testing.T) {
	a := certtest.NewAuthority(t, "Authority")
	one := a.Issue(t, certtest.Leaf{Name: "one"})
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for what, c := range map[string]struct {
		text []byte
		want string // "": it is good
	}{
		"one":                 {one.Cert, ""},
		"with space after it": {join(one.Cert, []byte("\n\n")), ""},
		"nothing":             {nil, "no certificate in PEM"},
		"no PEM":              {one.Certificate.Raw, "no certificate in PEM"},
		"its private key":     {one.Key, "it holds a private key"},
		"with its key":        {join(one.Cert, one.Key), "more than one"},
		"a chain":             {join(one.Cert, a.PEM), "more than one"},
		"with something else": {join(one.Cert, []byte("x")), "more than one"},
		"garbage in PEM":      {[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "cannot be read"},
		"too large":           {bytes.Repeat([]byte(" "), maxCertificate+1), "over 16384 bytes"},
	} {
		got, err := ParseCertificate(c.text)
		if c.want == "" {
			if err != nil || !got.Equal(one.Certificate) {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Who unbinds a certificate ends all that it counts by, and nobody else's.
func TestUnbind(t *testing.T) {
	m := newMutual(t)
	newOrganisation(t, m.d, "bank-a", RoleBank)
	newOrganisation(t, m.d, "bank-b", RoleBank)
	leaf := m.authority.Issue(t, certtest.Leaf{Name: "a"}).Certificate
	other := m.authority.Issue(t, certtest.Leaf{Name: "b"}).Certificate
	must(m.d.BindCertificate(NewKey{Organisation: "bank-a"}, KindCertificate, leaf))(t)
	must(m.d.BindCertificate(NewKey{Organisation: "bank-b"}, KindSubject, leaf))(t)
	stays := must(m.d.BindCertificate(NewKey{Organisation: "bank-a"}, KindCertificate, other))(t)
	if ended := must(m.d.UnbindCertificate("bank-a", leaf))(t); len(ended) != 1 || ended[0].Kind != KindCertificate || ended[0].Revoked.IsZero() {
		t.Errorf("%+v", ended)
	}
	if _, err := m.d.UnbindCertificate("bank-a", leaf); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if ended := must(m.d.UnbindCertificate("bank-b", leaf))(t); len(ended) != 1 || ended[0].Kind != KindSubject {
		t.Errorf("%+v", ended)
	}
	if k := must(m.d.Key(stays.ID))(t); !k.Revoked.IsZero() {
		t.Errorf("%+v", k)
	}
}
