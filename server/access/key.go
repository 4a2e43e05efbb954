package access

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/canon"
)

// Kind is what a credential is.
type Kind string

// The kinds.
const (
	KindSecret      Kind = "secret"      // an API key
	KindCertificate Kind = "certificate" // a client certificate, by its public key
	KindSubject     Kind = "subject"     // client certificates of the configured authority, by their subject
)

// Key is a credential that the directory lists. The secret of an API key is not in it.
type Key struct {
	// ID names it in logs and commands: 16 of a-z and 2-7.
	ID           string `json:"id"`
	Organisation string `json:"organisation"`
	Kind         Kind   `json:"kind"`
	// Scopes are the groups of operations that it is good for, x-scope in the OpenAPI
	// document; none means all of its organisation's role.
	Scopes  []string  `json:"scopes,omitempty"`
	Created time.Time `json:"created"`
	// Expires is when it ceases to count; zero: never by itself.
	Expires time.Time `json:"expires,omitzero"`
	// Revoked is when it was revoked; zero: it was not.
	Revoked time.Time `json:"revoked,omitzero"`
	// ReplacedBy is the id of the key that [Directory.RotateKey] made in its place.
	ReplacedBy string `json:"replaced_by,omitempty"`
	// LastUsed is up to an hour older than its last use; zero: never used.
	LastUsed time.Time `json:"last_used,omitzero"`
	// Certificate is the SHA-256, in hexadecimal, of a certificate's public key (its
	// SubjectPublicKeyInfo); of KindCertificate alone.
	Certificate string `json:"certificate,omitempty"`
	// Subject is a certificate's subject as people write it; of KindSubject alone.
	Subject string `json:"subject,omitempty"`
}

// NewKey says what a credential is to be.
type NewKey struct {
	Organisation string
	Scopes       []string  // none: all of the role
	Expires      time.Time // zero: never by itself
}

// record is what is kept of a credential. Proof is the hexadecimal SHA-256 of an API
// key's secret, or of what a certificate has to have: its public key or its subject.
type record struct {
	Key
	Proof string `json:"proof"`
}

const (
	maxScopes = 32
	// lastUsedEvery is how coarse LastUsed is: one write a key and hour.
	lastUsedEvery = time.Hour
)

// CreateKey makes an API key. The token is what the organisation sends; it is given this
// once and kept nowhere. It fails with [ErrInvalid], and with [ErrNotFound] where there is
// no such organisation.
func (d *Directory) CreateKey(n NewKey) (key Key, token string, err error) {
	s := drawSecret()
	r, err := d.newRecord(n, KindSecret, s.hash())
	if err != nil {
		return Key{}, "", err
	}
	err = d.db.Update(func(tx *bbolt.Tx) error { return addRecord(tx, r) })
	if err != nil {
		return Key{}, "", err
	}
	return r.Key, formatToken(r.ID, s), nil
}

// CreateFirstKey is [Directory.CreateKey] for an organisation that is made with it, or not
// at all, where there is none of its id. One that is there must be of the role; made tells
// which it was. It fails as [Directory.CreateOrganisation] does, too.
func (d *Directory) CreateFirstKey(o Organisation, n NewKey) (key Key, token string, made bool, err error) {
	n.Organisation = o.ID
	s := drawSecret()
	r, err := d.newRecord(n, KindSecret, s.hash())
	if err == nil {
		o, err = d.newOrganisation(o)
	}
	if err != nil {
		return Key{}, "", false, err
	}
	err = d.db.Update(func(tx *bbolt.Tx) error {
		there, err := organisation(tx, o.ID)
		if made = errors.Is(err, ErrNotFound); made {
			err = addOrganisation(tx, o)
		} else if err == nil && there.Role != o.Role {
			err = fmt.Errorf("%w: organisation %s, with the role %s", ErrExists, o.ID, there.Role)
		}
		if err != nil {
			return err
		}
		return addRecord(tx, r)
	})
	if err != nil {
		return Key{}, "", false, err
	}
	return r.Key, formatToken(r.ID, s), made, nil
}

func (d *Directory) newRecord(n NewKey, kind Kind, proof [sha256.Size]byte) (record, error) {
	now := d.time()
	if err := checkScopeNames(n.Scopes); err != nil {
		return record{}, err
	}
	if !n.Expires.IsZero() && !n.Expires.After(now) {
		return record{}, fmt.Errorf("%w: it would have expired at %s already", ErrInvalid, n.Expires.UTC().Format(time.RFC3339))
	}
	return record{
		Key: Key{
			ID: drawID(), Organisation: n.Organisation, Kind: kind, Scopes: slices.Clone(n.Scopes),
			Created: now, Expires: n.Expires.UTC().Truncate(time.Second),
		},
		Proof: hex.EncodeToString(proof[:]),
	}, nil
}

// checkScopeNames checks the form of scopes; which ones there are is for [CheckScopes].
func checkScopeNames(scopes []string) error {
	if len(scopes) > maxScopes {
		return fmt.Errorf("%w: at most %d scopes", ErrInvalid, maxScopes)
	}
	for i, s := range scopes {
		if !isScope(s) || s == AnyScope || slices.Contains(scopes[:i], s) {
			return fmt.Errorf("%w: scope %q is none, or named twice", ErrInvalid, s)
		}
	}
	return nil
}

