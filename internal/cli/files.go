package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

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
	ErrSameFile   = errors.New("two files of the command are the same one")
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
	o, err := e.Prepare(name, mode)
	if err != nil {
		return err
	}
	return o.Write(data)
}

// Output is where a result is going to be written, for commands whose work should
// not be done for nothing: what can keep it from being written has been tried.
type Output struct {
	env  *Env
	name string
	file *atomicfile.File // nil: standard output, or what is no regular file
}

// Prepare makes ready to write a result as [Env.WriteFile] does. It must be ended
// with [Output.Write] or [Output.Discard].
func (e *Env) Prepare(name string, mode fs.FileMode) (*Output, error) {
	o := &Output{env: e, name: name}
	if name == Dash {
		return o, nil
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		o.name = target // a link stays one
	}
	if e.guard != nil {
		if err := e.guard(followed(o.name)); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s: %w", name, ErrNotAFile)
	case err == nil && !info.Mode().IsRegular():
		o.name = name
		return o, nil
	}
	if o.file, err = atomicfile.Create(o.name, mode); err != nil {
		return nil, fmt.Errorf("%s cannot be written: %w", name, cause(err))
	}
	return o, nil
}

// followed gives the whole name of a file that is perhaps not there yet, with the
// links of its directory followed.
func followed(name string) string {
	dir, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err != nil {
		dir = filepath.Dir(name)
	}
	if whole, err := filepath.Abs(dir); err == nil {
		dir = whole
	}
	return filepath.Join(dir, filepath.Base(name))
}

// cause leaves the temporary file's name out of an error.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Write writes the result.
func (o *Output) Write(data []byte) error {
	return o.WriteFrom(func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	})
}

// WriteFrom is [Output.Write] of what a function writes, for more than memory holds.
func (o *Output) WriteFrom(write func(io.Writer) error) error {
	switch {
	case o.name == Dash:
		return write(o.env.Out)
	case o.file != nil:
		return o.file.CommitFrom(write)
	}
	f, err := os.OpenFile(o.name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// Discard gives up what was not written. It may be called after [Output.Write].
func (o *Output) Discard() {
	if o != nil && o.file != nil {
		_ = o.file.Discard() // an empty file that nobody misses
	}
}

// Remove takes back what [Output.Write] wrote, where that was a file.
func (o *Output) Remove() error {
	if o.file == nil {
		return nil
	}
	return os.Remove(o.name)
}

// Named is a file of a command line, with what it is to the command.
type Named struct{ What, File string }

// Distinct refuses to write to a file that the command reads, or to one twice.
// Files that are not named ("") are passed over.
func Distinct(inputs, outputs []Named) error {
	for i, o := range outputs {
		for _, other := range slices.Concat(inputs, outputs[:i]) {
			if sameFile(o.File, other.File) {
				return fmt.Errorf("%w: %s is named for %s and for %s", ErrSameFile, o.File, other.What, o.What)
			}
		}
	}
	return nil
}

// sameFile tells whether two names are of one file. Standard input and standard
// output are not.
func sameFile(a, b string) bool {
	if a == "" || b == "" || a == Dash || b == Dash {
		return false
	}
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && infoA.Mode().IsRegular() && os.SameFile(infoA, infoB)
}
