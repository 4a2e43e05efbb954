package access

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/attestry/attestry/internal/certtest"
)

// provider is an OpenID Connect issuer that listens on this machine.
type provider struct {
	*httptest.Server
	t       testing.TB
	mu      sync.Mutex
	keys    []jose.JSONWebKey // that it publishes
	down    bool
	found   map[string]any // what its discovery document says otherwise
	fetches atomic.Int32   // of its keys
}

type claims map[string]any

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		document := map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys"}
		maps.Copy(document, p.found)
		_ = json.NewEncoder(w).Encode(document)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.fetches.Add(1)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: p.keys})
	})
	mux.HandleFunc("GET /moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) })
	mux.HandleFunc("GET /endless", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte(" "), maxIssuerBytes+1))
		_, _ = w.Write([]byte(`{"keys":[]}`))
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// set changes what the issuer does.
func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// publish has the issuer publish keys, and no others.
func (p *provider) publish(all ...signingKey) {
	p.set(func() {
		p.keys = []jose.JSONWebKey{}
		for _, k := range all {
			p.keys = append(p.keys, jose.JSONWebKey{Key: k.Public(), KeyID: k.id, Use: "sig"})
		}
	})
}

// signingKey is a key of an issuer.
type signingKey struct {
	crypto.Signer
	id        string
	algorithm jose.SignatureAlgorithm
}

func newRSA(t testing.TB, id string, bits int) signingKey {
	t.Helper()
	return signingKey{must(rsa.GenerateKey(rand.Reader, bits))(t), id, jose.RS256}
}

func newEC(t testing.TB, id string) signingKey {
	t.Helper()
	return signingKey{certtest.NewKey(t), id, jose.ES256}
}

// claims are those of a good token for an organisation.
func (p *provider) claims(organisation string) claims {
	now := time.Now()
	return claims{
		"iss": p.URL, "aud": "attestry", "sub": "someone@bank.example", "org": organisation, "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(),
	}
}

// with gives claims of which one is another, or is left out where it is nil.
func (c claims) with(name string, value any) claims {
	c = maps.Clone(c)
	if c[name] = value; value == nil {
		delete(c, name)
	}
	return c
}

// sign makes a token. headers are names and values.
func sign(t testing.TB, k signingKey, c claims, headers ...any) string {
	t.Helper()
	return signed(t, jose.SigningKey{Algorithm: k.algorithm, Key: jose.JSONWebKey{Key: k.Signer, KeyID: k.id}}, must(json.Marshal(c))(t), headers...)
}

func signed(t testing.TB, k jose.SigningKey, payload []byte, headers ...any) string {
	t.Helper()
	o := &jose.SignerOptions{}
	for i := 0; i < len(headers); i += 2 {
		o.WithHeader(jose.HeaderKey(headers[i].(string)), headers[i+1])
	}
	signer := must(jose.NewSigner(k, o))(t)
	return must(must(signer.Sign(payload))(t).CompactSerialize())(t)
}

// trusting is an authenticator that trusts an issuer, with two banks and an operator.
func trusting(t testing.TB, p *provider, change ...func(*Options)) (*Authenticator, *Directory, *clock) {
	t.Helper()
	d, c := newDirectory(t)
	c.at = time.Now()
	newOrganisation(t, d, "bank-a", RoleBank)
	newOrganisation(t, d, "bank-b", RoleBank)
	newOrganisation(t, d, "operator", RoleOperator)
	o := Options{Directory: d, Now: c.now, Issuers: []Issuer{{URL: p.URL, Audience: "attestry", Claim: "org"}}}
	for _, f := range change {
		f(&o)
	}
	return must(NewAuthenticator(o))(t), d, c
}

func authenticate(a *Authenticator, token string) (string, error) {
	p, err := a.Authenticate(withToken("Bearer " + token))
	if err != nil {
		return "", err
	}
	return p.Organisation.ID, nil
}

