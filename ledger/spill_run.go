package ledger

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"strings"
)

// row is a row of any table; its value is nil where the row is deleted.
type row struct {
	key   string
	value []byte
}

const (
	rowHeader = 2 + 4 // the lengths of the key and of the value
	// deleted is the length of the value of a row that older runs may have and that
	// is no more.
	deleted = math.MaxUint32
	// maxRowBytes bounds a row that is read; the rules write far smaller ones.
	maxRowBytes = 1 << 20
	// minStride is the least distance of a run's marks: what a lookup reads.
	minStride = 4 << 10
	// maxMarks is how many marks a run has at most, so that they take a few megabytes
	// of memory however long the run.
	maxMarks = 1 << 14
)

// run is a sorted sequence of rows in a file.
type run struct {
	file    *os.File
	remove  string // the file's name, if it is still to be removed
	at, end int64
	marks   []mark
	stride  int64 // the least distance between two marks
}

// mark is a row's key with its offset.
type mark struct {
	key    string
	offset int64
}

func (r *run) size() int64 { return r.end - r.at }

func (r *run) close() error {
	err := r.file.Close()
	if r.remove != "" {
		err = errors.Join(err, os.Remove(r.remove))
	}
	return err
}

// note makes a mark of every row that is far enough from the mark before it. Where
// that makes too many, every second one goes.
func (r *run) note(key string, offset int64) {
	if n := len(r.marks); n > 0 && offset-r.marks[n-1].offset < r.stride {
		return
	}
	r.marks = append(r.marks, mark{strings.Clone(key), offset})
	if len(r.marks) <= maxMarks {
		return
	}
	r.stride *= 2
	for i := range (len(r.marks) + 1) / 2 {
		r.marks[i] = r.marks[2*i]
	}
	r.marks = r.marks[:(len(r.marks)+1)/2]
}

// block gives the offsets between which a key's row must be, if it is there.
func (r *run) block(key string) (from, to int64) {
	n := sort.Search(len(r.marks), func(i int) bool { return r.marks[i].key > key })
	from, to = r.at, r.end
	if n > 0 {
		from = r.marks[n-1].offset
	}
	if n < len(r.marks) {
		to = r.marks[n].offset
	}
	return from, to
}

func (r *run) get(key string) (row, bool, error) {
	from, to := r.block(key)
	data := make([]byte, to-from)
	if _, err := r.file.ReadAt(data, from); err != nil {
		return row{}, false, err
	}
	for len(data) > 0 {
		keyLen, valueLen, isDeleted := rowLengths(data)
		if len(data) < rowHeader+keyLen+valueLen {
			return row{}, false, io.ErrUnexpectedEOF
		}
		found := string(data[rowHeader : rowHeader+keyLen])
		if found > key {
			break
		}
		if found == key && isDeleted {
			return row{key, nil}, true, nil
		}
		if found == key {
			return row{key, append([]byte{}, data[rowHeader+keyLen:rowHeader+keyLen+valueLen]...)}, true, nil
		}
		data = data[rowHeader+keyLen+valueLen:]
	}
	return row{}, false, nil
}

// rowLengths reads a row's header, which all rows of a run have whole.
func rowLengths(header []byte) (key, value int, isDeleted bool) {
	key = int(binary.BigEndian.Uint16(header))
	n := binary.BigEndian.Uint32(header[2:])
	if n == deleted {
		return key, 0, true
	}
	return key, int(n), false
}

// cursor gives one row after the other, and then io.EOF.
type cursor func() (row, error)

// cursor gives the run's rows from a key on.
func (r *run) cursor(from string) cursor {
	at, _ := r.block(from)
	next := readRows(bufio.NewReaderSize(io.NewSectionReader(r.file, at, r.end-at), 64<<10))
	return func() (row, error) {
		for {
			if row, err := next(); err != nil || row.key >= from {
				return row, err
			}
		}
	}
}

// readRows reads rows until the reader's end.
func readRows(in io.Reader) cursor {
	return func() (row, error) {
		var header [rowHeader]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return row{}, err
		}
		keyLen, valueLen, isDeleted := rowLengths(header[:])
		if valueLen > maxRowBytes {
			return row{}, fmt.Errorf("%w: a row of %d bytes", ErrMalformed, valueLen)
		}
		data := make([]byte, keyLen+valueLen)
		if _, err := io.ReadFull(in, data); err != nil {
			return row{}, io.ErrUnexpectedEOF
		}
		out := row{key: string(data[:keyLen])}
		if !isDeleted {
			out.value = data[keyLen:]
		}
		return out, nil
	}
}

// merge gives the rows of several cursors in order. Of rows of one key, the one of the
// last cursor counts.
func merge(cursors []cursor, yield func(row) error) error {
	heads, live := make([]row, len(cursors)), make([]bool, len(cursors))
	advance := func(i int) (err error) {
		heads[i], err = cursors[i]()
		if live[i] = err == nil; err == io.EOF {
			return nil
		}
		return err
	}
	for i := range cursors {
		if err := advance(i); err != nil {
			return err
		}
	}
	for {
		least := -1
		for i := range cursors {
			if live[i] && (least < 0 || heads[i].key <= heads[least].key) {
				least = i
			}
		}
		if least < 0 {
			return nil
		}
		next := heads[least]
		for i := range cursors {
			if live[i] && heads[i].key == next.key {
				if err := advance(i); err != nil {
					return err
				}
			}
		}
		if err := yield(next); err != nil {
			return err
		}
	}
}

// rowWriter writes rows, and marks them in a run.
type rowWriter struct {
	out *bufio.Writer
	run *run
}

func newRowWriter(w io.Writer, r *run) *rowWriter {
	return &rowWriter{bufio.NewWriterSize(w, 64<<10), r}
}

func (w *rowWriter) write(r row) error {
	if len(r.key) > math.MaxUint16 || len(r.value) > maxRowBytes {
		return fmt.Errorf("%w: a row of %d and %d bytes", ErrMalformed, len(r.key), len(r.value))
	}
	w.run.note(r.key, w.run.end)
	length := uint32(deleted)
	if r.value != nil {
		length = uint32(len(r.value))
	}
	header := binary.BigEndian.AppendUint16(make([]byte, 0, rowHeader), uint16(len(r.key)))
	header = binary.BigEndian.AppendUint32(header, length)
	w.run.end += int64(rowHeader + len(r.key) + len(r.value))
	_, err := w.out.Write(header) // its errors stay
	_, _ = w.out.WriteString(r.key)
	_, _ = w.out.Write(r.value)
	return err
}

// openRun reads the rows that are in a file between two offsets, and into tee.
func openRun(file *os.File, at, end int64, tee io.Writer) (*run, error) {
	r := &run{file: file, at: at, end: at, stride: minStride}
	in := bufio.NewReaderSize(io.NewSectionReader(file, at, end-at), 64<<10)
	next := readRows(io.TeeReader(in, tee))
	before := ""
	for {
		row, err := next()
		if err == io.EOF {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		if row.value == nil || row.key <= before {
			return nil, fmt.Errorf("%w: rows out of order", ErrMalformed)
		}
		before = row.key
		r.note(row.key, r.end)
		r.end += int64(rowHeader + len(row.key) + len(row.value))
	}
}
