package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	// MaxCheckpointBytes bounds a signed checkpoint: room for the log's signature
	// and for a hundred cosignatures, the most that a note may carry.
	MaxCheckpointBytes = 64 << 10
	// MaxSize is the largest log: beyond it the arithmetic of tile and proof
	// indexes, which is done in 64 signed bits, would no longer be safe.
	MaxSize = 1 << 48
)

// Checkpoint is a log's state: so many entries under this root (C2SP
// tlog-checkpoint, without extension lines).
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   tlog.Hash
}

// NewLogKey makes a log's Ed25519 key pair in signed-note form; the key's name is
// the log's origin. skey ("PRIVATE+KEY+…") is secret, vkey ("origin+hash+key") is
// what trust files pin.
func NewLogKey(origin string) (skey, vkey string, err error) {
	if err := CheckOrigin(origin); err != nil {
		return "", "", err
	}
	return note.GenerateKey(rand.Reader, origin)
}

// CheckOrigin tells whether a text can be a log's origin: printable, without white
// space or '+', of at most [MaxNameBytes]. C2SP advises a schema-less URL.
func CheckOrigin(origin string) error {
	if err := checkName("the origin", origin); err != nil {
		return fmt.Errorf("%w: %w", ErrBadKey, err)
	}
	return nil
}

// LogKeyOrigin gives the origin that a verifier key is for, after checking the key.
func LogKeyOrigin(vkey string) (string, error) {
	verifier, err := newVerifier(vkey)
	if err != nil {
		return "", err
	}
	return verifier.Name(), nil
}

// newVerifier reads a verifier key in its one spelling: note.NewVerifier takes
// upper-case hashes and loose base64, too.
func newVerifier(vkey string) (note.Verifier, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("%w: log key: %w", ErrBadKey, err)
	}
	if err := CheckOrigin(verifier.Name()); err != nil {
		return nil, err
	}
	// The third part is base64, in which a '+' may stand for itself.
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(vkey, "+", 3)[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: log key: not an Ed25519 key", ErrBadKey)
	}
	want, err := note.NewEd25519VerifierKey(verifier.Name(), raw[1:])
	if err != nil || want != vkey {
		return nil, fmt.Errorf("%w: log key: not in its canonical form", ErrBadKey)
	}
	return verifier, nil
}

// Text gives the checkpoint's unsigned text: origin, size and root, a line each.
func (c Checkpoint) Text() string {
	return string(log.Checkpoint{Origin: c.Origin, Size: c.Size, Hash: c.Root[:]}.Marshal())
}

// SignCheckpoint gives the signed note of a checkpoint. The signers' names must be
// the checkpoint's origin; there are several where one key of a log replaces another.
func SignCheckpoint(c Checkpoint, signers ...note.Signer) ([]byte, error) {
	if err := CheckOrigin(c.Origin); err != nil {
		return nil, err
	}
	for _, signer := range signers {
		if signer.Name() != c.Origin {
			return nil, fmt.Errorf("%w: key of %q cannot sign for origin %q", ErrBadKey, signer.Name(), c.Origin)
		}
	}
	if len(signers) == 0 {
		return nil, fmt.Errorf("%w: none to sign a checkpoint with", ErrBadKey)
	}
	if c.Size > MaxSize {
		return nil, fmt.Errorf("%w: size %d, over the limit of %d", ErrBadCheckpoint, c.Size, uint64(MaxSize))
	}
	return note.Sign(&note.Note{Text: c.Text()}, signers...)
}

// OpenCheckpoint reads a signed checkpoint that the log of this key has signed.
// Signatures by other keys may stand beside the log's and are not looked at, but
// every line must be in its one canonical form; extension lines are refused.
func OpenCheckpoint(signed []byte, vkey string) (Checkpoint, error) {
	verifier, err := newVerifier(vkey)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ReadCheckpoint(signed)
	if err != nil {
		return Checkpoint{}, err
	}
	if _, _, _, err := log.ParseCheckpoint(signed, verifier.Name(), verifier); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrBadCheckpoint, err)
	}
	return c, nil
}

// ReadCheckpoint reads a checkpoint WITHOUT verifying any signature: for what a
// log itself has stored, or where no key is known yet. Use [OpenCheckpoint] for
// whatever comes from elsewhere.
func ReadCheckpoint(signed []byte) (Checkpoint, error) {
	if len(signed) > MaxCheckpointBytes {
		return Checkpoint{}, fmt.Errorf("%w: %d bytes, over the limit of %d", ErrBadCheckpoint, len(signed), MaxCheckpointBytes)
	}
	text, signatures, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok {
		return Checkpoint{}, fmt.Errorf("%w: no blank line before the signatures", ErrBadCheckpoint)
	}
	c, err := parseCheckpointText(string(text) + "\n")
	if err != nil {
		return Checkpoint{}, err
	}
	return c, checkSignatureLines(string(signatures))
}

func parseCheckpointText(text string) (Checkpoint, error) {
	var raw log.Checkpoint
	if _, err := raw.Unmarshal([]byte(text)); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrBadCheckpoint, err)
	}
	if len(raw.Hash) != tlog.HashSize || raw.Size > MaxSize {
		return Checkpoint{}, fmt.Errorf("%w: a root of %d bytes, or a size over %d", ErrBadCheckpoint, len(raw.Hash), uint64(MaxSize))
	}
	c := Checkpoint{Origin: raw.Origin, Size: raw.Size, Root: tlog.Hash(raw.Hash)}
	if err := CheckOrigin(c.Origin); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrBadCheckpoint, err)
	}
	if c.Text() != text {
		return Checkpoint{}, fmt.Errorf("%w: more than origin, size and root, or not in their canonical form", ErrBadCheckpoint)
	}
	return c, nil
}

// checkSignatureLines holds each line to its one spelling, which note.Open does
// not: its base64 reader ignores the unused bits of the last letter.
func checkSignatureLines(lines string) error {
	rest, ended := strings.CutSuffix(lines, "\n")
	if !ended {
		return fmt.Errorf("%w: the last signature line does not end", ErrBadCheckpoint)
	}
	seen := map[string]bool{}
	for line := range strings.SplitSeq(rest, "\n") {
		name, b64, ok := strings.Cut(strings.TrimPrefix(line, "— "), " ")
		raw, err := base64.StdEncoding.Strict().DecodeString(b64)
		if err != nil || !ok || len(raw) < 5 || base64.StdEncoding.EncodeToString(raw) != b64 ||
			checkName("the signer", name) != nil || line != "— "+name+" "+b64 {
			return fmt.Errorf("%w: malformed signature line", ErrBadCheckpoint)
		}
		id := name + string(raw[:4])
		if seen[id] {
			return fmt.Errorf("%w: two signatures of one key", ErrBadCheckpoint)
		}
		seen[id] = true
	}
	return nil
}
