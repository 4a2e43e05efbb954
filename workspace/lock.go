package workspace

import (
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/filelock"
)

// acquire takes the workspace's lock or fails with [ErrInUse] at once.
func acquire(path string) (*filelock.Lock, error) {
	l, err := filelock.Acquire(path)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, path)
	}
	return l, err
}
