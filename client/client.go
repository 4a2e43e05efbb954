// Package client is a client of attestry serve: what an organisation's programs call.
//
// A bank asks, waits, and fetches what it verifies against its own trust file:
//
//	c, err := client.New("https://registry.example.org", client.Options{Key: key})
//	…
//	asked, err := c.Ask(ctx, request)             // a complete request, with its seal_to
//	answered, err := c.Answered(ctx, asked.Id)    // waits
//	bundle, err := c.Bundle(ctx, answered.Proof)
//	openings, err := c.Openings(ctx, answered.Proof, identity)
//	verdict, err := verifier.Verify(…)            // rests on nothing that the server says
//
// Whatever the server refuses is a [*Problem]. What is safe to repeat is repeated: reads,
// and writes under an idempotency key, which every POST that the server knows one for
// gets by itself. Operations that have no method here are in [Client.API], with the
// same credential, repetitions and problems.
package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/attestry/attestry/client/api"
)

// Errors of making a client.
var (
	// ErrServer: the server's address is none.
	ErrServer = errors.New("not the address of a server")
	// ErrPlaintext: an API key, and the questions, would cross a network in the clear.
	ErrPlaintext = errors.New("an API key is not sent over http, but to this machine alone")
	// ErrOptions: two options contradict each other.
	ErrOptions = errors.New("bad options of a client")
)

const (
	// DefaultAttempts is how often a request is made that is safe to repeat.
	DefaultAttempts = 4
	// DefaultPatience is the longest Retry-After that is heeded.
	DefaultPatience = time.Minute
	// answerTimeout bounds the time to an answer's header, the longest wait included.
	answerTimeout = 2 * time.Minute
)

// Options are a client's. The zero value asks what needs no credential.
type Options struct {
	// Key is the organisation's API key, attestry_<id>_<secret>, or an OpenID Connect token.
	Key string
	// TLS is for a server whose certificate no system authority vouches for, and for a
	// client certificate. Not beside HTTP.
	TLS *tls.Config
	// HTTP makes the requests; nil: a client of its own. Redirections are never followed:
	// the key and the question are for the server that was named.
	HTTP *http.Client
	// Attempts is how often a request is made that is safe to repeat; 0: DefaultAttempts.
	Attempts int
	// Patience is the longest Retry-After that is waited for; 0: DefaultPatience. What
	// asks for more is a problem at once.
	Patience time.Duration
	// AllowPlaintext lets the key go over http to other machines, such as a proxy's.
	AllowPlaintext bool
}

// Client asks a server. It is for use by many goroutines at once.
type Client struct {
	// API has all operations of the server, as its OpenAPI document has them. An
	// answer that is no success is an error, a *Problem, there too.
	API *api.ClientWithResponses
}

// New makes a client of a server, https://host[:port][/path].
func New(server string, o Options) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: want https://host[:port]", ErrServer)
	}
	if u.Scheme == "http" && o.Key != "" && !o.AllowPlaintext && !isLocal(u.Hostname()) {
		return nil, ErrPlaintext
	}
	t, err := newTransport(o)
	if err != nil {
		return nil, err
	}
	calls, err := api.NewClientWithResponses(server, api.WithHTTPClient(t))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	return &Client{API: calls}, nil
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func newTransport(o Options) (*transport, error) {
	if o.HTTP != nil && o.TLS != nil {
		return nil, fmt.Errorf("%w: TLS counts for nothing beside HTTP", ErrOptions)
	}
	var h http.Client
	if o.HTTP != nil {
		h = *o.HTTP
	} else {
		h.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.TLS, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: answerTimeout,
		}
	}
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t := &transport{http: &h, key: o.Key, attempts: o.Attempts, patience: o.Patience}
	if t.attempts <= 0 {
		t.attempts = DefaultAttempts
	}
	if t.patience <= 0 {
		t.patience = DefaultPatience
	}
	return t, nil
}
