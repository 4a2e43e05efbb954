package registry

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/statement"
)

// leafChange is a leaf that an epoch sets, or clears where its key has left.
type leafChange struct {
	leafSource
	deleted   bool
	rewritten bool // the content is new
	relinked  bool // next is new
	subject   fr.Element
	value     fr.Element // the leaf's hash, 0 where deleted
}

// relist applies the staging to the ordered list of keys, gives new keys their
// positions, and collects the leaves that change: those with other contents, and
// those with other successors.
func (c *committer) relist() error {
	contents, moved, err := c.applyStaging()
	if err != nil {
		return err
	}
	relinks, err := c.relink(moved)
	if err != nil {
		return err
	}
	if err := c.join(contents, relinks); err != nil {
		return err
	}
	slices.SortFunc(c.leaves, func(a, b leafChange) int { return cmp.Compare(a.position, b.position) })
	return nil
}

// movedKey is a key that joined or left the list.
type movedKey struct {
	key    treeKey
	joined bool
}

// applyStaging gives the leaves with other contents and the keys that joined or
// left, both in the order of keys. It is in that order too that new keys take
// fresh positions, so that the order of a file's rows leaves no trace.
func (c *committer) applyStaging() (contents []leafChange, moved []movedKey, err error) {
	err = c.tx.Bucket(bucketStaging).ForEach(func(k, v []byte) error {
		staged, err := decodeChange(k, v)
		if err != nil {
			return err
		}
		change := leafChange{rewritten: true, deleted: staged.kind == changeDelete}
		change.key, change.content, change.contentEpoch = staged.key, staged.content, c.epoch
		if staged.kind == changeRename {
			if err := c.rename(staged.from, staged.key); err != nil {
				return err
			}
		}
		position, live, err := c.place(&change)
		if err != nil {
			return err
		}
		change.position = position
		if live == change.deleted {
			moved = append(moved, movedKey{key: change.key, joined: !live})
		}
		contents = append(contents, change)
		c.changed++
		return nil
	})
	return contents, moved, err
}

// place finds or makes the position of a change's key, and moves the key between
// the list and the retired ones. live tells whether it was in the list.
func (c *committer) place(change *leafChange) (position uint32, live bool, err error) {
	key := change.key[:]
	if b := c.keys.Get(key); b != nil {
		if position, err = decodePosition(b); err != nil || !change.deleted {
			return position, true, err
		}
		c.records--
		if err = c.keys.Delete(key); err != nil {
			return 0, true, err
		}
		return position, true, c.retired.Put(key, positionKey(position))
	}
	if change.deleted {
		return 0, false, fmt.Errorf("%w: a staged deletion of no record", ErrCorrupt)
	}
	if b := c.retired.Get(key); b != nil {
		if position, err = decodePosition(b); err == nil {
			err = c.retired.Delete(key)
		}
	} else {
		position, err = c.freshPosition()
	}
	if err != nil {
		return 0, false, err
	}
	c.records++
	return position, false, c.keys.Put(key, positionKey(position))
}

func (c *committer) freshPosition() (uint32, error) {
	if c.fresh > maxRecords {
		return 0, fmt.Errorf("%w: it has had %d keys", ErrFull, maxRecords)
	}
	c.fresh++
	return c.fresh - 1, nil
}

// relink gives, in the order of keys, the keys whose successor is another one now:
// those that joined and the predecessors of those that joined or left.
func (c *committer) relink(moved []movedKey) ([]leafChange, error) {
	var keys []treeKey
	if c.first {
		keys = append(keys, treeKey{}) // the sentinel has no leaf yet
	}
	list := c.keys.Cursor()
	for _, m := range moved {
		if k, _ := list.Seek(m.key[:]); k == nil {
			k, _ = list.Last()
			keys = append(keys, treeKey(k))
		} else {
			k, _ = list.Prev()
			keys = append(keys, treeKey(k))
		}
		if m.joined {
			keys = append(keys, m.key)
		}
	}
	slices.SortFunc(keys, func(a, b treeKey) int { return bytes.Compare(a[:], b[:]) })
	keys = slices.Compact(keys)
	relinks := make([]leafChange, len(keys))
	for i, key := range keys {
		position, err := seekPosition(list, key)
		if err != nil {
			return nil, err
		}
		relinks[i] = leafChange{relinked: true, leafSource: leafSource{key: key, position: position, next: nextKey(list), linkEpoch: c.epoch}}
	}
	return relinks, nil
}

func seekPosition(list *bbolt.Cursor, key treeKey) (uint32, error) {
	k, v := list.Seek(key[:])
	if !bytes.Equal(k, key[:]) {
		return 0, fmt.Errorf("%w: a key has left the list", ErrCorrupt)
	}
	return decodePosition(v)
}

// nextKey gives the key after the cursor's, the end key after the last.
func nextKey(list *bbolt.Cursor) treeKey {
	if k, _ := list.Next(); k != nil {
		return treeKey(k)
	}
	return treeKeyOf(statement.EndKey())
}

// join merges both lists into the epoch's leaves, and completes from the file what
// did not change of each.
func (c *committer) join(contents, relinks []leafChange) error {
	records, links := c.content.Cursor(), c.links.Cursor()
	c.leaves = make([]leafChange, 0, max(len(contents), len(relinks)))
	for len(contents)+len(relinks) > 0 {
		order := -1
		switch {
		case len(contents) == 0:
			order = 1
		case len(relinks) > 0:
			order = bytes.Compare(contents[0].key[:], relinks[0].key[:])
		}
		var change leafChange
		var err error
		switch {
		case order < 0:
			change, contents = contents[0], contents[1:]
			if !change.deleted {
				change.next, change.linkEpoch, err = linkAt(links, change.position, c.epoch)
			}
		case order > 0:
			change, relinks = relinks[0], relinks[1:]
			change.content, change.contentEpoch, err = contentAt(records, change.position, c.epoch)
		default:
			change = contents[0]
			change.relinked, change.next, change.linkEpoch = true, relinks[0].next, relinks[0].linkEpoch
			contents, relinks = contents[1:], relinks[1:]
		}
		if err == nil && !change.deleted {
			change.origin, err = originOf(c.origins, change.key)
		}
		if err != nil {
			return fmt.Errorf("%w: a live leaf: %w", ErrCorrupt, err)
		}
		c.leaves = append(c.leaves, change)
	}
	return nil
}

// contentAt gives the content of a position's live record at an epoch, and the
// epoch that wrote it. Where there is none, the error is [ErrNoRecord].
func contentAt(records *bbolt.Cursor, position uint32, epoch uint64) ([]byte, uint64, error) {
	if position == sentinel {
		return nil, 1, nil
	}
	content, written, found := version(records, recordKey(position, epoch))
	if !found || len(content) == 0 {
		return nil, 0, ErrNoRecord
	}
	return content, written, nil
}

// linkAt gives the next key of a position's leaf at an epoch, and the epoch that
// linked it.
func linkAt(links *bbolt.Cursor, position uint32, epoch uint64) (treeKey, uint64, error) {
	next, linked, found := version(links, recordKey(position, epoch))
	if !found || len(next) != len(treeKey{}) {
		return treeKey{}, 0, fmt.Errorf("%w: a leaf without a link", ErrCorrupt)
	}
	return treeKey(next), linked, nil
}
