package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	witnessnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// Algorithms of signed-note keys that can cosign (C2SP signed-note).
const (
	algorithmEd25519     = 0x01
	algorithmCosignature = 0x04
)

// cosignatureHead is what a cosignature has before its signature proper: the key's
// hash and a timestamp.
const cosignatureHead = 4 + 8

// WitnessKey is the verifier key of a witness (C2SP tlog-cosignature). It verifies
// cosignatures and nothing else: never the signature of a log.
type WitnessKey struct {
	note.Verifier
	// Public is the key's bytes alone, without name and algorithm. An Ed25519
	// cosignature does not sign the witness's name, so that two names with one key
	// are one witness.
	Public []byte
}

// ParseWitnessKey reads a witness's verifier key, name+hash+key, in its one spelling.
// The key is of a cosignature (Ed25519 or ML-DSA-44) or, as [note.GenerateKey]
// writes it, a plain Ed25519 one. The parser of the notes' package takes any hash.
func ParseWitnessKey(vkey string) (*WitnessKey, error) {
	v, err := witnessnote.NewVerifierForCosignatureV1(vkey)
	if err != nil {
		return nil, fmt.Errorf("%w: witness key: %w", ErrBadKey, err)
	}
	if err := checkName("the witness's name", v.Name()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadKey, err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(vkey, "+", 3)[2])
	if err != nil {
		return nil, fmt.Errorf("%w: witness key: %w", ErrBadKey, err)
	}
	want := fmt.Sprintf("%s+%08x+%s", v.Name(), v.KeyHash(), base64.StdEncoding.EncodeToString(raw))
	if raw[0] == algorithmEd25519 {
		if want, err = note.NewEd25519VerifierKey(v.Name(), raw[1:]); err != nil {
			return nil, fmt.Errorf("%w: witness key: %w", ErrBadKey, err)
		}
	}
	if want != vkey {
		return nil, fmt.Errorf("%w: witness key: not in its canonical form", ErrBadKey)
	}
	return &WitnessKey{v, raw[1:]}, nil
}

// NewWitnessKey gives the keys of a witness of this name from its Ed25519 key: skey
// is secret, for transparency-dev's cosigner; vkey is what is pinned. Both say that
// they are for cosignatures, so that nothing signs a log's checkpoint with them.
func NewWitnessKey(name string, key ed25519.PrivateKey) (skey, vkey string, err error) {
	if err := checkName("the witness's name", name); err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrBadKey, err)
	}
	public, err := PublicKeyOf(key)
	if err != nil {
		return "", "", err
	}
	plain, err := note.NewEd25519VerifierKey(name, public[:])
	if err != nil {
		return "", "", err
	}
	if vkey, err = witnessnote.VKeyToCosignatureV1(plain); err != nil {
		return "", "", err
	}
	hash := strings.SplitN(vkey, "+", 3)[1]
	secret := append([]byte{algorithmCosignature}, key.Seed()...)
	return "PRIVATE+KEY+" + name + "+" + hash + "+" + base64.StdEncoding.EncodeToString(secret), vkey, nil
}

// LogPublicKey gives the bytes of a log's key, after checking it.
func LogPublicKey(vkey string) (PublicKey, error) {
	if _, err := newVerifier(vkey); err != nil {
		return PublicKey{}, err
	}
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(vkey, "+", 3)[2])
	if err != nil {
		return PublicKey{}, err
	}
	return PublicKey(raw[1:]), nil
}

// Cosigned tells whether a witness's cosignature on a signed checkpoint is there and
// verifies. It says nothing of the log's own signature: see [OpenCheckpoint].
func (k *WitnessKey) Cosigned(signed []byte) bool {
	_, err := note.Open(signed, note.VerifierList(k.Verifier))
	return err == nil
}

// Cosignature finds the witness's cosignature of a checkpoint among the lines that
// it answered (C2SP tlog-witness), verifies it and gives its line. Lines of other
// keys are passed over. It fails with [ErrBadSignature].
func (k *WitnessKey) Cosignature(c Checkpoint, lines []byte) (string, error) {
	n, err := note.Open(append([]byte(c.Text()+"\n"), lines...), note.VerifierList(k.Verifier))
	if err != nil {
		return "", fmt.Errorf("%w: of witness %s: %w", ErrBadSignature, k.Name(), err)
	}
	s := n.Sigs[0]
	raw, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || !isCosignature(raw) {
		return "", fmt.Errorf("%w: of witness %s: no time within 63 bits", ErrBadSignature, k.Name())
	}
	return "— " + s.Name + " " + base64.StdEncoding.EncodeToString(raw) + "\n", nil
}

// isCosignature tells whether decoded signature bytes have the form of a
// cosignature, whose time is of 63 bits.
func isCosignature(raw []byte) bool {
	const mldsa44 = 2420
	if n := len(raw) - cosignatureHead; n != ed25519.SignatureSize && n != mldsa44 {
		return false
	}
	return binary.BigEndian.Uint64(raw[4:]) <= math.MaxInt64
}

// IsCosignature tells whether a signature of a note, which nobody here can verify,
// has the form of a witness's and not that of a log's.
func IsCosignature(s note.Signature) bool {
	raw, err := base64.StdEncoding.Strict().DecodeString(s.Base64)
	return err == nil && isCosignature(raw)
}

// AddCosignatures gives a signed checkpoint with further signature lines at its end.
// A line whose key has signed already takes the old one's place. It verifies nothing.
func AddCosignatures(signed []byte, lines ...string) ([]byte, error) {
	text, old, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok {
		return nil, fmt.Errorf("%w: no blank line before the signatures", ErrBadCheckpoint)
	}
	var all []string
	at := map[string]int{}
	for _, line := range append(strings.SplitAfter(string(old), "\n"), lines...) {
		if line == "" {
			continue
		}
		id := signatureID(line)
		if i, ok := at[id]; ok {
			all[i] = line
			continue
		}
		at[id] = len(all)
		all = append(all, line)
	}
	out := append(append(bytes.Clone(text), "\n\n"...), strings.Join(all, "")...)
	_, err := ReadCheckpoint(out)
	return out, err
}

// signatureID gives a line's name and key hash.
func signatureID(line string) string {
	name, b64, _ := strings.Cut(strings.TrimPrefix(line, "— "), " ")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(b64, "\n"))
	if err != nil || len(raw) < 4 {
		return line
	}
	return name + " " + string(raw[:4])
}