func TestTokens(t *testing.T) {
	p := newProvider(t)
	r, e := newRSA(t, "rsa", 2048), newEC(t, "ec")
	pss := r
	pss.algorithm = jose.PS256
	p.publish(r, e)
	a, d, _ := trusting(t, p)
	for what, token := range map[string]string{
		"RS256":                   sign(t, r, p.claims("bank-a")),
		"PS256":                   sign(t, pss, p.claims("bank-a")),
		"ES256":                   sign(t, e, p.claims("bank-a")),
		"an access token":         sign(t, e, p.claims("bank-a"), "typ", "at+jwt"),
		"a type in full":          sign(t, e, p.claims("bank-a"), "typ", "application/AT+JWT"),
		"for others too":          sign(t, e, p.claims("bank-a").with("aud", []string{"other", "attestry"})),
		"good since a moment":     sign(t, e, p.claims("bank-a").with("nbf", time.Now().Add(30*time.Second).Unix())),
		"with a role of its own":  sign(t, e, p.claims("bank-a").with("role", "operator").with("roles", []string{"operator"}).with("scope", "organisations-write")),
		"with a name of its own":  sign(t, e, p.claims("bank-a").with("organisation", "bank-b").with("Org", "bank-b")),
		"with a subject that has": sign(t, e, p.claims("bank-a").with("sub", "bank-b")),
	} {
		got, err := a.Authenticate(withToken("Bearer " + token))
		if err != nil || got.Organisation.ID != "bank-a" || got.Organisation.Role != RoleBank || len(got.Scopes) > 0 {
			t.Errorf("%s: %+v, %v", what, got, err)
			continue
		}
		if !strings.HasPrefix(got.Credential, "oidc:") || len(got.Credential) != len("oidc:")+16 || strings.Contains(got.Credential, "bank") {
			t.Errorf("%s: the credential is %q", what, got.Credential)
		}
	}
	if p.fetches.Load() != 1 {
		t.Errorf("the keys were fetched %d times", p.fetches.Load())
	}
	one, other := must(a.Authenticate(withToken("Bearer "+sign(t, e, p.claims("bank-a")))))(t), must(a.Authenticate(withToken("Bearer "+sign(t, e, p.claims("bank-a").with("sub", "x")))))(t)
	if one.Credential == other.Credential {
		t.Error("two subjects have one credential")
	}
	must(d.DisableOrganisation("bank-a"))(t)
	if _, err := authenticate(a, sign(t, e, p.claims("bank-a"))); !errors.Is(err, ErrDisabled) {
		t.Errorf("of a disabled organisation: %v", err)
	}
}

// unsigned puts a token together from its parts.
func unsigned(header, payload string, signature []byte) string {
	b := base64.RawURLEncoding
	return b.EncodeToString([]byte(header)) + "." + b.EncodeToString([]byte(payload)) + "." + b.EncodeToString(signature)
}

