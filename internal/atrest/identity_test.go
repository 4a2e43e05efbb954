package atrest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
)

func TestReadIdentities(t *testing.T) {
	file, _, err := NewIdentity(true, "")
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := NewIdentity(false, "")
	if err != nil {
		t.Fatal(err)
	}
	never := func() (string, error) {
		t.Error("asked for a passphrase")
		return "", nil
	}
	if got, err := ReadIdentities(append(file, second...), never); err != nil || len(got) != 2 {
		t.Errorf("%d, %v", len(got), err)
	}
	secret := strings.Fields(string(second))[3]
	for name, content := range map[string]string{
		"empty": "", "a recipient": "age1x", "half a key": secret[:40], "a comment": "# x", "too long": strings.Repeat("#\n", 1<<16),
	} {
		_, err := ReadIdentities([]byte(content), never)
		if !errors.Is(err, ErrBadIdentity) || strings.Contains(err.Error(), secret[:30]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPassphrase(t *testing.T) {
	file, recipient, err := NewIdentity(true, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, []byte("AGE-SECRET-KEY")) || bytes.Contains(file, []byte(recipient)) {
		t.Fatal("the key is in the clear")
	}
	phrase := func(phrase string, err error) func() (string, error) {
		return func() (string, error) { return phrase, err }
	}
	got, err := ReadIdentities(file, phrase("correct horse", nil))
	if err != nil || got[0].(*age.X25519Identity).Recipient().String() != recipient {
		t.Errorf("%v", err)
	}
	if _, err := ReadIdentities(file, phrase("another", nil)); !errors.Is(err, ErrBadIdentity) {
		t.Errorf("another passphrase: %v", err)
	}
	none := errors.New("no terminal")
	if _, err := ReadIdentities(file, phrase("", none)); !errors.Is(err, none) {
		t.Errorf("nobody to ask: %v", err)
	}
	if _, err := ReadIdentities(file, phrase("", nil)); !errors.Is(err, ErrBadIdentity) {
		t.Errorf("an empty passphrase: %v", err)
	}
}

// age -p without --armor writes bytes.
func TestPassphraseBinary(t *testing.T) {
	recipient, err := age.NewScryptRecipient("x")
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(10)
	file, _, err := NewIdentity(true, "")
	if err != nil {
		t.Fatal(err)
	}
	var locked bytes.Buffer
	w, err := age.Encrypt(&locked, recipient)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(file)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadIdentities(locked.Bytes(), func() (string, error) { return "x", nil }); err != nil || len(got) != 1 {
		t.Errorf("%d, %v", len(got), err)
	}
}

func FuzzReadIdentities(f *testing.F) {
	f.Add([]byte("# c\nAGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n"))
	f.Add([]byte("age-encryption.org/v1\n-> scrypt x 1\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := ReadIdentities(content, func() (string, error) { return "", errors.New("nobody to ask") })
		if err == nil && len(got) == 0 {
			t.Error("no identity and no error")
		}
	})
}
