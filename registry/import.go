package registry

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/extsort"
	"github.com/attestry/attestry/statement"
)

// Counts says what an import changes against the last committed epoch.
type Counts struct {
	Rows      int `json:"rows"`
	Inserted  int `json:"inserted"`
	Updated   int `json:"updated"`
	Deleted   int `json:"deleted"`
	Unchanged int `json:"unchanged"`
	// Renamed is how many of the inserted records had another key before, of which
	// those that the last epoch still had are among the deleted.
	Renamed int `json:"renamed,omitempty"`
}

// guardedRecords is from how many records on a registry is not halved unasked: a smaller
// one is seen at a glance.
const guardedRecords = 10

// LooksCutOff tells whether a whole file deletes more than half of the records that the
// last epoch has. One that is there under another key is not deleted.
func (c *Counts) LooksCutOff() bool {
	had, gone := c.Deleted+c.Updated+c.Unchanged, c.Deleted-c.Renamed
	return had >= guardedRecords && 2*gone > had
}

// progressRows is how often an import reports progress and looks at its context.
const progressRows = 1000

// snapshot is what a file says.
type snapshot struct {
	sorted  *extsort.Sorter // the rows
	count   int             // of them
	changes bool            // they are what changes, not all there is
	renames []renaming      // in the order of the file
	fields  *fields
	item    []byte
}

// parsed is one record of a file.
type parsed struct {
	key          treeKey
	content      []byte // empty: the record is deleted
	line, column int    // of the key
}

func (p *parsed) deletes() bool { return len(p.content) == 0 }

// rowBytes is what stands before a row's content in an item that is sorted: key, line and
// column.
const rowBytes = len(treeKey{}) + 8 + 8

func (f *snapshot) add(row parsed) error {
	f.item = append(f.item[:0], row.key[:]...)
	f.item = binary.BigEndian.AppendUint64(f.item, uint64(row.line))
	f.item = binary.BigEndian.AppendUint64(f.item, uint64(row.column))
	return f.sorted.Add(append(f.item, row.content...))
}

// each calls fn with every row, in the order of their keys; the content is valid during
// the call.
func (f *snapshot) each(fn func(parsed) error) error {
	return f.sorted.Each(func(item []byte) error {
		line := binary.BigEndian.Uint64(item[len(treeKey{}):])
		column := binary.BigEndian.Uint64(item[len(treeKey{})+8:])
		return fn(parsed{key: treeKey(item), line: int(line), column: int(column), content: item[rowBytes:]})
	})
}

// rowAt is where a row's key stands; zero: nowhere.
type rowAt struct {
	line, column int
	deletes      bool
}

// find fills in where the rows of some keys stand. Two rows with one tree key are an error,
// which says the first one in the file that comes again.
func (f *snapshot) find(keys map[treeKey]rowAt) error {
	var before parsed
	var twice *ImportError
	first := 0 // the line of the key's first row
	err := f.each(func(row parsed) error {
		switch {
		case row.key != before.key:
			first = row.line
		case twice == nil || row.line < twice.Line:
			again := fmt.Errorf("the record key of line %d again", first)
			twice = &ImportError{Line: row.line, Column: row.column, Name: f.fields.columns[0], Cause: again}
		}
		before = row
		if _, wanted := keys[row.key]; wanted {
			keys[row.key] = rowAt{row.line, row.column, row.deletes()}
		}
		return nil
	})
	if err == nil && twice != nil {
		return twice
	}
	return err
}

func (f *snapshot) close() error { return f.sorted.Close() }

// Import reads a whole snapshot of the registry and stages what it changes for
// the next commit, in place of an earlier import that was not committed. A record
// of the registry that the file lacks is deleted by that commit; one that has
// another key now, and says so in the schema's column of former keys, keeps its
// serial. Either the whole file is good and staged, or nothing has changed and the
// error, an [*ImportError], says where the file is wrong. More records than fit in some
// megabytes are sorted in a file beside the store's, which nobody else can read. progress,
// which may be nil, hears of bytes and rows read.
func (s *Store) Import(ctx context.Context, r io.Reader, f Format, progress func(bytes int64, rows int)) (Counts, error) {
	return s.ImportWith(ctx, r, ImportOptions{Format: f, Progress: progress})
}