func TestFalseTokens(t *testing.T) {
	p, foreign := newProvider(t), newProvider(t)
	r, e, weak := newRSA(t, "rsa", 2048), newEC(t, "ec"), newRSA(t, "weak", 1024)
	p.publish(r, e, weak)
	foreign.publish(newEC(t, "ec"))
	a, _, _ := trusting(t, p)
	other := newEC(t, "ec")
	good := p.claims("bank-a")
	payload := string(must(json.Marshal(good))(t))
	public := must(x509.MarshalPKIXPublicKey(r.Public()))(t)
	hmac := func(secret []byte) string {
		return signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: secret, KeyID: "rsa"}}, []byte(payload))
	}
	genuine := sign(t, e, good)
	parts := strings.Split(genuine, ".")
	for what, token := range map[string]string{
		"another audience":                sign(t, e, good.with("aud", "other")),
		"an audience that begins so":      sign(t, e, good.with("aud", "attestry2")),
		"another client's, for this one":  sign(t, e, good.with("aud", "other").with("azp", "attestry").with("client_id", "attestry")),
		"its audience under another name": sign(t, e, good.with("aud", nil).with("AUD", "attestry")),
		"another client's, and Aud":       sign(t, e, good.with("aud", "other").with("Aud", "attestry")),
		"another client's, and auD":       sign(t, e, good.with("aud", "other").with("auD", "attestry")),
		"another client's, and aud first": signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: e.Signer, KeyID: "ec"}}, []byte(strings.Replace(string(must(json.Marshal(good.with("aud", "other")))(t)), "{", "{\"aud\":\"attestry\",", 1))),
		"another client's, and aud last":  signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: e.Signer, KeyID: "ec"}}, []byte(strings.TrimSuffix(string(must(json.Marshal(good.with("aud", "other")))(t)), "}")+",\"aud\":\"attestry\",\"audx\":1}")),
		"an expiry under another name":    sign(t, e, good.with("exp", nil).with("Exp", time.Now().Add(time.Hour).Unix())),
		"the claim twice":                 signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: e.Signer, KeyID: "ec"}}, []byte(strings.Replace(payload, "{", "{\"org\":\"operator\",", 1))),
		"a beginning under another name":  sign(t, e, good.with("Nbf", 0)),
		"an issuer with a long s":         sign(t, e, good.with("i\u017fs", p.URL)),
		"a subject under another name":    sign(t, e, good.with("sub", nil).with("Sub", "jane")),
		"no audience":                     sign(t, e, good.with("aud", nil)),
		"an empty audience":               sign(t, e, good.with("aud", "")),
		"another issuer":                  sign(t, e, good.with("iss", foreign.URL)),
		"the issuer with a slash":         sign(t, e, good.with("iss", p.URL+"/")),
		"no issuer":                       sign(t, e, good.with("iss", nil)),
		"an issuer that is no text":       sign(t, e, good.with("iss", []string{p.URL})),
		"no expiry":                       sign(t, e, good.with("exp", nil)),
		"an expiry that is no time":       sign(t, e, good.with("exp", "never")),
		"a beginning that is no time":     sign(t, e, good.with("nbf", "now")),
		"no subject":                      sign(t, e, good.with("sub", nil)),
		"no claim":                        sign(t, e, good.with("org", nil)),
		"an empty claim":                  sign(t, e, good.with("org", "")),
		"a list":                          sign(t, e, good.with("org", []string{"bank-a"})),
		"an object":                       sign(t, e, good.with("org", claims{"bank-a": true})),
		"null":                            sign(t, e, good.with("org", json.RawMessage("null"))),
		"capitals":                        sign(t, e, good.with("org", "Bank-A")),
		"the claim in capitals":           sign(t, e, good.with("org", nil).with("ORG", "bank-a")),
		"no organisation has that id":     sign(t, e, good.with("org", "bank-c")),
		"another bucket":                  sign(t, e, good.with("org", "../access.meta")),
		"a logout token":                  sign(t, e, good, "typ", "logout+jwt"),
		"a type that is no text":          sign(t, e, good, "typ", 1),
		"a critical header":               sign(t, e, good, "crit", []string{"exp"}),
		"another's key under the same id": sign(t, other, good),
		"another's key in the header":     sign(t, other, good, "jwk", jose.JSONWebKey{Key: other.Public(), KeyID: "ec"}),
		"another's keys named":            sign(t, other, good, "jku", foreign.URL+"/keys"),
		"another's certificate":           sign(t, other, good, "x5c", []string{base64.StdEncoding.EncodeToString(certtest.NewAuthority(t, "x").Certificate.Raw)}),
		"a key of 1024 bits":              sign(t, weak, good),
		"unknown key":                     sign(t, newEC(t, "unknown"), good),
		"a known key under an unknown id": sign(t, signingKey{e.Signer, "unknown", jose.ES256}, good),
		"no id, of several keys":          sign(t, signingKey{e.Signer, "", jose.ES256}, good),
		"another key's id":                sign(t, signingKey{e.Signer, "rsa", jose.ES256}, good),
		"none":                            unsigned(`{"alg":"none"}`, payload, nil),
		"none, with an id":                unsigned(`{"alg":"none","kid":"ec","typ":"JWT"}`, payload, nil),
		"None":                            unsigned(`{"alg":"None","kid":"ec"}`, payload, nil),
		"no algorithm":                    unsigned(`{"kid":"ec"}`, payload, nil),
		"HS256, the public key (DER)":     hmac(public),
		"HS256, the public key (PEM)":     hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"HS256, the public key's n":       hmac(r.Public().(*rsa.PublicKey).N.Bytes()),
		"HS256, an empty secret":          unsigned(`{"alg":"HS256","kid":"rsa"}`, payload, make([]byte, 32)),
		"an empty signature":              parts[0] + "." + parts[1] + ".",
		"a signature of zeros":            unsigned(`{"alg":"ES256","kid":"ec"}`, payload, make([]byte, 64)),
		"another payload":                 parts[0] + "." + strings.Split(sign(t, other, p.claims("operator")), ".")[1] + "." + parts[2],
		"another header":                  strings.Split(sign(t, e, good, "typ", "JWT"), ".")[0] + "." + parts[1] + "." + parts[2],
		"two parts":                       parts[0] + "." + parts[1],
		"four parts":                      genuine + "." + parts[2],
		"encrypted":                       genuine + ".a.b",
		"padding":                         genuine + "=",
		"a byte more":                     genuine + "A",
		"no JSON":                         signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: e.Signer, KeyID: "ec"}}, []byte("hello")),
		"an array":                        signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: e.Signer, KeyID: "ec"}}, []byte("["+payload+"]")),
		"something behind the claims":     signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: e.Signer, KeyID: "ec"}}, []byte(payload+payload)),
		"nothing like a token":            "abc",
		"an API key of another service":   "ghp_0123456789abcdef",
	} {
		if who, err := authenticate(a, token); !errors.Is(err, ErrBadCredential) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %q, %v", what, who, err)
		}
	}
	for what, token := range map[string]string{
		"expired":                      sign(t, e, good.with("exp", time.Now().Add(-time.Second).Unix())),
		"expired at the epoch":         sign(t, e, good.with("exp", 1)),
		"not valid yet":                sign(t, e, good.with("nbf", time.Now().Add(2*time.Minute).Unix())),
		"issued in the future":         sign(t, e, good.with("iat", time.Now().Add(2*time.Minute).Unix())),
		"a beginning beyond all times": sign(t, e, good.with("nbf", json.Number("1e300"))),
	} {
		if who, err := authenticate(a, token); !errors.Is(err, ErrExpired) {
			t.Errorf("%s: %q, %v", what, who, err)
		}
	}
	// Of a forged one it is not said that it has expired.
	if _, err := authenticate(a, sign(t, other, good.with("exp", 1))); !errors.Is(err, ErrBadCredential) {
		t.Errorf("forged and expired: %v", err)
	}
	if who, err := authenticate(a, genuine); who != "bank-a" {
		t.Errorf("the genuine one: %v", err)
	}
	if foreign.fetches.Load() != 0 {
		t.Error("a token made the server ask whom it does not trust")
	}
}

