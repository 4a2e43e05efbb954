package registry

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Format is the format of a file of records.
type Format int

// The formats.
const (
	CSV    Format = iota // RFC 4180 with a header row
	NDJSON               // one JSON object a line
)

// FormatOf gives the format of a file by its name's ending: .csv, .ndjson or .jsonl.
func FormatOf(filename string) (Format, error) {
	switch strings.ToLower(filepath.Ext(filename)) {
	case ".csv":
		return CSV, nil
	case ".ndjson", ".jsonl":
		return NDJSON, nil
	}
	return 0, fmt.Errorf("%w: name the file .csv, .ndjson or .jsonl", ErrUnknownFormat)
}

// maxRowBytes bounds one row of a file, and so each of its lines: a file without
// line ends, or with a quote that is never closed, is refused before it fills the
// memory.
const maxRowBytes = 1 << 20

// ImportError says where a file is wrong. It wraps [ErrBadImport] and the cause,
// and holds nothing that the file says.
type ImportError struct {
	Line   int    // physical line, from 1
	Column int    // byte in that line, from 1
	Name   string // source column of the schema, where one is concerned
	Cause  error
}

// Error implements error.
func (e *ImportError) Error() string {
	name := ""
	if e.Name != "" {
		name = " (" + e.Name + ")"
	}
	return fmt.Sprintf("%v: line %d, column %d%s: %v", ErrBadImport, e.Line, e.Column, name, e.Cause)
}

// Unwrap implements the contract of errors.Is and errors.As.
func (e *ImportError) Unwrap() []error { return []error{ErrBadImport, e.Cause} }

// cell is one value of a row and where it stands.
type cell struct {
	text         string
	line, column int
}

// rowReader gives the rows of a file: the cells of the schema's fields, in their
// order. The slice is valid until the next call. It ends with io.EOF.
type rowReader interface {
	next() ([]cell, error)
}

// newRowReader starts reading a file. The header of a CSV is read here.
func newRowReader(lines *lineReader, f Format, fs *fields) (rowReader, error) {
	switch f {
	case CSV:
		return newCSVReader(lines, fs)
	case NDJSON:
		return newNDJSONReader(lines, fs), nil
	}
	return nil, fmt.Errorf("%w: %d", ErrUnknownFormat, int(f))
}

// lineReader gives a file's physical lines, each UTF-8 and of bounded length,
// without a byte-order mark. As an io.Reader it never reads past the line that is
// being read, so that what it counts is what its reader has seen.
type lineReader struct {
	in     *bufio.Reader
	number int    // of the last line given
	bytes  int64  // read in all
	row    int    // bytes since startRow
	first  int    // the row's first line
	rest   []byte // of the last line, not yet given to Read
	buffer []byte
	err    error // sticky
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(r, 1<<16), first: 1}
}

// startRow says that the next line starts a row.
func (l *lineReader) startRow() { l.row, l.first = 0, l.number+1 }

// line gives the next line with its end; it is valid until the next call.
func (l *lineReader) line() ([]byte, error) {
	if l.err != nil {
		return nil, l.err
	}
	l.buffer = l.buffer[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		l.buffer = append(l.buffer, part...)
		l.row += len(part)
		l.bytes += int64(len(part))
		switch {
		case l.row > maxRowBytes:
			l.err = l.tooLong()
		case err == nil:
			return l.checked()
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF && len(l.buffer) > 0:
			l.err = io.EOF // after this line
			return l.checked()
		default:
			l.err = err
		}
		return nil, l.err
	}
}

func (l *lineReader) tooLong() error {
	hint := ""
	if l.number >= l.first {
		hint = " (is a quote not closed?)"
	}
	return &ImportError{Line: l.first, Column: 1, Cause: fmt.Errorf("a row of over %d bytes%s", maxRowBytes, hint)}
}

// checked takes in the line of the buffer.
func (l *lineReader) checked() ([]byte, error) {
	l.number++
	line := l.buffer
	if l.number == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	if !utf8.Valid(line) {
		l.err = &ImportError{Line: l.number, Column: validPrefix(line) + 1, Cause: errNotUTF8}
		return nil, l.err
	}
	return line, nil
}

// validPrefix gives how many bytes come before the first that is not UTF-8.
func validPrefix(b []byte) int {
	n := 0
	for n < len(b) {
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}

// Read implements io.Reader, one line at a time.
func (l *lineReader) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		line, err := l.line()
		if err != nil {
			return 0, err
		}
		l.rest = line
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// What is wrong with files; none of these has a value in it.
var (
	errNotUTF8     = errors.New("a byte that is not UTF-8")
	errEmptyFile   = errors.New("the file is empty")
	errNoColumn    = errors.New("a column that the schema names is missing")
	errColumnTwice = errors.New("a column name that stands twice")
	errEmptyKey    = errors.New("an empty record key")
	errHolder      = errors.New("not a holder tag: the base64 of 32 bytes, below the field's order")
	errLongText    = errors.New("a text that is too long in its canonical form")
	errNotObject   = errors.New("not one JSON object on one line")
	errNested      = errors.New("a value that is an object or an array")
	errMemberTwice = errors.New("a member that stands twice")
	errBadString   = errors.New("a string with an unpaired surrogate")
)
