package registry

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/canon"
)

// The kinds of staged changes: the byte after the key in a value of the staging bucket.
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
	b := make([]byte, 0, 2*len(c.key)+1+len(c.content))
	b = append(append(b, c.key[:]...), c.kind)
	if c.kind == changeRename {
		b = append(b, c.from[:]...)
	}
	return append(b, c.content...)
}

// decodeChange reads a value of the staging bucket; the change's content is the value's.
func decodeChange(value []byte) (c stagedChange, err error) {
	corrupt := fmt.Errorf("%w: a staged change", ErrCorrupt)
	if len(value) <= len(c.key) {
		return c, corrupt
	}
	copy(c.key[:], value)
	c.kind, c.content = value[len(c.key)], value[len(c.key)+1:]
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
		tx:      tx,
		records: tx.versions(bucketRecords),
		former:  former,
	}
	if err := m.run(file.rows); err != nil {
		return counts, err
	}
	return counts, putStaged(tx, counts)
}

// run merges rows with the list of live keys.
func (m *merge) run(rows []parsed) error {
	live, err := m.tx.list(bucketKeys).cursor()
	if err != nil {
		return err
	}
	if _, _, err := live.first(); err != nil { // the sentinel
		return err
	}
	at, ok, err := live.next()
	for i := range rows {
		order := 1
		for ; ok && err == nil; at, ok, err = live.next() {
			if order = bytes.Compare(at.key[:], rows[i].key[:]); order >= 0 {
				break
			}
			if err := m.delete(at.key); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if ok && order == 0 {
			err = m.compare(rows[i], at.position)
			if err == nil {
				at, ok, err = live.next()
			}
		} else {
			err = m.insert(rows[i])
		}
		if err != nil {
			return err
		}
	}
	for ; ok && err == nil; at, ok, err = live.next() {
		if err := m.delete(at.key); err != nil {
			return err
		}
	}
	return err
}

// merge stages the differences between a file and the latest epoch.
type merge struct {
	counts  *Counts
	tx      state
	records *versions
	former  map[treeKey]treeKey // the former keys of new ones
}

// putStagedChange stages a change, which is to come in the order of keys.
func (t state) putStagedChange(c stagedChange) error {
	staging := t.Bucket(bucketStaging)
	staging.FillPercent = 1 // written once, in order
	number, err := staging.NextSequence()
	if err != nil {
		return err
	}
	return t.put(bucketStaging, epochKey(number), c.encode())
}

// eachStaged calls fn with every staged change, in the order of keys.
func (t state) eachStaged(fn func(stagedChange) error) error {
	var last treeKey
	return t.Bucket(bucketStaging).ForEach(func(k, v []byte) error {
		value, err := t.open(bucketStaging, k, v)
		if err != nil {
			return err
		}
		c, err := decodeChange(value)
		if err != nil {
			return err
		}
		if bytes.Compare(c.key[:], last[:]) <= 0 {
			return fmt.Errorf("%w: staged changes out of order", ErrCorrupt)
		}
		last = c.key
		return fn(c)
	})
}

func (m *merge) delete(gone treeKey) error {
	m.counts.Deleted++
	return m.tx.putStagedChange(stagedChange{kind: changeDelete, key: gone})
}

// compare stages a row if it differs from the live record of its key, at a position.
func (m *merge) compare(row parsed, position uint32) error {
	old, _, found, err := m.records.at(recordKey(position, lastVersion))
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("%w: a live key without a record", ErrCorrupt)
	}
	if bytes.Equal(old, row.content) {
		m.counts.Unchanged++
		return nil
	}
	m.counts.Updated++
	return m.tx.putStagedChange(stagedChange{kind: changePut, key: row.key, content: row.content})
}

func (m *merge) insert(row parsed) error {
	m.counts.Inserted++
	change := stagedChange{kind: changePut, key: row.key, content: row.content}
	if from, ok := m.former[row.key]; ok {
		m.counts.Renamed++
		change.kind, change.from = changeRename, from
	}
	return m.tx.putStagedChange(change)
}

func emptyStaging(tx buckets) error {
	if err := tx.DeleteBucket(bucketStaging); err != nil {
		return err
	}
	_, err := tx.CreateBucket(bucketStaging)
	return errors.Join(err, tx.Bucket(bucketMeta).Delete(metaStaged))
}

func putStaged(tx buckets, counts Counts) error {
	document, err := canon.Marshal(counts)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(metaStaged, document)
}
