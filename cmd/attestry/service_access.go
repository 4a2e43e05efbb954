package main

import (
	"crypto/x509"

	"github.com/attestry/attestry/server/access"
)

// authenticator tells who a request is from, as the configuration says.
func (s *service) authenticator(d *access.Directory) (*access.Authenticator, error) {
	var issuers []access.Issuer
	for _, p := range s.settings.Auth.OIDC {
		issuers = append(issuers, access.Issuer{URL: p.Issuer, Audience: p.Audience, Claim: p.OrganisationClaim, Organisations: p.Organisations})
	}
	return access.NewAuthenticator(access.Options{Directory: d, ClientCAs: s.clientCAs, Issuers: issuers, Log: s.log})
}

// clientCAs gives the authorities of clients' certificates, as they are now.
func (s *service) clientCAs() *x509.CertPool {
	if s.tls == nil {
		return nil
	}
	return s.tls.ClientCAs()
}