// An issuer speaks for the organisations that it may, and two issuers for their own.
func TestIssuersApart(t *testing.T) {
	p, q := newProvider(t), newProvider(t)
	pk, qk := newEC(t, "k"), newEC(t, "k")
	p.publish(pk)
	q.publish(qk)
	a, _, _ := trusting(t, p, func(o *Options) {
		o.Issuers = []Issuer{
			{URL: p.URL, Audience: "attestry", Claim: "org", Organisations: []string{"bank-a"}},
			{URL: q.URL, Audience: "registry", Claim: "https://q.example/tenant"},
		}
	})
	qc := q.claims("bank-a").with("aud", "registry").with("org", nil)
	for what, c := range map[string]struct {
		token, want string
	}{
		"p's for its bank":                 {sign(t, pk, p.claims("bank-a")), "bank-a"},
		"p's for another bank":             {sign(t, pk, p.claims("bank-b")), ""},
		"p's for the operator":             {sign(t, pk, p.claims("operator")), ""},
		"q's for any":                      {sign(t, qk, qc.with("https://q.example/tenant", "bank-b")), "bank-b"},
		"q's with p's claim":               {sign(t, qk, qc.with("org", "bank-b")), ""},
		"q's with p's audience":            {sign(t, qk, qc.with("https://q.example/tenant", "bank-b").with("aud", "attestry")), ""},
		"q's key in p's name":              {sign(t, qk, p.claims("bank-a")), ""},
		"p's key in q's name, for its own": {sign(t, pk, qc.with("https://q.example/tenant", "bank-a")), ""},
	} {
		if who, err := authenticate(a, c.token); who != c.want || c.want == "" && !errors.Is(err, ErrBadCredential) {
			t.Errorf("%s: %q, %v", what, who, err)
		}
	}
	for what, issuers := range map[string][]Issuer{
		"twice":       {{URL: p.URL, Audience: "a", Claim: "o"}, {URL: p.URL, Audience: "b", Claim: "o"}},
		"no audience": {{URL: p.URL, Claim: "o"}},
		"no claim":    {{URL: p.URL, Audience: "a"}},
		"no URL":      {{Audience: "a", Claim: "o"}},
	} {
		d, _ := newDirectory(t)
		if _, err := NewAuthenticator(Options{Directory: d, Issuers: issuers}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// New keys count when tokens name them, and withdrawn ones no longer than said.
func TestKeyRotation(t *testing.T) {
	p := newProvider(t)
	first, second := newEC(t, "1"), newRSA(t, "2", 2048)
	p.publish(first)
	a, _, c := trusting(t, p)
	accepts := func(what string, k signingKey, want error) {
		t.Helper()
		if _, err := authenticate(a, sign(t, k, p.claims("bank-a").with("exp", c.at.Add(time.Hour).Unix()))); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	accepts("the first", first, nil)
	accepts("no id, of one key", signingKey{first.Signer, "", jose.ES256}, nil)
	accepts("one to come", second, ErrBadCredential)
	p.publish(first, second)
	accepts("asked moments ago", second, ErrBadCredential)
	c.at = c.at.Add(fetchEvery)
	accepts("the second", second, nil)
	accepts("the first, still", first, nil)
	p.publish(second)
	c.at = c.at.Add(keysFresh - time.Second)
	accepts("the first, withdrawn and not known to be", first, nil)
	c.at = c.at.Add(time.Second)
	accepts("the first, withdrawn", first, ErrBadCredential)
	accepts("the second, alone", second, nil)
	impostor := newEC(t, "2")
	accepts("another's under its id", impostor, ErrBadCredential)
	p.publish()
	c.at = c.at.Add(keysFresh)
	accepts("all withdrawn", second, ErrBadCredential)
	p.set(func() { p.keys = []jose.JSONWebKey{{Key: second.Public(), KeyID: "2", Use: "enc"}} })
	c.at = c.at.Add(keysFresh)
	accepts("a key for something else", second, ErrBadCredential)
	p.set(func() { p.keys = []jose.JSONWebKey{{Key: second.Public(), KeyID: "2", Algorithm: "RS512"}} })
	c.at = c.at.Add(keysFresh)
	accepts("a key for another algorithm", second, ErrBadCredential)
	p.set(func() {
		p.keys = []jose.JSONWebKey{{Key: []byte("a secret of 32 bytes, which it is"), KeyID: "2"}, {Key: second.Public(), KeyID: "3"}}
	})
	c.at = c.at.Add(keysFresh)
	accepts("a secret among the keys", signingKey{second.Signer, "3", jose.RS256}, nil)
	stolen := signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: []byte("a secret of 32 bytes, which it is"), KeyID: "2"}},
		must(json.Marshal(p.claims("bank-a")))(t))
	if _, err := authenticate(a, stolen); !errors.Is(err, ErrBadCredential) {
		t.Errorf("by a published secret: %v", err)
	}
}

// A flood of tokens whose keys there are none of does not become a flood at the issuer.
func TestFloodOfUnknownKeys(t *testing.T) {
	p := newProvider(t)
	k := newEC(t, "k")
	p.publish(k)
	a, _, c := trusting(t, p)
	forged := newEC(t, "")
	var flood sync.WaitGroup
	for i := range 300 {
		forged.id = fmt.Sprint("forged-", i)
		token := sign(t, forged, p.claims("bank-a"))
		flood.Go(func() {
			if _, err := authenticate(a, token); !errors.Is(err, ErrBadCredential) {
				t.Errorf("a forged one: %v", err)
			}
		})
	}
	flood.Wait()
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("300 unknown keys: %d fetches", n)
	}
	for range 5 {
		c.at = c.at.Add(fetchEvery)
		for i := range 50 {
			forged.id = fmt.Sprint("again-", i)
			_, _ = authenticate(a, sign(t, forged, p.claims("bank-a")))
		}
	}
	if n := p.fetches.Load(); n != 6 {
		t.Errorf("50 unknown keys in each of five times: %d fetches", n-1)
	}
	if who, err := authenticate(a, sign(t, k, p.claims("bank-a"))); who != "bank-a" {
		t.Errorf("the genuine one: %v", err)
	}
}

