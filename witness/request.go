package witness

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
)

const (
	// maxProofLines is C2SP's limit.
	maxProofLines = 63
	// MaxRequestBytes bounds a request: the old size, the most lines of proof, the
	// longest checkpoint.
	MaxRequestBytes = len("old \n\n") + 20 + maxProofLines*45 + ledger.MaxCheckpointBytes
)

// Request is the body of add-checkpoint (C2SP tlog-witness): a checkpoint that the
// log wants cosigned, and the proof that it grew from the one of OldSize entries.
type Request struct {
	OldSize    uint64
	Proof      tlog.TreeProof
	Checkpoint []byte // signed
}

// Marshal gives the request's text.
func (r *Request) Marshal() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "old %d\n", r.OldSize)
	for _, h := range r.Proof {
		out.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	out.WriteByte('\n')
	out.Write(r.Checkpoint)
	return out.Bytes()
}

// ParseRequest reads exactly what [Request.Marshal] writes of a well-formed
// checkpoint, and gives that as read. No signature and no proof is verified. It fails
// with [ErrMalformed].
func ParseRequest(body []byte) (*Request, ledger.Checkpoint, error) {
	r, err := parseRequest(body)
	if err != nil {
		return nil, ledger.Checkpoint{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	c, err := ledger.ReadCheckpoint(r.Checkpoint)
	if err != nil {
		return nil, c, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if r.OldSize > c.Size {
		return nil, c, fmt.Errorf("%w: the old size %d is above the checkpoint's %d", ErrMalformed, r.OldSize, c.Size)
	}
	return r, c, nil
}

func parseRequest(body []byte) (*Request, error) {
	if len(body) > MaxRequestBytes {
		return nil, fmt.Errorf("%d bytes, over the limit of %d", len(body), MaxRequestBytes)
	}
	head, checkpoint, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok {
		return nil, fmt.Errorf("no empty line before the checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseUint(size, 10, 64)
	if !ok || err != nil || strconv.FormatUint(old, 10) != size {
		return nil, fmt.Errorf("the first line is not like: old 123")
	}
	if len(lines)-1 > maxProofLines {
		return nil, fmt.Errorf("%d lines of proof, over the limit of %d", len(lines)-1, maxProofLines)
	}
	r := &Request{OldSize: old, Checkpoint: checkpoint}
	for _, line := range lines[1:] {
		var h tlog.Hash
		if err := canon.DecodeBase64(h[:], []byte(line)); err != nil {
			return nil, fmt.Errorf("a line of proof is not the base64 of %d bytes", len(h))
		}
		r.Proof = append(r.Proof, h)
	}
	return r, nil
}
