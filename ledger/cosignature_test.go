package ledger_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	witnessnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
)

// cosigner gives a witness's signer and its verifier key.
func cosigner(t testing.TB, name string) (note.Signer, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	skey, vkey, err := ledger.NewWitnessKey(name, key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := witnessnote.NewSignerForCosignatureV1(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

// cosign gives a signer's line on a checkpoint.
func cosign(t testing.TB, c ledger.Checkpoint, s note.Signer) string {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: c.Text()}, s)
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(signed), "\n\n")
	return lines
}

func TestParseWitnessKey(t *testing.T) {
	_, vkey := cosigner(t, "witness.example/w1")
	key, err := ledger.ParseWitnessKey(vkey)
	if err != nil || key.Name() != "witness.example/w1" || len(key.Public) != ed25519.PublicKeySize {
		t.Fatalf("%+v, %v", key, err)
	}
	if _, err := note.NewVerifier(vkey); err == nil {
		t.Error("a witness's key passes for a log's")
	}
	_, plain, err := note.GenerateKey(rand.Reader, "witness.example/w2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.ParseWitnessKey(plain); err != nil {
		t.Errorf("a plain Ed25519 key: %v", err)
	}
	_, quantum, err := witnessnote.GenerateMLDSAKey("witness.example/w3")
	if err != nil {
		t.Fatal(err)
	}
	if key, err := ledger.ParseWitnessKey(quantum); err != nil || len(key.Public) != 1312 {
		t.Errorf("an ML-DSA-44 key: %v", err)
	}
	parts := strings.SplitN(vkey, "+", 3)
	for name, bad := range map[string]string{
		"another hash":       parts[0] + "+00000000+" + parts[2],
		"another name":       "witness.example/w9+" + parts[1] + "+" + parts[2],
		"a hash in capitals": parts[0] + "+" + strings.ToUpper(parts[1]) + "X+" + parts[2],
		"no key":             parts[0] + "+" + parts[1],
		"a newline":          vkey + "\n",
		"nothing":            "",
		"a cut key":          vkey[:len(vkey)-4],
	} {
		if _, err := ledger.ParseWitnessKey(bad); !errors.Is(err, ledger.ErrBadKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := ledger.NewWitnessKey("two words", ed25519.NewKeyFromSeed(make([]byte, 32))); !errors.Is(err, ledger.ErrBadKey) {
		t.Errorf("a name with a space: %v", err)
	}
}

func TestCosignature(t *testing.T) {
	log, logKey := logKey(t, "log.example/a")
	s, vkey := cosigner(t, "witness.example/w1")
	other, _ := cosigner(t, "witness.example/w2")
	key, err := ledger.ParseWitnessKey(vkey)
	if err != nil {
		t.Fatal(err)
	}
	c := ledger.Checkpoint{Origin: "log.example/a", Size: 7}
	signed, err := ledger.SignCheckpoint(c, log)
	if err != nil {
		t.Fatal(err)
	}
	if key.Cosigned(signed) {
		t.Error("the log's own signature counts as a cosignature")
	}
	lines := cosign(t, c, other) + cosign(t, c, s)
	line, err := key.Cosignature(c, []byte(lines))
	if err != nil || !strings.HasPrefix(line, "— witness.example/w1 ") {
		t.Fatalf("%q, %v", line, err)
	}
	for name, bad := range map[string]string{
		"of another checkpoint": cosign(t, ledger.Checkpoint{Origin: c.Origin, Size: 8}, s),
		"of another witness":    cosign(t, c, other),
		"spoiled":               strings.Replace(line, "A", "B", 1),
		"nothing":               "",
		"no signature":          "hello\n",
		"without its newline":   strings.TrimSuffix(line, "\n"),
	} {
		if _, err := key.Cosignature(c, []byte(bad)); !errors.Is(err, ledger.ErrBadSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}

	cosigned, err := ledger.AddCosignatures(signed, line)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ledger.OpenCheckpoint(cosigned, logKey); err != nil || got != c || !key.Cosigned(cosigned) {
		t.Errorf("%+v, %v", got, err)
	}
	again, err := ledger.AddCosignatures(cosigned, cosign(t, c, s), cosign(t, c, other))
	if err != nil || strings.Count(string(again), "— witness.example/w1 ") != 1 || strings.Count(string(again), "\n— ") != 3 {
		t.Errorf("%q, %v", again, err)
	}
	if _, err := ledger.AddCosignatures(signed, "not a line\n"); !errors.Is(err, ledger.ErrBadCheckpoint) {
		t.Errorf("a line that is none: %v", err)
	}
	if _, err := ledger.AddCosignatures([]byte("x"), line); !errors.Is(err, ledger.ErrBadCheckpoint) {
		t.Errorf("a checkpoint that is none: %v", err)
	}
}

// TestLogPublicKey: the bytes of a log's key, to compare with a witness's.
func TestLogPublicKey(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ledger.PublicKeyOf(private)
	if err != nil {
		t.Fatal(err)
	}
	log, err := note.NewEd25519VerifierKey("log.example/a", public[:])
	if err != nil {
		t.Fatal(err)
	}
	_, vkey, err := ledger.NewWitnessKey("witness.example/w1", private)
	if err != nil {
		t.Fatal(err)
	}
	witness, err := ledger.ParseWitnessKey(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ledger.LogPublicKey(log); err != nil || got != ledger.PublicKey(witness.Public) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ledger.LogPublicKey(vkey); !errors.Is(err, ledger.ErrBadKey) {
		t.Errorf("a witness's key: %v", err)
	}
}

func FuzzParseWitnessKey(f *testing.F) {
	_, vkey := cosigner(f, "witness.example/w1")
	_, plain, err := note.GenerateKey(rand.Reader, "witness.example/w2")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(vkey)
	f.Add(plain)
	f.Add("w+00000000+BA==")
	f.Fuzz(func(t *testing.T, vkey string) {
		key, err := ledger.ParseWitnessKey(vkey)
		if err != nil {
			if !errors.Is(err, ledger.ErrBadKey) {
				t.Fatal(err)
			}
			return
		}
		if len(key.Public) == 0 || !strings.HasPrefix(vkey, key.Name()+"+") || key.Cosigned(nil) {
			t.Fatalf("%+v", key)
		}
	})
}

func FuzzCosignature(f *testing.F) {
	s, vkey := cosigner(f, "witness.example/w1")
	key, err := ledger.ParseWitnessKey(vkey)
	if err != nil {
		f.Fatal(err)
	}
	log, _ := logKey(f, "log.example/a")
	c := ledger.Checkpoint{Origin: "log.example/a", Size: 7}
	signed, err := ledger.SignCheckpoint(c, log)
	if err != nil {
		f.Fatal(err)
	}
	good := cosign(f, c, s)
	f.Add([]byte(good))
	f.Add([]byte(good + good))
	f.Add([]byte("— x AAAA\n" + good))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		line, err := key.Cosignature(c, lines)
		if err != nil {
			return
		}
		cosigned, err := ledger.AddCosignatures(signed, line)
		if err != nil || !key.Cosigned(cosigned) {
			t.Fatalf("%q, %v", line, err)
		}
	})
}