// An issuer that gives no answer, at the start or later, costs its tokens and nothing else.
func TestIssuerDown(t *testing.T) {
	p := newProvider(t)
	k := newEC(t, "k")
	p.publish(k)
	p.set(func() { p.down = true })
	var log bytes.Buffer
	a, d, c := trusting(t, p, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	h := app(t, a, document(t, testDocument))
	_, key, err := d.CreateKey(NewKey{Organisation: "bank-b"})
	if err != nil {
		t.Fatal(err)
	}
	me := func(token string) answer {
		return ask(h, "GET", "/me", "192.0.2.1", withToken("Bearer "+token))
	}
	token := func(k signingKey) string {
		return sign(t, k, p.claims("bank-a").with("exp", c.at.Add(time.Hour).Unix()))
	}
	if err := a.CheckIssuers(t.Context()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), p.URL) {
		t.Errorf("at the start: %v", err)
	}
	for range 2 * defaultFailureBurst {
		if got := me(token(k)); got.status != 503 || got.retry != "10" || got.challenge != "" || got.read {
			t.Fatalf("at the start: %+v", got)
		}
	}
	if got := me(key); got.status != 200 || got.body != "bank-b" {
		t.Errorf("an API key meanwhile: %+v", got)
	}
	if got := me(sign(t, k, p.claims("bank-a").with("iss", "https://other.example"))); got.status != 401 {
		t.Errorf("another issuer's meanwhile: %+v", got)
	}
	p.set(func() { p.down = false })
	c.at = c.at.Add(fetchEvery)
	if got := me(token(k)); got.status != 200 || got.body != "bank-a" {
		t.Errorf("it answers: %+v", got)
	}
	p.set(func() { p.down = true })
	c.at = c.at.Add(keysStale - time.Second)
	if got := me(token(k)); got.status != 200 {
		t.Errorf("it is away for a while: %+v", got)
	}
	if got := me(token(newEC(t, "new"))); got.status != 503 || got.retry != "10" {
		t.Errorf("a new key while it is away: %+v", got)
	}
	c.at = c.at.Add(time.Second)
	if got := me(token(k)); got.status != 503 {
		t.Errorf("it is away for too long: %+v", got)
	}
	if got := me(key); got.status != 200 {
		t.Errorf("an API key meanwhile: %+v", got)
	}
	p.Close()
	c.at = c.at.Add(fetchEvery)
	if got := me(token(k)); got.status != 503 {
		t.Errorf("nobody listens: %+v", got)
	}
	for what, n := range map[string]int{"gives no answer": 2, "issuer of tokens answers": 1} {
		if got := strings.Count(log.String(), what); got != n {
			t.Errorf("the log says %d times %q:\n%s", got, what, &log)
		}
	}
	if strings.Contains(log.String(), "eyJ") {
		t.Error("the log holds a token")
	}
}

