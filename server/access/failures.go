package access

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// FailureLimit bounds false credentials by the client's address: a bucket of Burst that
// one of Every refills. Zero fields are the defaults.
type FailureLimit struct {
	Burst int
	Every time.Duration
}

const (
	// Secrets have 256 bits, so that no rate finds one; the bound keeps guessing out of
	// logs and issuers unasked, and leaves room for a client that is set up wrongly.
	defaultFailureBurst = 20
	defaultFailureEvery = 5 * time.Second
	// maxGood is how many credentials are remembered that were good.
	maxGood = 1 << 12
)

// failures counts false credentials by address, and remembers which ones were good.
type failures struct {
	limit FailureLimit
	seen  *Clients
	good  *lru.Cache[fingerprint, struct{}]
}

// fingerprint is a hash of the credentials of a request.
type fingerprint [sha256.Size]byte

// presented takes the fingerprint of whatever a request has that could be a credential.
func presented(r *http.Request) (f fingerprint, any bool) {
	values := r.Header.Values("Authorization")
	var leaf []byte
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		leaf = r.TLS.PeerCertificates[0].Raw
	}
	if len(values) == 0 && leaf == nil {
		return f, false
	}
	return sha256.Sum256([]byte(fmt.Sprintf("%q %x", values, leaf))), true
}

func newFailures(l FailureLimit) (*failures, error) {
	if l.Burst < 0 || l.Every < 0 {
		return nil, fmt.Errorf("%w: a negative limit of failures", ErrInvalid)
	}
	if l.Burst == 0 {
		l.Burst = defaultFailureBurst
	}
	if l.Every == 0 {
		l.Every = defaultFailureEvery
	}
	good, err := lru.New[fingerprint, struct{}](maxGood)
	return &failures{l, NewClients(rate.Every(l.Every), l.Burst), good}, err
}

// wait says how long an address has to wait until it may present a credential; 0: not.
func (f *failures) wait(address string, now time.Time) time.Duration {
	l, ok := f.seen.Find(address)
	if !ok {
		return 0
	}
	missing := 1 - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(time.Second, time.Duration(missing*float64(f.limit.Every)))
}

// wasGood tells whether credentials were good when they were last looked at.
func (f *failures) wasGood(shown fingerprint) bool { return f.good.Contains(shown) }

func (f *failures) succeeded(shown fingerprint) { f.good.Add(shown, struct{}{}) }

// failed counts a false credential.
func (f *failures) failed(address string, shown fingerprint, now time.Time) {
	f.good.Remove(shown)
	f.seen.Of(address).AllowN(now, 1)
}