// ImportOptions are the parameters of an import.
type ImportOptions struct {
	Format Format
	// Changes takes a file that has what changes against the last committed epoch, not all
	// there is: each row says in [ChangeColumn] whether its record is put or deleted. What
	// it takes does not depend on how many records the registry has, but on how many keys
	// of it were ever renumbered.
	Changes bool
	// Replace drops an earlier import that was not committed. Changes are refused over one,
	// with [ErrStaged], where it is false; a whole file always takes its place.
	Replace bool
	// Progress, if not nil, hears of bytes and rows read.
	Progress func(bytes int64, rows int)
	// Accept, if not nil, hears what would change; what it refuses, with its error,
	// changes nothing.
	Accept func(Counts) error
}

// ImportWith is [Store.Import] with more to say.
func (s *Store) ImportWith(ctx context.Context, r io.Reader, opts ImportOptions) (Counts, error) {
	if err := s.refuseDerived(); err != nil {
		return Counts{}, err
	}
	file, err := s.parse(ctx, r, &opts)
	if err != nil {
		return Counts{}, err
	}
	counts, err := s.importFile(ctx, file, &opts)
	if err = errors.Join(err, file.close()); err != nil {
		return Counts{}, err
	}
	return counts, nil
}

// importFile stages a file in a bucket that nobody reads, and puts that in the place of the
// staging in the last transaction.
func (s *Store) importFile(ctx context.Context, file *snapshot, opts *ImportOptions) (counts Counts, err error) {
	if file.count > maxRecords {
		return counts, fmt.Errorf("%w: %d records", ErrFull, file.count)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	p := s.parts(ctx)
	err = p.run(func() error {
		if err := s.clearUnfinished(p.tx); err != nil {
			return err
		}
		if opts.Changes && !opts.Replace && p.tx.Bucket(bucketMeta).Get(metaStaged) != nil {
			return ErrStaged
		}
		if counts, err = s.stage(p, file); err != nil {
			return err
		}
		if opts.Accept != nil {
			if err := opts.Accept(counts); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.next(); err != nil { // a bucket that changes cannot move
			return err
		}
		return replaceStaging(p.tx, counts)
	})
	if err != nil && p.ended > 0 {
		err = errors.Join(err, s.db.Update(s.clearUnfinished))
	}
	return counts, err
}

// Staged gives the counts of the import that waits for a commit; ok is false where
// none does.
func (s *Store) Staged() (counts Counts, ok bool, err error) {
	err = s.read(func(tx state) error {
		document := tx.Bucket(bucketMeta).Get(metaStaged)
		if document == nil {
			return nil
		}
		ok = true
		return canon.Unmarshal(document, &counts)
	})
	return counts, ok, err
}

// parse reads all records of a file.
func (s *Store) parse(ctx context.Context, r io.Reader, opts *ImportOptions) (*snapshot, error) {
	fs := s.fields
	if opts.Changes {
		var err error
		if fs, err = fs.withChange(); err != nil {
			return nil, err
		}
	}
	lines := newLineReader(r)
	rows, err := newRowReader(lines, opts.Format, fs)
	if err != nil {
		return nil, err
	}
	file := &snapshot{sorted: extsort.New(filepath.Dir(s.db.Path()), s.limits.sort), fields: fs, changes: opts.Changes}
	if err = s.parseRows(ctx, rows, lines, file, opts.Progress); err == nil {
		return file, nil
	}
	if wrong := (*ImportError)(nil); errors.As(err, &wrong) {
		if twice := file.find(nil); twice != nil { // it came before what is wrong
			err = twice
		}
	}
	return nil, errors.Join(err, file.close())
}

func (s *Store) parseRows(ctx context.Context, rows rowReader, lines *lineReader, file *snapshot, progress func(int64, int)) error {
	record := &Record{Values: make([]statement.Value, len(s.schema.Attributes))}
	for {
		row, err := rows.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		one, err := file.fields.parse(row, record)
		if err != nil {
			return err
		}
		if err := file.add(one); err != nil {
			return err
		}
		file.count++
		if err := file.former(row, &one); err != nil {
			return err
		}
		if err := tick(ctx, lines, file.count, progress); err != nil {
			return err
		}
	}
	if progress != nil {
		progress(lines.bytes, file.count)
	}
	return nil
}

func tick(ctx context.Context, lines *lineReader, rows int, progress func(int64, int)) error {
	if rows%progressRows != 0 {
		return nil
	}
	if progress != nil {
		progress(lines.bytes, rows)
	}
	return ctx.Err()
}
