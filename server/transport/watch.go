package transport

import (
	"context"
	"log/slog"
	"time"
)

const (
	// soon is when a certificate that was not renewed is a worry, unless a third of its
	// life is less: authorities renew some 30 days before, or every few days.
	soon = 14 * 24 * time.Hour
	// warnEvery is how often the log is told.
	warnEvery = 12 * time.Hour
)

// Watch follows the files until ctx ends.
func (t *TLS) Watch(ctx context.Context) {
	ticker := time.NewTicker(t.options.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = t.Reload() // which tells the log
		}
	}
}

// Reload looks at the files. Where they cannot be used it fails with [ErrFiles], and what
// they said before goes on to count: it is tried again with each look, since a renewal
// writes one file after the other.
func (t *TLS) Reload() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.warn()
	c, err := t.options.read()
	if err == nil && c.sum() == t.state.Load().sum {
		t.failed = ""
		return nil
	}
	var s *state
	if err == nil {
		s, err = t.options.parse(c)
	}
	if err != nil {
		if t.failed != err.Error() {
			t.failed = err.Error()
			t.options.Log.Error("TLS goes on with what its files held before", "error", err.Error(), "expires", instant(t.Expires()))
		}
		return err
	}
	t.failed, t.warned = "", time.Time{}
	t.state.Store(s)
	t.tell("TLS: the files changed")
	return nil
}

// tell tells the log what is spoken.
func (t *TLS) tell(what string) {
	leaf := t.state.Load().leaf
	t.options.Log.Info(what, "names", names(leaf.DNSNames, leaf.Subject.CommonName), "issuer", leaf.Issuer.String(), "expires", instant(leaf.NotAfter), "client_ca", t.options.ClientCA != "")
}

func names(dns []string, common string) slog.Value {
	if len(dns) == 0 {
		dns = []string{common}
	}
	return slog.AnyValue(dns)
}

// warn tells the log, now and then, that the certificate expires soon or has expired.
func (t *TLS) warn() {
	now, leaf := t.options.Now(), t.state.Load().leaf
	if leaf.NotAfter.Sub(now) > min(soon, leaf.NotAfter.Sub(leaf.NotBefore)/3) || now.Sub(t.warned) < warnEvery {
		return
	}
	t.warned = now
	if now.After(leaf.NotAfter) {
		t.options.Log.Error("the TLS certificate has expired", "expired", instant(leaf.NotAfter))
		return
	}
	t.options.Log.Warn("the TLS certificate expires soon", "expires", instant(leaf.NotAfter))
}
