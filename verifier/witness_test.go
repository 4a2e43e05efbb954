package verifier

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	witnessnote "github.com/transparency-dev/formats/note"

	"github.com/attestry/attestry/ledger"
)

// newWitness gives a witness that cosigns as C2SP says, and its verifier key.
func newWitness(t testing.TB, name string) (note.Signer, string) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := witnessnote.NewSignerForCosignatureV1(skey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, vkey
}

func tlogStored(size int64) int64 { return tlog.StoredHashCount(size) }

func TestQuorum(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	var vkeys []string
	for _, name := range []string{"witness.example/1", "witness.example/2", "witness.example/3"} {
		s, vkey := newWitness(t, name)
		w.cosigners, vkeys = append(w.cosigners, s), append(vkeys, vkey)
	}
	w.cosigners = w.cosigners[:2] // the third one does not cosign
	r := flatRequest(t)
	b, _ := w.bundle(r, tamper{})
	for quorum, want := range map[int][]string{1: nil, 2: nil, 3: {CheckQuorum}} {
		trust := w.trust()
		trust.Witnesses = &TrustedWitnesses{Quorum: quorum, Keys: vkeys}
		v, err := Verify(b, Options{Trust: trust, Request: r, At: testTime})
		if err != nil {
			t.Fatal(err)
		}
		if failed := outcomes(t, v); !slices.Equal(failed, want) {
			t.Errorf("quorum %d: %v failed, want %v", quorum, failed, want)
		}
		if c := find(t, v, CheckQuorum); c.RestsOn != OnWitnesses {
			t.Errorf("quorum %d rests on %s", quorum, c.RestsOn)
		}
	}
}

// TestUnknownCosignature: a log may have witnesses that a verifier does not pin. It
// is told of them, and nothing rests on them. What else nobody here can verify, or
// pretends to be somebody who is pinned, is refused.
func TestUnknownCosignature(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	stranger, _ := newWitness(t, "witness.example/1")
	pinned, vkey := newWitness(t, "witness.example/2")
	impostor, _ := newWitness(t, "witness.example/2")
	plain := func(name string) note.Signer {
		skey, _, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			t.Fatal(err)
		}
		return ensure[note.Signer](t)(note.NewSigner(skey))
	}
	trust := w.trust()
	trust.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{vkey}}
	r := flatRequest(t)
	for name, c := range map[string]struct {
		cosigners []note.Signer
		trust     *Trust
		want      []string
		outcome   Outcome
	}{
		"none pinned":              {[]note.Signer{stranger}, w.trust(), nil, Warn},
		"one more than pinned":     {[]note.Signer{stranger, pinned}, trust, nil, Warn},
		"those pinned":             {[]note.Signer{pinned}, trust, nil, Pass},
		"a stranger alone":         {[]note.Signer{stranger}, trust, []string{CheckQuorum}, Warn},
		"another key of the name":  {[]note.Signer{pinned, impostor}, trust, []string{CheckCosignatures, CheckQuorum}, Fail},
		"a log's key, unknown":     {[]note.Signer{plain("other.example/log")}, w.trust(), []string{CheckCosignatures}, Fail},
		"another key of the log":   {[]note.Signer{plain("agency.example/log")}, w.trust(), []string{CheckCosignatures}, Fail},
		"a cosigner named the log": {[]note.Signer{func() note.Signer { s, _ := newWitness(t, "agency.example/log"); return s }()}, w.trust(), []string{CheckCosignatures}, Fail},
	} {
		w.cosigners = c.cosigners
		b, _ := w.bundle(r, tamper{})
		v, err := Verify(b, Options{Trust: c.trust, Request: r, At: testTime})
		if err != nil {
			t.Fatal(err)
		}
		if got := outcomes(t, v); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v failed, want %v", name, got, c.want)
		}
		if got := find(t, v, CheckCosignatures); got.Outcome != c.outcome {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestWitnessAloneIsNotTheLog: a checkpoint that only a pinned witness signed.
func TestWitnessAloneIsNotTheLog(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	s, vkey := newWitness(t, "witness.example/1")
	r := flatRequest(t)
	b, _ := w.bundle(r, tamper{})
	in, err := ledger.ParseInclusion([]byte(b.Facts[0].Epoch.Inclusion))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ledger.ReadCheckpoint(in.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	in.Checkpoint, err = note.Sign(&note.Note{Text: c.Text()}, s)
	if err != nil {
		t.Fatal(err)
	}
	b.Facts[0].Epoch.Inclusion = string(ledger.FormatInclusion(in))
	trust := w.trust()
	trust.Witnesses = &TrustedWitnesses{Quorum: 1, Keys: []string{vkey}}
	v, err := Verify(b, Options{Trust: trust, Request: r, At: testTime})
	if err != nil || !slices.Contains(outcomes(t, v), CheckCheckpoint) {
		t.Errorf("%v %v", err, outcomes(t, v))
	}
}

// TestCosignaturesChanged: where every witness that cosigned is pinned and needed, no
// byte of a checkpoint's signatures can be changed without a verdict of no.
func TestCosignaturesChanged(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	var vkeys []string
	for _, name := range []string{"witness.example/1", "witness.example/2"} {
		s, vkey := newWitness(t, name)
		w.cosigners, vkeys = append(w.cosigners, s), append(vkeys, vkey)
	}
	r := flatRequest(t)
	b, _ := w.bundle(r, tamper{})
	trust := w.trust()
	trust.Witnesses = &TrustedWitnesses{Quorum: 2, Keys: vkeys}
	v, err := New(trust)
	if err != nil {
		t.Fatal(err)
	}
	good := b.Facts[0].Epoch.Inclusion
	for at := strings.Index(good, "— "); at < len(good); at++ {
		for _, letter := range []byte("Az\n") {
			if good[at] == letter {
				continue
			}
			b.Facts[0].Epoch.Inclusion = good[:at] + string(letter) + good[at+1:]
			verdict, err := v.Verify(b, Options{Request: r, At: testTime})
			if err == nil && verdict.OK {
				t.Errorf("byte %d changed from %q to %q passes", at, good[at], letter)
			}
		}
	}
}
