package boltcopy

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// bring brings a part of a file to the disk. It leaves out what fsync does besides, which
// others would wait for: the file system's journal and the disk's own cache.
func bring(f *os.File, offset, length int64) error {
	err := unix.SyncFileRange(int(f.Fd()), offset, length,
		unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ESPIPE) { // not here
		return f.Sync()
	}
	return err // which fsync would not say again
}
