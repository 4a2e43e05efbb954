package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"go.etcd.io/bbolt"
)

// Issuer is an OpenID Connect provider whose bearer tokens are taken: JSON Web Tokens that it
// signed for this server. It is trusted to say which organisation a token is of. What that
// organisation may do the directory says, and no token.
type Issuer struct {
	// URL names the issuer, in its tokens too, and is where its
	// /.well-known/openid-configuration is found.
	URL string
	// Audience is what its tokens must be for: this server.
	Audience string
	// Claim is the claim that holds the organisation's id.
	Claim string
	// Organisations are those that it may speak for; none means all.
	Organisations []string
}

const (
	// leeway is how far an issuer's clock may be ahead.
	leeway = time.Minute
	// oidcPrefix begins the credential of a principal that a token gave.
	oidcPrefix = "oidc:"
)

// algorithms are those that tokens may be signed by: of public keys alone, so that no public
// key can be taken for a secret, and never none.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

// issuer is an issuer with its keys.
type issuer struct {
	Issuer
	keys *keySet
}

// newIssuers gives the issuers by their URLs.
func newIssuers(o Options) (map[string]*issuer, error) {
	all := map[string]*issuer{}
	for _, i := range o.Issuers {
		if i.URL == "" || i.Audience == "" || i.Claim == "" {
			return nil, fmt.Errorf("%w: an issuer without a URL, an audience or a claim", ErrInvalid)
		}
		if all[i.URL] != nil {
			return nil, fmt.Errorf("%w: issuer %s twice", ErrInvalid, i.URL)
		}
		all[i.URL] = &issuer{i, newKeySet(i.URL, o)}
	}
	return all, nil
}

// CheckIssuers asks every issuer for its keys, which tokens would need later, and fails with
// [ErrUnavailable] where one gives none. The authenticator works all the same.
func (a *Authenticator) CheckIssuers(ctx context.Context) error {
	var errs []error
	for url, i := range a.issuers {
		if s := i.keys.fetch(ctx); s.err != nil {
			errs = append(errs, fmt.Errorf("%w: issuer %s: %w", ErrUnavailable, url, s.err))
		}
	}
	return errors.Join(errs...)
}

// byIssuer gives the principal of an issuer's token.
func (a *Authenticator) byIssuer(ctx context.Context, token string) (*Principal, error) {
	h, ok := readHeader(token)
	if !ok {
		return nil, ErrBadCredential
	}
	i := a.issuers[h.issuer]
	if i == nil {
		return nil, ErrBadCredential
	}
	keys, err := i.keys.of(ctx, h)
	if err != nil {
		return nil, err
	}
	verified, err := oidc.NewVerifier(i.URL, &oidc.StaticKeySet{PublicKeys: keys}, &oidc.Config{
		ClientID: i.Audience, SupportedSigningAlgs: []string{string(h.algorithm)},
		SkipExpiryCheck: true, // which is looked at next, so that only what is genuine is called expired
	}).Verify(ctx, token)
	if err != nil || verified.Subject == "" {
		return nil, ErrBadCredential
	}
	if err := tokenInTime(verified, a.now()); err != nil {
		return nil, err
	}
	id, err := i.organisation(verified)
	if err != nil {
		return nil, err
	}
	return a.named(id, i.credential(verified.Subject))
}

// named gives the principal of an organisation that an issuer named.
func (a *Authenticator) named(id, credential string) (*Principal, error) {
	var o Organisation
	err := a.directory.db.View(func(tx *bbolt.Tx) (err error) {
		o, err = organisation(tx, id)
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, ErrBadCredential
	case err != nil:
		return nil, err
	case !o.Disabled.IsZero():
		return nil, ErrDisabled
	}
	return &Principal{Organisation: o, Credential: credential}, nil
}

// header is what a token says of itself before anybody has verified it.
type header struct {
	algorithm   jose.SignatureAlgorithm
	key, issuer string
}

// readHeader reads a token's header, and whose it says that it is.
func readHeader(token string) (h header, ok bool) {
	signed, err := jose.ParseSignedCompact(token, algorithms())
	if err != nil || len(signed.Signatures) != 1 {
		return h, false
	}
	head := signed.Signatures[0].Header
	if !isTokenType(head.ExtraHeaders[jose.HeaderType]) {
		return h, false
	}
	payload := signed.UnsafePayloadWithoutVerification()
	if !namesClaimsOnce(payload) {
		return h, false
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return h, false
	}
	return header{jose.SignatureAlgorithm(head.Algorithm), head.KeyID, claims.Issuer}, true
}

// namesClaimsOnce tells whether a token's claims are an object that has no claim twice (RFC
// 7519, section 4), and none that differs from a registered one in capitals alone: decoding
// into a struct would take that for the registered one, and a client whom the issuer lets
// choose claims would choose its audience by it.
func namesClaimsOnce(payload []byte) bool {
	d := json.NewDecoder(bytes.NewReader(payload))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return false
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok || seen[name] || resemblesRegistered(name) {
			return false
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return false
		}
	}
	return true
}

func resemblesRegistered(name string) bool {
	return slices.ContainsFunc([]string{"iss", "sub", "aud", "exp", "nbf", "iat"}, func(registered string) bool {
		return name != registered && strings.EqualFold(name, registered)
	})
}

// isTokenType tells whether a token's type is one that stands for somebody: an access token's
// (RFC 9068, section 2.1) or none in particular. Issuers sign other things with the same
// keys, such as logout tokens.
func isTokenType(v any) bool {
	if v == nil {
		return true
	}
	s, _ := v.(string)
	return slices.Contains([]string{"jwt", "at+jwt"}, strings.TrimPrefix(strings.ToLower(s), "application/"))
}

// tokenInTime holds a token that was verified to the times that it names. It has to expire.
func tokenInTime(token *oidc.IDToken, now time.Time) error {
	var claims struct {
		NotBefore float64 `json:"nbf"`
		IssuedAt  float64 `json:"iat"`
	}
	if err := token.Claims(&claims); err != nil || token.Expiry.IsZero() {
		return ErrBadCredential
	}
	latest := float64(now.Add(leeway).Unix())
	if !now.Before(token.Expiry) || claims.NotBefore > latest || claims.IssuedAt > latest {
		return ErrExpired
	}
	return nil
}

// organisation gives the organisation that a token names. The claim is one text, and the id
// itself: of a list nobody could say which counts.
func (i *issuer) organisation(token *oidc.IDToken) (id string, err error) {
	var claims map[string]json.RawMessage
	if err := token.Claims(&claims); err != nil {
		return "", ErrBadCredential
	}
	if err := json.Unmarshal(claims[i.Claim], &id); err != nil || !isID(id) {
		return "", ErrBadCredential
	}
	if len(i.Organisations) > 0 && !slices.Contains(i.Organisations, id) {
		return "", ErrBadCredential
	}
	return id, nil
}

// credential names a token's subject in logs, without saying it: it may be a person's name.
func (i *issuer) credential(subject string) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%q %q", i.URL, subject)))
	return oidcPrefix + hex.EncodeToString(sum[:8])
}
