// Package atomicfile writes files that are there whole or not at all.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Write puts data into a file of this name and mode, replacing one that is there.
// The data goes to a temporary file beside it, is fsynced and renamed, and the
// directory is fsynced: after a crash the name holds the old content or the new.
func Write(name string, data []byte, mode os.FileMode) error {
	f, err := Create(name, mode)
	if err != nil {
		return err
	}
	return f.Commit(data)
}

// File is a file that is going to be written: the temporary file is there, so that
// its directory is known to take it. It ends with [File.Commit] or [File.Discard].
type File struct {
	name      string
	temporary *os.File
}

// Create makes the temporary file of this mode beside name.
func Create(name string, mode os.FileMode) (*File, error) {
	t, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".partial-*")
	if err != nil {
		return nil, err
	}
	f := &File{name, t}
	if err := t.Chmod(mode); err != nil {
		return nil, errors.Join(err, f.Discard())
	}
	return f, nil
}

// Commit writes the data as [Write] does. Where it fails, the temporary file is gone
// and the name holds what it held.
func (f *File) Commit(data []byte) error {
	return f.CommitFrom(func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// CommitFrom is [File.Commit] of what a function writes, for more than memory holds.
func (f *File) CommitFrom(write func(w io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", f.name, err), f.Discard())
		}
	}()
	if err := write(f.temporary); err != nil {
		return err
	}
	if err := errors.Join(f.temporary.Sync(), f.temporary.Close()); err != nil {
		return err
	}
	path := f.temporary.Name()
	f.temporary = nil
	if err := os.Rename(path, f.name); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return SyncDir(filepath.Dir(f.name))
}

// Discard removes the temporary file. After [File.Commit] it does nothing.
func (f *File) Discard() error {
	if f.temporary == nil {
		return nil
	}
	_ = f.temporary.Close() // nothing of it is kept
	path := f.temporary.Name()
	f.temporary = nil
	return os.Remove(path)
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
