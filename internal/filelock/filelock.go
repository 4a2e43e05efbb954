// Package filelock keeps a directory for one process at a time.
package filelock

import (
	"errors"
	"os"
	"syscall"
)

// ErrHeld says that another process holds the lock.
var ErrHeld = errors.New("used by another process")

// Lock is an advisory lock on a file, which ends with the process that holds it.
type Lock struct{ file *os.File }

// Acquire takes the lock on a file, which it makes, or fails with [ErrHeld] at once.
func Acquire(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(ErrHeld, f.Close())
	}
	return &Lock{f}, nil
}

// Release gives the lock up.
func (l *Lock) Release() error { return l.file.Close() }
