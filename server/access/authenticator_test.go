package access

import (
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newAuthenticator(t testing.TB, d *Directory) *Authenticator {
	t.Helper()
	return must(NewAuthenticator(Options{Directory: d, Now: d.now}))(t)
}

// withToken is a request with an Authorization header for each value; a token alone
// stands for Bearer and the token.
func withToken(values ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/v1/me", nil)
	for _, v := range values {
		if strings.HasPrefix(v, tokenPrefix) {
			v = "Bearer " + v
		}
		r.Header.Add("Authorization", v)
	}
	return r
}

func TestAuthenticateKeys(t *testing.T) {
	d, c := newDirectory(t)
	a := newAuthenticator(t, d)
	key, token := newOrganisation(t, d, "bank-a", RoleBank, "requests")
	_, foreign := newOrganisation(t, d, "bank-b", RoleBank)
	for _, r := range []*http.Request{withToken(token), withToken("bearer " + token), withToken("BEARER " + token)} {
		p := must(a.Authenticate(r))(t)
		if p.Organisation.ID != "bank-a" || p.Credential != key.ID || !p.May("requests") || p.May("webhooks") || !p.May(AnyScope) {
			t.Errorf("%+v", p)
		}
	}
	if p := must(a.Authenticate(withToken(foreign)))(t); p.Organisation.ID != "bank-b" || !p.May("webhooks") {
		t.Errorf("%+v", p)
	}
	if _, err := a.Authenticate(httptest.NewRequest(http.MethodGet, "/", nil)); !errors.Is(err, ErrNoCredential) {
		t.Errorf("nothing: %v", err)
	}

	// What its owner alone is told.
	must(d.DisableOrganisation("bank-a"))(t)
	if _, err := a.Authenticate(withToken(token)); !errors.Is(err, ErrDisabled) {
		t.Errorf("of a disabled organisation: %v", err)
	}
	must(d.EnableOrganisation("bank-a"))(t)
	must(a.Authenticate(withToken(token)))(t)
	must(d.RevokeKey(key.ID))(t)
	if _, err := a.Authenticate(withToken(token)); !errors.Is(err, ErrRevoked) {
		t.Errorf("revoked: %v", err)
	}
	_, short, err := d.CreateKey(NewKey{Organisation: "bank-a", Expires: c.at.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(time.Hour - time.Second)
	must(a.Authenticate(withToken(short)))(t)
	c.at = c.at.Add(time.Second)
	if _, err := a.Authenticate(withToken(short)); !errors.Is(err, ErrExpired) {
		t.Errorf("expired: %v", err)
	}
}

// The key of another with one's own secret, and all that is not quite a key: one error
// for all of it.
func TestFalseKeys(t *testing.T) {
	d, _ := newDirectory(t)
	a := newAuthenticator(t, d)
	key, token := newOrganisation(t, d, "bank-a", RoleBank)
	other, foreign := newOrganisation(t, d, "bank-b", RoleBank)
	revoked, dead := newOrganisation(t, d, "bank-c", RoleBank)
	must(d.RevokeKey(revoked.ID))(t)
	id, s, _ := parseToken(token)
	plain := hex.EncodeToString(s[:])
	wrong := s
	wrong[31] ^= 1
	hash := s.hash()
	for what, values := range map[string][]string{
		"another's id":                  {formatToken(other.ID, s)},
		"no such id":                    {formatToken("aaaaaaaaaaaaaaaa", s)},
		"one bit":                       {formatToken(id, wrong)},
		"a revoked id, a wrong secret":  {formatToken(revoked.ID, s)},
		"the hash for the secret":       {"Bearer attestry_" + id + "_" + hex.EncodeToString(hash[:])},
		"capitals":                      {"Bearer attestry_" + id + "_" + strings.ToUpper(plain)},
		"capital id":                    {"Bearer attestry_" + strings.ToUpper(id) + "_" + plain},
		"a short secret":                {"Bearer " + token[:len(token)-2]},
		"a long secret":                 {"Bearer " + token + "00"},
		"an empty secret":               {"Bearer attestry_" + id + "_"},
		"no id":                         {"Bearer attestry__" + plain},
		"a second underscore":           {"Bearer attestry_" + id + "__" + plain},
		"no prefix":                     {"Bearer " + strings.TrimPrefix(token, "attestry_")},
		"the prefix twice":              {"Bearer attestry_" + token},
		"another scheme":                {"Basic " + token},
		"no scheme":                     {token[:0] + " " + token},
		"two spaces":                    {"Bearer  " + token},
		"a space behind":                {"Bearer " + token + " "},
		"a tab":                         {"Bearer\t" + token},
		"a parameter":                   {"Bearer " + token + ", x=1"},
		"two tokens":                    {"Bearer " + token + "," + foreign},
		"an empty header":               {""},
		"the scheme alone":              {"Bearer"},
		"the scheme and a space":        {"Bearer "},
		"no ASCII":                      {"Bearer " + token[:len(token)-1] + "０"},
		"NUL":                           {"Bearer " + token + "\x00"},
		"endless":                       {"Bearer " + strings.Repeat("a", maxToken+1)},
		"two headers":                   {token, foreign},
		"the same header twice":         {token, token},
		"a good one and an empty one":   {token, ""},
		"an empty one and a good one":   {"", token},
		"a good one and another scheme": {token, "Basic YTpi"},
		"a bucket's name":               {"Bearer attestry_" + strings.Repeat("a", 15) + "/_" + plain},
	} {
		if p, err := a.Authenticate(withToken(values...)); !errors.Is(err, ErrBadCredential) || p != nil {
			t.Errorf("%s: %+v, %v", what, p, err)
		} else if strings.Contains(err.Error(), plain) {
			t.Errorf("%s: the error has the secret", what)
		}
	}
	if _, err := a.Authenticate(withToken(dead)); !errors.Is(err, ErrRevoked) {
		t.Errorf("the owner of a revoked key: %v", err)
	}
	if got := must(d.Key(key.ID))(t); !got.LastUsed.IsZero() {
		t.Error("a false credential counts as a use")
	}
}

func TestLastUsedIsCoarse(t *testing.T) {
	d, c := newDirectory(t)
	a := newAuthenticator(t, d)
	key, token := newOrganisation(t, d, "bank-a", RoleBank)
	for _, step := range []struct {
		after time.Duration
		want  time.Time
	}{
		{0, start()}, {59 * time.Minute, start()}, {time.Minute, start().Add(time.Hour)}, {time.Minute, start().Add(time.Hour)},
	} {
		c.at = c.at.Add(step.after)
		must(a.Authenticate(withToken(token)))(t)
		if got := must(d.Key(key.ID))(t).LastUsed; !got.Equal(step.want) {
			t.Errorf("at %v the last use is %v, not %v", c.at, got, step.want)
		}
	}
	// A use that is noted late must not undo a revocation.
	listed := must(d.Key(key.ID))(t)
	must(d.RevokeKey(key.ID))(t)
	c.at = c.at.Add(2 * time.Hour)
	d.used(listed)
	if got := must(d.Key(key.ID))(t); got.Revoked.IsZero() {
		t.Error("noting a use took back the revocation")
	}
}

// FuzzAuthorization: no header of any form lets anybody in but the key itself, and none
// panics.
func FuzzAuthorization(f *testing.F) {
	d, _ := newDirectory(f)
	a := newAuthenticator(f, d)
	_, token := newOrganisation(f, d, "bank-a", RoleBank)
	for _, seed := range []string{"", "Bearer", "Bearer attestry_", "Bearer " + formatToken("aaaaaaaaaaaaaaaa", secret{}), "Basic YTpi", "Bearer a.b.c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := withToken()
		r.Header["Authorization"] = []string{value}
		p, err := a.Authenticate(r)
		scheme, rest, _ := strings.Cut(value, " ")
		good := strings.EqualFold(scheme, "bearer") && rest == token
		if (p != nil) != good || (err == nil) != good {
			t.Errorf("%q: %+v, %v", value, p, err)
		}
		if !good && !errors.Is(err, ErrBadCredential) {
			t.Errorf("%q: %v", value, err)
		}
	})
}

// FuzzToken: a key has one spelling.
func FuzzToken(f *testing.F) {
	f.Add(formatToken("aaaaaaaaaaaaaaaa", secret{1}))
	f.Add("attestry_")
	f.Fuzz(func(t *testing.T, text string) {
		if id, s, ok := parseToken(text); ok && formatToken(id, s) != text {
			t.Errorf("%q reads as %q", text, formatToken(id, s))
		}
	})
}