// What an issuer's documents must not say.
func TestBadDiscovery(t *testing.T) {
	for what, found := range map[string]map[string]any{
		"another issuer":         {"issuer": "https://other.example"},
		"no keys":                {"jwks_uri": nil},
		"keys over plain HTTP":   {"jwks_uri": "http://keys.example/keys"},
		"keys in a file":         {"jwks_uri": "file:///etc/passwd"},
		"no URL":                 {"jwks_uri": "://"},
		"a redirect":             {"jwks_uri": "/moved"},
		"more than can be meant": {"jwks_uri": "/endless"},
		"something else":         {"jwks_uri": "/.well-known/openid-configuration"},
	} {
		p := newProvider(t)
		p.publish(newEC(t, "k"))
		if path, ok := found["jwks_uri"].(string); ok && strings.HasPrefix(path, "/") {
			found["jwks_uri"] = p.URL + path
		}
		p.found = found
		a, _, _ := trusting(t, p)
		if err := a.CheckIssuers(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
		if n := p.fetches.Load(); n != 0 {
			t.Errorf("%s: the keys were fetched", what)
		}
	}
}

// A token and a certificate in one request have to be of one organisation.
func TestTokenWithCertificate(t *testing.T) {
	p := newProvider(t)
	k := newEC(t, "k")
	p.publish(k)
	m := newMutual(t)
	newOrganisation(t, m.d, "bank-a", RoleBank)
	newOrganisation(t, m.d, "bank-b", RoleBank)
	leaf := m.authority.Issue(t, certtest.Leaf{Name: "a"})
	must(m.d.BindCertificate(NewKey{Organisation: "bank-a"}, KindCertificate, leaf.Certificate))(t)
	a := must(NewAuthenticator(Options{
		Directory: m.d, Now: m.d.now, ClientCAs: m.counts.Load, Issuers: []Issuer{{URL: p.URL, Audience: "attestry", Claim: "org"}},
	}))(t)
	m.Config.Handler = app(t, a, document(t, testDocument))
	for organisation, want := range map[string]int{"bank-a": 200, "bank-b": 401} {
		if status, who, _, _ := m.me(m.client(leaf.TLS), sign(t, k, p.claims(organisation))); status != want {
			t.Errorf("a's certificate and %s's token: %d %s", organisation, status, who)
		}
	}
}

// FuzzIssuerToken: nothing but what the issuer signed gets in, and nothing panics. Base64 and
// signatures have several spellings, so a token is nothing's identity.
func FuzzIssuerToken(f *testing.F) {
	p := newProvider(f)
	k := newEC(f, "k")
	p.publish(k)
	a, _, _ := trusting(f, p)
	good := sign(f, k, p.claims("bank-a"))
	f.Add(good)
	f.Add(unsigned(`{"alg":"none"}`, `{}`, nil))
	f.Add("..")
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, token string) {
		who, err := authenticate(a, token)
		same := said(token) == said(good)
		if err == nil && !same || token == good && who != "bank-a" {
			t.Errorf("%q: %q, %v", token, who, err)
		}
	})
}

// said gives what a token says, whoever signed it.
func said(token string) string {
	parts := strings.Split(token, ".")
	head, _ := base64.RawURLEncoding.DecodeString(parts[0])
	payload, _ := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	return string(head) + "." + string(payload)
}

// FuzzIssuerKeys: what an issuer publishes is taken or refused.
func FuzzIssuerKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[]}`))
	f.Add(must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: newEC(f, "k").Public(), KeyID: "k"}}}))(f))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"RSA","n":"AQ","e":"AQAB"},null,1]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := parseKeys(document)
		if err != nil && keys != nil {
			t.Error("keys and an error")
		}
		for _, k := range keys {
			if !verifies(k) {
				t.Errorf("a key that verifies nothing: %+v", k)
			}
		}
	})
}
