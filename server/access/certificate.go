package access

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// BindCertificate makes a client certificate a credential: by its public key
// (KindCertificate), so that whoever holds the private key is the organisation, with this
// certificate or a later one for the same key; or by its subject (KindSubject), so that every
// certificate of exactly that subject is. Either way one of the authorities that the
// server's TLS names has to have issued what a client shows. It fails with [ErrInvalid],
// with [ErrNotFound] where there is no such organisation, and with [ErrExists] where the same
// is bound already and counts.
func (d *Directory) BindCertificate(n NewKey, kind Kind, certificate *x509.Certificate) (Key, error) {
	if kind != KindCertificate && kind != KindSubject {
		return Key{}, fmt.Errorf("%w: a certificate is bound as %s or %s", ErrInvalid, KindCertificate, KindSubject)
	}
	if kind == KindSubject && certificate.Subject.String() == "" {
		return Key{}, fmt.Errorf("%w: the certificate has no subject", ErrInvalid)
	}
	if err := inTime(certificate, d.now()); err != nil {
		return Key{}, fmt.Errorf("%w: the certificate's time is over or has not begun (%s to %s)", ErrInvalid,
			certificate.NotBefore.UTC().Format(time.RFC3339), certificate.NotAfter.UTC().Format(time.RFC3339))
	}
	proof := proofOf(kind, certificate)
	r, err := d.newRecord(n, kind, proof)
	if err != nil {
		return Key{}, err
	}
	if kind == KindCertificate {
		r.Certificate = r.Proof
	} else {
		r.Subject = certificate.Subject.String()
	}
	index := certificateIndex(kind, proof)
	return r.Key, d.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(certificatesBucket))
		if id := b.Get(index); id != nil {
			bound, err := findRecord(tx, string(id))
			if err != nil {
				return err
			}
			if bound.State(d.now()) == nil {
				return fmt.Errorf("%w: the certificate is bound to %s as %s", ErrExists, bound.Organisation, bound.ID)
			}
		}
		if err := b.Put(index, []byte(r.ID)); err != nil {
			return err
		}
		return addRecord(tx, r)
	})
}

// proofOf hashes what binds a certificate. A subject is compared byte for byte, as it is
// encoded: names that merely read the same are not the same.
func proofOf(kind Kind, certificate *x509.Certificate) [sha256.Size]byte {
	if kind == KindSubject {
		return sha256.Sum256(certificate.RawSubject)
	}
	return sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
}

func certificateIndex(kind Kind, proof [sha256.Size]byte) []byte {
	return []byte(string(kind) + ":" + hex.EncodeToString(proof[:]))
}

// certificateRecord finds whose a certificate is that a client has shown, and proved in
// the handshake to have the private key of.
func certificateRecord(tx *bbolt.Tx, certificate *x509.Certificate) (record, error) {
	for _, kind := range []Kind{KindCertificate, KindSubject} {
		id := tx.Bucket([]byte(certificatesBucket)).Get(certificateIndex(kind, proofOf(kind, certificate)))
		if id != nil {
			return findRecord(tx, string(id))
		}
	}
	return record{}, ErrBadCredential
}

// issued wants one of the authorities to have issued the first of the certificates that a
// client has shown, as a client's, and it to be valid now. It fails with
// [ErrBadCredential], and with [ErrExpired] where that is all that is wrong with it.
func issued(shown []*x509.Certificate, authorities *x509.CertPool, now time.Time) error {
	if authorities == nil {
		return ErrBadCredential
	}
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	leaf := shown[0]
	late := inTime(leaf, now)
	if late != nil {
		now = leaf.NotAfter // to tell what is expired from what is false
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return ErrBadCredential
	}
	return late
}

// inTime fails with [ErrExpired] where a certificate is not valid now.
func inTime(certificate *x509.Certificate, now time.Time) error {
	if now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return ErrExpired
	}
	return nil
}

// maxCertificate bounds the file of a certificate.
const maxCertificate = 16 << 10

// ParseCertificate reads a client's certificate from PEM: that one and nothing else, so that
// of a chain, or of a file with a private key, nobody has to guess what is meant. It fails
// with [ErrInvalid].
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	if len(text) > maxCertificate {
		return nil, fmt.Errorf("%w: a certificate of over %d bytes", ErrInvalid, maxCertificate)
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, fmt.Errorf("%w: it is no certificate in PEM", ErrInvalid)
	case block.Type != "CERTIFICATE":
		return nil, fmt.Errorf("%w: it holds a %s, and a certificate is wanted", ErrInvalid, strings.ToLower(block.Type))
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, fmt.Errorf("%w: it holds more than one certificate: the client's own alone is wanted", ErrInvalid)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: the certificate cannot be read: %w", ErrInvalid, err)
	}
	return certificate, nil
}

// UnbindCertificate revokes the credentials of an organisation that a certificate counts by,
// by its public key and by its subject, and gives them. It fails with [ErrNotFound] where
// there are none that are not revoked.
func (d *Directory) UnbindCertificate(organisationID string, certificate *x509.Certificate) ([]Key, error) {
	var ended []Key
	err := d.db.Update(func(tx *bbolt.Tx) error {
		for _, kind := range []Kind{KindCertificate, KindSubject} {
			id := tx.Bucket([]byte(certificatesBucket)).Get(certificateIndex(kind, proofOf(kind, certificate)))
			if id == nil {
				continue
			}
			r, err := findRecord(tx, string(id))
			if err != nil {
				return err
			}
			if r.Organisation != organisationID || !r.Revoked.IsZero() {
				continue
			}
			r.Revoked = d.time()
			if err := putRecord(tx, r); err != nil {
				return err
			}
			ended = append(ended, r.Key)
		}
		if len(ended) == 0 {
			return fmt.Errorf("%w: the certificate is not bound to %q", ErrNotFound, organisationID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}
