// Package transport is the TLS of a server's listener, from files that may change while it
// runs.
//
//	t, err := transport.Open(transport.Options{Cert: "server.crt", Key: "server.key", ClientCA: "clients.crt"})
//	go t.Watch(ctx)
//	server, err := server.New(server.Config{TLS: t.Config(), …})
//
// It speaks TLS 1.3 alone, with HTTP/2 where the client does. In TLS 1.2 a client's
// certificate travels in the clear, so that whoever looks on would see which bank asks; what
// cannot speak 1.3 is older than 2018.
//
// Clients that show a certificate have to have one of the authorities in ClientCA, when the
// connection begins; the authenticator of package access asks [TLS.ClientCAs] again for
// each request, since connections and resumed sessions outlive both the certificate and
// the file.
package transport

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options say where a TLS has its certificates from.
type Options struct {
	// Cert is the file of the certificate's chain, the server's own first, Key that of its
	// private key, which nobody else may read. Both are PEM, and needed.
	Cert, Key string
	// ClientCA is a PEM file of the authorities whose certificates clients may show. Empty:
	// clients are not asked for any.
	ClientCA string
	// Every is how often the files are looked at; 0: [DefaultEvery].
	Every time.Duration
	// Log is told when they changed, when they cannot be used and when the certificate
	// soon expires; nil: nobody is.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// DefaultEvery is how often files are looked at: a renewal can wait for it, and so can
// whoever takes an authority away.
const DefaultEvery = 5 * time.Second

// TLS is what a listener speaks. It is safe for concurrent use.
type TLS struct {
	options Options
	config  *tls.Config
	state   atomic.Pointer[state]

	mu     sync.Mutex // of what follows, and of changes of state
	failed string     // what was wrong with the files when they were last looked at
	warned time.Time  // when the log was last told that the certificate soon expires
}

// Open reads the files. It fails with [ErrFiles] where they cannot be used, and where the
// certificate has expired.
func Open(o Options) (*TLS, error) {
	if o.Every == 0 {
		o.Every = DefaultEvery
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := o.load()
	if err != nil {
		return nil, err
	}
	t := &TLS{options: o}
	t.state.Store(s)
	t.config = &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return t.state.Load().config, nil },
	}
	t.tell("TLS")
	t.warn()
	return t, nil
}

// Config gives the listener's configuration, which follows the files.
func (t *TLS) Config() *tls.Config { return t.config }

// ClientCAs gives the authorities whose certificates clients may show now; nil: there are
// none.
func (t *TLS) ClientCAs() *x509.CertPool { return t.state.Load().config.ClientCAs }

// Expires is when the certificate does.
func (t *TLS) Expires() time.Time { return t.state.Load().leaf.NotAfter }

// Holds tells whether clients can accept the certificate: it fails with [ErrFiles] once that
// has expired.
func (t *TLS) Holds() error { return inTime(t.state.Load().leaf, t.options.Now()) }

// inTime wants a certificate to be valid now.
func inTime(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%w: the certificate is not valid before %s", ErrFiles, instant(leaf.NotBefore))
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%w: the certificate expired at %s", ErrFiles, instant(leaf.NotAfter))
	}
	return nil
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }
