package atrest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// ErrBadIdentity says that what should open the data keys is no age identity.
var ErrBadIdentity = errors.New("not an age identity")

// maxIdentity bounds a file of identities.
const maxIdentity = 64 << 10

// ageIntro begins every file that age encrypted.
const ageIntro = "age-encryption.org/"

// ReadIdentities reads a file of age identities, one a line, as age-keygen and attestry
// at-rest keygen write it. One that is encrypted with a passphrase (age -p) is opened with
// what passphrase gives. Errors hold nothing of the content.
func ReadIdentities(content []byte, passphrase func() (string, error)) ([]age.Identity, error) {
	if len(content) > maxIdentity {
		return nil, fmt.Errorf("%w: over %d bytes", ErrBadIdentity, maxIdentity)
	}
	trimmed := bytes.TrimSpace(content)
	switch {
	case bytes.HasPrefix(trimmed, []byte(armor.Header)):
		return readLocked(armor.NewReader(bytes.NewReader(trimmed)), passphrase)
	case bytes.HasPrefix(content, []byte(ageIntro)):
		return readLocked(bytes.NewReader(content), passphrase)
	}
	return parseIdentities(content)
}

// readLocked reads identities that are encrypted with a passphrase.
func readLocked(r io.Reader, passphrase func() (string, error)) ([]age.Identity, error) {
	phrase, err := passphrase()
	if err != nil {
		return nil, err
	}
	identity, err := age.NewScryptIdentity(phrase)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadIdentity, err)
	}
	plain, err := age.Decrypt(r, identity)
	if err != nil {
		return nil, fmt.Errorf("%w: the passphrase is wrong, or the file is damaged", ErrBadIdentity)
	}
	content, err := io.ReadAll(io.LimitReader(plain, maxIdentity+1))
	if err != nil || len(content) > maxIdentity {
		return nil, fmt.Errorf("%w: damaged, or over %d bytes", ErrBadIdentity, maxIdentity)
	}
	return parseIdentities(content)
}

func parseIdentities(content []byte) ([]age.Identity, error) {
	identities, err := age.ParseIdentities(bytes.NewReader(content))
	if err != nil {
		return nil, ErrBadIdentity // its own errors quote the line
	}
	return identities, nil
}

// NewIdentity draws an identity, and gives its file and its recipient: one that withstands
// quantum computers (hybrid of ML-KEM-768 and X25519), or one of X25519 alone, whose
// recipient is short. With a passphrase the file is encrypted with it (scrypt).
func NewIdentity(classic bool, passphrase string) (file []byte, recipient string, err error) {
	identity, recipient, err := drawIdentity(classic)
	if err != nil {
		return nil, "", err
	}
	file = []byte("# recipient: " + recipient + "\n" + identity + "\n")
	if passphrase != "" {
		file, err = lock(file, passphrase)
	}
	return file, recipient, err
}

func drawIdentity(classic bool) (identity, recipient string, err error) {
	if classic {
		i, err := age.GenerateX25519Identity()
		if err != nil {
			return "", "", err
		}
		return i.String(), i.Recipient().String(), nil
	}
	i, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", "", err
	}
	return i.String(), i.Recipient().String(), nil
}

// lock encrypts a file with a passphrase, in age's text form.
func lock(file []byte, passphrase string) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	var locked bytes.Buffer
	text := armor.NewWriter(&locked)
	w, err := age.Encrypt(text, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(file); err != nil {
		return nil, err
	}
	if err := errors.Join(w.Close(), text.Close()); err != nil {
		return nil, err
	}
	return locked.Bytes(), nil
}
