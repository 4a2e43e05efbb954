package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/server/api"
)

const (
	// revalidate lets a cache keep a copy that it asks about each time.
	revalidate = "no-cache"
	// forever is for what never changes: a tile's bytes, full or partial, are those
	// of its path.
	forever = "public, max-age=31536000, immutable"
)

// GetCheckpoint gives the log's last published checkpoint.
func (h handlers) GetCheckpoint(_ context.Context, request api.GetCheckpointRequestObject) (api.GetCheckpointResponseObject, error) {
	if h.config.Log == nil {
		return nil, noLog()
	}
	signed, err := h.config.Log.Checkpoint()
	switch {
	case errors.Is(err, store.ErrNoCheckpoint):
		return nil, newProblem(CodeNoCheckpoint, "the log's operator has yet to publish one")
	case err != nil:
		return nil, h.logFailure(err)
	}
	tag := etag(signed)
	if matches(request.Params.IfNoneMatch, tag) {
		return api.GetCheckpoint304Response{Headers: api.NotModifiedResponseHeaders{CacheControl: revalidate, ETag: tag}}, nil
	}
	return api.GetCheckpoint200TextplainCharsetUtf8Response{
		Body: bytes.NewReader(signed), ContentLength: int64(len(signed)),
		Headers: api.GetCheckpoint200ResponseHeaders{CacheControl: revalidate, ETag: tag},
	}, nil
}

// GetTile gives a tile or an entry bundle.
func (h handlers) GetTile(_ context.Context, request api.GetTileRequestObject) (api.GetTileResponseObject, error) {
	if h.config.Log == nil {
		return nil, noLog()
	}
	data, err := h.config.Log.Tile("tile/" + request.Path)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, newProblem(CodeNotFound, "the last checkpoint's tree has no such tile")
	case err != nil:
		return nil, h.logFailure(err)
	}
	return api.GetTile200ApplicationoctetStreamResponse{
		Body: bytes.NewReader(data), ContentLength: int64(len(data)),
		Headers: api.GetTile200ResponseHeaders{CacheControl: forever},
	}, nil
}

func noLog() error { return newProblem(CodeNoLog, "it was started to verify only") }

// logFailure logs why the log cannot be read. All of a log is public, its errors too.
func (s *Server) logFailure(err error) error {
	s.log.Error("read the log", "error", err.Error())
	return newProblem(CodeInternal, "the log cannot be read")
}

// etag names bytes by their hash.
func etag(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// matches compares an If-None-Match header with an entity tag, weakly (RFC 9110,
// section 13.1.2).
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}
