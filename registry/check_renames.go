package registry

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
)

// compareRenames finds the first row whose former key is not its record's. A row
// need not name one: the registry remembers.
func (c *checker) compareRenames(renames []renaming) error {
	renamed := c.tx.renamed()
	for _, r := range renames {
		spent, found, err := renamed.of(r.from)
		if err != nil {
			return err
		}
		if !found || spent.to != r.to {
			return mismatch("line %d names a former key that its record did not have", r.line)
		}
	}
	return nil
}

// checkRetired opens the last leaf of every key that has left: the key would come
// back with the serial that it had, and at its position.
func (c *checker) checkRetired(ctx context.Context) error {
	err := c.tx.list(bucketRetired).each(func(e keyAt) error {
		if e.position >= c.fresh || c.taken[e.position] {
			return mismatch("a key that has left has no position of its own")
		}
		c.taken[e.position] = true
		return errors.Join(c.openRetired(e.position, e.key), ctx.Err())
	})
	if err != nil {
		return err
	}
	for position, taken := range c.taken {
		if !taken {
			return mismatch("position %d has no key", position)
		}
	}
	return nil
}

// openRetired opens a leaf as it was before the epoch that deleted it.
func (c *checker) openRetired(position uint32, key treeKey) error {
	content, left, found, err := c.tx.versions(bucketRecords).at(recordKey(position, c.epoch.Number))
	if err != nil {
		return err
	}
	if !found || len(content) != 0 || left < 2 {
		return mismatch("a key that has left has a record at position %d", position)
	}
	e, err := epochOf(c.tx, left-1)
	if err != nil {
		return err
	}
	src, err := c.s.source(c.tx, position, e.Number)
	if err != nil || src.key != key {
		return mismatch("a key that has left never had position %d", position)
	}
	if _, err := c.s.open(c.tx, src, e); err != nil {
		return mismatch("position %d had another leaf in epoch %d than its record and its serial give", position, e.Number)
	}
	return nil
}

// checkRenames holds the renumberings and the serials' origins against each other
// and the records. The leaves with these serials have been checked. Since each
// renumbering leads from a key that had left to one that came first then, and as
// many keys were replaced as have another key's serial, they make one chain of all
// keys of a serial.
func (c *checker) checkRenames() error {
	origins := c.tx.origins()
	replaced := map[treeKey]bool{}
	err := c.tx.renamed().each(func(spent replacement) error {
		replaced[spent.to] = true
		return c.checkRename(origins, spent)
	})
	if err != nil {
		return err
	}
	if n := origins.bucket.Stats().KeyN; n != len(replaced) {
		return mismatch("%d keys have the serial of another one, and %d were renumbered", n, len(replaced))
	}
	return nil
}

// checkRename checks one renumbering: its former key has left by then and its new
// key came then, with the former one's serial.
func (c *checker) checkRename(origins origins, spent replacement) error {
	want, err := origins.of(spent.from)
	if err != nil {
		return err
	}
	got, err := origins.of(spent.to)
	if err != nil {
		return err
	}
	if got != want {
		return mismatch("a key that was renumbered in epoch %d has another serial than its former key", spent.epoch)
	}
	came, err := c.firstEpoch(spent.to)
	if err != nil || came != spent.epoch {
		return mismatch("a key that was renumbered in epoch %d did not come then", spent.epoch)
	}
	position, left, err := c.tx.list(bucketRetired).get(spent.from)
	if err != nil {
		return err
	}
	if !left {
		return mismatch("a key that was renamed away in epoch %d is in the registry, or never was", spent.epoch)
	}
	if _, left, _ := version(c.tx.Bucket(bucketRecords).Cursor(), recordKey(position, lastVersion)); left > spent.epoch {
		return mismatch("a key that was renamed away in epoch %d left after it", spent.epoch)
	}
	return nil
}

// firstEpoch gives the epoch in which a key came first.
func (c *checker) firstEpoch(key treeKey) (uint64, error) {
	position, err := positionOf(c.tx, key)
	if err != nil {
		return 0, err
	}
	records := c.tx.Bucket(bucketRecords).Cursor()
	k, _ := records.Seek(recordKey(position, 0)) // after the oldest version
	if k == nil {
		k, _ = records.Last()
	} else {
		k, _ = records.Prev()
	}
	if len(k) != 12 || !bytes.HasPrefix(k, positionKey(position)) {
		return 0, ErrNoRecord
	}
	return ^binary.BigEndian.Uint64(k[4:]), nil
}
