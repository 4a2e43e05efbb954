package atrest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// fixed gives a key of known data keys, the present one first.
func fixed(t testing.TB, fill ...byte) *Key {
	t.Helper()
	r := &Ring{}
	for _, b := range fill {
		r.secrets = append(r.secrets, bytes.Repeat([]byte{b}, secretBytes))
	}
	k, err := r.Key()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The format: a second implementation opens this.
func TestVector(t *testing.T) {
	sealed, err := hex.DecodeString(vectorSealed)
	if err != nil {
		t.Fatal(err)
	}
	k := fixed(t, 7)
	if k.ID().String() != vectorID {
		t.Errorf("id %s", k.ID())
	}
	if plain, err := k.Open([]byte("registry/titles/links/1"), sealed); err != nil || string(plain) != "a value" {
		t.Errorf("%q, %v", plain, err)
	}
	if token := k.Index("registry/titles/subjects").Token([]byte("x")); hex.EncodeToString(token[:]) != vectorToken {
		t.Errorf("token %x", *token)
	}
	if token := (*Key)(nil).Index("registry/titles/subjects").Token([]byte("x")); hex.EncodeToString(token[:]) != vectorClearToken {
		t.Errorf("token in the clear %x", *token)
	}
}

func TestOpenRefuses(t *testing.T) {
	k, place := fixed(t, 1), []byte("a/b")
	sealed := k.Seal(place, []byte("value"))
	if len(sealed) != len("value")+Overhead {
		t.Errorf("%d bytes", len(sealed))
	}
	for i := range sealed {
		for bit := range 8 {
			bad := slices.Clone(sealed)
			bad[i] ^= 1 << bit
			if plain, err := k.Open(place, bad); err == nil || plain != nil {
				t.Errorf("byte %d, bit %d changed: opens", i, bit)
			}
		}
	}
	for n := range sealed {
		if _, err := k.Open(place, sealed[:n]); err == nil {
			t.Errorf("cut to %d bytes: opens", n)
		}
	}
	for name, c := range map[string]struct {
		key   *Key
		place string
		value []byte
		want  error
	}{
		"another place":    {k, "a/c", sealed, ErrTampered},
		"a longer place":   {k, "a/bb", sealed, ErrTampered},
		"no place":         {k, "", sealed, ErrTampered},
		"more bytes":       {k, "a/b", append(slices.Clone(sealed), 0), ErrTampered},
		"another key":      {fixed(t, 2), "a/b", sealed, ErrOtherKey},
		"in the clear":     {k, "a/b", []byte("value"), ErrNotSealed},
		"empty":            {k, "a/b", nil, ErrNotSealed},
		"JSON, long":       {k, "a/b", bytes.Repeat([]byte("{}"), 40), ErrNotSealed},
		"another version":  {k, "a/b", append([]byte{2}, sealed[1:]...), ErrNotSealed},
		"an earlier key":   {fixed(t, 2, 1), "a/b", sealed, nil},
		"of one key alone": {only(t, fixed(t, 2, 1), k.ID()), "a/b", sealed, nil},
	} {
		plain, err := c.key.Open([]byte(c.place), c.value)
		if !errors.Is(err, c.want) || err == nil && string(plain) != "value" {
			t.Errorf("%s: %q, %v; want %v", name, plain, err, c.want)
		}
	}
}

func only(t *testing.T, k *Key, id ID) *Key {
	t.Helper()
	one, err := k.Only(id)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func TestSealLaws(t *testing.T) {
	k := fixed(t, 3, 4)
	seen := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		place := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "place")
		plain := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "plain")
		sealed := k.Seal(place, plain)
		got, err := k.Open(place, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%v", err)
		}
		if len(plain) >= 8 && bytes.Contains(sealed, plain) {
			t.Fatal("the value stands in what is sealed")
		}
		nonce := string(sealed[5:29])
		if seen[nonce] {
			t.Fatal("a nonce again")
		}
		seen[nonce] = true
	})
}

// The nil key leaves everything as it is.
func TestNilKey(t *testing.T) {
	var k *Key
	value := []byte("value")
	if got := k.Seal(nil, value); string(got) != "value" {
		t.Errorf("sealed to %q", got)
	}
	if got, err := k.Open(nil, value); err != nil || string(got) != "value" {
		t.Errorf("%q, %v", got, err)
	}
	if got, changed, err := k.Reseal(nil, value); err != nil || changed || string(got) != "value" {
		t.Errorf("%q, %v, %v", got, changed, err)
	}
	if one, err := k.Only(ID{}); one != nil || err != nil {
		t.Errorf("%v, %v", one, err)
	}
	if _, err := k.Only(ID{1}); !errors.Is(err, ErrOtherKey) {
		t.Errorf("a sealed file without a key: %v", err)
	}
	if k.ID() != (ID{}) || k.Changing() {
		t.Error("it has an id, or is changing")
	}
}

