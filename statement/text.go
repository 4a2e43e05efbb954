package statement

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"golang.org/x/text/unicode/norm"
)

// DefaultDomain is the text domain of everything that declares no other.
const DefaultDomain = "text"

// The normalisation steps that a domain may declare, after NFC.
const (
	Trim  = "trim"  // no white space at either end
	Upper = "upper" // upper case, code point by code point
	Lower = "lower" // lower case, code point by code point; not with Upper
	Alnum = "alnum" // letters and digits alone
)

// NormaliseSteps lists the steps that a domain may declare.
var NormaliseSteps = []string{Trim, Upper, Lower, Alnum}

// TextDomain is a space of text values: equal texts of equal domains, and no
// others, have equal hashes. Registries that spell the same thing alike after
// normalisation can be joined by it.
type TextDomain struct {
	Name      string   `json:"name"`
	Normalise []string `json:"normalise,omitempty"`
}

// Equal tells whether values of both domains can be compared.
func (d TextDomain) Equal(o TextDomain) bool {
	return d.Name == o.Name && slices.Equal(d.Normalise, o.Normalise)
}

// Canonical gives the normalised form of a text: NFC, the domain's steps in
// their order, NFC again, all by the tables of Unicode 15.0.0.
func (d TextDomain) Canonical(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("%w: not UTF-8", ErrBadValue)
	}
	if len(text) > MaxTextBytes {
		return "", fmt.Errorf("%w: a text of %d bytes, over the limit of %d", ErrBadValue, len(text), MaxTextBytes)
	}
	if err := checkAssigned(text); err != nil {
		return "", err
	}
	text = norm.NFC.String(text)
	for _, step := range d.Normalise {
		var ok bool
		if text, ok = apply(step, text); !ok {
			return "", fmt.Errorf("%w: no normalisation %q", ErrBadSchema, step)
		}
	}
	return norm.NFC.String(text), nil
}

// Hash gives the 248-bit hash of a text's canonical form in this domain: the
// first 31 bytes of SHA-256 over a tag, the domain and the text, each but the
// last with its length. The domain's normalisation is part of it.
func (d TextDomain) Hash(text string) (fr.Element, error) {
	canonical, err := d.Canonical(text)
	if err != nil {
		return fr.Element{}, err
	}
	h := sha256.New()
	for _, part := range []string{"attestry/text/v1", d.Name, strings.Join(d.Normalise, ",")} {
		_ = binary.Write(h, binary.BigEndian, uint32(len(part))) // a hash takes every write
		h.Write([]byte(part))
	}
	h.Write([]byte(canonical))
	return Digest(h.Sum(nil)).truncated(), nil
}

// maxKey is 2^248 - 1, the end marker of the ordered list of keys.
var maxKey = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 248), big.NewInt(1))

// EndKey is the key after every record's key: 2^248 - 1.
func EndKey() fr.Element {
	var e fr.Element
	e.SetBigInt(maxKey)
	return e
}

// HashKey gives the tree key of a record. The two hashes that the ordered list
// uses as its sentinels (0 and 2^248 - 1) are refused.
func (s *Schema) HashKey(key string) (fr.Element, error) {
	e, err := s.Domain("key").Hash(key)
	if err != nil {
		return e, err
	}
	if end := EndKey(); e.IsZero() || e.Equal(&end) {
		return e, fmt.Errorf("%w: the key's hash is a sentinel of the tree", ErrBadValue)
	}
	return e, nil
}

// HashSubject gives the subject's element; a registry without subjects, or an
// empty subject, has [Null].
func (s *Schema) HashSubject(subject string) (fr.Element, error) {
	if s.Subject == "" || subject == "" {
		return Null(), nil
	}
	return s.Domain("subject").Hash(subject)
}
