package atrest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/attestry/attestry/internal/canon"
)

// Errors of rings.
var (
	// ErrBadRing says that the file of the data keys is not what [Ring.Seal] wrote.
	ErrBadRing = errors.New("not a file of data keys")
	// ErrWrongIdentity says that none of the identities opens the file of the data keys.
	ErrWrongIdentity = errors.New("the key at hand does not open the data keys")
	// ErrBadRecipient says that somebody is named in a form that age does not know.
	ErrBadRecipient = errors.New("bad recipient")
)

const (
	ringFormat = "attestry/data-keys/v1"
	// maxRing bounds a sealed ring; a hybrid recipient takes some 3 kB of it.
	maxRing = 1 << 20
	// maxRecipients bounds who may open a ring.
	maxRecipients = 64
)

// Ring is the data keys of a workspace and who may open them.
type Ring struct {
	// Recipients are the age recipients that the ring is sealed to.
	Recipients []string
	// Enabling says that values may be in the clear still.
	Enabling bool
	secrets  [][]byte // the present one first
}

// ringDocument is what the file of a ring holds, encrypted.
type ringDocument struct {
	Format     string   `json:"format"`
	Keys       [][]byte `json:"keys"`
	Recipients []string `json:"recipients"`
	Enabling   bool     `json:"enabling,omitempty"`
}

// NewRing draws a first data key, for these recipients.
func NewRing(recipients []string) *Ring {
	return &Ring{Recipients: slices.Clone(recipients), secrets: [][]byte{drawSecret()}}
}

func drawSecret() []byte {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails: it ends the program instead
	return secret
}

// AddKey draws a new data key, which values are sealed under from now on.
func (r *Ring) AddKey() { r.secrets = append([][]byte{drawSecret()}, r.secrets...) }

// DropEarlier forgets all data keys but the present one, and that values may be in the
// clear.
func (r *Ring) DropEarlier() { r.secrets, r.Enabling = r.secrets[:1], false }

// Key gives what the ring's data keys seal and open with.
func (r *Ring) Key() (*Key, error) {
	k := &Key{mixed: r.Enabling}
	for _, secret := range r.secrets {
		d, err := newDataKey(secret)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadRing, err)
		}
		k.keys = append(k.keys, d)
	}
	return k, nil
}

// Seal encrypts the ring to its recipients.
func (r *Ring) Seal() ([]byte, error) {
	recipients, err := parseRecipients(r.Recipients)
	if err != nil {
		return nil, err
	}
	document, err := canon.Marshal(ringDocument{ringFormat, r.secrets, r.Recipients, r.Enabling})
	if err != nil {
		return nil, err
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipients...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRecipient, err)
	}
	if _, err := w.Write(document); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil { // writes the last chunk
		return nil, err
	}
	return sealed.Bytes(), nil
}

// OpenRing decrypts a ring. It fails with [ErrWrongIdentity] where none of the identities
// is a recipient, and with [ErrBadRing].
func OpenRing(sealed []byte, identities ...age.Identity) (*Ring, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if errors.As(err, new(*age.NoIdentityMatchError)) {
		return nil, ErrWrongIdentity
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRing, err)
	}
	document, err := io.ReadAll(io.LimitReader(r, maxRing+1))
	if err != nil || len(document) > maxRing {
		return nil, fmt.Errorf("%w: damaged, or over %d bytes", ErrBadRing, maxRing)
	}
	return parseRing(document)
}

func parseRing(document []byte) (*Ring, error) {
	var d ringDocument
	if err := canon.Unmarshal(document, &d); err != nil || d.Format != ringFormat {
		return nil, fmt.Errorf("%w: not of the format %s", ErrBadRing, ringFormat) // never what is in it
	}
	if _, err := parseRecipients(d.Recipients); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRing, err)
	}
	r := &Ring{Recipients: d.Recipients, Enabling: d.Enabling, secrets: d.Keys}
	if len(d.Keys) == 0 {
		return nil, fmt.Errorf("%w: there is no key in it", ErrBadRing)
	}
	_, err := r.Key()
	return r, err
}

// parseRecipients reads age recipients, at least one.
func parseRecipients(texts []string) (recipients []age.Recipient, err error) {
	if len(texts) == 0 || len(texts) > maxRecipients {
		return nil, fmt.Errorf("%w: there are %d, and 1 to %d are needed", ErrBadRecipient, len(texts), maxRecipients)
	}
	for _, text := range texts {
		recipient, err := parseRecipient(text)
		if err != nil {
			return nil, err
		}
		recipients = append(recipients, recipient)
	}
	return recipients, nil
}

func parseRecipient(text string) (age.Recipient, error) {
	if strings.HasPrefix(text, "age1pq1") {
		if r, err := age.ParseHybridRecipient(text); err == nil && r.String() == text {
			return r, nil
		}
	} else if r, err := age.ParseX25519Recipient(text); err == nil && r.String() == text {
		return r, nil
	}
	return nil, fmt.Errorf("%w: %.24q is no age recipient (age1… or age1pq1…)", ErrBadRecipient, text)
}

// ReadRecipients reads a file of age recipients, one a line; empty lines and lines that
// begin with # are passed over.
func ReadRecipients(content []byte) (recipients []string, err error) {
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := parseRecipient(line); err != nil {
			return nil, err
		}
		recipients = append(recipients, line)
	}
	if len(recipients) == 0 {
		return nil, fmt.Errorf("%w: the file names none", ErrBadRecipient)
	}
	return recipients, nil
}

const redactedRing = "atrest.Ring(private)"

// Format implements fmt.Formatter: no verb shows the data keys.
func (r Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedRing) }

// LogValue implements slog.LogValuer.
func (r Ring) LogValue() slog.Value { return slog.StringValue(redactedRing) }

// MarshalJSON refuses: a ring is written by [Ring.Seal] alone.
func (r Ring) MarshalJSON() ([]byte, error) {
	return nil, errors.New(redactedRing + " has no JSON form of its own")
}
