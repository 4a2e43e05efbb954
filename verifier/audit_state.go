package verifier

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// AuditStateFormat is the first line of every saved audit, and the tag of its signature.
const AuditStateFormat = "attestry/audit-state/v1"

// maxStateHeader bounds the second line: the checkpoint and at most seven levels of
// 255 hashes, in base64.
const maxStateHeader = 256 << 10

// stateHeader is the second line of a saved audit, in canonical JSON.
type stateHeader struct {
	Checkpoint []byte           `json:"checkpoint"` // signed
	Edge       [][]tlog.Hash    `json:"edge"`       // of each level of tiles from 0 on
	Epochs     canon.Uint64     `json:"epochs"`
	Proofs     canon.Uint64     `json:"proofs"`
	Key        ledger.PublicKey `json:"key"`   // the auditor's
	Rules      int              `json:"rules"` // ledger.StateVersion
	Tables     []ledger.Table   `json:"tables"`
	Trust      statement.Digest `json:"trust"` // hash of the trust file
}

// Save writes the audited log so that [OpenAuditedLog] can read it, signed with the
// auditor's key. Its memory does not grow with the log, and the file has some hundred
// bytes for each proof.
func (l *AuditedLog) Save(w io.Writer, key ed25519.PrivateKey) error {
	public, err := ledger.PublicKeyOf(key)
	if err != nil {
		return err
	}
	header, err := canon.Marshal(stateHeader{
		Checkpoint: l.signed, Edge: append([][]tlog.Hash{}, l.edge...), Epochs: canon.Uint64(l.epochs), Proofs: canon.Uint64(l.proofs),
		Key: public, Rules: ledger.StateVersion, Tables: ledger.Tables(), Trust: l.trust,
	})
	if err != nil {
		return err
	}
	hash := sha256.New()
	out := io.MultiWriter(w, hash)
	if _, err := fmt.Fprintf(out, "%s\n%s\n", AuditStateFormat, header); err != nil {
		return err
	}
	if err := l.state.WriteRows(out); err != nil {
		return err
	}
	message, err := stateMessage(hash.Sum(nil))
	if err != nil {
		return err
	}
	_, err = w.Write(ed25519.Sign(key, message))
	return err
}

// stateMessage is what the auditor signs: the hash of all that comes before.
func stateMessage(hash []byte) ([]byte, error) {
	return ledger.SigningBytes(AuditStateFormat, struct {
		Hash statement.Digest `json:"sha256"`
	}{statement.Digest(hash)})
}

// OpenAuditedLog reads what [AuditedLog.Save] wrote with a key, under the trust file
// that the log was audited under. It refuses anything else with [ErrBadState]: a file
// that was changed or cut short, one of another key, of another trust file (audit the
// log anew under that), or of a program with other rules. It reads the file once and
// keeps it open: the file may be replaced meanwhile, but not written to. temporary is
// the directory of temporary files, "" the system's.
func OpenAuditedLog(path string, key ledger.PublicKey, t *Trust, temporary string) (*AuditedLog, error) {
	v, err := New(t)
	if err != nil {
		return nil, err
	}
	trust, err := v.pins.digest()
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	l, err := openState(file, key, trust, temporary)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadState, path, err)
	}
	return l, nil
}

var errStateDamaged = errors.New("it was changed or cut short: audit the log anew")

// openState closes the file where it fails.
func openState(file *os.File, key ledger.PublicKey, trust statement.Digest, temporary string) (*AuditedLog, error) {
	fail := func(err error) (*AuditedLog, error) { return nil, errors.Join(err, file.Close()) }
	info, err := file.Stat()
	if err != nil {
		return fail(err)
	}
	end := info.Size() - ed25519.SignatureSize
	first, header, err := readStateLines(file, end)
	if err != nil {
		return fail(err)
	}
	hash := sha256.New()
	_, _ = hash.Write(first)
	l, err := header.check(key, trust)
	if err != nil {
		return fail(err)
	}
	l.state, err = ledger.OpenSpillState(temporary, file, int64(len(first)), end, hash)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", errStateDamaged, err)
	}
	l.view = ledger.View{State: l.state}
	if err := checkStateSignature(file, end, key, hash.Sum(nil)); err != nil {
		return nil, errors.Join(err, l.state.Close())
	}
	return l, nil
}

func checkStateSignature(file *os.File, at int64, key ledger.PublicKey, hash []byte) error {
	signature := make([]byte, ed25519.SignatureSize)
	if _, err := file.ReadAt(signature, at); err != nil {
		return err
	}
	message, err := stateMessage(hash)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key[:], message, signature) {
		return errStateDamaged
	}
	return nil
}

// readStateLines reads the format and the header, and gives their bytes too.
func readStateLines(r io.Reader, limit int64) (lines []byte, h *stateHeader, err error) {
	in := bufio.NewReader(io.LimitReader(r, max(min(limit, maxStateHeader), 0)))
	format, err := in.ReadBytes('\n')
	if err != nil || string(format) != AuditStateFormat+"\n" {
		return nil, nil, fmt.Errorf("it does not begin with %q: not a saved audit, or one of another version", AuditStateFormat)
	}
	header, err := in.ReadBytes('\n')
	if err != nil {
		return nil, nil, errStateDamaged
	}
	h = &stateHeader{}
	if err := canon.Unmarshal(header[:len(header)-1], h); err != nil {
		return nil, nil, fmt.Errorf("%w (%w)", errStateDamaged, err)
	}
	canonical, err := canon.Marshal(h)
	if err != nil || !bytes.Equal(append(canonical, '\n'), header) {
		return nil, nil, errStateDamaged
	}
	return append(format, header...), h, nil
}

// check holds a header to what it is to be used with.
func (h *stateHeader) check(key ledger.PublicKey, trust statement.Digest) (*AuditedLog, error) {
	switch {
	case h.Key != key:
		return nil, fmt.Errorf("it is signed by the key %s, and yours is %s", h.Key, key)
	case h.Rules != ledger.StateVersion || !slices.Equal(h.Tables, ledger.Tables()):
		return nil, errors.New("it is of a program with other rules: audit the log anew")
	case h.Trust != trust:
		return nil, errors.New("the log was audited under another trust file: audit it anew under this one")
	}
	c, err := ledger.ReadCheckpoint(h.Checkpoint)
	if err != nil || !fitsEdge(c, h.Edge) {
		return nil, errStateDamaged
	}
	return &AuditedLog{
		signed: h.Checkpoint, checkpoint: c, edge: h.Edge, trust: h.Trust,
		proofs: uint64(h.Proofs), epochs: uint64(h.Epochs),
	}, nil
}

// continues tells whether an audit of a log under a trust file can continue this one.
func (l *AuditedLog) continues(origin string, trust statement.Digest) error {
	switch {
	case l.checkpoint.Origin != origin:
		return fmt.Errorf("%w: it is of log %s, and the export of log %s", ErrBadState, l.checkpoint.Origin, origin)
	case l.trust != trust:
		return fmt.Errorf("%w: the log was audited under another trust file", ErrBadState)
	}
	return nil
}

// digest gives the hash of the trust file, of whose text the fingerprint is the start.
func (p *pins) digest() (statement.Digest, error) {
	d, err := statement.HashJSON(TrustFormat, p.trust.full())
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrBadTrust, err)
	}
	return d, err
}
