package service

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// WebhookConfig says where askers may have themselves called. The server calls from
// within the agency's network: without limits anybody with a webhook could reach what
// only that network reaches.
type WebhookConfig struct {
	// Timeout is how long one call may take; 0: [DefaultWebhookTimeout].
	Timeout time.Duration
	// Attempts is how often it is tried; 0: [DefaultWebhookAttempts].
	Attempts int
	// AllowPrivate has the server call addresses that are not public, and http.
	AllowPrivate bool
}

// What the configuration does not say.
const (
	DefaultWebhookTimeout  = 10 * time.Second
	DefaultWebhookAttempts = 8
)

// Limits of a call.
const (
	maxCallAnswer  = 4 << 10 // of an answer's body, which is not looked at
	maxWebhookText = 2048
)

// errAddress refuses to call an address that is not public.
var errAddress = errors.New("the address is not public")

// sender calls webhooks, as Standard Webhooks has it.
type sender struct {
	config WebhookConfig
	client *http.Client
}

func newSender(c WebhookConfig) sender {
	if c.Timeout == 0 {
		c.Timeout = DefaultWebhookTimeout
	}
	if c.Attempts == 0 {
		c.Attempts = DefaultWebhookAttempts
	}
	s := sender{config: c}
	dialer := &net.Dialer{Timeout: c.Timeout, ControlContext: s.control}
	s.client = &http.Client{
		Timeout: c.Timeout,
		// What an answer redirects to was not checked, and a proxy would connect in the
		// place of the dialer.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10, ForceAttemptHTTP2: true,
		},
	}
	return s
}

// control is asked for each address that is connected to, after names were resolved: a
// name that resolves to another address the next time does not get past it.
func (s sender) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return errAddress
	}
	return s.allow(to.Addr())
}

func (s sender) allow(a netip.Addr) error {
	if s.config.AllowPrivate || isPublic(a.Unmap().WithZone("")) {
		return nil
	}
	return errAddress
}

// isPublic tells whether an address is one of the public internet: a global one that no
// registry reserves for something else (IANA's special-purpose address registries).
func isPublic(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, special := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		// Of IPv6, all that is not 2000::/3, and what in it stands for other addresses.
		"::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		if netip.MustParsePrefix(special).Contains(a) {
			return false
		}
	}
	return true
}

// check refuses an address that is never called. It fails with [ErrWebhook].
func (s sender) check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > maxWebhookText || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("%w: not an https address", ErrWebhook)
	case u.Scheme != "https" && (u.Scheme != "http" || !s.config.AllowPrivate):
		return fmt.Errorf("%w: its scheme is to be https", ErrWebhook)
	case u.User != nil || u.Fragment != "":
		return fmt.Errorf("%w: it has a user or a fragment", ErrWebhook)
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && s.allow(a) != nil {
		return fmt.Errorf("%w: %w", ErrWebhook, errAddress)
	}
	return nil
}

// send posts a message once, and gives the status of the answer.
func (s sender) send(ctx context.Context, w *Webhook, id string, at time.Time, body []byte) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "attestry")
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", timestamp)
	r.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(w.sign(id, timestamp, body)))
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, maxCallAnswer) // politeness: the status is all that counts
	return answer.StatusCode, answer.Body.Close()
}

// sign gives the HMAC-SHA256 of a message with its id and time.
func (w *Webhook) sign(id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, w.Secret)
	_, _ = fmt.Fprintf(h, "%s.%s.", id, timestamp) // never fails
	_, _ = h.Write(body)
	return h.Sum(nil)
}

// reason says why a call got no answer, in few kinds: an error's own text tells of the
// agency's network.
func reason(err error) string {
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errAddress):
		return errAddress.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.As(err, &certificate):
		return "the certificate is not good"
	}
	return "no connection"
}
