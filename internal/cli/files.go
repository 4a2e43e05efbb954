package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/attestry/attestry/internal/atomicfile"
)

// Dash names standard input or standard output where a file is named.
const Dash = "-"

// maxDocument bounds a document that is read whole. The formats' own limits are
// lower; this one keeps an endless input from filling the memory.
const maxDocument = 16 << 20

// Errors of files.
var (
	ErrStdinTwice = errors.New("standard input is named twice")
	ErrTooLarge   = errors.New("the file is too large")
	ErrNotAFile   = errors.New("it is a directory, not a file")
)

// Open opens a file for reading, or standard input, which only one file of a
// command can be. size is -1 where it is not known.
func (e *Env) Open(name string) (r io.ReadCloser, size int64, err error) {
	if name == Dash {
		if e.stdinTaken {
			return nil, 0, ErrStdinTwice
		}
		e.stdinTaken = true
		return io.NopCloser(e.In), -1, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s: %w", name, ErrNotAFile)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if size = info.Size(); !info.Mode().IsRegular() {
		size = -1
	}
	return f, size, nil
}

// ReadFile reads a whole document from a file or from standard input.
func (e *Env) ReadFile(name string) ([]byte, error) {
	r, _, err := e.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", FileName(name), err)
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%s: %w: over %s", FileName(name), ErrTooLarge, Bytes(maxDocument))
	}
	return data, nil
}

// FileName names a file in messages.
func FileName(name string) string {
	if name == Dash {
		return "standard input"
	}
	return name
}

// WriteFile writes a result to a file that is there whole or not at all, or to
// standard output. What is not a regular file, such as a pipe, is written to as it is.
func (e *Env) WriteFile(name string, data []byte, mode fs.FileMode) error {
	if name == Dash {
		_, err := e.Out.Write(data)
		return err
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, bytes.NewReader(data))
		return errors.Join(err, f.Close())
	}
	return atomicfile.Write(name, data, mode)
}

// CheckWritable finds out beforehand what would make [Env.WriteFile] fail, for
// commands whose work should not be done for nothing.
func (e *Env) CheckWritable(name string) error {
	if name == Dash {
		return nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return fmt.Errorf("%s: %w", name, ErrNotAFile)
	}
	info, err := os.Stat(filepath.Dir(name))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", filepath.Dir(name))
	}
	return err
}
