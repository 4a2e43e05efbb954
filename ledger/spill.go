package ledger

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// SpillState is a State that does not grow in memory with its log. New rows gather in
// memory; when they are too many they go, sorted, into a temporary file (a run), and
// runs that have become many are merged, so that a lookup reads a few kilobytes of
// each of a few files. Its rows can be written to a file, and a state begun again on
// top of that file.
//
// Lookups may be made from several goroutines while nobody writes. An error of the
// disk is kept: everything after it fails with it ([SpillState.Err]).
type SpillState struct {
	dir    string            // of temporary files; "": the system's
	limit  int               // bytes of rows in memory
	recent map[string][]byte // rows of no run yet, nil where one was deleted
	bytes  int               // of recent
	runs   []*run            // the oldest first, each larger than the next
	err    error
	memo   Memo
}

// StateVersion is the version of what a state's rows say and of the rules that made
// them: a state that was kept is of no use to a program of another one.
const StateVersion = 2

const (
	// spillLimit is how many bytes of rows stay in memory.
	spillLimit = 16 << 20
	// rowOverhead is what a row in memory costs beside its bytes, roughly.
	rowOverhead = 100
)

// NewSpillState gives an empty state, whose temporary files are in a directory; "" is
// the system's directory for such files. They are gone after [SpillState.Close].
func NewSpillState(dir string) *SpillState {
	return &SpillState{dir: dir, limit: spillLimit, recent: map[string][]byte{}}
}

// OpenSpillState gives the state whose rows [SpillState.WriteRows] wrote into a file
// between two offsets. It reads them once, also into tee, and refuses what WriteRows
// would not have written, with [ErrMalformed]. The state then reads the file, which
// must not change, and closes it, also where this fails.
func OpenSpillState(dir string, file *os.File, at, end int64, tee io.Writer) (*SpillState, error) {
	r, err := openRun(file, at, end, tee)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	s := NewSpillState(dir)
	s.runs = []*run{r}
	return s, nil
}

// Memo gives what the rules remember of the state's small tables.
func (s *SpillState) Memo() *Memo { return &s.memo }

// Err gives the first error of the disk.
func (s *SpillState) Err() error { return s.err }

// spillKey is a row's key among those of all tables.
func spillKey(table Table, key []byte) string { return string(table) + "\x00" + string(key) }

// Get implements [State].
func (s *SpillState) Get(table Table, key []byte) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	full := spillKey(table, key)
	if value, ok := s.recent[full]; ok {
		return value, nil
	}
	for _, r := range slices.Backward(s.runs) {
		row, found, err := r.get(full)
		if err != nil {
			return nil, fmt.Errorf("read the log's state: %w", err)
		}
		if found {
			return row.value, nil
		}
	}
	return nil, nil
}

// Put implements [State].
func (s *SpillState) Put(table Table, key, value []byte) error {
	return s.set(spillKey(table, key), append([]byte{}, value...)) // never nil
}

// Delete implements [State].
func (s *SpillState) Delete(table Table, key []byte) error {
	return s.set(spillKey(table, key), nil)
}

func (s *SpillState) set(key string, value []byte) error {
	if s.err != nil {
		return s.err
	}
	if old, ok := s.recent[key]; ok {
		s.bytes -= len(key) + len(old) + rowOverhead
	}
	s.recent[key] = value
	if s.bytes += len(key) + len(value) + rowOverhead; s.bytes > s.limit {
		if err := s.spill(); err != nil {
			s.err = fmt.Errorf("write the log's state to a temporary file: %w", err)
		}
	}
	return s.err
}

// spill turns the rows in memory into a run, and merges it with those before it that
// are not at least twice as large: so there are few, and a row is written again only
// as often as the state doubles.
func (s *SpillState) spill() error {
	r, err := s.newRun([]cursor{s.cursorOfRecent("")}, len(s.runs) == 0)
	if err != nil {
		return err
	}
	s.runs = append(s.runs, r)
	s.recent, s.bytes = map[string][]byte{}, 0
	for n := len(s.runs); n > 1 && s.runs[n-2].size() < 2*s.runs[n-1].size(); n = len(s.runs) {
		merged, err := s.newRun([]cursor{s.runs[n-2].cursor(""), s.runs[n-1].cursor("")}, n == 2)
		if err != nil {
			return err
		}
		closing := errors.Join(s.runs[n-2].close(), s.runs[n-1].close())
		s.runs = append(s.runs[:n-2], merged)
		if closing != nil {
			return closing
		}
	}
	return nil
}

// newRun writes rows into a temporary file; deletions only where an older run may
// have the row.
func (s *SpillState) newRun(cursors []cursor, oldest bool) (*run, error) {
	file, err := os.CreateTemp(s.dir, "attestry-state-*")
	if err != nil {
		return nil, err
	}
	r := &run{file: file, stride: minStride}
	if os.Remove(file.Name()) != nil { // where a file in use cannot be removed
		r.remove = file.Name()
	}
	w := newRowWriter(file, r)
	err = merge(cursors, func(row row) error {
		if row.value == nil && oldest {
			return nil
		}
		return w.write(row)
	})
	if err = errors.Join(err, w.out.Flush()); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (s *SpillState) cursorOfRecent(from string) cursor {
	keys := slices.Sorted(maps.Keys(s.recent))
	first, _ := slices.BinarySearch(keys, from)
	keys = keys[first:]
	return func() (row, error) {
		if len(keys) == 0 {
			return row{}, io.EOF
		}
		key := keys[0]
		keys = keys[1:]
		return row{key, s.recent[key]}, nil
	}
}

// visit gives all rows from a key on, in order, until an error.
func (s *SpillState) visit(from string, yield func(row) error) error {
	if s.err != nil {
		return s.err
	}
	var cursors []cursor
	for _, r := range s.runs {
		cursors = append(cursors, r.cursor(from))
	}
	return merge(append(cursors, s.cursorOfRecent(from)), func(row row) error {
		if row.value == nil {
			return nil
		}
		return yield(row)
	})
}

// errEnough ends a visit.
var errEnough = errors.New("enough")

// Rows gives a table's rows in the byte order of their keys, until yield's error,
// which it passes on.
func (s *SpillState) Rows(table Table, yield func(key, value []byte) error) error {
	prefix := spillKey(table, nil)
	err := s.visit(prefix, func(row row) error {
		key, ok := strings.CutPrefix(row.key, prefix)
		if !ok {
			return errEnough
		}
		return yield([]byte(key), row.value)
	})
	if err == errEnough {
		return nil
	}
	return err
}

// WriteRows writes all rows: each its key's and value's lengths (2 and 4 bytes, the
// most significant first), its key (table, 0, key in the table) and its value, in the
// byte order of the keys.
func (s *SpillState) WriteRows(w io.Writer) error {
	out := newRowWriter(w, &run{stride: minStride})
	if err := s.visit("", out.write); err != nil {
		return err
	}
	return out.out.Flush()
}

// Close removes the temporary files. The state can no longer be used.
func (s *SpillState) Close() error {
	var errs []error
	for _, r := range s.runs {
		errs = append(errs, r.close())
	}
	s.runs, s.recent, s.err = nil, nil, os.ErrClosed
	return errors.Join(errs...)
}
