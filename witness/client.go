package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

const (
	// maxAnswerBytes bounds a witness's answer: a few signature lines, and room for
	// those of keys that nobody asked for.
	maxAnswerBytes = 64 << 10
	// maxTries bounds how often a proof is made anew from the size that a witness
	// names: once, and more only where others submit the same log's checkpoints.
	maxTries = 4
)

// Tree proves that a log grew. The Store of ledger/store is one.
type Tree interface {
	// Consistency gives the proof that the tree of one size is the beginning of the
	// tree of another one; from 0, the empty proof.
	Consistency(from, to uint64) (tlog.TreeProof, error)
}

// Peer is a witness as a log knows it.
type Peer struct {
	URL string // the submission prefix
	Key *ledger.WitnessKey
}

// NewPeer checks a witness's address and verifier key.
func NewPeer(address, vkey string) (*Peer, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return nil, fmt.Errorf("%w: %q is not a URL like https://witness.example", ErrConfig, address)
	}
	key, err := ledger.ParseWitnessKey(vkey)
	if err != nil {
		return nil, err
	}
	return &Peer{URL: address, Key: key}, nil
}

// Client is what witnesses are asked with. It follows no redirect: an address is
// configured, and a witness that moved is configured anew.
var Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// Submit asks the witness to cosign a signed checkpoint, and gives its cosignature's
// line, verified under the pinned key. old is the size that the witness is thought
// to have; where it has another one, the proof is made anew from that.
//
// It fails with [ErrBetrayed] where the witness has seen another history than the
// tree's, or a longer one ([*AheadError]); with [ErrRefused] where it does not cosign for
// the log; with [ErrUnreachable] for anything else. ctx bounds the time.
func (p *Peer) Submit(ctx context.Context, tree Tree, signed []byte, old uint64) (line string, err error) {
	c, err := ledger.ReadCheckpoint(signed)
	if err != nil {
		return "", err
	}
	old = min(old, c.Size)
	for range maxTries {
		proof, err := tree.Consistency(old, c.Size)
		if err != nil {
			return "", err
		}
		request := Request{OldSize: old, Proof: proof, Checkpoint: signed}
		answer, err := p.post(ctx, request.Marshal())
		if err != nil {
			return "", err
		}
		line, seen, err := p.read(answer, c, old)
		if err != nil || line != "" {
			return line, err
		}
		old = seen
	}
	return "", fmt.Errorf("%w: it names another size each time", ErrUnreachable)
}

// answer is a witness's response, read.
type answer struct {
	status int
	sized  bool // its body is a size
	body   []byte
}

func (p *Peer) post(ctx context.Context, body []byte) (*answer, error) {
	target, err := url.JoinPath(p.URL, AddPath)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	response, err := Client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if len(data) > maxAnswerBytes {
		return nil, fmt.Errorf("%w: its answer is over %d bytes", ErrUnreachable, maxAnswerBytes)
	}
	return &answer{response.StatusCode, response.Header.Get("Content-Type") == sizeType, data}, nil
}

// read gives the cosignature's line or, where the witness is at another size than
// old, that size.
func (p *Peer) read(a *answer, c ledger.Checkpoint, old uint64) (line string, seen uint64, err error) {
	switch {
	case a.status == http.StatusOK:
		if line, err = p.Key.Cosignature(c, a.body); err != nil {
			err = fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		return line, 0, err
	case a.status == http.StatusConflict && a.sized:
		if seen, err = parseSize(a.body); err != nil {
			return "", 0, err
		}
		if seen > c.Size {
			return "", 0, &AheadError{Seen: seen, Have: c.Size}
		}
		if seen == old && seen == c.Size {
			return "", 0, fmt.Errorf("%w: another tree of %d entries", ErrBetrayed, seen)
		}
		return "", seen, nil
	case a.status == http.StatusConflict && old == c.Size:
		return "", 0, fmt.Errorf("%w: another tree of %d entries", ErrBetrayed, c.Size)
	case a.status == http.StatusUnprocessableEntity:
		return "", 0, fmt.Errorf("%w: its first %d entries are not those here", ErrBetrayed, old)
	case a.status == http.StatusNotFound, a.status == http.StatusForbidden:
		return "", 0, fmt.Errorf("%w: it answers %d: %s", ErrRefused, a.status, a.reason())
	}
	return "", 0, fmt.Errorf("%w: it answers %d: %s", ErrUnreachable, a.status, a.reason())
}

// parseSize reads exactly what C2SP has a 409 say.
func parseSize(body []byte) (uint64, error) {
	text, ok := strings.CutSuffix(string(body), "\n")
	size, err := strconv.ParseUint(text, 10, 64)
	if !ok || err != nil || strconv.FormatUint(size, 10) != text {
		return 0, fmt.Errorf("%w: it names no size", ErrUnreachable)
	}
	return size, nil
}

// reason gives the first line of what the witness says, cut short.
func (a *answer) reason() string {
	line, _, _ := strings.Cut(string(a.body), "\n")
	return line[:min(len(line), 200)]
}
