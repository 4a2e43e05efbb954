package access

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

const (
	// fetchEvery is how often an issuer is asked at most, whatever tokens come: those that
	// name keys which there are none of cost it no more than that.
	fetchEvery = 10 * time.Second
	// keysFresh is how long its keys are taken as they are: a key that it withdraws counts
	// that much longer.
	keysFresh = 5 * time.Minute
	// keysStale is how long they are while it gives no answer.
	keysStale = 30 * time.Minute
	// fetchTimeout bounds one fetch: a token whose key is not at hand waits for it.
	fetchTimeout = 5 * time.Second

	maxIssuerBytes = 1 << 20
	maxIssuerKeys  = 100
	// leastRSA is what RFC 7518, section 3.3, asks of RSA keys, in bits.
	leastRSA = 2048
)

// keySet is the keys of an issuer, as it said last.
type keySet struct {
	issuer string
	client *http.Client
	log    *slog.Logger
	now    func() time.Time
	flight singleflight.Group
	state  atomic.Pointer[fetched]
}

// fetched is what an issuer said.
type fetched struct {
	keys  []jose.JSONWebKey
	at    time.Time // when it gave the keys; zero: never
	tried time.Time // when it was asked last
	err   error     // why it gave none then
}

func newKeySet(issuer string, o Options) *keySet {
	client := http.Client{Timeout: fetchTimeout}
	if o.Client != nil {
		client = *o.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return errors.New("an issuer does not redirect") }
	client.Transport = bounded{client.Transport}
	k := &keySet{issuer: issuer, client: &client, log: o.Log, now: o.Now}
	k.state.Store(&fetched{})
	return k
}

// of gives the keys that can have signed a token. It fails with [ErrBadCredential] where the
// issuer has, or had moments ago, none, and with [ErrUnavailable] where that cannot be said.
func (k *keySet) of(ctx context.Context, h header) ([]crypto.PublicKey, error) {
	s := k.state.Load()
	keys := s.of(h)
	if k.now().Sub(s.at) >= keysFresh || len(keys) == 0 {
		s = k.fetch(ctx)
		keys = s.of(h)
	}
	switch {
	case k.now().Sub(s.at) >= keysStale, len(keys) == 0 && s.err != nil:
		return nil, ErrUnavailable
	case len(keys) == 0:
		return nil, ErrBadCredential
	}
	return keys, nil
}

// of gives the keys that fit a token's header. A token that names none fits the only one.
func (s *fetched) of(h header) (keys []crypto.PublicKey) {
	for _, k := range s.keys {
		named := k.KeyID == h.key || h.key == "" && len(s.keys) == 1
		if named && (k.Algorithm == "" || k.Algorithm == string(h.algorithm)) {
			keys = append(keys, k.Key)
		}
	}
	return keys
}

// fetch asks the issuer for its keys, unless it was asked just now, and gives what it said
// last. All who need it wait for one answer.
func (k *keySet) fetch(ctx context.Context) *fetched {
	done := k.flight.DoChan("", func() (any, error) {
		was := k.state.Load()
		if k.now().Sub(was.tried) < fetchEvery {
			return was, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		keys, err := k.ask(ctx)
		is := &fetched{keys: was.keys, at: was.at, tried: k.now(), err: err}
		if err == nil {
			is.keys, is.at = keys, is.tried
		}
		k.tell(was, is)
		k.state.Store(is)
		return is, nil
	})
	select {
	case r := <-done:
		return r.Val.(*fetched)
	case <-ctx.Done():
		return &fetched{err: ctx.Err()}
	}
}

// tell tells the log when an issuer ceases to answer, and when it begins again.
func (k *keySet) tell(was, is *fetched) {
	switch {
	case is.err != nil && (was.err == nil || was.tried.IsZero()):
		k.log.Error("an issuer of tokens gives no answer", "issuer", k.issuer, "error", is.err.Error())
	case is.err == nil && (was.err != nil || was.tried.IsZero()):
		k.log.Info("an issuer of tokens answers", "issuer", k.issuer, "keys", len(is.keys))
	}
}

// ask asks where the issuer has its keys, and for them.
func (k *keySet) ask(ctx context.Context) ([]jose.JSONWebKey, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.issuer)
	if err != nil {
		return nil, err
	}
	var found struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&found); err != nil {
		return nil, err
	}
	if u, err := url.Parse(found.Keys); err != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("its jwks_uri %q is no https URL", found.Keys)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, found.Keys, nil)
	if err != nil {
		return nil, err
	}
	response, err := k.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // read only
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", found.Keys, response.Status)
	}
	return parseKeys(body)
}

// parseKeys reads a JSON Web Key Set (RFC 7517). Keys of other kinds and uses, of which a set
// may have some, are passed over.
func parseKeys(document []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("its keys: %w", err)
	}
	if set.Keys == nil || len(set.Keys) > maxIssuerKeys {
		return nil, fmt.Errorf("its keys: not a list of at most %d", maxIssuerKeys)
	}
	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) == nil && verifies(key) {
			keys = append(keys, key)
		}
	}
	return keys, nil // none, where it withdrew them all
}

func verifies(k jose.JSONWebKey) bool {
	if r, ok := k.Key.(*rsa.PublicKey); ok && r.N.BitLen() < leastRSA {
		return false
	}
	return k.Valid() && k.IsPublic() && (k.Use == "" || k.Use == "sig")
}

// isLoopback tells a name or address of this machine itself.
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// bounded bounds what an issuer can make this server read.
type bounded struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	next := b.RoundTripper
	if next == nil {
		next = http.DefaultTransport
	}
	response, err := next.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxIssuerBytes)
	}
	return response, err
}