func TestReseal(t *testing.T) {
	old, both, place := fixed(t, 1), fixed(t, 2, 1), []byte("p")
	sealed := old.Seal(place, []byte("value"))
	anew, changed, err := both.Reseal(place, sealed)
	if err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	if plain, err := fixed(t, 2).Open(place, anew); err != nil || string(plain) != "value" {
		t.Errorf("%q, %v", plain, err)
	}
	if same, changed, err := both.Reseal(place, anew); err != nil || changed || !bytes.Equal(same, anew) {
		t.Errorf("again: %v, %v", changed, err)
	}
	if _, _, err := both.Reseal([]byte("q"), sealed); !errors.Is(err, ErrTampered) {
		t.Errorf("from another place: %v", err)
	}
	if _, _, err := both.Reseal(place, []byte(`{"a":1}`)); !errors.Is(err, ErrNotSealed) {
		t.Errorf("in the clear: %v", err)
	}
}

// While encryption is being enabled what is in the clear is read, and nothing that is
// sealed is taken for that.
func TestEnabling(t *testing.T) {
	r := &Ring{secrets: [][]byte{bytes.Repeat([]byte{5}, 32)}, Enabling: true}
	k, err := r.Key()
	if err != nil {
		t.Fatal(err)
	}
	if !k.Changing() {
		t.Error("not changing")
	}
	sealed, changed, err := k.Reseal(nil, []byte("{}"))
	if err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := k.Open(nil, sealed); !errors.Is(err, ErrTampered) {
		t.Errorf("a changed value: %v", err)
	}
	if one, err := k.Only(ID{}); one != nil || err != nil {
		t.Errorf("a file in the clear: %v", err)
	}
	if one := only(t, k, k.ID()); one.Changing() {
		t.Error("a sealed file may be in the clear")
	}
	if _, err := fixed(t, 5).Only(ID{}); !errors.Is(err, ErrNotSealed) {
		t.Errorf("a file in the clear, afterwards: %v", err)
	}
}

func TestTokens(t *testing.T) {
	k := fixed(t, 1)
	at := func(k *Key, purpose, value string) string { return string(k.Index(purpose).Token([]byte(value))[:]) }
	token := at(k, "a", "x")
	for name, other := range map[string]string{
		"another value": at(k, "a", "y"), "another purpose": at(k, "b", "x"), "another key": at(fixed(t, 2), "a", "x"),
		"no key": at(nil, "a", "x"), "the present key of two": at(fixed(t, 2, 1), "a", "x"),
	} {
		if other == token {
			t.Errorf("%s has the same token", name)
		}
	}
	x := k.Index("a")
	x.Token([]byte("y"))
	if string(x.Token([]byte("x"))[:]) != token {
		t.Error("a token depends on those before it")
	}
}

func TestKeysAreNotShown(t *testing.T) {
	r := NewRing([]string{"age1x"})
	k, err := r.Key()
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %x %v %+v %x", k, k, k, k, k, r, *r, r)
	for _, secret := range [][]byte{r.secrets[0], k.keys[0].index} {
		for _, form := range []string{string(secret[:6]), hex.EncodeToString(secret[:6]), fmt.Sprint(secret[:3])[1:8]} {
			if bytes.Contains([]byte(shown), []byte(form)) {
				t.Errorf("%q shows a key", shown)
			}
		}
	}
	if _, err := r.MarshalJSON(); err == nil {
		t.Error("a ring is marshalled")
	}
}

func FuzzOpen(f *testing.F) {
	k := fixed(f, 1, 2)
	f.Add([]byte("p"), k.Seal([]byte("p"), []byte("value")))
	f.Add([]byte("p"), []byte("value"))
	f.Fuzz(func(t *testing.T, place, sealed []byte) {
		plain, err := k.Open(place, sealed)
		if err != nil && plain != nil {
			t.Error("an error with a value")
		}
	})
}

// BenchmarkSeal seals what a record takes.
func BenchmarkSeal(b *testing.B) {
	k, place, plain := fixed(b, 1), make([]byte, 50), make([]byte, 150)
	for b.Loop() {
		k.Seal(place, plain)
	}
}

func BenchmarkOpen(b *testing.B) {
	k, place := fixed(b, 1), make([]byte, 50)
	sealed := k.Seal(place, make([]byte, 150))
	for b.Loop() {
		if _, err := k.Open(place, sealed); err != nil {
			b.Fatal(err)
		}
	}
}
