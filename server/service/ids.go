package service

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// idBytes is the length of an id: nobody guesses 128 random bits.
const idBytes = 16

// secret is the server's own, from which ids are derived that a re-execution after a
// crash must find again, and which authenticates cursors.
type secret [32]byte

// mac gives the HMAC of parts, each with its length, so that no two lists of parts
// are one.
func (s secret) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, s[:])
	for _, p := range parts {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p)))) // never fails
		_, _ = h.Write([]byte(p))
	}
	return h.Sum(nil)
}

func (s secret) id(parts ...string) string { return hex.EncodeToString(s.mac(parts...)[:idBytes]) }

// operationKey is the context's key for an operation that may be done again.
type operationKey struct{}

// operation names what an idempotency key stands for.
type operation struct{ organisation, name, key string }

// newID gives a new thing its id: the same one where an operation is done again that
// a crash interrupted, else a random one.
func (s *Service) newID(ctx context.Context) string {
	if o, ok := ctx.Value(operationKey{}).(operation); ok {
		return s.secret.id("operation", o.organisation, o.name, o.key)
	}
	var id [idBytes]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the program instead
	return hex.EncodeToString(id[:])
}

const cursorMAC = 16

// textCursor names a place in a list, for whoever was given that list; the empty place
// is the end.
func (s *Service) textCursor(list, position string) string {
	if position == "" {
		return ""
	}
	mac := s.secret.mac("cursor", list, position)[:cursorMAC]
	return base64.RawURLEncoding.EncodeToString(append(mac, position...))
}

// textAt reads a cursor; the empty one is the beginning. It fails with [ErrBadCursor].
func (s *Service) textAt(list, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= cursorMAC || base64.RawURLEncoding.EncodeToString(raw) != cursor {
		return "", ErrBadCursor // the decoder passes over line ends
	}
	position := string(raw[cursorMAC:])
	if !hmac.Equal(raw[:cursorMAC], s.secret.mac("cursor", list, position)[:cursorMAC]) {
		return "", ErrBadCursor
	}
	return position, nil
}

// cursor is textCursor of a number; 0 is the end.
func (s *Service) cursor(list string, at uint64) string {
	if at == 0 {
		return ""
	}
	return s.textCursor(list, strconv.FormatUint(at, 10))
}

// at is textAt of a number; the empty cursor is 0.
func (s *Service) at(list, cursor string) (uint64, error) {
	position, err := s.textAt(list, cursor)
	if err != nil || position == "" {
		return 0, err
	}
	return strconv.ParseUint(position, 10, 64)
}
