package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/canon"
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

// progressRows is how often an import reports progress and looks at its context.
const progressRows = 1000

// snapshot is what a file says.
type snapshot struct {
	rows    []parsed
	renames []renaming // in the order of the file
}

// parsed is one record of a file.
type parsed struct {
	key          treeKey
	content      []byte
	line, column int // of the key
}

// Import reads a whole snapshot of the registry and stages what it changes for
// the next commit, in place of an earlier import that was not committed. A record
// of the registry that the file lacks is deleted by that commit; one that has
// another key now, and says so in the schema's column of former keys, keeps its
// serial. Either the whole file is good and staged, or nothing has changed and the
// error, an [*ImportError], says where the file is wrong. The records are held in
// memory until they are staged. progress, which may be nil, hears of bytes and rows
// read.
func (s *Store) Import(ctx context.Context, r io.Reader, f Format, progress func(bytes int64, rows int)) (Counts, error) {
	return s.ImportIf(ctx, r, f, progress, func(Counts) error { return nil })
}

// ImportIf is [Store.Import] of a file whose changes somebody agrees to: what accept
// refuses, with its error, changes nothing.
func (s *Store) ImportIf(ctx context.Context, r io.Reader, f Format, progress func(bytes int64, rows int), accept func(Counts) error) (Counts, error) {
	if err := s.refuseDerived(); err != nil {
		return Counts{}, err
	}
	file, err := s.parse(ctx, r, f, progress)
	if err != nil {
		return Counts{}, err
	}
	if len(file.rows) > maxRecords {
		return Counts{}, fmt.Errorf("%w: %d records", ErrFull, len(file.rows))
	}
	slices.SortFunc(file.rows, func(a, b parsed) int { return bytes.Compare(a.key[:], b.key[:]) })
	var counts Counts
	err = s.db.Update(func(tx *bbolt.Tx) error {
		if counts, err = s.stage(s.in(tx), file); err == nil {
			err = accept(counts)
		}
		return errors.Join(err, ctx.Err())
	})
	if err != nil {
		return Counts{}, err
	}
	return counts, nil
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

// parse reads all records of a file. Two with one tree key are an error.
func (s *Store) parse(ctx context.Context, r io.Reader, f Format, progress func(int64, int)) (*snapshot, error) {
	lines := newLineReader(r)
	rows, err := newRowReader(lines, f, s.fields)
	if err != nil {
		return nil, err
	}
	file := &snapshot{}
	seen := map[treeKey]int{}
	record := &Record{Values: make([]statement.Value, len(s.schema.Attributes))}
	for {
		row, err := rows.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		one, err := s.parseRow(row, record)
		if err != nil {
			return nil, err
		}
		if first, twice := seen[one.key]; twice {
			return nil, s.fields.wrong(row, 0, fmt.Errorf("the record key of line %d again", first))
		}
		seen[one.key] = one.line
		file.rows = append(file.rows, one)
		if err := s.parseFormer(row, one.key, file); err != nil {
			return nil, err
		}
		if err := tick(ctx, lines, len(file.rows), progress); err != nil {
			return nil, err
		}
	}
	if progress != nil {
		progress(lines.bytes, len(file.rows))
	}
	return file, nil
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

func (s *Store) parseRow(row []cell, record *Record) (parsed, error) {
	if err := s.fields.record(row, record); err != nil {
		return parsed{}, err
	}
	key, err := s.schema.HashKey(record.Key)
	if err != nil {
		return parsed{}, s.fields.wrong(row, 0, err)
	}
	return parsed{
		key: treeKeyOf(key), content: appendContent(nil, s.schema, record), line: row[0].line, column: row[0].column,
	}, nil
}
