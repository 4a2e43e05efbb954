package main

import (
	"context"
	"log/slog"

	"github.com/attestry/attestry/internal/config"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/server/transport"
)

// openTLS opens what a configuration's listener speaks: nil for plain HTTP.
func openTLS(c config.TLS, log *slog.Logger) (*transport.TLS, error) {
	if c.Cert == "" {
		return nil, nil
	}
	return transport.Open(transport.Options{Cert: c.Cert, Key: c.Key, ClientCA: c.ClientCA, Log: log})
}

// secure has a server speak TLS, if its configuration says so, and watches the certificate.
func (s *service) secure(c *server.Config) {
	if s.tls == nil {
		return
	}
	c.TLS = s.tls.Config()
	c.Ready = append(c.Ready, server.Check{Name: "certificate", Holds: func(context.Context) error { return s.tls.Holds() }})
	s.metrics.Gauge("tls_certificate_expires_seconds", "When the TLS certificate expires, in seconds since 1970.", func() float64 {
		return float64(s.tls.Expires().Unix())
	})
}
