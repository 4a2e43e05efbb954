// Package certtest makes certificates for tests.
package certtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"testing"
	"time"
)

// Authority issues certificates.
type Authority struct {
	Certificate *x509.Certificate
	// PEM is the certificate as a file has it.
	PEM []byte
	Key crypto.Signer
}

// NewAuthority makes an authority.
func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().AddDate(-10, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	a := &Authority{Key: NewKey(t)}
	a.PEM = sign(t, template, template, a.Key.Public(), a.Key)
	a.Certificate = parse(t, a.PEM)
	return a
}

// Leaf is what a certificate is to say. Zero fields: of its own key, for an hour before and
// after now, for this machine's addresses as a server and for clients.
type Leaf struct {
	Name                string
	Key                 crypto.Signer
	NotBefore, NotAfter time.Time
	Usage               []x509.ExtKeyUsage
}

// Issued is a certificate with its private key, as files have them and as TLS takes them.
type Issued struct {
	Cert, Key   []byte
	Certificate *x509.Certificate
	TLS         tls.Certificate
}

// Issue issues a certificate.
func (a *Authority) Issue(t testing.TB, l Leaf) *Issued {
	t.Helper()
	if l.Key == nil {
		l.Key = NewKey(t)
	}
	if l.NotBefore.IsZero() {
		l.NotBefore = time.Now().Add(-time.Hour)
	}
	if l.NotAfter.IsZero() {
		l.NotAfter = time.Now().Add(time.Hour)
	}
	if l.Usage == nil {
		l.Usage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: l.Name}, NotBefore: l.NotBefore, NotAfter: l.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: l.Usage, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	i := &Issued{Cert: sign(t, template, a.Certificate, l.Key.Public(), a.Key)}
	der, err := x509.MarshalPKCS8PrivateKey(l.Key)
	if err == nil {
		i.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		i.TLS, err = tls.X509KeyPair(i.Cert, i.Key)
	}
	if err != nil {
		t.Fatal(err)
	}
	i.Certificate = i.TLS.Leaf
	return i
}

// Pool is a pool of authorities.
func Pool(all ...*Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, a := range all {
		pool.AddCert(a.Certificate)
	}
	return pool
}

// NewKey makes a private key.
func NewKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Write writes a file that its owner alone may read.
func Write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func sign(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) []byte {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func parse(t testing.TB, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}
