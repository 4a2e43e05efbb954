package access

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Options say how an [Authenticator] finds out who a request is from.
type Options struct {
	// Directory lists the organisations and their credentials. It is needed.
	Directory *Directory
	// ClientCAs gives the authorities whose client certificates count now. They are asked
	// for each request: a connection, and a session that is resumed, may be older than the
	// file that names them. Nil, or a nil pool: no certificate counts.
	ClientCAs func() *x509.CertPool
	// Issuers are those whose tokens count.
	Issuers []Issuer
	// Client asks issuers for their keys; nil: one of the standard library. Redirects are
	// not followed.
	Client *http.Client
	// Log is told when an issuer gives no answer; nil: nobody is.
	Log *slog.Logger
	// Failures bounds how often one client's address may present a false credential.
	Failures FailureLimit
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Authenticator finds the principal of a request. It is safe for concurrent use.
type Authenticator struct {
	directory *Directory
	clientCAs func() *x509.CertPool
	issuers   map[string]*issuer
	failures  *failures
	now       func() time.Time
}

// NewAuthenticator makes one. It fails with [ErrInvalid].
func NewAuthenticator(o Options) (*Authenticator, error) {
	if o.Directory == nil {
		return nil, fmt.Errorf("%w: an authenticator without a directory", ErrInvalid)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ClientCAs == nil {
		o.ClientCAs = func() *x509.CertPool { return nil }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f, err := newFailures(o.Failures)
	if err != nil {
		return nil, err
	}
	issuers, err := newIssuers(o)
	if err != nil {
		return nil, err
	}
	return &Authenticator{directory: o.Directory, clientCAs: o.ClientCAs, issuers: issuers, failures: f, now: o.Now}, nil
}

// Authenticate gives who a request is from, by its Authorization header, by the client
// certificate of its connection, or by both, which must then be of one organisation. It
// fails with one of the errors of credentials, and as one of them tells nobody but the
// owner of a credential that there is such a one.
func (a *Authenticator) Authenticate(r *http.Request) (*Principal, error) {
	token, err := bearer(r.Header)
	if err != nil {
		return nil, err
	}
	shown := r.TLS != nil && len(r.TLS.PeerCertificates) > 0
	switch {
	case token == "" && !shown:
		return nil, ErrNoCredential
	case !shown:
		return a.byToken(r.Context(), token)
	case token == "":
		return a.byCertificate(r)
	}
	p, err := a.byToken(r.Context(), token)
	if err != nil {
		return nil, err
	}
	q, err := a.byCertificate(r)
	if err != nil {
		return nil, err
	}
	return both(p, q)
}

// bearer gives the token of a request's Authorization header, "" where there is no such
// header. Any other scheme, and more than one header, is a bad credential: which of two
// counts must not be a matter of taste.
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") || !isToken(token) {
		return "", ErrBadCredential
	}
	return token, nil
}

// maxToken bounds a token: those of OIDC issuers have a kilobyte or two.
const maxToken = 8 << 10

// isToken tells whether a text is a token68 of RFC 9110, section 11.2.
func isToken(s string) bool {
	foreign := func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("-._~+/", r)
	}
	return s != "" && len(s) <= maxToken && !strings.ContainsFunc(strings.TrimRight(s, "="), foreign)
}

func (a *Authenticator) byToken(ctx context.Context, token string) (*Principal, error) {
	if !strings.HasPrefix(token, tokenPrefix) && len(a.issuers) > 0 {
		return a.byIssuer(ctx, token)
	}
	id, s, ok := parseToken(token)
	if !ok {
		return nil, ErrBadCredential
	}
	var record record
	var o Organisation
	err := a.directory.db.View(func(tx *bbolt.Tx) (err error) {
		record, err = findRecord(tx, id)
		if err == nil {
			o, err = organisation(tx, record.Organisation)
		}
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if err != nil {
		record.Proof = nobodysProof
	}
	// Compared also where there is no such key, so that both take the same time.
	if !sameSecret(record.Proof, s) || record.Kind != KindSecret || err != nil {
		return nil, ErrBadCredential
	}
	return a.admit(record, o)
}

// nobodysProof is compared with where there is no key: of the length of a proof, since what
// differs in length is not compared at all.
const nobodysProof = "0000000000000000000000000000000000000000000000000000000000000000"

// sameSecret compares a secret with the hash that is kept, in constant time.
func sameSecret(proof string, s secret) bool {
	got := s.hash()
	return subtle.ConstantTimeCompare([]byte(proof), []byte(hex.EncodeToString(got[:]))) == 1
}

func (a *Authenticator) byCertificate(r *http.Request) (*Principal, error) {
	leaf := r.TLS.PeerCertificates[0]
	if err := issued(r.TLS.PeerCertificates, a.clientCAs(), a.now()); err != nil {
		return nil, err
	}
	var record record
	var o Organisation
	err := a.directory.db.View(func(tx *bbolt.Tx) (err error) {
		record, err = certificateRecord(tx, leaf)
		if err == nil {
			o, err = organisation(tx, record.Organisation)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.admit(record, o)
}

// admit gives the principal of a credential that was proved.
func (a *Authenticator) admit(r record, o Organisation) (*Principal, error) {
	if err := r.State(a.now()); err != nil {
		return nil, err
	}
	if !o.Disabled.IsZero() {
		return nil, ErrDisabled
	}
	a.directory.used(r.Key)
	return &Principal{Organisation: o, Credential: r.ID, Scopes: r.Scopes}, nil
}

// both joins what two credentials of one request say: one organisation, and the scopes
// that both are good for.
func both(p, q *Principal) (*Principal, error) {
	if p.Organisation.ID != q.Organisation.ID {
		return nil, ErrBadCredential
	}
	joined := &Principal{Organisation: p.Organisation, Credential: p.Credential + "+" + q.Credential, Scopes: p.Scopes}
	switch {
	case len(p.Scopes) == 0:
		joined.Scopes = q.Scopes
	case len(q.Scopes) > 0:
		joined.Scopes = slices.DeleteFunc(slices.Clone(p.Scopes), func(s string) bool { return !slices.Contains(q.Scopes, s) })
		if len(joined.Scopes) == 0 { // which would read as all
			return nil, ErrBadCredential
		}
	}
	return joined, nil
}
