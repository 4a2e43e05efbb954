package registry

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/canon"
)

// The kinds of staged changes: the first byte of a value of the staging bucket.
const (
	changeDelete = 0
	changePut    = 1
	changeRename = 2
)

// stagedChange is an entry of the staging bucket.
type stagedChange struct {
	kind    byte
	key     treeKey
	from    treeKey // the former key, of a renaming
	content []byte  // but of a deletion
}

func (c *stagedChange) encode() []byte {
	switch c.kind {
	case changePut:
		return append([]byte{changePut}, c.content...)
	case changeRename:
		return append(append([]byte{changeRename}, c.from[:]...), c.content...)
	}
	return []byte{changeDelete}
}

// decodeChange reads an entry of the staging bucket; its content is the entry's.
func decodeChange(key, value []byte) (c stagedChange, err error) {
	if c.key, err = decodeTreeKey(key); err != nil {
		return c, err
	}
	corrupt := fmt.Errorf("%w: a staged change", ErrCorrupt)
	if len(value) == 0 {
		return c, corrupt
	}
	c.kind, c.content = value[0], value[1:]
	switch {
	case c.kind > changeRename || (c.kind == changeDelete) != (len(c.content) == 0):
		return c, corrupt
	case c.kind == changeRename:
		if len(c.content) <= len(c.from) {
			return c, corrupt
		}
		copy(c.from[:], c.content)
		c.content = c.content[len(c.from):]
	}
	return c, nil
}

// stage compares the rows, in the order of their tree keys, with the latest
// epoch, and replaces what is staged.
func (s *Store) stage(tx state, file *snapshot) (Counts, error) {
	counts := Counts{Rows: len(file.rows)}
	former, err := s.planRenames(tx, file)
	if err != nil {
		return counts, err
	}
	if err := emptyStaging(tx); err != nil {
		return counts, err
	}
	m := &merge{
		counts:  &counts,
		staging: tx.Bucket(bucketStaging),
		records: tx.Bucket(bucketRecords).Cursor(),
		former:  former,
	}
	m.staging.FillPercent = 1 // written once, in order
	live := tx.Bucket(bucketKeys).Cursor()
	live.First() // the sentinel
	k, v := live.Next()
	for _, row := range file.rows {
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
	former  map[treeKey]treeKey // the former keys of new ones
}

func (m *merge) stage(c stagedChange) error { return m.staging.Put(c.key[:], c.encode()) }

func (m *merge) delete(key []byte) error {
	m.counts.Deleted++
	gone, err := decodeTreeKey(key)
	if err != nil {
		return err
	}
	return m.stage(stagedChange{kind: changeDelete, key: gone})
}

// put stages a row; position is that of the live record of its key, if any.
func (m *merge) put(row parsed, position []byte) error {
	if position == nil {
		return m.insert(row)
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
	return m.stage(stagedChange{kind: changePut, key: row.key, content: row.content})
}

func (m *merge) insert(row parsed) error {
	m.counts.Inserted++
	change := stagedChange{kind: changePut, key: row.key, content: row.content}
	if from, ok := m.former[row.key]; ok {
		m.counts.Renamed++
		change.kind, change.from = changeRename, from
	}
	return m.stage(change)
}

func emptyStaging(tx state) error {
	if err := tx.DeleteBucket(bucketStaging); err != nil {
		return err
	}
	_, err := tx.CreateBucket(bucketStaging)
	return errors.Join(err, tx.Bucket(bucketMeta).Delete(metaStaged))
}

func putStaged(tx state, counts Counts) error {
	document, err := canon.Marshal(counts)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(metaStaged, document)
}