func isScope(s string) bool {
	return regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`).MatchString(s)
}

// addRecord adds a credential to an organisation that there is.
func addRecord(tx *bbolt.Tx, r record) error {
	if _, err := organisation(tx, r.Organisation); err != nil {
		return err
	}
	return putRecord(tx, r)
}

// Keys lists the credentials of an organisation, of all where it is empty: those of one
// organisation together, the oldest first. It fails with [ErrNotFound].
func (d *Directory) Keys(organisationID string) ([]Key, error) {
	all := []Key{}
	err := d.db.View(func(tx *bbolt.Tx) error {
		if organisationID != "" {
			if _, err := organisation(tx, organisationID); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte(keysBucket)).ForEach(func(id, document []byte) error {
			r, err := decodeRecord(string(id), document)
			if organisationID == "" || r.Organisation == organisationID {
				all = append(all, r.Key)
			}
			return err
		})
	})
	slices.SortFunc(all, compareKeys)
	return all, err
}

// Key gives one credential by its id. It fails with [ErrNotFound].
func (d *Directory) Key(id string) (Key, error) {
	var r record
	err := d.db.View(func(tx *bbolt.Tx) (err error) {
		r, err = findRecord(tx, id)
		return err
	})
	return r.Key, err
}

// RevokeKey ends a credential at once and for good. Revoking it again changes nothing.
// It fails with [ErrNotFound].
func (d *Directory) RevokeKey(id string) (Key, error) {
	var r record
	err := d.db.Update(func(tx *bbolt.Tx) (err error) {
		if r, err = findRecord(tx, id); err != nil || !r.Revoked.IsZero() {
			return err
		}
		r.Revoked = d.time()
		return putRecord(tx, r)
	})
	return r.Key, err
}

// RotateKey makes an API key that replaces another: of the same organisation and scopes,
// and for as long as that was to live. The replaced one counts for the overlap still, but
// not beyond its own end. It fails with [ErrNotFound], and with [ErrInvalid] where it no longer
// counts, was replaced before or is no API key.
func (d *Directory) RotateKey(id string, overlap time.Duration) (key Key, token string, err error) {
	s := drawSecret()
	var r record
	err = d.db.Update(func(tx *bbolt.Tx) error {
		old, err := findRecord(tx, id)
		if err != nil {
			return err
		}
		if err := d.rotatable(old, overlap); err != nil {
			return err
		}
		n := NewKey{Organisation: old.Organisation, Scopes: old.Scopes}
		if !old.Expires.IsZero() {
			n.Expires = d.time().Add(old.Expires.Sub(old.Created))
		}
		if r, err = d.newRecord(n, KindSecret, s.hash()); err != nil {
			return err
		}
		if end := d.time().Add(overlap); old.Expires.IsZero() || end.Before(old.Expires) {
			old.Expires = end.Truncate(time.Second)
		}
		old.ReplacedBy = r.ID
		if err := putRecord(tx, old); err != nil {
			return err
		}
		return addRecord(tx, r)
	})
	if err != nil {
		return Key{}, "", err
	}
	return r.Key, formatToken(r.ID, s), nil
}

func (d *Directory) rotatable(old record, overlap time.Duration) error {
	switch {
	case old.Kind != KindSecret:
		return fmt.Errorf("%w: %s is a certificate's: bind the new certificate, then revoke this one", ErrInvalid, old.ID)
	case old.State(d.now()) != nil:
		return fmt.Errorf("%w: key %s counts no longer (%w): create a new one", ErrInvalid, old.ID, old.State(d.now()))
	case old.ReplacedBy != "":
		return fmt.Errorf("%w: key %s was replaced already, by %s: rotate that one", ErrInvalid, old.ID, old.ReplacedBy)
	case overlap < 0:
		return fmt.Errorf("%w: a negative overlap", ErrInvalid)
	}
	return nil
}

// State says whether a credential counts at an instant: nil, or [ErrRevoked] or
// [ErrExpired].
func (k Key) State(at time.Time) error {
	switch {
	case !k.Revoked.IsZero():
		return ErrRevoked
	case !k.Expires.IsZero() && !at.Before(k.Expires):
		return ErrExpired
	}
	return nil
}

// used notes that a credential was used, unless that was noted within the hour. That it
// cannot be noted is no reason to refuse the request, so no error is given.
func (d *Directory) used(k Key) {
	now := d.time()
	if now.Sub(k.LastUsed) < lastUsedEvery {
		return
	}
	if _, busy := d.touching.LoadOrStore(k.ID, true); busy {
		return
	}
	defer d.touching.Delete(k.ID)
	_ = d.db.Update(func(tx *bbolt.Tx) error {
		r, err := findRecord(tx, k.ID)
		if err != nil {
			return err
		}
		r.LastUsed = now
		return putRecord(tx, r)
	})
}

func compareKeys(a, b Key) int {
	return cmp.Or(strings.Compare(a.Organisation, b.Organisation), a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
}

func findRecord(tx *bbolt.Tx, id string) (record, error) {
	document := tx.Bucket([]byte(keysBucket)).Get([]byte(id))
	if document == nil {
		return record{}, fmt.Errorf("%w: no key has the id %q", ErrNotFound, id)
	}
	return decodeRecord(id, document)
}

func decodeRecord(id string, document []byte) (r record, err error) {
	if err := canon.Unmarshal(document, &r); err != nil {
		return r, fmt.Errorf("%w: key %s: %w", ErrFormat, id, err)
	}
	if r.ID != id || len(r.Proof) != hex.EncodedLen(sha256.Size) {
		return r, fmt.Errorf("%w: key %s", ErrFormat, id)
	}
	return r, nil
}

func putRecord(tx *bbolt.Tx, r record) error {
	document, err := canon.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Bucket([]byte(keysBucket)).Put([]byte(r.ID), document)
}
