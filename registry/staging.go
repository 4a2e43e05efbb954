package registry

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

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

// stage compares the rows with the latest epoch, and stages what differs in a bucket that
// nobody reads yet.
func (s *Store) stage(p *parts, file *snapshot) (Counts, error) {
	counts := Counts{Rows: file.count}
	former, err := s.planRenames(p.to, file)
	if err != nil {
		return counts, err
	}
	unread, err := p.tx.CreateBucket(bucketImport)
	if err != nil {
		return counts, err
	}
	if _, err := unread.CreateBucket(bucketStaging); err != nil {
		return counts, err
	}
	m := &merge{counts: &counts, parts: p, former: former}
	return counts, m.run(file)
}

// run merges rows with the list of live keys.
func (m *merge) run(file *snapshot) (err error) {
	if err := m.open(); err != nil {
		return err
	}
	if file.changes {
		return m.changes(file)
	}
	if _, _, err := m.live.first(); err != nil { // the sentinel
		return err
	}
	if m.at, m.ok, err = m.live.next(); err != nil {
		return err
	}
	if err := file.each(m.row); err != nil {
		return err
	}
	for m.ok {
		if err := m.delete(); err != nil {
			return err
		}
	}
	return nil
}

// open takes up a transaction.
func (m *merge) open() (err error) {
	m.records = m.parts.to.versions(bucketRecords)
	if m.live, err = m.parts.to.list(bucketKeys).cursor(); err != nil || !m.ok {
		return err
	}
	m.at, m.ok, err = m.live.seek(m.at.key)
	return err
}

// row merges the next row.
func (m *merge) row(row parsed) error {
	for m.ok && bytes.Compare(m.at.key[:], row.key[:]) < 0 {
		if err := m.delete(); err != nil {
			return err
		}
	}
	if !m.ok || m.at.key != row.key {
		return m.insert(row)
	}
	position := m.at.position
	if err := m.advance(); err != nil {
		return err
	}
	return m.compare(row, position)
}

// advance goes on to the next live key.
func (m *merge) advance() (err error) {
	m.at, m.ok, err = m.live.next()
	return err
}

// merge stages the differences between a file and the latest epoch.
type merge struct {
	counts  *Counts
	parts   *parts
	live    *keyCursor
	at      keyAt // in the list of live keys
	ok      bool  // false: at the end of it
	records *versions
	former  map[treeKey]treeKey // the former keys of new ones
}

// put stages a change where nobody reads yet.
func (m *merge) put(c stagedChange) error {
	unread := state{m.parts.tx.Bucket(bucketImport), m.parts.to.box}
	if err := unread.putStagedChange(c); err != nil {
		return err
	}
	fresh, err := m.parts.wrote(len(c.content) + 2*len(c.key))
	if fresh && err == nil {
		return m.open()
	}
	return err
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

// delete stages that the live key that the merge is at has left.
func (m *merge) delete() error {
	gone := m.at.key
	m.counts.Deleted++
	if err := m.advance(); err != nil {
		return err
	}
	return m.put(stagedChange{kind: changeDelete, key: gone})
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
	return m.put(stagedChange{kind: changePut, key: row.key, content: row.content})
}

func (m *merge) insert(row parsed) error {
	m.counts.Inserted++
	change := stagedChange{kind: changePut, key: row.key, content: row.content}
	if from, ok := m.former[row.key]; ok {
		m.counts.Renamed++
		change.kind, change.from = changeRename, from
	}
	return m.put(change)
}

// replaceStaging puts what an import has staged in the place of what was staged.
func replaceStaging(tx *bbolt.Tx, counts Counts) error {
	if err := tx.DeleteBucket(bucketStaging); err != nil {
		return err
	}
	if err := tx.MoveBucket(bucketStaging, tx.Bucket(bucketImport), nil); err != nil {
		return err
	}
	return errors.Join(tx.DeleteBucket(bucketImport), putStaged(tx, counts))
}

// clearUnfinished removes what an import or a first commit has left that did not end.
func (s *Store) clearUnfinished(tx *bbolt.Tx) error {
	if tx.Bucket(bucketImport) != nil {
		if err := tx.DeleteBucket(bucketImport); err != nil {
			return err
		}
	}
	last, err := lastEpoch(tx)
	if err != nil || last != nil {
		return err
	}
	return clearTree(s.in(tx))
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
