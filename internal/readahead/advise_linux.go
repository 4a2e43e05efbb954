package readahead

import (
	"os"

	"golang.org/x/sys/unix"
)

// open opens a file for reads that do not go on to what follows; nil where it can't be.
func open(path string) *os.File {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	_ = unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_RANDOM)
	return file
}

// ask has a part of a file read, and does not wait for it.
func ask(file *os.File, offset, length int64) {
	_ = unix.Fadvise(int(file.Fd()), offset, length, unix.FADV_WILLNEED)
}
