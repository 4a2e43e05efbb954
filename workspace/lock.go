package workspace

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock is an advisory lock on a file, which ends with the process that holds it.
type lock struct{ file *os.File }

// acquire takes the lock or fails with [ErrInUse] at once.
func acquire(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrInUse, path), f.Close())
	}
	return &lock{f}, nil
}

func (l *lock) release() error { return l.file.Close() }
