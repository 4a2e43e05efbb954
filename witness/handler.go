package witness

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
)

const (
	// AddPath is where a witness takes checkpoints, below its submission prefix.
	AddPath = "/add-checkpoint"
	// sizeType is the content type of a 409 that says what the witness last saw.
	sizeType = "text/x.tlog.size"
	// maxInFlight bounds requests in work. One takes a signature check and an fsync:
	// whoever comes beyond that is better off asking again.
	maxInFlight = 64
)

// Handler gives the witness's HTTP interface: POST /add-checkpoint. The caller's HTTP
// server sets the timeouts; see [Serve]. Each answer but a 200 is logged with its
// reason, and a checkpoint that forks a log as evidence; logger may be nil.
func (w *Witness) Handler(logger *slog.Logger) http.Handler {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	h := &handler{w, logger, make(chan struct{}, maxInFlight)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+AddPath, h.add)
	return mux
}

type handler struct {
	witness *Witness
	log     *slog.Logger
	slots   chan struct{}
}

func (h *handler) add(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, int64(MaxRequestBytes)))
	if err != nil {
		h.refuse(rw, fmt.Errorf("%w: %w", ErrMalformed, err))
		return
	}
	// A slot is for work, not for who sends slowly.
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		rw.Header().Set("Retry-After", "1")
		http.Error(rw, "too many requests at once", http.StatusServiceUnavailable)
		return
	}
	line, err := h.witness.Add(body)
	if err != nil {
		h.refuse(rw, err)
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Content-Length", strconv.Itoa(len(line)))
	_, _ = rw.Write(line) // whoever has gone asks again
}

// refuse answers with the status that C2SP tlog-witness gives to an error.
func (h *handler) refuse(rw http.ResponseWriter, err error) {
	status := statusOf(err)
	if status == http.StatusInternalServerError {
		h.log.Error("add-checkpoint", "status", status, "error", err.Error())
		http.Error(rw, "the witness cannot keep its state", status)
		return
	}
	h.log.Warn("add-checkpoint", "status", status, "reason", err.Error())
	if size, ok := errors.AsType[*SizeError](err); ok {
		rw.Header().Set("Content-Type", sizeType)
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, strconv.FormatUint(size.Size, 10)+"\n")
		return
	}
	http.Error(rw, err.Error(), status)
}

func statusOf(err error) int {
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrMalformed):
		return http.StatusBadRequest
	case errors.Is(err, ErrNotSigned):
		return http.StatusForbidden
	case errors.Is(err, ErrUnknownLog):
		return http.StatusNotFound
	case errors.As(err, new(*SizeError)), errors.Is(err, ErrFork):
		return http.StatusConflict
	case errors.Is(err, ErrBadProof):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}
