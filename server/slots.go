package server

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/attestry/attestry/server/tracing"
)

// slots bounds how many requests compute at once. A slot is taken after the body
// has arrived, so that a slow client holds none, and before it is decoded, so that
// memory is bounded too.
type slots chan struct{}

// take waits for a free slot, and gives false when there was none in time.
func (s slots) take(ctx context.Context, wait time.Duration) bool {
	select {
	case s <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (s slots) free() { <-s }

// inTurn makes an operation wait for a slot.
func (s *Server) inTurn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, end := tracing.Begin(c.Request().Context(), s.tracer, "wait for a turn")
		taken := s.slots.take(ctx, s.limits.queue)
		end("")
		if !taken {
			return newProblem(CodeBusy, "too many bundles are being verified at once")
		}
		defer s.slots.free()
		return s.countWaste(c, next)
	}
}
