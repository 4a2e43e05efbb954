package transport

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"testing"
)

func must[V any](v V, err error) func(testing.TB) V {
	return func(t testing.TB) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func serverOnly() []x509.ExtKeyUsage { return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }

// withKey is a certificate that somebody shows who has another key.
func withKey(c tls.Certificate, key crypto.Signer) tls.Certificate {
	c.PrivateKey = key
	return c
}
