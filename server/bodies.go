package server

import (
	"errors"
	"io"

	"golang.org/x/sync/semaphore"
)

// bodies bounds the memory that the bodies of all requests in progress take. A body
// takes room as it arrives, so that announcing a large one costs nobody anything.
type bodies struct{ room *semaphore.Weighted }

func newBodies(bytes int64) bodies { return bodies{semaphore.NewWeighted(bytes)} }

// errBodiesFull: there is no room for another body, or for more of one.
var errBodiesFull = errors.New("the bodies of requests in progress take all the room")

// held is the room that one body has.
type held struct{ bytes int64 }

// firstPiece is read without taking room: each connection has buffers of that size anyway.
const firstPiece = 4 << 10

// take makes the room that a body has so large.
func (b bodies) take(h *held, bytes int64) error {
	if !b.room.TryAcquire(bytes - h.bytes) {
		return errBodiesFull
	}
	h.bytes = bytes
	return nil
}

// release gives back what a body had.
func (b bodies) release(h *held) {
	b.room.Release(h.bytes)
	h.bytes = 0
}

// readAll reads a body whole, in pieces that double: who holds room has sent half of it.
func (b bodies) readAll(r io.Reader, h *held) ([]byte, error) {
	var body []byte
	for n, size := 0, int64(firstPiece); ; size *= 2 {
		if size > firstPiece {
			if err := b.take(h, size); err != nil {
				return nil, err
			}
		}
		body = append(make([]byte, 0, size), body[:n]...)[:size]
		for n < len(body) {
			m, err := r.Read(body[n:])
			n += m
			if err == io.EOF {
				return body[:n], nil
			}
			if err != nil {
				return nil, err
			}
		}
	}
}
