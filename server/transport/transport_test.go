package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attestry/attestry/internal/certtest"
)

// files are those of a server, with who issued what is in them.
type files struct {
	Options
	servers, clients *certtest.Authority
	log              *buffer
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newFiles(t *testing.T) files {
	t.Helper()
	dir, log := t.TempDir(), &buffer{}
	f := files{
		Options{
			Cert: filepath.Join(dir, "server.crt"), Key: filepath.Join(dir, "server.key"), ClientCA: filepath.Join(dir, "clients.crt"),
			Log: slog.New(slog.NewTextHandler(log, nil)),
		},
		certtest.NewAuthority(t, "servers"), certtest.NewAuthority(t, "clients"), log,
	}
	f.issue(t, certtest.Leaf{Name: "first"})
	certtest.Write(t, f.ClientCA, f.clients.PEM)
	return f
}

// issue replaces the server's certificate.
func (f files) issue(t *testing.T, l certtest.Leaf) {
	t.Helper()
	i := f.servers.Issue(t, l)
	certtest.Write(t, f.Cert, i.Cert)
	certtest.Write(t, f.Key, i.Key)
}

func open(t *testing.T, o Options) *TLS {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shake makes a connection, on which the server writes what it holds of the client, and
// gives the client's view of it and what was read.
func shake(t *testing.T, s *TLS, client *tls.Config) (tls.ConnectionState, string, error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", s.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		if err := c.(*tls.Conn).Handshake(); err == nil {
			who := "nobody"
			if shown := c.(*tls.Conn).ConnectionState().PeerCertificates; len(shown) > 0 {
				who = shown[0].Subject.CommonName
			}
			_, _ = io.WriteString(c, who)
		}
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		return tls.ConnectionState{}, "", err
	}
	defer func() { _ = c.Close() }()
	who, err := io.ReadAll(c)
	return c.ConnectionState(), string(who), err
}

func (f files) client(certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{
		RootCAs: certtest.Pool(f.servers), ServerName: "localhost", NextProtos: []string{"h2", "http/1.1"},
		// Whatever the server asks for, so that it is the server that refuses.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(certificates) == 0 {
				return &tls.Certificate{}, nil
			}
			return &certificates[0], nil
		},
	}
}

func TestHandshake(t *testing.T) {
	f := newFiles(t)
	s := open(t, f.Options)
	for what, c := range map[string]struct {
		certificates []tls.Certificate
		who          string // "": refused
	}{
		"no certificate":            {nil, "nobody"},
		"a client's":                {[]tls.Certificate{f.clients.Issue(t, certtest.Leaf{Name: "bank"}).TLS}, "bank"},
		"another authority's":       {[]tls.Certificate{f.servers.Issue(t, certtest.Leaf{Name: "bank"}).TLS}, ""},
		"expired":                   {[]tls.Certificate{f.clients.Issue(t, certtest.Leaf{Name: "bank", NotAfter: time.Now().Add(-time.Minute)}).TLS}, ""},
		"not valid yet":             {[]tls.Certificate{f.clients.Issue(t, certtest.Leaf{Name: "bank", NotBefore: time.Now().Add(time.Minute)}).TLS}, ""},
		"for servers alone":         {[]tls.Certificate{f.clients.Issue(t, certtest.Leaf{Name: "bank", Usage: serverOnly()}).TLS}, ""},
		"another's with an own key": {[]tls.Certificate{withKey(f.clients.Issue(t, certtest.Leaf{Name: "bank"}).TLS, certtest.NewKey(t))}, ""},
	} {
		state, who, err := shake(t, s, f.client(c.certificates...))
		if who != c.who || (err == nil) != (c.who != "") {
			t.Errorf("%s: the server saw %q: %v", what, who, err)
		}
		if c.who != "" && (state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "h2") {
			t.Errorf("%s: version %x, protocol %s", what, state.Version, state.NegotiatedProtocol)
		}
	}
	old := f.client()
	old.MaxVersion = tls.VersionTLS12
	if _, _, err := shake(t, s, old); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.2: %v", err)
	}
	f.ClientCA = ""
	if _, who, err := shake(t, open(t, f.Options), f.client(f.clients.Issue(t, certtest.Leaf{Name: "bank"}).TLS)); who != "nobody" || err != nil {
		t.Errorf("without authorities the server saw %q: %v", who, err)
	}
}

