package ledger_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// logKey makes a signer and its verifier key.
func logKey(t testing.TB, origin string) (note.Signer, string) {
	t.Helper()
	skey, vkey, err := ledger.NewLogKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, vkey
}

func TestCheckpointRoundTrip(t *testing.T) {
	signer, vkey := logKey(t, ledgertest.Origin)
	for _, size := range []uint64{0, 1, 25357, ledger.MaxSize} {
		want := ledger.Checkpoint{Origin: ledgertest.Origin, Size: size, Root: tlog.RecordHash([]byte("x"))}
		signed, err := ledger.SignCheckpoint(want, signer)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ledger.OpenCheckpoint(signed, vkey)
		if err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	if origin, err := ledger.LogKeyOrigin(vkey); err != nil || origin != ledgertest.Origin {
		t.Errorf("the key's origin: %q, %v", origin, err)
	}
}

// Keys differ in whether their base64 holds a '+', which also divides a key's parts.
func TestEveryLogKeyIsRead(t *testing.T) {
	for range 200 {
		_, vkey := logKey(t, ledgertest.Origin)
		if origin, err := ledger.LogKeyOrigin(vkey); err != nil || origin != ledgertest.Origin {
			t.Fatalf("%s: %q, %v", vkey, origin, err)
		}
	}
}

func TestSignCheckpointRefuses(t *testing.T) {
	signer, _ := logKey(t, ledgertest.Origin)
	if _, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: "elsewhere.test/log"}, signer); !errors.Is(err, ledger.ErrBadKey) {
		t.Errorf("another origin: %v", err)
	}
	if _, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: ledgertest.Origin, Size: ledger.MaxSize + 1}, signer); !errors.Is(err, ledger.ErrBadCheckpoint) {
		t.Errorf("too large a log: %v", err)
	}
	for _, origin := range []string{"", "a b", "a+b", "a\nb", strings.Repeat("a", 256)} {
		if _, _, err := ledger.NewLogKey(origin); !errors.Is(err, ledger.ErrBadKey) {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
}

func TestOpenCheckpointAcceptsCosignatures(t *testing.T) {
	signer, vkey := logKey(t, ledgertest.Origin)
	witness, witnessKey := logKey(t, "witness.test/w")
	c := ledger.Checkpoint{Origin: ledgertest.Origin, Size: 3}
	for name, signers := range map[string][]note.Signer{"after": {signer, witness}, "before": {witness, signer}} {
		signed, err := note.Sign(&note.Note{Text: c.Text()}, signers...)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ledger.OpenCheckpoint(signed, vkey); err != nil || got != c {
			t.Errorf("a cosignature %s the log's: %v", name, err)
		}
	}
	// A witness alone says nothing: neither under its own key nor under the log's.
	signed, err := note.Sign(&note.Note{Text: c.Text()}, witness)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"log": vkey, "witness": witnessKey} {
		if _, err := ledger.OpenCheckpoint(signed, key); !errors.Is(err, ledger.ErrBadCheckpoint) {
			t.Errorf("a witness's signature alone, opened with the %s's key: %v", name, err)
		}
	}
}

func TestOpenCheckpointRefuses(t *testing.T) {
	signer, vkey := logKey(t, ledgertest.Origin)
	_, otherKey := logKey(t, ledgertest.Origin)
	good, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: ledgertest.Origin, Size: 18}, signer)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(text string) []byte {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	root := strings.Split(string(good), "\n")[2]
	signature := good[bytes.Index(good, []byte("— ")):]
	for name, signed := range map[string][]byte{
		"empty":               {},
		"no signature":        good[:len(good)-len(signature)],
		"no last newline":     good[:len(good)-1],
		"trailing newline":    append(bytes.Clone(good), '\n'),
		"signature twice":     append(bytes.Clone(good), signature...),
		"extension line":      sign(ledgertest.Origin + "\n18\n" + root + "\nextension\n"),
		"leading zero":        sign(ledgertest.Origin + "\n018\n" + root + "\n"),
		"plus sign":           sign(ledgertest.Origin + "\n+18\n" + root + "\n"),
		"negative":            sign(ledgertest.Origin + "\n-18\n" + root + "\n"),
		"beyond the largest":  sign(ledgertest.Origin + "\n281474976710657\n" + root + "\n"),
		"beyond 64 bits":      sign(ledgertest.Origin + "\n18446744073709551634\n" + root + "\n"),
		"short root":          sign(ledgertest.Origin + "\n18\nAAAA\n"),
		"loose root":          sign(ledgertest.Origin + "\n18\n" + root[:42] + "B=\n"),
		"another origin":      sign("elsewhere.test/log\n18\n" + root + "\n"),
		"no origin":           sign("\n18\n" + root + "\n"),
		"too few lines":       sign(ledgertest.Origin + "\n18\n"),
		"too long":            append(bytes.Clone(good), bytes.Repeat([]byte("— a AAAAAAAA\n"), 6000)...),
		"carriage return":     bytes.Replace(good, []byte("18\n"), []byte("18\r\n"), 1),
		"changed size":        bytes.Replace(good, []byte("\n18\n"), []byte("\n19\n"), 1),
		"loose witness line":  append(bytes.Clone(good), "— witness.test/w AAAAAAB=\n"...),
		"double space":        bytes.Replace(good, []byte("— "), []byte("—  "), 1),
		"signature of 4 byte": append(bytes.Clone(good), "— witness.test/w AAAAAA==\n"...),
	} {
		if c, err := ledger.OpenCheckpoint(signed, vkey); !errors.Is(err, ledger.ErrBadCheckpoint) {
			t.Errorf("%s: %+v, %v; want ErrBadCheckpoint", name, c, err)
		}
	}
	if _, err := ledger.OpenCheckpoint(good, otherKey); !errors.Is(err, ledger.ErrBadCheckpoint) {
		t.Errorf("another key of the same name: %v", err)
	}
	for name, key := range map[string]string{
		"empty": "", "no key": ledgertest.Origin, "loose base64": vkey[:len(vkey)-2] + "_" + vkey[len(vkey)-1:],
		"upper-case hash": upperHash(vkey), "trailing newline": vkey + "\n",
	} {
		if _, err := ledger.OpenCheckpoint(good, key); !errors.Is(err, ledger.ErrBadKey) {
			t.Errorf("log key: %s: %v; want ErrBadKey", name, err)
		}
	}
}

// upperHash gives a verifier key with a capital in its hash, or what is no key.
func upperHash(vkey string) string {
	parts := strings.Split(vkey, "+")
	if up := strings.ToUpper(parts[1]); up != parts[1] {
		parts[1] = up
		return strings.Join(parts, "+")
	}
	return vkey + " " // a hash of digits alone
}

// Every single-byte change of a signed checkpoint is refused, those in the unused
// bits of the signature's base64 too.
func TestEveryByteOfACheckpointCounts(t *testing.T) {
	signer, vkey := logKey(t, ledgertest.Origin)
	signed, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: ledgertest.Origin, Size: 18}, signer)
	if err != nil {
		t.Fatal(err)
	}
	for i := range signed {
		for bit := range 8 {
			changed := bytes.Clone(signed)
			changed[i] ^= 1 << bit
			if _, err := ledger.OpenCheckpoint(changed, vkey); err == nil {
				t.Errorf("byte %d may be %q or %q", i, signed[i], changed[i])
			}
		}
	}
}
