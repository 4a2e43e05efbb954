package transport

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrFiles: the files of a TLS cannot be used.
var ErrFiles = errors.New("the files for TLS cannot be used")

// maxFile bounds a file: a hundred authorities have some 200 kB.
const maxFile = 1 << 20

// state is what the files said when they were last good.
type state struct {
	config *tls.Config
	leaf   *x509.Certificate
	sum    [sha256.Size]byte // of the files' contents
}

// contents are the files' contents.
type contents struct{ cert, key, clientCA []byte }

// sum is of contents that are different when any of the files is.
func (c contents) sum() [sha256.Size]byte {
	h := sha256.New()
	for _, data := range [][]byte{c.cert, c.key, c.clientCA} {
		part := sha256.Sum256(data)
		h.Write(part[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// read reads the files. Their contents are compared, and not their times: a renewal may come
// as a link to another folder, or with the times of its own making.
func (o Options) read() (c contents, err error) {
	if c.cert, err = readFile(o.Cert, false); err != nil {
		return c, err
	}
	if c.key, err = readFile(o.Key, true); err != nil {
		return c, err
	}
	if o.ClientCA != "" {
		c.clientCA, err = readFile(o.ClientCA, false)
	}
	return c, err
}

func readFile(name string, private bool) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFiles, err)
	}
	defer func() { _ = f.Close() }() // read only
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFiles, err)
	}
	if private && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: others can read %s (%v): chmod 600", ErrFiles, name, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is over %d bytes", name, maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFiles, err)
	}
	return data, nil
}

func (o Options) load() (*state, error) {
	c, err := o.read()
	if err != nil {
		return nil, err
	}
	return o.parse(c)
}

// parse makes what the listener speaks of the files' contents.
func (o Options) parse(c contents) (*state, error) {
	pair, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("%w: %s and %s: %w", ErrFiles, o.Cert, o.Key, err)
	}
	if err := inTime(pair.Leaf, o.Now()); err != nil {
		return nil, fmt.Errorf("%w: %s", err, o.Cert)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}, Time: o.Now,
	}
	if o.ClientCA != "" {
		config.ClientAuth = tls.VerifyClientCertIfGiven
		if config.ClientCAs, err = authorities(c.clientCA); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrFiles, o.ClientCA, err)
		}
	}
	return &state{config: config, leaf: pair.Leaf, sum: c.sum()}, nil
}

// authorities reads certificates, and nothing but certificates: of a file that is cut off
// or spoiled somewhere, not the rest is taken.
func authorities(data []byte) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for {
		data = bytes.TrimSpace(data)
		if len(data) == 0 {
			break
		}
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, errors.New("it is not PEM to its end")
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it holds a %s, and only certificates belong there", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		pool.AddCert(certificate)
		n, data = n+1, rest
	}
	if n == 0 {
		return nil, errors.New("it holds no certificate")
	}
	return pool, nil
}