// A renewal counts for the next connection; files that cannot be used change nothing, and
// are said once.
func TestReload(t *testing.T) {
	f := newFiles(t)
	s := open(t, f.Options)
	serves := func(want string) {
		t.Helper()
		state, _, err := shake(t, s, f.client())
		if err != nil || state.PeerCertificates[0].Subject.CommonName != want {
			t.Fatalf("served %v, want %s: %v", state.PeerCertificates, want, err)
		}
	}
	serves("first")
	if err := s.Reload(); err != nil || strings.Contains(f.log.String(), "changed") {
		t.Fatalf("nothing changed: %v: %s", err, f.log)
	}
	good := map[string][]byte{}
	for _, name := range []string{f.Cert, f.Key, f.ClientCA} {
		good[name] = must(os.ReadFile(name))(t)
	}
	other := f.servers.Issue(t, certtest.Leaf{Name: "other"})
	expired := f.servers.Issue(t, certtest.Leaf{Name: "expired", Key: nil, NotAfter: time.Now().Add(-time.Minute)})
	for what, broken := range map[string]map[string][]byte{
		"a certificate of another key": {f.Cert: other.Cert},
		"a key of another certificate": {f.Key: other.Key},
		"cut off":                      {f.Cert: good[f.Cert][:100]},
		"empty":                        {f.Key: nil},
		"no PEM":                       {f.Cert: []byte("hello")},
		"too large":                    {f.Cert: bytes.Repeat([]byte("a"), maxFile+1)},
		"expired":                      {f.Cert: expired.Cert, f.Key: expired.Key},
		"no authority":                 {f.ClientCA: nil},
		"authorities cut off":          {f.ClientCA: append(bytes.Clone(good[f.ClientCA]), good[f.ClientCA][:100]...)},
		"authorities and something":    {f.ClientCA: append(bytes.Clone(good[f.ClientCA]), "more"...)},
		"a key among the authorities":  {f.ClientCA: append(bytes.Clone(good[f.ClientCA]), other.Key...)},
	} {
		for name, data := range broken {
			certtest.Write(t, name, data)
		}
		said := len(f.log.String())
		for range 2 {
			if err := s.Reload(); !errors.Is(err, ErrFiles) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got := strings.Count(f.log.String()[said:], "level=ERROR"); got != 1 {
			t.Errorf("%s: said %d times: %s", what, got, f.log.String()[said:])
		}
		serves("first")
		if _, who, err := shake(t, s, f.client(f.clients.Issue(t, certtest.Leaf{Name: "bank"}).TLS)); who != "bank" {
			t.Errorf("%s: the server saw %q: %v", what, who, err)
		}
		if _, err := Open(f.Options); !errors.Is(err, ErrFiles) {
			t.Errorf("%s, at the start: %v", what, err)
		}
		for name, data := range good {
			certtest.Write(t, name, data)
		}
		if err := s.Reload(); err != nil {
			t.Errorf("after %s: %v", what, err)
		}
	}
	if err := os.Remove(f.Key); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); !errors.Is(err, ErrFiles) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no key: %v", err)
	}
	f.issue(t, certtest.Leaf{Name: "second"})
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	serves("second")
	if err := os.Chmod(f.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); !errors.Is(err, ErrFiles) || !strings.Contains(err.Error(), "others can read") {
		t.Errorf("a key that others can read: %v", err)
	}
	serves("second")
	for _, key := range [][]byte{good[f.Key], other.Key, expired.Key} {
		if lines := strings.Split(string(key), "\n"); strings.Contains(f.log.String(), lines[1]) {
			t.Error("the log holds a private key")
		}
	}
}

// Watch finds what changed.
func TestWatch(t *testing.T) {
	f := newFiles(t)
	f.Every = time.Millisecond
	s := open(t, f.Options)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { s.Watch(ctx) })
	later := time.Now().Add(100 * time.Hour).Truncate(time.Second).UTC()
	f.issue(t, certtest.Leaf{Name: "second", NotAfter: later})
	for deadline := time.Now().Add(10 * time.Second); !s.Expires().Equal(later); {
		if time.Now().After(deadline) {
			t.Fatalf("still the old one: %s", f.log)
		}
		time.Sleep(time.Millisecond)
	}
}

// A session that began under an authority is not resumed after that was taken away.
func TestResumptionAfterTheAuthorityWent(t *testing.T) {
	f := newFiles(t)
	s := open(t, f.Options)
	client := f.client(f.clients.Issue(t, certtest.Leaf{Name: "bank"}).TLS)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for i := range 2 {
		state, who, err := shake(t, s, client)
		if who != "bank" || err != nil || state.DidResume != (i == 1) {
			t.Fatalf("connection %d: %q, resumed %v: %v", i, who, state.DidResume, err)
		}
	}
	f.issue(t, certtest.Leaf{Name: "second"})
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if state, who, err := shake(t, s, client); who != "bank" || err != nil {
		t.Fatalf("after a renewal: %q, resumed %v: %v", who, state.DidResume, err)
	}
	certtest.Write(t, f.ClientCA, certtest.NewAuthority(t, "others").PEM)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if state, who, err := shake(t, s, client); err == nil || who != "" {
		t.Errorf("after the authority went: %q, resumed %v", who, state.DidResume)
	}
}

func TestExpiry(t *testing.T) {
	f := newFiles(t)
	now := time.Now()
	f.Now = func() time.Time { return now }
	f.issue(t, certtest.Leaf{NotBefore: now, NotAfter: now.Add(90 * 24 * time.Hour)})
	s := open(t, f.Options)
	for _, step := range []struct {
		after        time.Duration
		warns, fails int
		holds        bool
	}{
		{75 * 24 * time.Hour, 0, 0, true},
		{24 * time.Hour, 1, 0, true},
		{time.Hour, 0, 0, true},
		{12 * time.Hour, 1, 0, true},
		{15 * 24 * time.Hour, 0, 1, false},
		{time.Hour, 0, 0, false},
	} {
		now = now.Add(step.after)
		said := len(f.log.String())
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		log := f.log.String()[said:]
		if strings.Count(log, "expires soon") != step.warns || strings.Count(log, "has expired") != step.fails {
			t.Errorf("%v later: %s", step.after, log)
		}
		if err := s.Holds(); (err == nil) != step.holds || err != nil && !errors.Is(err, ErrFiles) {
			t.Errorf("%v later: %v", step.after, err)
		}
	}
	f.issue(t, certtest.Leaf{NotBefore: now.Add(time.Hour), NotAfter: now.Add(100 * time.Hour)})
	if err := s.Reload(); !errors.Is(err, ErrFiles) {
		t.Errorf("not valid yet: %v", err)
	}
	now = now.Add(time.Hour)
	if err := errors.Join(s.Reload(), s.Holds()); err != nil {
		t.Errorf("valid now: %v", err)
	}
}
