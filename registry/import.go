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
}

// progressRows is how often an import reports progress and looks at its context.
const progressRows = 1000

// parsed is one record of a file.
type parsed struct {
	key     treeKey
	content []byte
	line    int
}

// Import reads a whole snapshot of the registry and stages what it changes for
// the next commit, in place of an earlier import that was not committed. A record
// of the registry that the file lacks is deleted by that commit. Either the whole
// file is good and staged, or nothing has changed and the error, an [*ImportError],
// says where the file is wrong. The records are held in memory until they are
// staged. progress, which may be nil, hears of bytes and rows read.
func (s *Store) Import(ctx context.Context, r io.Reader, f Format, progress func(bytes int64, rows int)) (Counts, error) {
	rows, err := s.parse(ctx, r, f, progress)
	if err != nil {
		return Counts{}, err
	}
	if len(rows) > maxRecords {
		return Counts{}, fmt.Errorf("%w: %d records", ErrFull, len(rows))
	}
	slices.SortFunc(rows, func(a, b parsed) int { return bytes.Compare(a.key[:], b.key[:]) })
	var counts Counts
	err = s.db.Update(func(tx *bbolt.Tx) error {
		counts, err = s.stage(tx, rows)
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
	err = s.db.View(func(tx *bbolt.Tx) error {
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
func (s *Store) parse(ctx context.Context, r io.Reader, f Format, progress func(int64, int)) ([]parsed, error) {
	lines := newLineReader(r)
	rows, err := newRowReader(lines, f, s.fields)
	if err != nil {
		return nil, err
	}
	var all []parsed
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
			return nil, s.fields.wrongKey(row, fmt.Errorf("the record key of line %d again", first))
		}
		seen[one.key] = one.line
		all = append(all, one)
		if err := tick(ctx, lines, len(all), progress); err != nil {
			return nil, err
		}
	}
	if progress != nil {
		progress(lines.bytes, len(all))
	}
	return all, nil
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
		return parsed{}, s.fields.wrongKey(row, err)
	}
	return parsed{key: treeKeyOf(key), content: appendContent(nil, s.schema, record), line: row[0].line}, nil
}

func (f *fields) wrongKey(row []cell, cause error) error {
	return &ImportError{Line: row[0].line, Column: row[0].column, Name: f.columns[0], Cause: cause}
}

// The kinds of staged changes: the first byte of a value of the staging bucket.
const (
	changeDelete = 0
	changePut    = 1
)

// stage compares the rows, in the order of their tree keys, with the latest
// epoch, and replaces what is staged.
func (s *Store) stage(tx *bbolt.Tx, rows []parsed) (Counts, error) {
	counts := Counts{Rows: len(rows)}
	if err := emptyStaging(tx); err != nil {
		return counts, err
	}
	m := &merge{
		counts:  &counts,
		staging: tx.Bucket(bucketStaging),
		records: tx.Bucket(bucketRecords).Cursor(),
	}
	m.staging.FillPercent = 1 // written once, in order
	live := tx.Bucket(bucketKeys).Cursor()
	live.First() // the sentinel
	k, v := live.Next()
	for _, row := range rows {
		for ; k != nil && bytes.Compare(k, row.key[:]) < 0; k, v = live.Next() {
			if err := m.delete(k); err != nil {
				return counts, err
			}
		}
		var position []byte
		if bytes.Equal(k, row.key[:]) {
			position = v
			k, v = live.Next()
		}
		if err := m.put(row, position); err != nil {
			return counts, err
		}
	}
	for ; k != nil; k, _ = live.Next() {
		if err := m.delete(k); err != nil {
			return counts, err
		}
	}
	return counts, putStaged(tx, counts)
}

// merge stages the differences between a file and the latest epoch.
type merge struct {
	counts  *Counts
	staging *bbolt.Bucket
	records *bbolt.Cursor
}

func (m *merge) delete(key []byte) error {
	m.counts.Deleted++
	return m.staging.Put(key, []byte{changeDelete})
}

// put stages a row; position is that of the live record of its key, if any.
func (m *merge) put(row parsed, position []byte) error {
	if position == nil {
		m.counts.Inserted++
		return m.staging.Put(row.key[:], append([]byte{changePut}, row.content...))
	}
	at, err := decodePosition(position)
	if err != nil {
		return err
	}
	old, _, found := version(m.records, recordKey(at, lastVersion))
	if !found {
		return fmt.Errorf("%w: a live key without a record", ErrCorrupt)
	}
	if bytes.Equal(old, row.content) {
		m.counts.Unchanged++
		return nil
	}
	m.counts.Updated++
	return m.staging.Put(row.key[:], append([]byte{changePut}, row.content...))
}

func emptyStaging(tx *bbolt.Tx) error {
	if err := tx.DeleteBucket(bucketStaging); err != nil {
		return err
	}
	_, err := tx.CreateBucket(bucketStaging)
	return errors.Join(err, tx.Bucket(bucketMeta).Delete(metaStaged))
}

func putStaged(tx *bbolt.Tx, counts Counts) error {
	document, err := canon.Marshal(counts)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(metaStaged, document)
}
