package verifier

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	witnessnote "github.com/transparency-dev/formats/note"

	"github.com/attestry/attestry/ledger"
)

func TestTrustRoundTrip(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	_, vkey := newWitness(t, "witness.example/1")
	trust := w.trust()
	trust.Audience, trust.MaxAge, trust.RequireLogged = "bank-a", "720h", true
	trust.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{vkey}}
	trust.Logs[0].From, trust.Registries[0].Until = index(0), index(99)
	data, err := trust.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseTrust(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.Marshal()
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("reads back as another file: %v\n%s", err, again)
	}
	// A reader who takes the first key of this form takes the log's.
	form := regexp.MustCompile(`"[^"+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+"`)
	if first := form.Find(data); !bytes.Equal(first, []byte(`"`+w.vkey+`"`)) {
		t.Errorf("the first verifier key is %s", first)
	}
}

func TestTrustOfNothing(t *testing.T) {
	data, err := (&Trust{Format: TrustFormat}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseTrust(data); err != nil {
		t.Errorf("%v\n%s", err, data)
	}
}

func TestFingerprint(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	trust := w.trust()
	one, err := trust.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^([0-9a-f]{4} ){9}[0-9a-f]{4}$`).MatchString(one) {
		t.Errorf("fingerprint %q", one)
	}
	data, err := trust.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	compact := strings.Join(strings.Fields(string(data)), "")
	same, err := ParseTrust([]byte(compact))
	if err != nil {
		t.Fatal(err)
	}
	if two, err := same.Fingerprint(); err != nil || one != two {
		t.Errorf("white space changes the fingerprint: %v", err)
	}
	trust.Audience = "bank-b"
	if two, err := trust.Fingerprint(); err != nil || one == two {
		t.Errorf("another audience has the same fingerprint: %v", err)
	}
}

func TestTrustRefuses(t *testing.T) {
	cases := map[string]func(w *world, t *Trust){
		"another format":          func(_ *world, t *Trust) { t.Format = "attestry/trust/v2" },
		"development half":        func(_ *world, t *Trust) { t.Development = "warn" },
		"a log key that is none":  func(_ *world, t *Trust) { t.Logs[0].Key = "agency" },
		"a log key in capitals":   func(w *world, t *Trust) { t.Logs[0].Key = upperHash(w.vkey) },
		"a log twice":             func(_ *world, t *Trust) { t.Logs = append(t.Logs, t.Logs[0]) },
		"a window of nothing":     func(_ *world, t *Trust) { t.Logs[0].From, t.Logs[0].Until = index(5), index(5) },
		"a registry without name": func(_ *world, t *Trust) { t.Registries[0].Registry = "" },
		"a registry of no log":    func(_ *world, t *Trust) { t.Registries[0].Log = "other.example" },
		"a registry twice":        func(_ *world, t *Trust) { t.Registries = append(t.Registries, t.Registries[0]) },
		"an unknown circuit":      func(_ *world, t *Trust) { t.Circuits[0].Name = "maybe" },
		"version 0":               func(_ *world, t *Trust) { t.Circuits[0].Version = 0 },
		"an unknown setup":        func(_ *world, t *Trust) { t.Circuits[0].Setup = "trusted" },
		"an unknown status":       func(_ *world, t *Trust) { t.Circuits[0].Status = "new" },
		"a sunset without end":    func(_ *world, t *Trust) { t.Circuits[0].Status = "sunset" },
		"a key that is none":      func(_ *world, t *Trust) { t.Circuits[0].VK = []byte("key") },
		"a circuit of no log":     func(_ *world, t *Trust) { t.Circuits[0].Log = "elsewhere.example/log" },
		"a circuit twice":         func(_ *world, t *Trust) { t.Circuits = append(t.Circuits, t.Circuits[0]) },
		"an age that is none":     func(_ *world, t *Trust) { t.MaxAge = "soon" },
		"an age of nothing":       func(_ *world, t *Trust) { t.MaxAge = "0s" },
		"a quorum of nobody":      func(_ *world, t *Trust) { t.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{}} },
		"a quorum of none": func(w *world, t *Trust) {
			_, vkey := newWitness(w.t, "witness.example/1")
			t.Witnesses = &TrustedWitnesses{Quorum: 0, Keys: []string{vkey}}
		},
		"a witness twice": func(w *world, t *Trust) {
			_, vkey := newWitness(w.t, "witness.example/1")
			t.Witnesses = &TrustedWitnesses{Quorum: 2, Keys: []string{vkey, vkey}}
		},
		"the log's key under another name": func(w *world, t *Trust) {
			public, _ := ledger.LogPublicKey(w.vkey)
			t.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{vkeyOf("witness.example/1", public)}}
		},
		"the log's key as a cosigner's": func(w *world, t *Trust) {
			public, _ := ledger.LogPublicKey(w.vkey)
			vkey, _ := witnessnote.VKeyToCosignatureV1(vkeyOf("witness.example/1", public))
			t.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{vkey}}
		},
		"the issuer's key": func(w *world, t *Trust) {
			t.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{vkeyOf("witness.example/1", t.Registries[0].Issuer)}}
		},
		"a witness under two names": func(w *world, t *Trust) {
			_, vkey := newWitness(w.t, "witness.example/1")
			key, _ := ledger.ParseWitnessKey(vkey)
			t.Witnesses = &TrustedWitnesses{Quorum: 2, Keys: []string{vkey, vkeyOf("witness.example/2", ledger.PublicKey(key.Public))}}
		},
		"a witness's key in capitals": func(w *world, t *Trust) {
			_, vkey := newWitness(w.t, "witness.example/1")
			t.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{upperHash(vkey)}}
		},
		"the log as its own witness": func(w *world, t *Trust) {
			t.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{w.vkey}}
		},
	}
	w := newWorld(t, "agency.example/log", titleSchema())
	for name, change := range cases {
		trust := w.trust()
		change(w, trust)
		if _, err := trust.Marshal(); !errors.Is(err, ErrBadTrust) {
			t.Errorf("%s: %v, want %v", name, err, ErrBadTrust)
		}
		if _, err := Verify(&Bundle{}, Options{Trust: trust}); !errors.Is(err, ErrBadTrust) {
			t.Errorf("%s: Verify gives %v", name, err)
		}
	}
	if _, err := Verify(&Bundle{}, Options{}); !errors.Is(err, ErrBadTrust) {
		t.Error("no trust file is no error")
	}
}

func vkeyOf(name string, key ledger.PublicKey) string {
	vkey, err := note.NewEd25519VerifierKey(name, key[:])
	if err != nil {
		panic(err)
	}
	return vkey
}

func upperHash(vkey string) string {
	parts := strings.SplitN(vkey, "+", 3)
	parts[1] = strings.ToUpper(parts[1])
	if parts[1] == strings.ToLower(parts[1]) { // a hash without letters: spoil it
		parts[1] = "0" + parts[1][1:] + "0"
	}
	return strings.Join(parts, "+")
}

func TestParseTrustIsStrict(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	good, err := w.trust().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range strictCases(string(good), `"format"`) {
		if _, err := ParseTrust([]byte(data)); !errors.Is(err, ErrBadTrust) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// strictCases spoils a JSON document in the ways that a lax reader forgives.
func strictCases(good, member string) map[string]string {
	return map[string]string{
		"empty":             "",
		"null":              "null",
		"a list":            "[]",
		"trailing bytes":    good + "x",
		"two documents":     good + good,
		"an unknown":        strings.Replace(good, "{", `{"extra":1,`, 1),
		"a duplicate":       strings.Replace(good, "{", "{"+member+`:"x",`, 1),
		"another spelling":  strings.Replace(good, member, strings.ToUpper(member), 1),
		"a null":            strings.Replace(good, "{", `{"extra":null,`, 1),
		"not UTF-8":         strings.Replace(good, "attestry", "attestr\xff", 1),
		"a byte-order mark": "\ufeff" + good,
	}
}

func TestWindow(t *testing.T) {
	cases := []struct {
		w    Window
		in   []uint64
		out  []uint64
		text string
	}{
		{Window{}, []uint64{0, 1 << 40}, nil, "every log index"},
		{Window{From: index(3)}, []uint64{3, 9}, []uint64{2}, "log indexes from 3"},
		{Window{Until: index(3)}, []uint64{0, 2}, []uint64{3}, "log indexes before 3"},
		{Window{From: index(3), Until: index(5)}, []uint64{3, 4}, []uint64{2, 5}, "log indexes 3 to 4"},
	}
	for _, c := range cases {
		for _, n := range c.in {
			if !c.w.holds(n) {
				t.Errorf("%s does not hold %d", c.w, n)
			}
		}
		for _, n := range c.out {
			if c.w.holds(n) {
				t.Errorf("%s holds %d", c.w, n)
			}
		}
		if c.w.String() != c.text {
			t.Errorf("%q, want %q", c.w, c.text)
		}
	}
}

func FuzzParseTrust(f *testing.F) {
	f.Add([]byte(readVectors(f).Trust))
	f.Fuzz(func(t *testing.T, data []byte) {
		trust, err := ParseTrust(data)
		if err != nil {
			return
		}
		if _, err := trust.Marshal(); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
	})
}
