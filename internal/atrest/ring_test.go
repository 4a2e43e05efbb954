package atrest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
)

// identity draws an identity with its recipient.
func identity(t testing.TB, classic bool) (age.Identity, string) {
	t.Helper()
	file, recipient, err := NewIdentity(classic, "")
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadIdentities(file, nil)
	if err != nil || len(read) != 1 {
		t.Fatalf("%d identities, %v", len(read), err)
	}
	return read[0], recipient
}

func TestRing(t *testing.T) {
	own, ownRecipient := identity(t, false)
	escrow, escrowRecipient := identity(t, false)
	stranger, _ := identity(t, false)
	classic, _ := identity(t, true)
	r := NewRing([]string{ownRecipient, escrowRecipient})
	r.AddKey()
	r.Enabling = true
	sealed, err := r.Seal()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []age.Identity{own, escrow} {
		got, err := OpenRing(sealed, stranger, i)
		if err != nil || !slices.Equal(got.Recipients, r.Recipients) || !got.Enabling || !slices.EqualFunc(got.secrets, r.secrets, bytes.Equal) {
			t.Errorf("opened to another ring: %v", err)
		}
	}
	if _, err := OpenRing(sealed, stranger, classic); !errors.Is(err, ErrWrongIdentity) {
		t.Errorf("a stranger: %v", err)
	}
	for _, at := range []int{30, len(sealed) / 2, len(sealed) - 1} {
		bad := slices.Clone(sealed)
		bad[at] ^= 1
		if _, err := OpenRing(bad, own); err == nil {
			t.Errorf("byte %d changed: opens", at)
		}
	}
	if _, err := OpenRing(sealed[:len(sealed)-1], own); !errors.Is(err, ErrBadRing) {
		t.Errorf("cut: %v", err)
	}
	before := r.secrets[0]
	if r.DropEarlier(); len(r.secrets) != 1 || !bytes.Equal(r.secrets[0], before) || r.Enabling {
		t.Error("another key is left")
	}
}

func TestRingRefuses(t *testing.T) {
	_, hybrid := identity(t, false)
	_, classic := identity(t, true)
	for name, recipients := range map[string][]string{
		"nobody": nil, "no recipient": {"age1nobody"}, "an identity": {"AGE-SECRET-KEY-1QQQ"}, "both kinds": {hybrid, classic},
		"an SSH key": {"ssh-ed25519 AAAA"}, "upper case": {strings.ToUpper(classic)}, "too many": slices.Repeat([]string{classic}, 65),
	} {
		if _, err := NewRing(recipients).Seal(); !errors.Is(err, ErrBadRecipient) {
			t.Errorf("%s: %v", name, err)
		}
	}
	key := `"` + strings.Repeat("A", 43) + `="`
	good := `{"format":"attestry/data-keys/v1","keys":[` + key + `],"recipients":["` + classic + `"]}`
	if _, err := parseRing([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, document := range map[string]string{
		"not JSON":        "x",
		"another format":  strings.Replace(good, "/v1", "/v2", 1),
		"no key":          strings.Replace(good, key, "", 1),
		"a short key":     strings.Replace(good, key, `"AAAA"`, 1),
		"no recipient":    strings.Replace(good, `"`+classic+`"`, "", 1),
		"a bad recipient": strings.Replace(good, classic, "age1x", 1),
		"another member":  strings.Replace(good, `{`, `{"x":1,`, 1),
		"a member twice":  strings.Replace(good, `{`, `{"format":"attestry/data-keys/v1",`, 1),
	} {
		if _, err := parseRing([]byte(document)); !errors.Is(err, ErrBadRing) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadRecipients(t *testing.T) {
	_, a := identity(t, true)
	_, b := identity(t, false)
	got, err := ReadRecipients([]byte("# ours\n\n " + a + "\r\n" + b))
	if err != nil || !slices.Equal(got, []string{a, b}) {
		t.Errorf("%v, %v", got, err)
	}
	for name, content := range map[string]string{"empty": "", "a comment": "# x\n", "something else": a + "\nx\n"} {
		if _, err := ReadRecipients([]byte(content)); !errors.Is(err, ErrBadRecipient) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseRing(f *testing.F) {
	f.Add([]byte(`{"enabling":true,"format":"attestry/data-keys/v1","keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],"recipients":["age13vjs8fw5uszr2m296mwvy8nr8t7zyjyn3qa3lc6kjw7c0hmhjvxs0zx7da"]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		r, err := parseRing(document)
		if err != nil {
			return
		}
		if k, err := r.Key(); err != nil || len(k.keys) != len(r.secrets) || len(r.Recipients) == 0 {
			t.Errorf("a ring that is of no use: %v", err)
		}
	})
}
